"""The table of exit signals: what each does to a process, trapping exits or not, whatever it is doing just then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
    GenServer,
    Pid,
    Shutdown,
    StartError,
    call,
    cast,
    process,
    stop,
)
from regrow.kernel import outbox, signals
from regrow.kernel.process import Process
from regrow.kernel.runtime import runtime

Send = Callable[[Process, Pid], None]


def by_exit(reason: object) -> Send:
    return lambda victim, sender: signals.exit_signal(victim, reason, sender)


def by_link(reason: object) -> Send:
    return lambda victim, sender: outbox.post_exit(victim, reason, sender, by_link=True)


def by_itself(reason: object) -> Send:
    return lambda victim, _sender: signals.exit_signal(victim, reason, victim.pid)


IGNORED = object()
# what is sent: how, what a process dies of that does not trap exits, and whether trapping makes a message of it
SIGNALS: dict[str, tuple[Send, object, bool]] = {
    "exit KILL": (by_exit(KILL), KILLED, False),
    "a link's KILL": (by_link(KILL), KILL, True),
    "exit NORMAL": (by_exit(NORMAL), IGNORED, True),
    "a link's NORMAL": (by_link(NORMAL), IGNORED, True),
    "exit NORMAL to itself": (by_itself(NORMAL), NORMAL, True),
    "exit SHUTDOWN": (by_exit(SHUTDOWN), SHUTDOWN, True),
    "exit Shutdown(x)": (by_exit(Shutdown("x")), Shutdown("x"), True),
    "exit KILLED": (by_exit(KILLED), KILLED, True),
    "exit NOPROC": (by_exit(NOPROC), NOPROC, True),
    "exit boom": (by_exit("boom"), "boom", True),
    "a link's boom": (by_link("boom"), "boom", True),
}
REASONS = {
    "a link's KILL": KILL,
    "exit Shutdown(x)": Shutdown("x"),
    "exit KILLED": KILLED,
    "exit NOPROC": NOPROC,
    "exit SHUTDOWN": SHUTDOWN,
}
PLACES = ("rest", "queued", "plain", "busy", "init", "terminate", "receive", "swallowing")


class Board:
    """What the victim does, and what has become of it."""

    def __init__(self, place: str, trapping: bool) -> None:
        self.place, self.trapping = place, trapping
        self.there, self.go = asyncio.Event(), asyncio.Event()
        self.seen: list[Any] = []
        self.terminated: list[object] = []
        self.handled: list[str] = []
        self.act: Callable[[], None] = lambda: None
        self.pid = Pid(0)


class Victim(GenServer, shutdown=0.05):
    def __init__(self, board: Board) -> None:
        self.board = board
        board.pid = process.current()
        process.trap_exits(board.trapping)

    async def init(self) -> None:
        if self.board.place == "init":
            await self.wait()

    async def wait(self) -> None:
        self.board.there.set()
        await self.board.go.wait()

    def handle_info(self, message: Any) -> None:
        self.board.seen.append(message)

    async def terminate(self, reason: object) -> None:
        self.board.terminated.append(reason)
        if self.board.place == "terminate":
            await self.wait()

    @call
    def ping(self) -> str:
        return "pong"

    @cast
    def queued(self) -> None:
        self.board.handled.append("queued")

    @cast
    def plain(self) -> None:
        self.board.act()
        self.board.there.set()

    @cast
    async def busy(self) -> None:
        await self.wait()

    @cast
    async def receive(self) -> None:
        self.board.there.set()
        await process.receive(str)

    @cast
    async def swallowing(self) -> None:
        self.board.there.set()
        while not self.board.go.is_set():
            try:
                await self.board.go.wait()
            except asyncio.CancelledError:
                pass


async def victim_at(board: Board, act: Callable[[], None]) -> asyncio.Task[Any] | None:
    """A victim at that place; *act* is called when it is there."""
    if board.place == "init":
        starting = asyncio.create_task(Victim.start(board))
        await board.there.wait()
        act()
        return starting
    victim = await Victim.start(board)
    if board.place == "rest":
        act()
    elif board.place == "queued":
        victim.queued()
        act()
    elif board.place == "plain":
        board.act = act
        victim.plain()
        await board.there.wait()
    elif board.place == "terminate":
        stopping = asyncio.create_task(stop(victim, "stopped"))
        await board.there.wait()
        act()
        return stopping
    else:
        getattr(victim, board.place)()
        await board.there.wait()
        await asyncio.sleep(0)  # let the handler reach its await
        act()
    return None


@pytest.mark.behaviour("PROC-06", "PROC-07", "PROC-10", "PROC-11", "PROC-12", "PROC-14", "PROC-15", "GS-45")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("trapping", [False, True], ids=["not trapping", "trapping"])
@pytest.mark.parametrize("name", SIGNALS)
async def test_a_signal_does_what_the_table_says(name: str, trapping: bool, place: str) -> None:
    send, dies_of, trappable = SIGNALS[name]
    board, kills = Board(place, trapping), name == "exit KILL"

    async def idle() -> None:
        await asyncio.Event().wait()

    sender = process.spawn(idle)

    def act() -> None:
        send(runtime().processes[board.pid], sender)

    def watch_and_act() -> None:
        process.monitor(board.pid)
        act()

    in_handler = place == "plain"  # there the victim itself is the current process
    working = None
    if in_handler:
        board.act = act
        victim = await Victim.start(board)
        process.monitor(victim)
        victim.plain()
        await board.there.wait()
    else:
        working = await victim_at(board, watch_and_act)

    if place == "terminate" and not kills:  # it ends already: nothing of this changes how
        board.go.set()
        assert await down(board) == "stopped"
        assert board.terminated == ["stopped"]
        assert board.seen == []
    elif kills or (dies_of is not IGNORED and not trapping):
        assert await down(board) == dies_of
        assert not process.alive(board.pid)
        assert board.handled == []
        if place == "terminate":
            assert board.terminated == ["stopped"]
        else:
            assert board.terminated == ([] if kills or place == "init" else [dies_of])
    else:
        board.go.set()
        process.send(board.pid, "go")
        if working is not None:
            await working
        assert await Victim.of(board.pid).ping() == "pong"
        expected = REASONS.get(name, "boom" if "boom" in name else NORMAL)
        from_whom = board.pid if "itself" in name else sender
        messages = [each for each in board.seen if each != "go"]
        assert messages == ([Exit(from_whom, expected)] if trapping and trappable else [])
    if working is not None:
        [outcome] = await asyncio.gather(working, return_exceptions=True)
        if place == "init" and isinstance(outcome, BaseException):
            assert isinstance(outcome, StartError)
            assert outcome.reason == dies_of


async def down(board: Board) -> object:
    message = await process.receive(Down, timeout=2)
    assert message.target == board.pid
    return message.reason


@pytest.mark.behaviour("PROC-26")
async def test_after_an_exit_signal_the_target_is_dead_to_the_sender_at_once() -> None:
    async def idle() -> None:
        await asyncio.Event().wait()

    pid = process.spawn(idle)
    await asyncio.sleep(0)
    process.exit(pid, "boom")
    assert not process.alive(pid)


@pytest.mark.behaviour("PROC-26")
async def test_once_dead_a_process_is_never_alive_again() -> None:
    class Slow(GenServer):
        @cast
        async def work(self) -> None:
            await asyncio.Event().wait()

        async def terminate(self, reason: object) -> None:
            await asyncio.sleep(0)

    server = await Slow.start()
    server.work()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pid = process.pid_of(server)
    process.monitor(server)
    process.exit(server, "boom")
    seen = [process.alive(pid)]
    while not any(isinstance(each, Down) for each in await received()):
        seen.append(process.alive(pid))
        await asyncio.sleep(0)
    seen.append(process.alive(pid))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] is False


async def received() -> list[Any]:
    try:
        return [await process.receive(timeout=0)]
    except TimeoutError:
        return []


@pytest.mark.behaviour("PROC-13")
async def test_a_reason_may_be_any_value() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not to be compared")

    odd = Odd()

    async def work() -> None:
        process.exit(odd)

    process.spawn_monitor(work)
    assert (await process.receive(Down)).reason is odd
