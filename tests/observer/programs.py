"""The little program that most tests of the observer look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, call, cast
from regrow.kernel.runtime import runtime


class Game(GenServer, restart="transient"):
    def __init__(self, number: int) -> None:
        self.number = number
        self.secret = "swordfish"
        self.gate = asyncio.Event()

    @call
    def play(self, cell: int) -> int:
        return cell

    @call
    def crash(self, how: object = None) -> None:
        raise RuntimeError(f"game {self.number} is broken")

    @cast
    def fall(self, word: str) -> None:
        raise RuntimeError(f"told to {word}")

    @cast
    def note(self, word: str) -> None: ...

    @call(timeout=None)
    async def wait(self) -> None:
        await self.gate.wait()


class Games(DynamicSupervisor, max_children=1000, max_restarts=100): ...


@asynccontextmanager
async def program(*more: Any) -> AsyncIterator[Any]:
    """A registry, and a supervisor of games; gives the latter."""
    tree = [Registry.child_spec("by_id", keys="unique"), Games.options(name=Games).child_spec(), *more]
    async with Supervisor.options(name="root").scope(tree, strategy="rest_for_one"):
        yield Games.named(Games)


async def start_game(number: int, **options: Any) -> Any:
    """A game under the name of its number in the registry."""
    name = Registry.named("by_id").via(f"g{number}")
    return await Games.named(Games).start_child(Game.options(name=name, **options).child_spec(number))


def pid_of(name: object) -> int:
    from regrow import process

    pid = process.whereis(name)
    assert pid is not None
    return pid


def living() -> int:
    return len(runtime().processes)


def timers_of_the_observer() -> list[str]:
    """What the observer, or telemetry for it, has asked the loop to do later."""
    loop: Any = asyncio.get_running_loop()
    waiting = [each._callback for each in loop._scheduled if not each.cancelled()]
    ours = ("regrow.observer", "regrow.telemetry")
    return [repr(each) for each in waiting if getattr(each, "__module__", "").startswith(ours)]
