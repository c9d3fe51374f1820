"""The servers and start functions that the supervision tests put under supervisors, and ways to see them end."""

from __future__ import annotations

import asyncio
from typing import Any

from regrow import process
from regrow.kernel.errors import Ignore, Stop
from regrow.servers.calls import call, cast
from regrow.servers.gen_server import GenServer


class Boom(Exception):
    """What a test's server crashes of."""


class Worker(GenServer):
    """Remembers its start arguments, and ends as it is told to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    @call
    def arguments(self) -> tuple[Any, ...]:
        return self.args

    @call
    def who(self) -> int:
        return process.current()

    @cast
    def end(self, reason: object) -> None:
        raise reason if isinstance(reason, Exception) else Stop(reason)


class Gate:
    """Decides how a ``Moody`` server starts, and counts the starts."""

    def __init__(self, mood: str = "fine") -> None:
        self.mood = mood
        self.starts = 0


class Moody(Worker):
    """Starts as its gate says: ``fine``, ``fail`` or ``ignore``."""

    def __init__(self, gate: Gate, *args: Any) -> None:
        super().__init__(gate, *args)
        gate.starts += 1
        if gate.mood == "fail":
            raise Boom("it was told to fail")
        if gate.mood == "ignore":
            raise Ignore


class Obedient(Worker, trap_exits=True):
    """Traps exits, and writes down its end."""

    def __init__(self, diary: list[Any], label: object = None) -> None:
        super().__init__()
        self.diary = diary
        self.label = label

    def terminate(self, reason: object) -> None:
        self.diary.append((self.label, reason))


class Stubborn(Worker, trap_exits=True):
    """Never finishes its ``terminate``."""

    async def terminate(self, reason: object) -> None:
        await asyncio.Event().wait()


class Slow(Worker, trap_exits=True):
    """Ends when ``release`` is set."""

    def __init__(self, release: asyncio.Event, told: asyncio.Event | None = None) -> None:
        super().__init__()
        self.release = release
        self.told = told

    async def terminate(self, reason: object) -> None:
        if self.told is not None:
            self.told.set()
        await self.release.wait()


class Answering(Worker, trap_exits=True):
    """Answers the order to shut down with a reason of its own."""

    def __init__(self, reason: object) -> None:
        super().__init__()
        self.reason = reason

    def terminate(self, reason: object) -> None:
        raise Stop(self.reason)


class SlowStart(Worker):
    """Its ``init`` waits for ``release``."""

    def __init__(self, release: asyncio.Event, entered: asyncio.Event) -> None:
        super().__init__()
        self.release = release
        self.entered = entered

    async def init(self) -> None:
        self.entered.set()
        await self.release.wait()


async def ended(target: Any) -> object:
    """The reason of its end, once it has come."""
    ref = process.monitor(target)
    down = await process.receive(lambda message: isinstance(message, process.Down) and message.ref == ref)
    return down.reason


async def end(target: Any, reason: object = None) -> object:
    """End a ``Worker`` with that reason, by a crash if none is given; the reason that monitors saw."""
    ref = process.monitor(target)
    target.end(Boom("crash") if reason is None else reason)
    down = await process.receive(lambda message: isinstance(message, process.Down) and message.ref == ref)
    return down.reason


async def children_of(supervisor: Any) -> list[Any]:
    """What runs, or ``RESTARTING``, or None, as ``which_children`` shows it."""
    return [row.child for row in await supervisor.which_children()]
