"""What the tests of the registry share: processes that do there what they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from regrow import AlreadyRegistered, GenServer, NotRegistered, call, process

T = TypeVar("T")


class Member(GenServer):
    """A process that runs what it is given, as itself."""

    def __init__(self, name: object = None) -> None:
        self.infos: list[Any] = []

    @call(raises=(AlreadyRegistered, NotRegistered))
    def do(self, function: Callable[..., T], *args: Any) -> list[T]:
        return [function(*args)]

    @call
    def heard(self) -> list[Any]:
        return self.infos

    def handle_info(self, message: Any) -> None:
        self.infos.append(message)


class Survivor(Member, trap_exits=True):
    """A member that traps exits, and so outlives the registry."""


def pid_of(handle: Any) -> process.Pid:
    """The pid behind a handle, also when it is dead."""
    pid: process.Pid = handle.__regrow_process__().pid
    return pid


async def ended(target: Any) -> object:
    """Wait until *target* is gone; why it went."""
    ref = process.monitor(target)
    down = await process.receive(lambda message: isinstance(message, process.Down) and message.ref == ref)
    return down.reason


async def end(target: Any) -> None:
    """Kill *target*, and wait until it is gone."""
    process.exit(target, "the test ends it")
    await ended(target)
