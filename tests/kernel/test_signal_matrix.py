"""Exit signals against whatever a process can be doing: every cell of ``signal_matrix`` is played and looked at.

Inline calls are on, off, and what the environment says; the victim's class has a ``terminate``, or none. Time is
virtual, so that a grace of 5 s is exact and takes none.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    ProcessExit,
    ServerExited,
    Shutdown,
    StartError,
    process,
    stop,
)
from regrow.kernel import death, signals
from regrow.kernel.process import IDLE
from regrow.kernel.runtime import runtime
from regrow.kernel.steps import run_as
from tests.kernel.signal_matrix import CELLS, Cell
from tests.kernel.signal_victims import Bare, Board, Peer, Victim

MODES = sorted({"on", "off", os.environ.get("REGROW_INLINE", "on")})
REASONS = {
    "normal": NORMAL,
    "shutdown": SHUTDOWN,
    "boom": "boom",
    "kill": KILL,
    "killed": KILLED,
    "noproc": NOPROC,
    "detail": Shutdown("detail"),
    "stopped": "stopped",
}
WORK = 1.0
"""Seconds between the signal and the end of what the victim waits for, where it may wait for it."""


# --- the signal -----------------------------------------------------------------------------------------------------


def send(board: Board) -> None:
    """Send the cell's signal; it has arrived when this returns."""
    cell, peer = board.cell, runtime().processes[board.peer]
    if cell.source == "itself":
        try:
            run_as(runtime().processes[board.pid], process.exit, board.pid, REASONS[cell.reason])
        except ProcessExit:  # as it should, where the victim runs; a plain handler that catches it can go on
            pass
    elif cell.source in ("exit", "parent's exit"):
        run_as(peer, process.exit, board.pid, REASONS[cell.reason])
    elif cell.reason == "killed":
        signals.exit_signal(peer, KILL, None)
    elif peer.status == IDLE:
        death.leave(peer, REASONS[cell.reason])
    else:  # it waits for the victim's start
        signals.exit_signal(peer, REASONS[cell.reason], None)


async def bring(board: Board, kind: type[Bare]) -> asyncio.Task[Any] | None:
    """Start the victim, bring it to its place, and send the signal. Gives the task that waits for its answer."""
    cell = board.cell
    parental = cell.source.startswith("parent")
    peer = Peer.of(board.peer)
    asking: asyncio.Task[Any] | None = None

    async def start() -> Bare:
        return await (peer.begin(kind, board) if parental else kind.start(board))

    if cell.place == "init":
        asking = asyncio.create_task(start())
    else:
        victim = await start()
        process.monitor(victim)
        if cell.place == "rest":
            pass
        elif cell.place == "queued":
            victim.note("before")
        elif cell.place == "plain":
            asking = asyncio.create_task(victim.plain())
        elif cell.place == "terminate":
            asking = asyncio.create_task(stop(victim, "stopped"))
        else:
            asking = asyncio.create_task(victim.work())
    if asking is not None:
        await board.there.wait()
    if cell.place == "init":
        process.monitor(board.pid)
    if cell.place != "plain":
        board.send()
    return asking


def waits(cell: Cell) -> bool:
    """Whether the victim is where it waits for something."""
    return cell.place not in ("rest", "queued", "plain")


# --- what becomes of it ---------------------------------------------------------------------------------------------


