"""What the DynamicSupervisor page says beside its listings: the outcomes that it names, its defaults, its warnings.

Each test quotes the sentence that it holds to.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from examples.reference.limits import Limited, Worker, nonsense
from regrow import (
    NORMAL,
    RESTARTING,
    SHUTDOWN,
    AlreadyStarted,
    ChildInfo,
    ChildNotFound,
    Counts,
    DynamicSupervisor,
    Flags,
    GenServer,
    Ignore,
    InvalidFlags,
    MaxChildren,
    Pid,
    StartError,
    StartIgnored,
    StartResult,
    call,
    process,
    spec,
    sys,
)
from regrow.process import Down

NOTHING = Counts(specs=0, active=0, supervisors=0, workers=0)


async def crash(target: Any) -> None:
    ref = process.monitor(target)
    process.exit(target, "crash")
    await process.receive(lambda message: isinstance(message, Down) and message.ref == ref)


# --- start_link and init ----------------------------------------------------------------------------------------------


async def test_a_name_that_is_taken() -> None:
    """If ... a process with the specified name already exists, ... returns {:error, {:already_started, pid}}."""
    first = await DynamicSupervisor.options(name="taken").start_link()
    with pytest.raises(AlreadyStarted) as refused:
        await DynamicSupervisor.options(name="taken").start_link()
    assert refused.value.pid == process.pid_of(first)


class Picky(DynamicSupervisor):
    def init(self, mood: str) -> Flags:
        if mood == "ignore":
            raise Ignore
        if mood == "fail":
            raise ValueError("not today")
        return mood  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # wrong on purpose


async def test_init_may_ignore() -> None:
    """If the init/1 callback returns :ignore, this function returns :ignore as well."""
    with pytest.raises(StartIgnored):
        await Picky.start_link("ignore")


async def test_init_may_fail_or_return_nonsense() -> None:
    """If it fails or returns an incorrect value, this function returns {:error, term}."""
    with pytest.raises(StartError) as failed:
        await Picky.start_link("fail")
    assert isinstance(failed.value.reason, ValueError)
    with pytest.raises(StartError) as wrong:
        await Picky.start_link("nonsense")
    assert isinstance(wrong.value.reason, InvalidFlags)
    assert "'nonsense'" in str(wrong.value.reason)


async def test_a_supervisor_ends_with_its_parent_also_normally() -> None:
    """... linked to the parent process and exits not only on crashes but also if the parent ... exits with :normal."""
    started = asyncio.Event()
    leave = asyncio.Event()

    async def parent() -> None:
        await DynamicSupervisor.options(name="orphan").start_link()
        started.set()
        await leave.wait()

    process.spawn(parent)
    await started.wait()
    process.monitor("orphan")
    leave.set()
    down = await process.receive(Down)
    assert (down.target, down.reason) == ("orphan", NORMAL)


def test_the_defaults() -> None:
    """:max_restarts ... Defaults to 3. :max_seconds ... 5. :max_children ... :infinity. :extra_arguments ... empty."""
    flags = Flags()
    assert (flags.strategy, flags.max_restarts, flags.max_seconds) == ("one_for_one", 3, 5)
    assert (flags.max_children, flags.extra_arguments) == (math.inf, ())


@pytest.mark.behaviour("DS-34")
async def test_three_restarts_in_five_seconds_are_survived_and_a_fourth_is_not() -> None:
    supervisor = await DynamicSupervisor.start()
    await supervisor.start_child(Worker)
    for _ in range(3):
        await crash((await supervisor.which_children())[0].child)
        assert (await supervisor.count_children()).active == 1
    process.monitor(supervisor)
    await crash((await supervisor.which_children())[0].child)
    down = await process.receive(Down)
    assert down.reason is SHUTDOWN


async def test_one_for_one_is_the_only_strategy() -> None:
    """The only supported value is :one_for_one which means that no other child is terminated."""
    with pytest.raises(StartError) as refused:
        await DynamicSupervisor.start_link(strategy="one_for_all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert isinstance(refused.value.reason, InvalidFlags)
    async with DynamicSupervisor.scope() as supervisor:
        one = await supervisor.start_child(Worker)
        two = await supervisor.start_child(Worker)
        await crash(one)
        assert (await supervisor.count_children()).active == 2
        assert process.alive(two)


class Barrier(GenServer, trap_exits=True):
    """Ends only when all others are about to."""

    def __init__(self, barrier: asyncio.Barrier) -> None:
        self.barrier = barrier

    async def terminate(self, reason: object) -> None:
        await self.barrier.wait()


async def test_all_children_are_shut_down_at_the_same_time() -> None:
    """When a dynamic supervisor terminates, all children are shutdown at the same time."""
    barrier = asyncio.Barrier(3)
    async with DynamicSupervisor.scope() as supervisor:
        for _ in range(3):
            await supervisor.start_child(Barrier.child_spec(barrier))
    assert barrier.n_waiting == 0


# --- start_child ------------------------------------------------------------------------------------------------------


async def test_a_child_that_ignores_is_not_added() -> None:
    """If the ... start function returns :ignore, then no child is added ... and this function returns :ignore too."""
    async with DynamicSupervisor.scope() as supervisor:
        with pytest.raises(StartIgnored):
            await supervisor.start_child(Worker.child_spec("ignore"))
        assert await supervisor.count_children() == NOTHING


async def test_a_start_that_fails_or_returns_an_erroneous_value_is_discarded() -> None:
    """If [it] returns an error tuple or an erroneous value, or if it fails, the child specification is discarded."""
    async with DynamicSupervisor.scope() as supervisor:
        with pytest.raises(StartError) as erroneous:
            await supervisor.start_child(spec(nonsense))
        assert erroneous.value.reason == "nonsense"
        with pytest.raises(StartError) as failed:
            await supervisor.start_child(Worker.child_spec("fail"))
        assert isinstance(failed.value.reason, ValueError)
        assert await supervisor.count_children() == NOTHING


async def test_a_start_function_may_say_more() -> None:
    """If [it] returns ... {:ok, child, info}, then ... this function returns the same value."""

    async def start() -> StartResult:
        return StartResult(await Worker.start_link(), {"port": 4000})

    async with DynamicSupervisor.scope() as supervisor:
        result = await supervisor.start_child(spec(start))
        assert result.info == {"port": 4000}
        assert [row.child for row in await supervisor.which_children()] == [result.pid]


async def test_a_child_too_many() -> None:
    """If the supervisor already has N children ... then this function returns {:error, :max_children}."""
    async with Limited.scope(1) as supervisor:
        await supervisor.start_child(Worker)
        with pytest.raises(MaxChildren) as refused:
            await supervisor.start_child(Worker)
        assert refused.value.limit == 1
    async with Limited.scope(0) as supervisor:
        with pytest.raises(MaxChildren):
            await supervisor.start_child(Worker)


# --- terminate_child, count_children, which_children ------------------------------------------------------------------


async def test_terminate_child() -> None:
    """If successful, this function returns :ok. If there is no process with the given PID, ... {:error, :not_found}."""
    async with DynamicSupervisor.scope() as supervisor:
        child = await supervisor.start_child(Worker)
        pid = process.pid_of(child)
        await supervisor.terminate_child(pid)
        assert not process.alive(pid)
        for gone in (pid, child, process.current(), Pid(0)):
            with pytest.raises(ChildNotFound):
                await supervisor.terminate_child(gone)


class Fickle(GenServer):
    """Starts while there is a permit to take."""

    def __init__(self, permits: list[str]) -> None:
        if not permits:
            raise ValueError("no permit")
        permits.pop()


async def test_a_child_that_cannot_be_restarted_yet() -> None:
    """child - the pid of the corresponding child process or the atom :restarting if ... about to be restarted."""
    permits = ["first"]
    async with DynamicSupervisor.scope(max_restarts=100_000) as supervisor:
        await crash(await supervisor.start_child(Fickle.child_spec(permits)))
        assert await supervisor.which_children() == [ChildInfo(None, RESTARTING, "worker", (Fickle,))]
        assert await supervisor.count_children() == Counts(specs=1, active=0, supervisors=0, workers=1)
        permits.append("second")
        while (await supervisor.count_children()).active == 0:
            pass
        assert permits == []


async def test_count_and_which_children() -> None:
    """id - it is always :undefined; child - the pid or :restarting; type; modules - as defined in the specification."""
    async with DynamicSupervisor.scope() as supervisor:
        worker = await supervisor.start_child(Worker)
        below = await supervisor.start_child(DynamicSupervisor.child_spec())
        assert await supervisor.which_children() == [
            ChildInfo(None, worker, "worker", (Worker,)),
            ChildInfo(None, below, "supervisor", (DynamicSupervisor,)),
        ]
        assert await supervisor.count_children() == Counts(specs=2, active=2, supervisors=1, workers=1)
        assert [row async for row in supervisor.iter_children()] == await supervisor.which_children()


# --- hot upgrades -----------------------------------------------------------------------------------------------------


class Tenant:
    limit = 1


class Rooms(DynamicSupervisor):
    def init(self, tenant: Tenant) -> Flags:
        return self.flags(max_children=tenant.limit)


class Room(GenServer):
    @call
    def who(self) -> Pid:
        return process.current()


async def test_init_is_run_again_for_a_code_upgrade() -> None:
    """Callback invoked to start the supervisor and during hot code upgrades."""
    tenant = Tenant()
    async with Rooms.scope(tenant) as rooms:
        first = await rooms.start_child(Room)
        with pytest.raises(MaxChildren):
            await rooms.start_child(Room)
        tenant.limit = 2
        await sys.suspend(rooms)
        await sys.change_code(rooms)
        await sys.resume(rooms)
        await rooms.start_child(Room)
        assert await first.who() == process.pid_of(first)
