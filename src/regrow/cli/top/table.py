"""The process table: a page of it, that the program has sorted and filtered, and a cursor that goes on to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from regrow.cli.columns import COLUMNS, Column, that_fit
from regrow.cli.top.view import Source
from regrow.cli.words import number

__all__ = ["ProcessTable"]

TEXTS: Final = ("pid", "name", "kind", "status", "parent")
"""Sorted from the beginning; numbers begin with the largest."""


class ProcessTable(DataTable[Text]):
    """The processes of the program, a screenful at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Open", key_display="↵")]

    class Changed(Message):
        """What it should show is another part of the table: ask for it."""

    class Chosen(Message):
        """Somebody wants to see this process."""

        def __init__(self, pid: int) -> None:
            super().__init__()
            self.pid = pid

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id="processes")
        self.sort_by = "busy"
        self.descending = True
        self.filter = ""
        self.children_of: int | None = None
        """Only the children of this one."""
        self._first = 0
        self._total = 0
        self._known: list[dict[str, Any]] = []
        self._shown: list[tuple[Column, int]] = []
        self._columns_are: object = None
        self._to_last = False

    # --- what it tells ----------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The row under the cursor."""
        return self._known[self.cursor_row] if 0 <= self.cursor_row < len(self._known) else None

    @property
    def line(self) -> str:
        """Which part of the table this is."""
        if not self._total:
            return f"no process has {self.filter!r}" if self.filter else "no processes"
        first, last = self._first + 1, self._first + len(self._known)
        found = f"{number(first)}-{number(last)} of {number(self._total)}, by {self.sort_by}"
        if self.children_of is not None:
            found += f", children of {self.children_of}"
        return f"{found}, filter {self.filter!r}" if self.filter else found

    # --- asking and showing -----------------------------------------------------------------------------------------

    async def look(self, source: Source) -> None:
        page = await source.ask(
            "processes",
            {
                "sort": self.sort_by,
                "descending": self.descending,
                "filter": self.filter,
                "parent": self.children_of,
                "offset": self._first,
                "limit": max(1, self.size.height - self.header_height),
            },
        )
        if not page["rows"] and page["total"] and self._first:  # the table has shrunk: its last page
            self._first = max(0, page["total"] - page["limit"])
            await self.look(source)
            return
        self._total = page["total"]
        self._show(page["rows"])

    def _show(self, rows: list[dict[str, Any]]) -> None:
        before, place = self.chosen, self.cursor_row
        self._known = rows
        with self.app.batch_update():
            self._set_columns()
            self.clear()
            for row in rows:
                self.add_row(*(_cell(column, width, row) for column, width in self._shown))
        if self._to_last:
            place, self._to_last = len(rows) - 1, False
        elif before is not None:
            pids = [row["pid"] for row in rows]
            if before["pid"] in pids and place != 0:  # who looks at the top wants to see the top
                place = pids.index(before["pid"])
        self.move_cursor(row=max(0, min(place, len(rows) - 1)))

    def _set_columns(self) -> None:
        """As many as fit; the one that it is sorted by is marked."""
        wanted = (that_fit(self.size.width), self.sort_by, self.descending)
        if wanted == self._columns_are:
            return
        self._columns_are = wanted
        self._shown = wanted[0]
        self.clear(columns=True)
        for column, width in self._shown:
            mark = ("▼" if self.descending else "▲") if column.sort == self.sort_by else ""
            text = f"{column.title}{mark}"
            self.add_column(
                Text(text.rjust(width) if column.number else text, style="bold" if mark else ""),
                width=width,
                key=column.sort,
            )

    # --- the person at the keys -------------------------------------------------------------------------------------

    def sort_next(self, step: int) -> None:
        """Sort by the next column that is shown."""
        names = [column.sort for column, _ in self._shown] or [each.sort for each in COLUMNS]
        place = names.index(self.sort_by) if self.sort_by in names else -1
        self.sort_on(names[(place + step) % len(names)])

    def sort_on(self, name: str) -> None:
        if name == self.sort_by:
            self.descending = not self.descending
        else:
            self.sort_by, self.descending = name, name not in TEXTS
        self.start_over()

    def start_over(self) -> None:
        """Show the first page of what is wanted now."""
        self._first = 0
        self.move_cursor(row=0)
        self.post_message(self.Changed())

    def _turn(self, offset: int, *, to_last: bool = False) -> None:
        offset = max(0, min(offset, self._total - 1))
        if offset != self._first:
            self._first, self._to_last = offset, to_last
            if not to_last:
                self.move_cursor(row=0)
            self.post_message(self.Changed())

    def action_cursor_down(self) -> None:
        if self.cursor_row >= len(self._known) - 1 and self._first + len(self._known) < self._total:
            self._turn(self._first + len(self._known))
        else:
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        if self.cursor_row <= 0 < self._first:
            self._turn(self._first - self._step, to_last=True)
        else:
            super().action_cursor_up()

    @property
    def _step(self) -> int:
        return max(1, self.size.height - self.header_height)

    def action_page_down(self) -> None:
        if self._first + len(self._known) < self._total:
            self._turn(self._first + len(self._known))
        else:
            self.move_cursor(row=len(self._known) - 1)

    def action_page_up(self) -> None:
        if self._first:
            self._turn(self._first - self._step)
        else:
            self.move_cursor(row=0)

    def action_scroll_top(self) -> None:
        self._turn(0)
        self.move_cursor(row=0)

    def action_scroll_bottom(self) -> None:
        self._turn(max(0, self._total - self._step), to_last=True)
        self.move_cursor(row=len(self._known) - 1)

    def action_select_cursor(self) -> None:
        if (row := self.chosen) is not None:
            self.post_message(self.Chosen(row["pid"]))

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """By the mouse."""
        message.stop()
        self.action_select_cursor()

    def on_data_table_header_selected(self, message: DataTable.HeaderSelected) -> None:
        message.stop()
        self.sort_on(cast("str", message.column_key.value))

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Changed())


def _cell(column: Column, width: int, row: Mapping[str, Any]) -> Text:
    text = column.text(row)
    if column.number and len(text) > width:
        text = text.replace(",", "")
    if len(text) > width:
        text = f"{text[: width - 1]}…"
    style = ""
    if column.sort == "status":
        style = {"idle": "dim", "suspended": "bold red", "exiting": "red", "terminating": "red"}.get(
            text, "green"
        )
    elif column.sort == "mailbox" and row["mailbox"]:
        style = "yellow" if row["mailbox"] < 100 else "bold red"
    elif text in ("-", "0"):
        style = "dim"
    elif column.sort == "kind":
        style = "cyan"
    return Text(text.rjust(width) if column.number else text, style=style, no_wrap=True)
