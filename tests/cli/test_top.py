"""``regrow top`` at the keys, against a made-up program: what is on the screen, and what is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot
from textual.widgets import Input

from regrow.cli.top.app import Top
from regrow.cli.top.pages import CrashPage, HelpPage, ProcessPage, Question
from regrow.cli.top.table import ProcessTable
from regrow.cli.top.tree import TreeView
from regrow.control import Refused
from regrow.control.attachment import Attached, Told
from tests.cli.fake_program import ACTING, LOOKING, FakeProgram, crash, node, row, supervisor

pytestmark = pytest.mark.real_time("textual waits by the machine's clock")


@asynccontextmanager
async def shown(
    program: FakeProgram, *, size: tuple[int, int] = (80, 24), interval: float = 60.0
) -> AsyncIterator[tuple[Top, Pilot[None]]]:
    """With an interval so long that what is seen has been asked for at once."""
    top = Top(program, interval=interval)
    async with top.run_test(size=size, notifications=True) as pilot:
        await settle(pilot)
        yield top, pilot


async def settle(pilot: Pilot[None]) -> None:
    for _ in range(2):
        await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


def screen_text(top: Top) -> str:
    """All that is on the screen, as text."""
    width = top.size.width
    lines = [
        "".join(segment.text for segment in strip).ljust(width)
        for strip in top.screen._compositor.render_strips()
    ]
    return "\n".join(lines)


def pids(top: Top) -> list[int]:
    table = top.query_one(ProcessTable)
    return [int(str(table.get_cell_at((place, 0)))) for place in range(table.row_count)]  # type: ignore[arg-type]


# --- the first look -------------------------------------------------------------------------------------------------


async def test_it_shows_the_program_its_processes_and_the_keys() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        told = {"processes": 60, "messages": 1234.4, "restarts": 0.5, "loop_lag": 0.2, "run_queue": 3}
        program.tell(Told({"sample": told}))
        await settle(pilot)
        text = screen_text(top)
        lines = text.splitlines()
        assert lines[0].startswith(" shop (pid 7)  watched for 1m05s  64 MB  Python 3.13.0")
        assert lines[1].startswith(
            " 60 processes  1,234 msgs/s  0.50 restarts/s  200ms lag  3 queued  2 crashes"
        )
        assert lines[2].startswith("  1 Processes   2 Tree   3 Crashes   1-19 of 60, by busy")
        assert lines[3].split() == ["PID", "NAME", "CLASS", "STATUS", "MAILBOX", "HANDLED", "BUSY▼"]
        assert lines[4].split() == ["60", "game", "60", "Game", "idle", "0", "60", "60.0ms"]
        assert pids(top) == list(range(60, 41, -1))
        for key in ("↵ Open", "tab View", "/ Filter", "s Sort", "r Reverse", "f Freeze", "? Help", "q Quit"):
            assert key in lines[-1]


@pytest.mark.parametrize("size", [(24, 6), (44, 12), (80, 24), (250, 60)])
async def test_terminals_of_any_size_will_do(size: tuple[int, int]) -> None:
    async with shown(FakeProgram(), size=size) as (top, pilot):
        for view in ("1", "2", "3"):
            await press(pilot, view)
            assert len(screen_text(top).splitlines()) == size[1]
        await press(pilot, "1", "enter")
        assert isinstance(top.screen, ProcessPage)
        assert top.query_one(ProcessTable).max_scroll_x == 0  # nothing is beyond the right edge


async def test_an_answer_that_comes_while_it_closes_is_no_error() -> None:
    async with shown(FakeProgram()) as (top, _):
        await top.screen.query("#title, #numbers, #views").remove()
        await top._look()


async def test_a_second_that_falls_into_its_opening_or_closing_is_no_error() -> None:
    async with shown(FakeProgram()) as (top, _):
        await top.query_one(ProcessTable).remove()  # the views come and go one by one
        top._say()
        await top._look()
        await top.switcher.remove()
        top._say()
        await top._look()
        assert top.check_action("sort", (1,))  # which keys mean something is asked until the end


async def test_a_wider_terminal_shows_more_columns_and_the_charts() -> None:
    program = FakeProgram()
    async with shown(program, size=(140, 40)) as (top, pilot):
        for processes in (10, 20, 40):
            sample = {
                "processes": processes,
                "messages": 1.0,
                "restarts": 0.0,
                "loop_lag": 0.0,
                "run_queue": 0,
            }
            program.tell(Told({"sample": sample}))
        await settle(pilot)
        lines = screen_text(top).splitlines()
        assert "60 processes ▃▅█" in lines[1]
        assert "PARENT" in lines[3]
        assert program.last("processes")["limit"] == 35
        await pilot.resize_terminal(60, 12)
        await settle(pilot)
        assert "HANDLED" not in screen_text(top)
        assert program.last("processes")["limit"] == 7


async def test_what_a_program_calls_itself_can_not_move_the_cursor_or_colour_the_screen() -> None:
    program = FakeProgram()
    program.rows = [row(1, name="\x1b[2J[red]x", kind="[/bold]\n")]
    program.crashes = [crash(1, reason="\x1b]0;title\x07[/b]")]
    program.nodes = [node(3, name="\x1b[31m[b]")]
    async with shown(program) as (top, pilot):
        assert "\\x1b[2J[red]x" in screen_text(top)
        await press(pilot, "2")
        assert "\\x1b[31m[b]" in screen_text(top)
        await press(pilot, "3")
        assert "\\x1b]0;title" in screen_text(top)
        await press(pilot, "enter")
        assert "[/red] oops" in screen_text(top)


# --- the table ------------------------------------------------------------------------------------------------------


async def test_it_is_sorted_over_there() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        await press(pilot, "r")
        assert (program.last("processes")["sort"], program.last("processes")["descending"]) == ("busy", False)
        assert pids(top)[:2] == [1, 2]
        await press(pilot, "s")  # after the last column comes the first, which begins at the beginning
        assert (program.last("processes")["sort"], program.last("processes")["descending"]) == ("pid", False)
        await press(pilot, "S", "S")
        assert (program.last("processes")["sort"], program.last("processes")["descending"]) == (
            "messages",
            True,
        )
        assert "HANDLED▼" in screen_text(top)


async def test_the_cursor_goes_on_to_the_next_page_and_back() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        await press(pilot, "r")
        assert pids(top)[-1] == 19
        await press(pilot, *["down"] * 19)
        assert pids(top)[0] == 20
        assert top.query_one(ProcessTable).cursor_row == 0
        await press(pilot, "up")
        assert pids(top)[-1] == 19
        assert top.query_one(ProcessTable).cursor_row == 18
        await press(pilot, "pagedown", "pagedown", "pagedown")
        assert pids(top) == [58, 59, 60]
        await press(pilot, "pageup")
        assert pids(top)[0] == 39
        await press(pilot, "ctrl+end")
        assert pids(top)[-1] == 60
        assert "42-60 of 60" in screen_text(top)
        await press(pilot, "ctrl+home")
        assert pids(top)[0] == 1


async def test_a_table_that_has_shrunk_shows_its_last_page() -> None:
    program = FakeProgram()
    async with shown(program, interval=0.3) as (top, pilot):
        await press(pilot, "ctrl+end")
        program.rows = program.rows[:30]
        for _ in range(50):
            await pilot.pause(0.1)
            if program.last("processes")["offset"] == 11:
                break
        assert len(pids(top)) == 19


async def test_the_cursor_stays_with_its_process() -> None:
    program = FakeProgram()
    async with shown(program, interval=0.3) as (top, pilot):
        await press(pilot, "r", "down", "down")
        assert top.query_one(ProcessTable).chosen == program.rows[2]
        program.rows = program.rows[1:]  # the first has ended
        for _ in range(50):
            await pilot.pause(0.1)
            if pids(top)[0] == 2:
                break
        chosen = top.query_one(ProcessTable).chosen
        assert chosen is not None
        assert chosen["pid"] == 3


async def test_a_filter_is_typed() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        await press(pilot, "slash", "g", "a", "m", "e", "space", "5")
        assert program.last("processes")["filter"] == "game 5"
        assert len(pids(top)) == 11
        assert "filter 'game 5'" in screen_text(top)
        await press(pilot, "enter")
        assert not top.query_one("#filter").display
        await press(pilot, "s")  # is a key again
        assert program.last("processes")["filter"] == "game 5"
        await press(pilot, "slash", "q")  # is text again
        assert top.query_one(Input).value == "q"  # in the place of what was there
        assert "no process has 'q'" in screen_text(top)
        await press(pilot, "escape")
        assert program.last("processes")["filter"] == ""


# --- one process, one crash -----------------------------------------------------------------------------------------


async def test_a_process_leads_to_its_neighbours_and_back() -> None:
    async with shown(FakeProgram()) as (top, pilot):
        await press(pilot, "r", "down", "enter")
        assert isinstance(top.screen, ProcessPage)
        text = screen_text(top)
        assert text.splitlines()[0].startswith(" game 2 2  Game")
        for fact in (
            "0 waiting, 2 handled in 2.0ms",
            "· play(4, 'x')",
            "traps exits, 2 timers",
            "99 (ended)",
        ):
            assert fact in text
        await press(pilot, "down", "enter")
        assert isinstance(top.screen, ProcessPage)
        assert top.screen.pid == 3
        await press(pilot, "escape")
        assert top.screen.pid == 2  # type: ignore[unreachable]
        await press(pilot, "escape")
        assert not isinstance(top.screen, ProcessPage)


async def test_a_process_that_ends_is_shown_as_it_was() -> None:
    program = FakeProgram()
    async with shown(program, interval=0.3) as (top, pilot):
        await press(pilot, "r", "enter")
        program.rows = program.rows[1:]
        for _ in range(50):
            await pilot.pause(0.1)
            if "has ended" in screen_text(top):
                break
        assert screen_text(top).splitlines()[0].startswith(" game 1 1 has ended; this is how it was")
        assert "1 handled" in screen_text(top)


async def test_crashes_are_listed_and_shown_in_full() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        program.tell(Told({"crash": crash(3)}))
        await settle(pilot)
        assert "3 Crashes +1" in screen_text(top)
        program.crashes.insert(0, crash(3, unwritten=312))
        await press(pilot, "3")
        text = screen_text(top)
        assert "+1" not in text
        assert "3 crashes, the newest first" in text
        assert "rules.py:82 in" in text
        await press(pilot, "enter")
        assert isinstance(top.screen, CrashPage)
        text = screen_text(top)
        for fact in (
            "Game 43 crashed at",
            "IndexError('tuple",
            "312 more came",
            "play(9, 'x')",
            "Games, root",
            "oops",
        ):
            assert fact in text
        await press(pilot, "q")
        assert top.is_running
        assert len(top.screen_stack) == 1


# --- the tree -------------------------------------------------------------------------------------------------------


async def test_the_tree_opens_and_closes() -> None:
    async with shown(FakeProgram()) as (top, pilot):
        await press(pilot, "tab")
        tree = top.query_one(TreeView)
        assert [line.text.plain for line in tree.lines] == [
            "▾ shop  running, permanent",
            "└─ ▾ root  Games  1  1 child  one_for_one  0/3 in 5s",
            "   └─ ▾ Games  2  2 children  one_for_one  0/3 in 5s",
            "      ├─ game 3  Game  3",
            "      └─ game 4  Game  4",
        ]
        await press(pilot, "down", "down", "left")
        assert [line.pid for line in tree.lines] == [None, 1, 2]
        assert tree.lines[2].text.plain.startswith("   └─ ▸ Games")
        await press(pilot, "right", "down", "enter")
        assert isinstance(top.screen, ProcessPage)
        assert top.screen.pid == 3
        await press(pilot, "escape", "up", "up", "up", "space")
        assert len(tree.lines) == 1


async def test_who_was_restarted_is_lit_up_and_says_why() -> None:
    program = FakeProgram()
    async with shown(program, interval=0.3) as (top, pilot):
        await press(pilot, "2")
        again = node(9, restarts=2, last_exit="ValueError('bad')", mailbox=3)
        down = node(None, key="x", name="till", state="restarting", last_exit="OSError()")
        program.nodes = [supervisor(2, "Games", again, down)]
        for _ in range(50):
            await pilot.pause(0.1)
            if "restarted 2 times" in screen_text(top):
                break
        tree = top.query_one(TreeView)
        line = tree.lines[3].text
        assert line.plain == "      ├─ game 9  Game  9  mailbox 3  restarted 2 times: ValueError('bad')"
        assert any("reverse" in str(span.style) for span in line.spans)
        assert tree.lines[4].text.plain == "      └─ till  Game  restarting: OSError()"


async def test_the_children_that_the_tree_leaves_out_are_in_the_table() -> None:
    program = FakeProgram()
    program.nodes = [supervisor(2, "Games", node(3), children_total=5000)]
    async with shown(program) as (top, pilot):
        await press(pilot, "2", *["down"] * 4)
        assert "... 4,999 more: Enter lists them" in screen_text(top)
        await press(pilot, "enter")
        assert program.last("processes")["parent"] == 2
        assert "children of 2" in screen_text(top)
        await press(pilot, "escape")
        assert program.last("processes")["parent"] is None


# --- a program that goes away ---------------------------------------------------------------------------------------


async def test_it_survives_the_end_of_the_program_and_takes_its_next_run() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        program.lose()
        await settle(pilot)
        lines = screen_text(top).splitlines()
        assert lines[0].startswith(" shop (pid 7) has ended; waiting for its next run, q leaves")
        assert pids(top)[0] == 60  # what was last known stays
        await press(pilot, "s", "2", "3", "1")  # and the keys do no harm
        program.come_back()
        await settle(pilot)
        assert screen_text(top).splitlines()[0].startswith(" shop (pid 8)  watched for")
        assert pids(top)[0] == 60 or program.last("processes")["sort"] != "busy"


async def test_who_looks_at_a_page_is_told_of_the_end_too() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        await press(pilot, "enter")
        program.lose()
        await settle(pilot)
        assert "shop (pid 7) has ended" in screen_text(top)


async def test_a_program_that_refuses_to_be_watched_is_told_of() -> None:
    program = FakeProgram()
    program.refuses = "there are 100 subscriptions already"
    async with shown(program) as (top, _):
        assert "the program refuses: there are 100 subscriptions" in screen_text(top)


async def test_what_is_frozen_does_not_change() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        await press(pilot, "f")
        assert "frozen: f goes on" in screen_text(top)
        asked = len(program.asked)
        await press(pilot, "s", "r")
        assert len(program.asked) == asked
        await press(pilot, "f")
        assert len(program.asked) > asked


# --- acting ---------------------------------------------------------------------------------------------------------


async def test_nothing_can_be_done_unless_the_program_allows_it() -> None:
    program = FakeProgram()
    async with shown(program) as (top, pilot):
        await press(pilot, "k", "x", "z", "R")
        assert len(top.screen_stack) == 1
        await press(pilot, "enter")
        assert "Kill" not in screen_text(top)
        await press(pilot, "escape", "question_mark")
        assert isinstance(top.screen, HelpPage)
        assert "kill" not in screen_text(top)


async def test_what_looks_like_markup_in_a_name_is_shown_as_it_is() -> None:
    program = FakeProgram(*LOOKING, *ACTING)
    program.rows = [row(60, name="room[/b]"), row(61)]
    done = program._kill
    program._kill = lambda pid: {**done(pid), "done": "room[/b] was killed"}  # type: ignore[method-assign]
    async with shown(program, size=(100, 30)) as (top, pilot):
        await press(pilot, "down", "k", "y")
        assert "room[/b] was killed" in screen_text(top)
        program._kill = lambda pid: refuse("room[/b] has ended")  # type: ignore[method-assign]
        program.rows = [row(60, name="room[/b]")]
        await press(pilot, "k", "y")
        assert "room[/b] has ended" in screen_text(top)
        await press(pilot, "question_mark")
        program.lose("shop[/b] has ended")
        await settle(pilot)
        assert "shop[/b] has ended" in screen_text(top)
        assert program.program is not None
        program.program = replace(program.program, name="shop[/b]\x1b[2J")
        program.tell(Attached(program.program, again=True))
        await settle(pilot)
        assert "shop[/b]" in screen_text(top)
        assert "\x1b" not in screen_text(top)


def refuse(why: str) -> dict[str, object]:
    raise Refused(why)


async def test_a_process_is_killed_after_a_question() -> None:
    program = FakeProgram(*LOOKING, *ACTING)
    async with shown(program) as (top, pilot):
        await press(pilot, "k")
        assert isinstance(top.screen, Question)
        assert "kill game 60 60?" in screen_text(top)
        await press(pilot, "n")
        assert "kill" not in {command for command, _ in program.asked}
        await press(pilot, "k", "y")
        assert program.last("kill") == {"pid": 60}
        assert "<Game 60> was killed" in screen_text(top)
        assert pids(top)[0] == 59


async def test_what_is_refused_is_said() -> None:
    program = FakeProgram(*LOOKING, *ACTING)
    async with shown(program) as (top, pilot):
        await press(pilot, "enter", "x", "y")
        assert isinstance(top.screen, ProcessPage)
        assert "<Game 60> was told to stop and has" in screen_text(top)


async def test_the_help_lists_the_keys_and_q_leaves() -> None:
    async with shown(FakeProgram(*LOOKING, *ACTING)) as (top, pilot):
        await press(pilot, "question_mark")
        text = screen_text(top)
        assert "kill, stop the process under the cursor" in text
        assert "only what has this text in it" in text
        await press(pilot, "escape")
        assert len(top.screen_stack) == 1
        await press(pilot, "q")
        assert not top.is_running
