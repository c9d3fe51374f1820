"""The supervision tree: open what interests you; who was restarted just now is lit up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from regrow.cli.once.tree import application_line, node_line
from regrow.cli.top.view import Source
from regrow.cli.words import number

__all__ = ["TreeView"]

LIT: Final = 3.0
"""Seconds for which a restart is lit up."""
DEPTH: Final = 12
CHILDREN: Final = 30
"""Children of one supervisor; the others are in the process table."""
NODES: Final = 400


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the tree."""

    key: str
    text: Text
    pid: int | None = None
    opens: bool = False
    rest_of: int | None = None
    """The line stands for the children of this supervisor that are not shown."""


class TreeView(DataTable[Text]):
    """The applications and the trees below them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", key_display="↵"),
        Binding("space", "open_or_close", "Fold"),
    ]

    class Changed(Message):
        """What it should show has changed: ask for it."""

    class Chosen(Message):
        """Somebody wants to see this process."""

        def __init__(self, pid: int) -> None:
            super().__init__()
            self.pid = pid

    class ChildrenChosen(Message):
        """Somebody wants to see all children of this supervisor."""

        def __init__(self, pid: int) -> None:
            super().__init__()
            self.pid = pid

    def __init__(self) -> None:
        super().__init__(cursor_type="row", show_header=False, id="tree")
        self.lines: list[Line] = []
        self._shut: set[str] = set()
        self._first_look = True
        self._seen: set[str] = set()
        self._lit: dict[str, float] = {}
        self._forest: dict[str, Any] | None = None

    def on_mount(self) -> None:
        self.add_column("", key="line")

    @property
    def chosen(self) -> Line | None:
        return self.lines[self.cursor_row] if 0 <= self.cursor_row < len(self.lines) else None

    @property
    def line(self) -> str:
        """How much of it there is to see."""
        cut = ", the rest is in the table of processes" if self._forest and self._forest["cut"] else ""
        return f"{number(len(self.lines))} lines{cut}"

    # --- asking and showing -----------------------------------------------------------------------------------------

    async def look(self, source: Source) -> None:
        self._forest = await source.ask("tree", {"depth": DEPTH, "limit": CHILDREN, "nodes": NODES})
        self._show()

    def _show(self) -> None:
        if self._forest is None:
            return
        chosen = self.chosen
        self.lines = list(self._lines(self._forest))
        self._seen, self._first_look = {line.key for line in self.lines}, False
        self._lit = {key: until for key, until in self._lit.items() if key in self._seen}
        with self.app.batch_update():
            x, y = self.scroll_offset
            self.clear()
            for line in self.lines:
                self.add_row(line.text)
            keys = [line.key for line in self.lines]
            row = keys.index(chosen.key) if chosen is not None and chosen.key in keys else 0
            self.move_cursor(row=row, scroll=False)
            self.scroll_to(x, y, animate=False)

    def _lines(self, forest: Mapping[str, Any]) -> Iterator[Line]:
        for application in forest["applications"]:
            if application["state"] == "loaded":
                continue
            key, tree = f"application {application['name']}", application["tree"]
            yield self._line(key, "", application_line(application), None, opens=tree is not None)
            if tree is not None and key not in self._shut:
                yield from self._node(tree, "└─ ", "   ")
        for root in forest["roots"]:
            yield from self._node(root, "", "")

    def _node(self, node: Mapping[str, Any], branch: str, below: str) -> Iterator[Line]:
        """The line of *node*, behind *branch*, and those of its children, behind *below*."""
        key, children = node["key"], node["children"]
        yield self._line(
            key,
            branch,
            node_line(node, changed=self._is_lit(node)),
            node["pid"],
            opens=bool(node["children_total"]),
        )
        if key in self._shut:
            return
        left = node["children_total"] - len(children)
        for child in children:
            last = child is children[-1] and not left
            yield from self._node(
                child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
            )
        if left:
            text = Text(f"... {number(left)} more: Enter lists them", style="italic dim")
            yield self._line(f"{key} rest", below + "└─ ", text, None, rest_of=node["pid"])

    def _line(
        self,
        key: str,
        branch: str,
        text: Text,
        pid: int | None,
        *,
        opens: bool = False,
        rest_of: int | None = None,
    ) -> Line:
        mark = ("▸ " if key in self._shut else "▾ ") if opens else ""
        whole = Text.assemble((branch, "dim"), mark, text, no_wrap=True, overflow="ellipsis")
        return Line(key, whole, pid, opens, rest_of)

    def _is_lit(self, node: Mapping[str, Any]) -> bool:
        """Whether it is new, and in the place of one that has ended."""
        key, now = node["key"], monotonic()
        if key not in self._seen and node["restarts"] and not self._first_look:
            self._lit[key] = now + LIT
        return self._lit.get(key, 0.0) > now

    # --- the person at the keys -------------------------------------------------------------------------------------

    def action_open_or_close(self) -> None:
        """Open or close the supervisor under the cursor."""
        if (line := self.chosen) is not None and line.opens:
            self._shut ^= {line.key}
            self._show()

    def action_cursor_left(self) -> None:
        if (line := self.chosen) is not None and line.opens and line.key not in self._shut:
            self.action_open_or_close()

    def action_cursor_right(self) -> None:
        if (line := self.chosen) is not None and line.key in self._shut:
            self.action_open_or_close()

    def action_select_cursor(self) -> None:
        line = self.chosen
        if line is None:
            return
        if line.rest_of is not None:
            self.post_message(self.ChildrenChosen(line.rest_of))
        elif line.pid is not None:
            self.post_message(self.Chosen(line.pid))
        else:
            self.action_open_or_close()

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """By the mouse."""
        message.stop()
        self.action_select_cursor()
