"""Four races, planted on purpose: each is found within a thousand schedules, and none in the right code.

The first two are planted in regrow itself, the other two in code that a user would write. Under the plain order, with
and without inline calls, each of them works: only another order shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from regrow import CallTimeout, DynamicSupervisor, GenServer, Registry, Reply, call, cast, process, within
from regrow.kernel.reasons import KILL
from regrow.servers.registry.server import RegistryServer
from regrow.supervision.children import RESTARTING
from regrow.supervision.errors import ChildNotFound
from regrow.testing import CrashReport, Explored, FailingSchedule, find_failing_schedule
from regrow.testing.exploring import Strategy


class Boom(Exception): ...


def found(scenario: Callable[[], Any], strategy: Strategy = "both", **options: Any) -> FailingSchedule:
    """The failure, which the plain orders don't show, and which its text shows again."""
    result = find_failing_schedule(scenario, strategy=strategy, **options)
    assert isinstance(result, FailingSchedule)
    assert result.number > 2, result
    assert result.replay.count("=") <= 6
    again = find_failing_schedule(scenario, replay=result.replay, **options)
    assert isinstance(again, FailingSchedule)
    assert again.trace == result.trace
    return result


# --- restart against terminate_child ------------------------------------------------------------------------------


class Flaky(GenServer):
    """Its first restart fails."""

    starts = 0

    def __init__(self) -> None:
        Flaky.starts += 1
        if Flaky.starts == 2:
            raise Boom

    @cast
    def crash(self) -> None:
        raise Boom


class Forgetful(DynamicSupervisor):
    """A restart that waits for its next attempt is not called off."""

    @call(timeout=None, raises=ChildNotFound)
    def _terminate_child(self, pid: Any) -> Any:
        if pid in self._restarting:
            return None
        return DynamicSupervisor._terminate_child(self, pid)


def a_terminated_child_stays_away(kind: type[DynamicSupervisor]) -> Callable[[], Any]:
    async def scenario() -> None:
        Flaky.starts = 0
        async with kind.scope() as sup:
            child = await sup.start_child(Flaky)
            gone = False

            async def terminate() -> None:
                nonlocal gone
                try:
                    await sup.terminate_child(child)
                    gone = True
                except ChildNotFound:  # it has been restarted: this one is another
                    pass

            terminating = asyncio.create_task(terminate())
            child.crash()
            await terminating
            while any(row.child is RESTARTING for row in await sup.which_children()):
                await asyncio.sleep(0)
            assert not gone or not await sup.which_children()

    return scenario


@pytest.mark.parametrize("strategy", ["both", "random", "preemption"])
def test_restart_against_terminate_child(strategy: Strategy) -> None:
    found(a_terminated_child_stays_away(Forgetful), strategy, allow=Boom)


# --- register against death ---------------------------------------------------------------------------------------


async def a_name_can_be_had_when_its_owner_is_down() -> None:
    async with Registry.scope("seats", keys="unique") as seats:

        async def sit() -> None:
            seats.register("one")
            await asyncio.Event().wait()

        owner = process.spawn(sit)
        while not seats.lookup("one"):
            await asyncio.sleep(0)
        watch = process.monitor(owner)
        process.exit(owner, KILL)
        await process.receive(lambda message: message.ref == watch)
        await asyncio.sleep(0)  # enough for the registry to hear of it, if all go at the same pace
        seats.register("one")


def believing(self: Any, member: Any, key: Any, value: Any) -> Any:
    """As the registry's, but whoever stands in its table is taken to be alive."""
    entry = self._unique.get(key)
    return entry[0] if entry is not None else original_register(self, member, key, value)


original_register = RegistryServer._register


@pytest.mark.parametrize("strategy", ["both", "random", "preemption"])
def test_register_against_death(monkeypatch: pytest.MonkeyPatch, strategy: Strategy) -> None:
    monkeypatch.setattr(RegistryServer, "_register", believing)
    found(a_name_can_be_had_when_its_owner_is_down, strategy)


# --- reply against time-out ---------------------------------------------------------------------------------------


class Mint(GenServer):
    """Makes one coin, after a second. *careful*: a coin is there until somebody says that he has it."""

    def __init__(self, careful: bool) -> None:
        self.careful = careful
        self.coins = 0
        self.asking: Reply[str] | None = None
        asyncio.get_running_loop().call_later(1.0, self.made)

    def made(self) -> None:
        self.coins += 1
        if self.asking is not None:
            self.hand_out(self.asking)

    @call
    def take(self) -> Reply[str]:
        reply = Reply[str]()
        if self.coins:
            self.hand_out(reply)
        else:
            self.asking = reply
        return reply

    def hand_out(self, reply: Reply[str]) -> None:
        reply.send("a coin")
        if not self.careful:
            self.coins -= 1

    @cast
    def got_it(self) -> None:
        if self.careful:
            self.coins -= 1


def no_coin_is_lost(careful: bool) -> Callable[[], Any]:
    async def scenario() -> None:
        async with Mint.scope(careful) as mint:
            try:
                coin = await within(mint, 1.0).take()
            except CallTimeout:
                coin = await within(mint, 1.0).take()
            mint.got_it()
            assert coin == "a coin"

    return scenario


@pytest.mark.parametrize("strategy", ["both", "random", "preemption"])
def test_reply_against_time_out(strategy: Strategy) -> None:
    found(no_coin_is_lost(careful=False), strategy)


# --- shutdown against start ---------------------------------------------------------------------------------------


class Worker(GenServer):
    async def init(self) -> None:
        await asyncio.sleep(0)

    @call
    async def warm_up(self) -> None:
        await asyncio.sleep(0)


class Pool(GenServer):
    """Starts workers, and stops them when it ends. *careful*: it is linked with them from the start."""

    def __init__(self, careful: bool) -> None:
        self.careful = careful
        self.workers: list[Worker] = []

    @call
    async def add(self) -> None:
        worker = await (Worker.start_link() if self.careful else Worker.start())
        await worker.warm_up()
        self.workers.append(worker)

    async def terminate(self, reason: object) -> None:
        for worker in self.workers:
            process.exit(worker, KILL)


def enough(report: CrashReport) -> bool:
    """The pool ends as it was told to."""
    return report.reason == "'enough'"


def nobody_is_left(careful: bool) -> Callable[[], Any]:
    async def scenario() -> None:
        pool = await Pool.start(careful)
        adding = asyncio.create_task(pool.add())
        for _ in range(12):  # enough, if all go at the same pace
            await asyncio.sleep(0)
        process.exit(pool, "enough")
        await asyncio.gather(adding, return_exceptions=True)
        await asyncio.sleep(60)
        kinds = [info.kind for pid in process.processes() if (info := process.info(pid))]
        assert kinds == ["asyncio task"]

    return scenario


@pytest.mark.parametrize("strategy", ["both", "random", "preemption"])
def test_shutdown_against_start(strategy: Strategy) -> None:
    found(nobody_is_left(careful=False), strategy, allow=enough)


# --- and the right code -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "allow"),
    [
        (a_terminated_child_stays_away(DynamicSupervisor), Boom),
        (a_name_can_be_had_when_its_owner_is_down, ()),
        (no_coin_is_lost(careful=True), ()),
        (nobody_is_left(careful=True), enough),
    ],
    ids=["restart, terminate_child", "register, death", "reply, time-out", "shutdown, start"],
)
def test_the_right_code_holds(scenario: Callable[[], Any], allow: Any) -> None:
    result = find_failing_schedule(scenario, allow=allow)
    assert isinstance(result, Explored), result
    assert result.schedules == 1000
    assert result.distinct > 20
