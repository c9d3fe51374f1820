"""The races that OTP's own tests care about, each forced: one interleaving by hand, and some hundred by schedules.

By hand a start waits in its ``init`` for an event, so that what races with it comes exactly then. Under schedules the
same things go off together, and what must hold whoever wins is asserted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from regrow import (
    AlreadyStarted,
    DynamicSupervisor,
    GenServer,
    Registry,
    ServerExited,
    StartError,
    Supervisor,
    process,
)
from regrow.kernel.reasons import KILL, KILLED, NOPROC
from regrow.servers.gen_server import stop
from regrow.supervision.children import RESTARTING
from regrow.supervision.errors import ChildNotFound
from regrow.testing import explore
from tests.supervision.servers import Boom, Worker, ended

SCHEDULES = 300


class Script:
    """How each start of a ``Gated`` child goes, and where it waits."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.starts = 0
        self.fails: set[int] = set()
        self.waits: set[int] = set()


class Gated(Worker):
    """The n-th start waits for ``release`` or fails, as its script says."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    async def init(self) -> None:
        script = self.script
        script.starts += 1
        number = script.starts
        if number in script.waits:
            script.entered.set()
            await script.release.wait()
        if number in script.fails:
            raise Boom("this start fails")


def everyone(kind: type[GenServer]) -> list[Any]:
    """The living processes of that class."""
    return [pid for pid in process.processes() if (info := process.info(pid)) and info.kind == kind.__name__]


# --- a restart that fails while terminate_child arrives -----------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True], ids=["the restart succeeds", "the restart fails"])
async def test_terminate_child_arrives_while_a_restart_is_under_way(fails: bool) -> None:
    script = Script()
    script.waits = {2}
    script.fails = {2} if fails else set()
    async with DynamicSupervisor.scope(max_restarts=10) as sup:
        child = await sup.start_child((Gated, script))
        child.end(Boom("once"))
        await script.entered.wait()
        terminating = asyncio.create_task(sup.terminate_child(child))
        await asyncio.sleep(0)
        script.release.set()
        if fails:  # its last pid is still what it is known by
            await terminating
            assert await sup.which_children() == []
            assert script.starts == 2
        else:  # that process is gone, and its successor is another child
            with pytest.raises(ChildNotFound):
                await terminating
            assert len(everyone(Gated)) == 1


@pytest.mark.parametrize("fails", [False, True], ids=["the restart succeeds", "the restart fails"])
async def test_a_static_child_is_terminated_by_its_id_while_a_restart_is_under_way(fails: bool) -> None:
    script = Script()
    script.waits = {2}
    script.fails = {2} if fails else set()
    spec = Gated.child_spec(script).replace(id="gated")
    async with Supervisor.scope([spec], strategy="one_for_one", max_restarts=10) as sup:
        child = (await sup.which_children())[0].child
        child.end(Boom("once"))
        await script.entered.wait()
        terminating = asyncio.create_task(sup.terminate_child("gated"))
        await asyncio.sleep(0)
        script.release.set()
        await terminating
        assert [row.child for row in await sup.which_children()] == [None]
        assert everyone(Gated) == []
        assert script.starts == 2


def test_a_terminated_child_never_comes_back() -> None:
    async def scenario() -> None:
        script = Script()
        script.fails = {2, 3}
        async with DynamicSupervisor.scope(max_restarts=10) as sup:
            child = await sup.start_child((Gated, script))
            child.end(Boom("once"))
            try:
                await sup.terminate_child(child)
            except ChildNotFound:  # restarted already
                await asyncio.sleep(1)
                assert len(everyone(Gated)) == 1
            else:
                await asyncio.sleep(1)
                assert everyone(Gated) == []
                assert await sup.which_children() == []

    explore(scenario, schedules=SCHEDULES, allow=(Boom, _start_failed))


def _start_failed(report: Any) -> bool:
    return "this start fails" in report.reason


# --- a child that dies between link and ack -----------------------------------------------------------------------


class Doomed(Worker):
    """Somebody has a reason to kill it from the moment it exists."""

    async def init(self) -> None:
        asyncio.get_running_loop().call_soon(process.exit, process.current(), KILL)
        await asyncio.sleep(0)


def test_a_child_that_dies_in_the_moment_of_its_start_is_restarted_or_was_never_there() -> None:
    async def scenario() -> None:
        async with DynamicSupervisor.scope(max_restarts=3) as sup:
            try:
                child = await sup.start_child(Doomed.child_spec().replace(restart="temporary"))
            except StartError as error:
                reason = error.reason
            else:
                reason = await ended(child)
            assert reason in (KILLED, NOPROC)
            await asyncio.sleep(1)
            assert await sup.which_children() == []
            assert everyone(Doomed) == []

    explore(scenario, schedules=SCHEDULES)


async def test_a_child_that_dies_before_its_starter_hears_of_it_is_a_child_that_died() -> None:
    """Its ``init`` is through, and the word of it is on its way; then comes the kill."""
    script = Script()
    script.waits = {1}
    async with DynamicSupervisor.scope(max_restarts=3) as sup:
        starting = asyncio.create_task(sup.start_child((Gated, script)))
        await script.entered.wait()
        (pid,) = everyone(Gated)
        script.release.set()
        while process.info(pid) is not None and process.info(pid).status == "starting":
            await asyncio.sleep(0)
        process.exit(pid, KILL)
        assert not starting.done()
        child = await starting
        assert not process.alive(child)
        while await sup.count_children() == (1, 0, 0, 1):
            await asyncio.sleep(0)
        assert len(everyone(Gated)) == 1
        assert script.starts == 2


# --- a parent that dies during start ------------------------------------------------------------------------------


async def test_a_supervisor_that_is_killed_while_its_child_starts_takes_it_along() -> None:
    script = Script()
    script.waits = {1}
    sup = await DynamicSupervisor.start()
    starting = asyncio.create_task(sup.start_child((Gated, script)))
    await script.entered.wait()
    process.exit(sup, KILL)
    with pytest.raises(ServerExited):
        await starting
    await asyncio.sleep(0)
    assert not process.alive(sup)
    assert everyone(Gated) == []


class Trapping(Gated, trap_exits=True):
    """The exit of its supervisor is a message to it, which it comes to when it is through its ``init``."""


@pytest.mark.parametrize("kind", [Gated, Trapping])
@pytest.mark.parametrize("waits", [False, True], ids=["it starts", "its start takes for ever"])
def test_whenever_a_supervisor_is_killed_nobody_is_left(kind: type[Gated], waits: bool) -> None:
    async def scenario() -> None:
        script = Script()
        script.waits = {1} if waits else set()
        sup = await DynamicSupervisor.start()
        starting = asyncio.create_task(sup.start_child((kind, script)))
        dying = asyncio.create_task(_soon(process.exit, sup, KILL))
        await asyncio.gather(starting, dying, return_exceptions=True)
        await asyncio.sleep(60)
        assert not process.alive(sup)
        assert everyone(kind) == []

    explore(scenario, schedules=SCHEDULES, allow=lambda report: report.reason == "KILLED")


async def _soon(function: Callable[..., Any], *args: Any) -> None:
    function(*args)


# --- names that are taken again in the same instant ---------------------------------------------------------------


def test_of_two_who_want_a_name_that_is_free_again_one_gets_it() -> None:
    async def scenario() -> None:
        owner = await Worker.options(name="seat").start()
        won: list[Any] = []
        lost: list[Any] = []

        async def want() -> None:
            await ended(owner)
            try:
                won.append(await Worker.options(name="seat").start())
            except AlreadyStarted as error:
                lost.append(error.pid)

        wanting = [asyncio.create_task(want()) for _ in range(3)]
        process.exit(owner, KILL)
        await asyncio.gather(*wanting)
        assert [process.pid_of(each) for each in won] == [process.whereis("seat")]
        assert lost == [process.whereis("seat")] * 2

    explore(scenario, schedules=SCHEDULES)


def test_a_restarted_child_has_its_name_again_or_the_thief_has_it_and_the_supervisor_knows() -> None:
    async def scenario() -> None:
        async with DynamicSupervisor.scope(max_restarts=10**9) as sup:  # it tries until the thief is gone
            child = await sup.start_child(Worker.options(name="seat").child_spec())

            async def steal() -> None:
                await ended(child)
                try:
                    thief = await Worker.options(name="seat").start()
                except AlreadyStarted:
                    return
                process.exit(thief, KILL)

            stealing = asyncio.create_task(steal())
            process.exit(child, KILL)
            await stealing
            while RESTARTING in (rows := [row.child for row in await sup.which_children()]):
                await asyncio.sleep(0.1)
            (now,) = rows
            assert process.whereis("seat") == process.pid_of(now)
            assert await now.who() == process.pid_of(now)

    explore(scenario, schedules=SCHEDULES)


def test_a_registered_name_that_is_free_again_leads_to_the_living() -> None:
    async def scenario() -> None:
        async with Registry.scope("seats", keys="unique") as seats, DynamicSupervisor.scope() as sup:
            spec = Worker.options(name=seats.via("one")).child_spec()
            child = await sup.start_child(spec)
            process.exit(child, KILL)
            await ended(child)
            try:
                await sup.start_child(spec)
                thief = None
            except AlreadyStarted as error:
                thief = error.pid
            await asyncio.sleep(1)
            ((pid, _),) = seats.lookup("one")
            assert process.alive(pid)
            assert thief in (None, pid)

    explore(scenario, schedules=SCHEDULES)


# --- shutdown while a child is starting ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["stop", "scope"])
async def test_a_shutdown_while_a_child_starts_waits_for_the_start_and_ends_it(order: str) -> None:
    script = Script()
    script.waits = {1}
    scope = DynamicSupervisor.scope()
    sup = await scope.__aenter__()
    starting = asyncio.create_task(sup.start_child((Gated, script)))
    await script.entered.wait()
    ending = asyncio.create_task(stop(sup) if order == "stop" else scope.__aexit__(None, None, None))
    await asyncio.sleep(60)
    assert not ending.done()
    script.release.set()
    await ending
    assert everyone(Gated) == []
    assert not process.alive(await starting)
    if order == "stop":
        await scope.__aexit__(None, None, None)


def test_whenever_the_shutdown_comes_the_books_are_empty_after_it() -> None:
    async def scenario() -> None:
        script = Script()
        script.fails = {3}
        sup = await DynamicSupervisor.start(max_restarts=10)
        first = await sup.start_child((Gated, script))
        first.end(Boom("once"))
        starting = [asyncio.create_task(sup.start_child((Gated, script))) for _ in range(2)]
        await asyncio.gather(stop(sup), *starting, return_exceptions=True)
        await asyncio.sleep(60)
        assert not process.alive(sup)
        assert everyone(Gated) == []

    explore(scenario, schedules=SCHEDULES, allow=(Boom, _start_failed))
