"""Locks by key: one holder at a time, the others wait in line. A lock ends with its block, or with its holder."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from regrow.kernel import signals
from regrow.kernel.adoption import current_process
from regrow.kernel.errors import NotAllowed
from regrow.kernel.names import Name
from regrow.kernel.process import Process
from regrow.kernel.runtime import runtime
from regrow.servers.registry.errors import UnknownRegistry
from regrow.servers.registry.keys import exact

__all__ = ["Lock", "Locks"]

Waiter = tuple[Process, "asyncio.Future[None]"]


class _Line:
    """One lock that is held: by whom, and who waits."""

    __slots__ = ("forget", "holder", "waiters")

    def __init__(self) -> None:
        self.holder: Process | None = None
        self.forget: Callable[[], None] = _nothing_to_forget
        self.waiters: deque[Waiter] = deque()


class Locks:
    """All locks of a registry that are held."""

    def __init__(self, registry: Name) -> None:
        self.registry = registry
        self.lines: dict[Any, _Line] = {}

    async def acquire(self, key: Any) -> Process:
        me = current_process()
        line = self.lines.get(key)
        if line is None:
            self.lines[key] = line = _Line()
            self._give(line, key, me)
            return me
        if line.holder is me:
            raise NotAllowed(
                f"{me!r} holds this lock of {self.registry!r} already, and would wait for itself"
            )
        turn: asyncio.Future[None] = me.runtime.loop.create_future()
        line.waiters.append((me, turn))
        try:
            await turn
        except BaseException:
            if line.holder is me:  # its turn had come
                self.release(key, me)
            raise
        return me

    def release(self, key: Any, holder: Process) -> None:
        """*holder* is through, or dead: the next is the first in line who still waits."""
        line = self.lines.get(key)
        if line is None or line.holder is not holder:
            return
        line.forget()
        while line.waiters:
            next_one, turn = line.waiters.popleft()
            if not turn.done():
                self._give(line, key, next_one)
                turn.set_result(None)
                return
        del self.lines[key]

    def lost(self, _registry: Process, _reason: object) -> None:
        """The registry has ended."""
        for line in self.lines.values():
            line.forget()
            for _, turn in line.waiters:
                if not turn.done():
                    turn.set_exception(UnknownRegistry(f"the registry {self.registry!r} has ended"))
        self.lines.clear()

    def _give(self, line: _Line, key: Any, process: Process) -> None:
        line.holder = process
        line.forget = signals.watch(process, lambda holder, _reason: self.release(key, holder))


def _nothing_to_forget() -> None:
    pass


class Lock:
    """``async with`` it, to hold the lock for the block."""

    def __init__(self, find: Callable[[], Locks], key: Any) -> None:
        self._find = find
        self._key = exact(key)
        self._held: tuple[Locks, Process] | None = None

    async def __aenter__(self) -> None:
        if self._held is not None and self._held[1] is runtime().current:
            raise NotAllowed("this lock is held already: make one for each block, by lock(key)")
        locks = self._find()
        self._held = locks, await locks.acquire(self._key)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held is not None:
            (locks, holder), self._held = self._held, None
            locks.release(self._key, holder)