async def play(cell: Cell, mode: str, kind: type[Bare]) -> None:
    runtime().inline = mode
    board = Board(cell)
    board.send = lambda: send(board)
    watcher = await Peer.start()
    board.watcher = process.pid_of(watcher)
    runtime().processes[board.watcher].trapping = True
    board.peer = process.pid_of(await Peer.start())
    runtime().processes[board.peer].trapping = cell.source == "parent's exit"  # it outlives its child
    asking = await bring(board, kind)
    Bare.named("victim").note("after")
    if mode != "random" and cell.place == "plain":
        assert board.inline == (mode == "on")
    if cell.dies_of is None or "d" in cell.marks:
        if waits(cell):
            await asyncio.sleep(WORK)
            assert not board.done
        board.go.set()
        if cell.place == "receive":
            process.send(board.pid, "go")
    if cell.dies_of is None:
        await lives(board)
    else:
        await dies(board, REASONS[cell.dies_of], kind)
    await answered(board, asking)
    acts = [each for each in await watcher.seen() if not isinstance(each, Exit)]
    decided = "f" in cell.marks or "r" in cell.marks
    assert board.refused == decided
    assert acts == (["I act"] if cell.place == "plain" and not decided else [])
    board.go.set()
    if cell.place == "shield":  # what was shielded is none of the victim's death's business
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert board.inner_done


async def lives(board: Board) -> None:
    cell = board.cell
    victim = Bare.of(board.pid)
    if cell.place == "init":
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    sender = board.pid if cell.source == "itself" else board.peer
    assert await victim.ping() == "pong"
    assert process.whereis("victim") == board.pid
    assert not board.cut
    assert board.terminated == []
    assert board.messages == ([Exit(sender, REASONS[cell.reason])] if cell.word == "message" else [])
    assert board.handled == (["before", "after"] if cell.place == "queued" else ["after"])
    linked = signals.linked_to(runtime().processes[board.pid])
    assert (board.peer in linked) == (cell.source == "parent's exit")
    with pytest.raises(TimeoutError):
        await process.receive(Down, timeout=0)


async def dies(board: Board, reason: object, kind: type[Bare]) -> None:
    cell = board.cell
    down = await process.receive(Down)
    waited = WORK if "d" in cell.marks and waits(cell) else cell.after
    assert (down.target, down.reason) == (board.pid, reason)
    assert asyncio.get_running_loop().time() == pytest.approx(waited)
    assert process.whereis("victim") is None
    assert not process.alive(board.pid)
    watcher = Peer.of(board.watcher)
    assert [each for each in await watcher.seen() if isinstance(each, Exit)] == [Exit(board.pid, reason)]
    assert board.cut == ("f" in cell.marks)
    told = "stopped" if cell.place == "terminate" else reason
    assert board.terminated == ([told] if "t" in cell.marks and kind is Victim else [])
    assert board.handled == (["before"] if cell.place == "queued" and "d" in cell.marks else [])
    assert [each for each in board.messages if each != "go"] == []
    process.register("victim")  # a new one may have it


async def answered(board: Board, asking: asyncio.Task[Any] | None) -> None:
    """Who waited for the victim got his answer, or an error with the reason of its end."""
    if asking is None:
        return
    cell = board.cell
    [answer] = await asyncio.gather(asking, return_exceptions=True)
    if cell.dies_of is None or "d" in cell.marks:
        assert not isinstance(answer, BaseException)
        assert board.done
    elif cell.place == "init" and cell.source == "parent":  # who asked the parent hears of the parent's end
        assert isinstance(answer, ServerExited)
        assert answer.reason == REASONS[cell.reason]
    else:
        assert isinstance(answer, StartError if cell.place == "init" else ServerExited)
        assert answer.reason == REASONS[cell.dies_of]


@pytest.mark.behaviour("PROC-06", "PROC-07", "PROC-10", "PROC-11", "PROC-12", "PROC-14", "PROC-15", "PROC-23")
@pytest.mark.behaviour("GS-46")
@pytest.mark.behaviour("GS-45", differs=True)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        pytest.param(cell, kind, id=f"{cell}{'-bare' if kind is Bare else ''}")
        for kind in (Victim, Bare)
        for cell in CELLS
        if kind is Victim or cell.place != "terminate"
    ],
)
async def test_the_victim_becomes_what_the_table_says(
    cell: Cell, kind: type[Bare], mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="regrow")
    await play(cell, mode, kind)
    fenced = [record for record in caplog.records if getattr(record, "regrow", {}).get("event") == "fenced"]
    assert len(fenced) == (1 if cell.after else 0)
