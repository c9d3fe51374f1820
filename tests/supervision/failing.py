"""Children that fail, and a supervisor of any kind to put them under: what test_peers_failures works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from regrow import DynamicSupervisor, Supervisor, process
from regrow.servers.child_spec import ChildSpec
from tests.supervision.servers import Boom, Worker
from tests.waiting import now

__all__ = ["ALL_KINDS", "KINDS", "Crashing", "Diary", "Failing", "FailingLater", "Kind", "Sleepy"]


class Diary:
    """When a child was started, and whether it is to fail."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.failing = False
        self.enough = 1000.0
        """Starts until it lets the child live, so that a supervisor without a limit fails a test, and hangs none."""
        self.on_start: Callable[[], None] = lambda: None

    def start(self) -> None:
        self.starts.append(now())
        if len(self.starts) >= self.enough:
            self.failing = False
        self.on_start()


class Crashing(Worker):
    """Its start succeeds, and then it crashes at once, of a message to itself."""

    def __init__(self, diary: Diary) -> None:
        diary.start()
        if diary.failing:
            process.send(process.current(), "crash")

    def handle_info(self, message: Any) -> None:
        raise Boom


class Failing(Worker):
    """Its start fails."""

    def __init__(self, diary: Diary) -> None:
        diary.start()
        if diary.failing:
            raise Boom


class FailingLater(Worker):
    """Its start fails, in a coroutine."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    async def init(self) -> None:
        self.diary.start()
        await asyncio.sleep(0)
        if self.diary.failing:
            raise Boom


class Sleepy(Worker):
    """Its ``init`` takes three seconds, from its second start on."""

    def __init__(self, diary: Diary, quick: int = 1) -> None:
        diary.start()
        self.quick = len(diary.starts) <= quick

    async def init(self) -> None:
        if not self.quick:
            await asyncio.sleep(3)


class Kind:
    """A supervisor of either kind, with its children by name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sup: Any = None

    async def start_link(self, **flags: Any) -> None:
        if self.name == "dynamic":
            self.sup = await DynamicSupervisor.start_link(**flags)
        else:
            self.sup = await Supervisor.start_link([], strategy=self.name, **flags)

    async def start_child(self, name: str, spec: ChildSpec[Any]) -> Any:
        return await self.sup.start_child(spec.replace(id=name))

    async def terminate_child(self, name: str, child: Any) -> None:
        await self.sup.terminate_child(child if self.name == "dynamic" else name)


KINDS = ["dynamic", "one_for_one"]
ALL_KINDS = [*KINDS, "one_for_all", "rest_for_one"]
