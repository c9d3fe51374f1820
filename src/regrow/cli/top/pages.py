"""What lies over the views: one process, one crash, a question before something is done, the help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from regrow.cli.once.crashes import crash_text
from regrow.cli.once.tree import node_line
from regrow.cli.top.view import Source
from regrow.cli.words import clean, number, seconds, who
from regrow.control import Refused

__all__ = ["CrashPage", "HelpPage", "ProcessPage", "Question"]

BACK: list[BindingType] = [
    Binding("escape,q,backspace", "app.pop_screen", "Back", key_display="Esc"),
]


class ProcessPage(Screen[None]):
    """One process. Its neighbours can be chosen, to go on to them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *BACK,
        Binding("k", "app.act('kill')", "Kill"),
        Binding("x", "app.act('stop')", "Stop"),
        Binding("z", "app.act('suspend')", "Suspend"),
        Binding("Z", "app.act('resume')", "Resume"),
        Binding("R", "app.act('restart_child')", "Restart"),
    ]

    class Chosen(Message):
        """Somebody wants to see this process instead."""

        def __init__(self, pid: int) -> None:
            super().__init__()
            self.pid = pid

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid
        self._ended = False
        self._called = f"process {pid}"
        self._before: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static(f"process {self.pid}", id="heading", markup=False)
        yield OptionList(id="facts")
        yield Footer()

    async def look(self, source: Source) -> None:
        if self._ended:
            return
        try:
            detail = await source.ask("process", {"pid": self.pid})
        except Refused:  # it has ended: what was known of it stays
            self._ended = True
            ended = Text(f" {self._called} has ended; this is how it was", "bold red")
            self.query_one("#heading", Static).update(ended)
            return
        self._called = who(detail["row"])
        heading, kind = Text(f" {self._called}", "bold"), clean(detail["row"]["kind"])
        if kind not in heading.plain:
            heading.append(f"  {kind}", "not bold cyan")
        self.query_one("#heading", Static).update(heading)
        self._show(list(facts(detail)))

    def _show(self, lines: list[tuple[Text, int | None]]) -> None:
        options = self.query_one(OptionList)
        texts = [text.markup for text, _ in lines]
        if texts == self._before:
            return
        self._before = texts
        place, top = options.highlighted, options.scroll_offset
        with self.app.batch_update():
            options.clear_options()
            options.add_options(
                Option(text, id=f"{number}-{pid}", disabled=pid is None)
                for number, (text, pid) in enumerate(lines)
            )
            if place is not None and place < len(lines) and lines[place][1] is not None:
                options.highlighted = place
            options.scroll_to(top.x, top.y, animate=False)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        if message.option_id is not None:
            self.post_message(self.Chosen(int(message.option_id.partition("-")[2])))


def facts(detail: Mapping[str, Any]) -> Iterable[tuple[Text, int | None]]:
    """The lines of the page, each with the process that it leads to."""
    row = detail["row"]

    def fact(title: str, value: object, style: str = "") -> tuple[Text, None]:
        return Text.assemble((f"  {title:<13}", "dim"), (clean(value), style)), None

    def neighbours(
        title: str, rows: list[Mapping[str, Any]], total: int
    ) -> Iterable[tuple[Text, int | None]]:
        for place, each in enumerate(rows):
            word = f"  {title if place == 0 else '':<13}"
            line = Text.assemble((word, "dim"), ("→ " if each["alive"] else "  ", "green"), who(each))
            if each["kind"] and each["name"]:
                line.append(f"  {clean(each['kind'])}", "cyan")
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line, each["pid"] if each["alive"] else None
        if total > len(rows):
            yield Text(f"  {'':<13}  and {number(total - len(rows))} more", "dim"), None

    yield fact("status", row["status"], "green" if row["status"] != "idle" else "")
    if row["label"] and row["label"] != row["name"]:
        yield fact("label", row["label"])
    if len(detail["names"]) > 1:
        yield fact("names", ", ".join(detail["names"]))
    if detail["place"] is not None:
        yield Text.assemble(("  in the tree  ", "dim"), node_line(detail["place"])), None
        if (spec := detail["place"]["spec"]) is not None:
            ended = spec["shutdown"] if isinstance(spec["shutdown"], str) else seconds(spec["shutdown"])
            yield fact("spec", f"{spec['restart']} {spec['type']}, shutdown {ended}, starts {spec['start']}")
    handled = "" if row["messages"] is None else f", {number(row['messages'])} handled"
    busy = "" if row["busy"] is None else f" in {seconds(row['busy'])}"
    yield fact(
        "mailbox", f"{number(row['mailbox'])} waiting{handled}{busy}", "yellow" if row["mailbox"] else ""
    )
    for message in detail["mailbox"]:
        yield fact("", f"· {message}", "dim")
    if row["age"] is not None:
        yield fact("age", f"{seconds(row['age'])}{' or more' if row['age_is_least'] else ''}")
    if detail["where"]:
        yield fact("stands at", detail["where"])
    if detail["waiting_for"] is not None:
        yield from neighbours("waits for", [detail["waiting_for"]], 1)
    flags = ["traps exits"] * detail["traps_exits"] + [f"{detail['timers']} timers"] * bool(detail["timers"])
    if flags:
        yield fact("also", ", ".join(flags))
    yield from neighbours("ancestors", detail["ancestors"], 0)
    yield from neighbours("links", detail["links"], row["links"])
    yield from neighbours("watched by", detail["monitored_by"], 0)
    yield from neighbours("watches", detail["monitoring"], row["monitoring"])
    yield from neighbours("children", detail["children"], detail["children_total"])


class CrashPage(Screen[None]):
    """One crash in full."""

    BINDINGS: ClassVar[list[BindingType]] = BACK

    def __init__(self, id: int) -> None:
        super().__init__()
        self.crash = id
        self._shown = False

    def compose(self) -> ComposeResult:
        yield Static(f" crash {self.crash}", id="heading", markup=False)
        with ScrollableContainer(id="crash-page", can_focus=True):
            yield Static("", id="crash", markup=False)
        yield Footer()

    async def look(self, source: Source) -> None:
        if self._shown:
            return
        try:
            text = crash_text(await source.ask("crash", {"id": self.crash}))
        except Refused as error:
            text = Text(clean(error), "bold red")
        self._shown = True
        self.query_one("#crash", Static).update(text)


class Question(ModalScreen[bool]):
    """Asks before something is done to a process."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self._text, markup=False)
            yield Static("\ny yes    n no", markup=False)

    def action_answer(self, answer: bool) -> None:
        _ = self.dismiss(answer)  # to be awaited by nobody: it is this screen that goes


class HelpPage(ModalScreen[None]):
    """All keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "app.pop_screen", "Back")
    ]

    def __init__(self, keys: str) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box", can_focus=True):
            yield Static(self._keys, markup=False)
