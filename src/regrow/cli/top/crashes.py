"""The list of crashes, the newest first."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from regrow.cli.once.crashes import crash_cells
from regrow.cli.top.view import Source
from regrow.cli.words import number

__all__ = ["CrashList"]


class CrashList(DataTable[Text]):
    """The last crashes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Open", key_display="↵")]

    class Changed(Message):
        """What it should show has changed: ask for it."""

    class Chosen(Message):
        """Somebody wants to see this crash."""

        def __init__(self, id: int) -> None:
            super().__init__()
            self.crash_id = id

    ROWS = 200

    def __init__(self) -> None:
        super().__init__(cursor_type="row", id="crashes")
        self.filter = ""
        self._total = 0
        self._found: list[dict[str, Any]] = []
        self._width = -1

    @property
    def line(self) -> str:
        """How many there are."""
        what = f" with {self.filter!r}" if self.filter else ""
        if not self._total:
            return f"no crash{what} so far"
        return f"{number(self._total)} crashes{what}, the newest first"

    async def look(self, source: Source) -> None:
        page = await source.ask("crashes", {"limit": self.ROWS, "filter": self.filter})
        self._total = page["total"]
        rows = page["rows"]
        if rows == self._found and self._width == self.size.width:
            return
        at_top = self.cursor_row == 0
        before = self._found[self.cursor_row]["id"] if self.cursor_row < len(self._found) else None
        self._found = rows
        with self.app.batch_update():
            self._set_columns()
            self.clear()
            for row in rows:
                id, at, who, reason, now, where = crash_cells(row)
                cells = [Text(id.rjust(5), "dim"), Text(at, "dim"), _cut(who), _cut(reason, "red")]
                cells += [Text(now.rjust(7))] * self._is_wide + [_cut(where, "dim")]
                self.add_row(*cells)
            ids = [row["id"] for row in rows]
            if before in ids and not at_top:
                self.move_cursor(row=ids.index(before))

    @property
    def _is_wide(self) -> bool:
        """Whether there is room for who came in the place of the crashed one."""
        return self.size.width >= 100

    def _set_columns(self) -> None:
        if self._width == self.size.width:
            return
        self._width = self.size.width
        self.clear(columns=True)
        fixed = [("   ID", 5), ("TIME", 8)] + [("    NOW", 7)] * self._is_wide
        left = max(30, self.size.width - sum(width + 2 for _, width in fixed) - 6 - 1)
        who, where = left * 3 // 10, left * 3 // 10
        texts = [("WHO", who), ("REASON", left - who - where), ("WHERE", where)]
        for title, width in (*fixed[:2], *texts[:2], *fixed[2:], *texts[2:]):
            self.add_column(title, width=width)

    def action_select_cursor(self) -> None:
        if self.cursor_row < len(self._found):
            self.post_message(self.Chosen(self._found[self.cursor_row]["id"]))

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """By the mouse."""
        message.stop()
        self.action_select_cursor()

    def on_resize(self) -> None:
        self.post_message(self.Changed())


def _cut(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")
