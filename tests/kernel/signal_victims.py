"""The victim of ``test_signal_matrix``, who goes where it is told to and notes what happens to it, and its peers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from regrow import Exit, GenServer, Pid, ProcessExit, StartError, call, cast, process
from regrow.kernel.process import INLINE
from regrow.kernel.runtime import runtime
from tests.kernel.signal_matrix import Cell

__all__ = ["Bare", "Board", "Peer", "Victim"]


class Board:
    """What the victim is to do, and what has become of it."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.there, self.go = asyncio.Event(), asyncio.Event()
        self.send: Callable[[], None] = lambda: None  # the signal
        self.pid = Pid(0)
        self.peer, self.watcher = Pid(0), Pid(0)
        self.done = self.cut = self.refused = self.inner_done = self.inline = False
        self.handled: list[str] = []
        self.messages: list[Any] = []
        self.terminated: list[object] = []

    def let_go(self) -> None:
        """The victim's ``finally``."""
        if not self.done:
            self.cut = True
            self.try_to_act()

    def try_to_act(self) -> None:
        try:
            process.send(self.watcher, "I act")
        except ProcessExit:
            self.refused = True

    async def inner(self) -> None:
        await self.go.wait()
        self.inner_done = True


class Bare(GenServer):
    """The victim, with no ``terminate``."""

    def __init__(self, board: Board) -> None:
        self.board = board
        board.pid = process.current()
        process.register("victim")
        process.trap_exits(board.cell.trapping)
        process.link(board.watcher)
        if board.cell.source == "link":
            process.link(board.peer)

    def init(self) -> Any:
        return self.at("init") if self.board.cell.place == "init" else None

    def handle_info(self, message: Any) -> None:
        self.board.messages.append(message)

    @cast
    def note(self, what: str) -> None:
        self.board.handled.append(what)

    @call
    def ping(self) -> str:
        return "pong"

    @call(timeout=None)
    def plain(self) -> str:
        self.board.inline = runtime().processes[self.board.pid].status == INLINE
        self.board.send()
        self.board.try_to_act()
        self.board.done = True
        self.board.there.set()
        return "done"

    @call(timeout=None)
    async def work(self) -> str:
        await self.at(self.board.cell.place)
        return "done"

    async def at(self, place: str) -> None:
        board = self.board
        board.there.set()
        try:
            if place == "timeout":
                async with asyncio.timeout(3600):
                    await board.go.wait()
            elif place == "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(board.inner())
            elif place == "shield":
                await asyncio.shield(asyncio.create_task(board.inner()))
            elif place == "receive":
                await process.receive(str)
            elif place == "swallows":
                while not board.go.is_set():
                    try:
                        await board.go.wait()
                    except asyncio.CancelledError:
                        board.try_to_act()
            else:
                await board.go.wait()
            board.done = True
        finally:
            board.let_go()


class Victim(Bare):
    async def terminate(self, reason: object) -> None:
        self.board.terminated.append(reason)
        if self.board.cell.place == "terminate":
            await self.at("terminate")


class Peer(GenServer):
    """Sends the signal, or is the parent, or watches."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def handle_info(self, message: Any) -> None:
        if isinstance(message, Exit):
            assert process.whereis("victim") != message.pid
        self.messages.append(message)

    @call
    def seen(self) -> list[Any]:
        return self.messages

    @call(timeout=None, raises=StartError)
    async def begin(self, victim: type[Bare], board: Board) -> Bare:
        return await victim.start_link(board)
