"""The screen of ``regrow top``: how the program does, one of three views, and the keys.

One task asks the program for what the view on top wants to know, again after each interval and at once when the view
has changed; another holds the program, and hears its samples and crashes. When it has gone, what was last known of it
stays, and its next run is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import Any, ClassVar, Final, cast

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input, Static

from regrow.cli.top.crashes import CrashList
from regrow.cli.top.lines import numbers, title
from regrow.cli.top.pages import CrashPage, HelpPage, ProcessPage, Question
from regrow.cli.top.table import ProcessTable
from regrow.cli.top.tree import TreeView
from regrow.cli.top.view import Source, View
from regrow.cli.words import clean, number, who
from regrow.control import ControlError, Program, Refused
from regrow.control.attachment import Attached, Lost, Told

__all__ = ["Top"]

VIEWS: Final = {"processes": "Processes", "tree": "Tree", "crashes": "Crashes"}
SILENCE: Final = 3.0
"""Seconds without an answer, after which it is said."""

KEYS: Final = """\
1 2 3 Tab      processes, tree, crashes
↑ ↓ PgUp PgDn  move, and on to the next page
Enter          the process, or the crash, in full
Esc            back; no filter any more

/              only what has this text in it
s S            sort by the next column, by the one before
r              the other way round
← → Space      in the tree: close, open
f              freeze what is shown, and go on
{actions}
q              leave; the program goes on
"""
ACTIONS: Final = """
k x            kill, stop the process under the cursor
z Z            suspend it, resume it
R              let its supervisor restart it
"""


class Top(App[None]):
    """``regrow top``. *source* is what it asks, *interval* the seconds between two looks."""

    TITLE = "regrow top"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "top.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('processes')", "Table", show=False),
        Binding("2", "view('tree')", "Tree", show=False),
        Binding("3", "view('crashes')", "Crashes", show=False),
        Binding("tab", "next_view(1)", "View", priority=True),
        Binding("shift+tab", "next_view(-1)", "View", show=False, priority=True),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort(1)", "Sort"),
        Binding("S", "sort(-1)", "Sort back", show=False),
        Binding("r", "reverse", "Reverse"),
        Binding("f", "freeze", "Freeze"),
        Binding("k", "act('kill')", "Kill", show=False),
        Binding("x", "act('stop')", "Stop", show=False),
        Binding("z", "act('suspend')", "Suspend", show=False),
        Binding("Z", "act('resume')", "Resume", show=False),
        Binding("R", "act('restart_child')", "Restart", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("escape", "clear", "Clear", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, source: Source, *, interval: float = 1.0) -> None:
        super().__init__()
        self.source = source
        self.interval = interval
        self.overview: dict[str, Any] | None = None
        self.samples: deque[dict[str, Any]] = deque(maxlen=120)
        self.lost: Lost | None = None
        self.frozen = False
        self._answered = monotonic()
        self._wake = asyncio.Event()
        self._crashes = 0

    # --- what is on the screen --------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        yield Static(id="numbers", markup=False)
        yield Static(id="views", markup=False)
        with ContentSwitcher(initial="processes"):
            yield ProcessTable()
            yield TreeView()
            yield CrashList()
        yield Input(placeholder="show only what has this text in it", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.query_one(ProcessTable).focus()
        self.run_worker(self._hold(), exit_on_error=True)
        self.run_worker(self._look_again(), exit_on_error=True)
        self.set_interval(1.0, self._say)

    @property
    def switcher(self) -> ContentSwitcher:
        return self.screen_stack[0].query_one(ContentSwitcher)

    @property
    def view_name(self) -> str:
        switchers = self.screen_stack[0].query(ContentSwitcher)
        return (switchers.first().current if switchers else None) or "processes"

    def is_whole(self) -> bool:
        """Whether its parts are there: they come one by one while it opens, and go so while it closes."""
        return bool(self.screen_stack[0].query(f"ContentSwitcher #{self.view_name}"))

    @property
    def view(self) -> View:
        """What is asked for now: the page on top, or the view."""
        if isinstance(self.screen, (ProcessPage, CrashPage)):
            return self.screen
        return cast("View", self.switcher.query_one(f"#{self.view_name}"))

    def may(self, action: str) -> bool:
        """Whether the program allows it."""
        return self.source.program is not None and action in self.source.program.commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys mean something now; the others are not in the key line."""
        if isinstance(self.screen, (HelpPage, Question)):
            return action in ("quit", "pop_screen")
        on_page = len(self.screen_stack) > 1
        match action:
            case "act":
                if self.view_name == "crashes" and not on_page:
                    return False
                return self.may(str(parameters[0])) and not isinstance(self.screen, CrashPage)
            case "sort" | "reverse":
                return not on_page and self.view_name == "processes"
            case "filter":
                return not on_page and self.view_name in ("processes", "crashes")
            case "view" | "next_view" | "clear" | "freeze":
                return not on_page
        return True

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _hold(self) -> None:
        try:
            await self.source.keep(self._tell)
        except Refused as error:
            self.lost = Lost(cast("Program", self.source.program), f"the program refuses: {error}")
            self._say()

    def _tell(self, news: Attached | Lost | Told) -> None:
        self._answered = monotonic()
        match news:
            case Attached(program, again):
                self.lost, self.overview = None, None
                self.samples.clear()
                self._wake.set()
                if again:
                    self.notify(f"{clean(program)} is back", markup=False)
                self.refresh_bindings()
            case Lost():
                self.lost = news
                if len(self.screen_stack) > 1:  # the line that says so is under the page
                    self.notify(clean(news.why), severity="error", timeout=10, markup=False)
            case Told(event):
                if "sample" in event:
                    self.samples.append(event["sample"])
                elif "crash" in event:
                    self._crashes += 1
        self._say()

    async def _look_again(self) -> None:
        while True:
            self._wake.clear()
            if self.source.attached and not self.frozen:
                with contextlib.suppress(ControlError):  # Lost says so
                    await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.interval):
                    await self._wake.wait()

    async def _look(self) -> None:
        try:
            self.overview = await self.source.ask("overview", {"samples": 0})
            if self.is_whole():
                await self.view.look(self.source)
        except Refused as error:
            self.notify(clean(error), severity="warning", markup=False)
        self._answered = monotonic()
        self._say()

    # --- the lines at the top ---------------------------------------------------------------------------------------

    def _say(self) -> None:
        if not self.is_whole():  # an answer, or the second, has come while it opens or closes
            return
        base = self.screen_stack[0]
        silent = monotonic() - self._answered
        program = title(
            self.source.program,
            self.overview,
            lost=self.lost,
            silent=silent if silent > max(SILENCE, 2 * self.interval) else None,
            frozen=self.frozen,
        )
        lines = {
            "#title": program,
            "#numbers": numbers(self.overview, self.samples, self.size.width),
            "#views": self._views(),
        }
        for name, text in lines.items():
            for line in base.query(name).results(Static):  # they go one by one when it closes
                line.update(text)
        base.set_class(self.lost is not None, "lost")

    def _views(self) -> Text:
        line = Text(" ", no_wrap=True, overflow="ellipsis")
        for place, (name, called) in enumerate(VIEWS.items(), 1):
            here = name == self.view_name
            new = f" +{number(self._crashes)}" if name == "crashes" and self._crashes else ""
            line.append(f" {place} {called}{new} ", "reverse bold" if here else "red" if new else "dim")
            line.append(" ")
        line.append(f" {self.switcher.query_one(f'#{self.view_name}').line}", "dim")  # type: ignore[attr-defined]  # each view has one
        return line

    # --- the person at the keys -------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        self.switcher.current = name
        if name == "crashes":
            self._crashes = 0
        self.query_one("#filter").display = False
        self.switcher.query_one(f"#{name}").focus()
        self.refresh_bindings()
        self._ask_now()

    def action_next_view(self, step: int) -> None:
        names = list(VIEWS)
        self.action_view(names[(names.index(self.view_name) + step) % len(names)])

    def action_sort(self, step: int) -> None:
        self.query_one(ProcessTable).sort_next(step)

    def action_reverse(self) -> None:
        table = self.query_one(ProcessTable)
        table.sort_on(table.sort_by)

    def action_freeze(self) -> None:
        self.frozen = not self.frozen
        self._ask_now()
        self._say()

    async def action_help(self) -> None:
        allowed = any(self.may(each) for each in ("kill", "stop"))
        await self.push_screen(HelpPage(KEYS.format(actions=ACTIONS if allowed else "")))

    def _ask_now(self) -> None:
        self._wake.set()

    # --- the filter ---

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.value = self._filtered.filter
        field.focus()

    @property
    def _filtered(self) -> ProcessTable | CrashList:
        return self.query_one(CrashList) if self.view_name == "crashes" else self.query_one(ProcessTable)

    def on_input_changed(self, message: Input.Changed) -> None:
        if self._filtered.filter != message.value:
            self._filtered.filter = message.value
            if isinstance(self._filtered, ProcessTable):
                self._filtered.start_over()
            self._ask_now()

    def on_input_submitted(self) -> None:
        self.query_one("#filter").display = False
        self.switcher.query_one(f"#{self.view_name}").focus()

    def action_clear(self) -> None:
        """Esc: no filter any more."""
        self.query_one("#filter", Input).value = ""
        self._filtered.filter = ""
        table = self.query_one(ProcessTable)
        if self.view_name == "processes":
            table.children_of = None
            table.start_over()
        self.on_input_submitted()
        self._ask_now()

    # --- what the views say ---

    def on_process_table_changed(self) -> None:
        self._ask_now()

    def on_tree_view_changed(self) -> None:
        self._ask_now()

    def on_crash_list_changed(self) -> None:
        self._ask_now()

    async def on_process_table_chosen(self, message: ProcessTable.Chosen) -> None:
        await self._open(ProcessPage(message.pid))

    async def on_tree_view_chosen(self, message: TreeView.Chosen) -> None:
        await self._open(ProcessPage(message.pid))

    async def on_process_page_chosen(self, message: ProcessPage.Chosen) -> None:
        await self._open(ProcessPage(message.pid))

    async def on_crash_list_chosen(self, message: CrashList.Chosen) -> None:
        await self._open(CrashPage(message.crash_id))

    def on_tree_view_children_chosen(self, message: TreeView.ChildrenChosen) -> None:
        table = self.query_one(ProcessTable)
        table.children_of = message.pid
        table.start_over()
        self.action_view("processes")

    async def _open(self, page: Screen[None]) -> None:
        await self.push_screen(page)
        self._ask_now()

    # --- acting ---

    @property
    def _under_cursor(self) -> tuple[int, str] | None:
        """The process that an action is for, and what to call it."""
        if isinstance(self.screen, ProcessPage):
            return self.screen.pid, f"process {self.screen.pid}"
        if self.view_name == "processes" and (row := self.query_one(ProcessTable).chosen) is not None:
            return row["pid"], who(row)
        if (
            self.view_name == "tree"
            and (line := self.query_one(TreeView).chosen) is not None
            and line.pid is not None
        ):
            return line.pid, f"process {line.pid}"
        return None

    @work
    async def action_act(self, action: str) -> None:
        if (target := self._under_cursor) is None:
            return
        pid, called = target
        word = action.removesuffix("_child")
        if not await self.push_screen_wait(Question(f"{word} {called}?")):
            return
        try:
            done: Mapping[str, Any] = await self.source.ask(action, {"pid": pid})
        except ControlError as error:
            self.notify(clean(error), severity="error", markup=False)
        else:
            self.notify(clean(done["done"]), markup=False)
        self._ask_now()
