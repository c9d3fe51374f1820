"""Rows of the inventory about supervisors that need a test of their own, and the few where regrow does otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import Registry, process, within
from regrow.kernel.errors import AlreadyStarted, InvalidFlags, InvalidSpec, MaxChildren, NoProcess, StartError
from regrow.kernel.names import Global
from regrow.kernel.reasons import KILLED, NORMAL, SHUTDOWN
from regrow.servers.calls import call
from regrow.servers.child_spec import ChildSpec, spec
from regrow.servers.gen_server import stop
from regrow.servers.starting import StartResult
from regrow.supervision.children import RESTARTING, Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.flags import Flags
from regrow.supervision.supervisor import Plan, Supervisor
from regrow.testing import virtual_time
from tests.supervision.servers import Gate, Moody, Slow, SlowStart, Stubborn, Worker, children_of, end

KINDS = pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])


async def reason_of(ref: int) -> object:
    """Why it ended whom the monitor *ref* watches."""
    down = await process.receive(lambda message: isinstance(message, process.Down) and message.ref == ref)
    return down.reason


# --- specs and flags -------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-01")
async def test_supervisors_of_other_names_have_room_in_one_and_two_without_a_name_have_not() -> None:
    via = Registry.named("r").via("c")
    async with Supervisor.scope([Registry.child_spec("r", keys="unique")]) as root:
        for name in ("a", "b", Global("b"), via):
            made = DynamicSupervisor.options(name=name).child_spec()
            assert made.id == name
            await root.start_child(made)
        first = await root.start_child(DynamicSupervisor)
        with pytest.raises(AlreadyStarted) as taken:
            await root.start_child(DynamicSupervisor)
        assert taken.value.pid == process.pid_of(first)
        assert (await root.count_children()).active == 6


@pytest.mark.behaviour("DS-08", differs=True)
async def test_a_supervisor_is_told_by_its_own_class_also_without_a_callback() -> None:
    class Rooms(DynamicSupervisor): ...

    class Tree(Supervisor):
        def init(self) -> Plan:
            return self.plan([])

    started = [await kind.start() for kind in (Rooms, Tree, DynamicSupervisor, Supervisor)]
    kinds = [info.kind for each in started if (info := process.info(each)) is not None]
    assert kinds == ["Rooms", "Tree", "DynamicSupervisor", "Supervisor"]


@pytest.mark.behaviour("DS-03", "SUP-25")
async def test_an_init_that_gives_raw_flags_is_allowed_one_restart() -> None:
    class Raw(DynamicSupervisor):
        def init(self) -> Flags:
            return Flags.raw()

    sup = await Raw.start()
    ref = process.monitor(sup)
    await end(await sup.start_child(Worker))
    (again,) = await children_of(sup)
    again.end(NORMAL)
    assert await reason_of(ref) is SHUTDOWN


@pytest.mark.behaviour("SUP-04", differs=True)
async def test_a_strategy_need_not_be_said() -> None:
    class Tree(Supervisor):
        def init(self) -> Plan:
            return self.plan([Worker, Worker.child_spec().replace(id="other")])

    async with Tree.scope() as tree:
        other, first = await children_of(tree)
        await end(first)
        again = await children_of(tree)
        assert again[0] == other
        assert again[1] != first


@pytest.mark.behaviour("SUP-21", differs=True)
def test_a_key_that_no_spec_has_is_refused() -> None:
    with pytest.raises(TypeError, match="'colour'"):
        ChildSpec("id", Worker, colour="red")  # type: ignore[call-arg]
    with pytest.raises(InvalidSpec, match="colour='red': a spec has no such key"):
        Worker.child_spec().replace(colour="red")  # type: ignore[call-overload]


@pytest.mark.behaviour("SUP-24", differs=True)
@KINDS
async def test_a_flag_that_nobody_knows_is_refused(kind: Any) -> None:
    with pytest.raises(StartError) as failed:
        await kind.start(colour="red")
    assert isinstance(failed.value.reason, InvalidFlags)
    assert "colour='red'" in str(failed.value)


@pytest.mark.behaviour("SUP-11")
@pytest.mark.parametrize("wrong", [{}, {"id": 1}, 3, ("id", Worker.start_link, "permanent", 5, "worker", [])])
@KINDS
async def test_a_running_supervisor_takes_no_map_and_no_tuple_of_old_otp(kind: Any, wrong: Any) -> None:
    async with kind.scope() as sup:
        with pytest.raises(InvalidSpec, match="is not a child: a child is"):
            await sup.start_child(wrong)
        for made in (lambda: ChildSpec(1), lambda: ChildSpec()):  # type: ignore[call-arg]
            with pytest.raises(TypeError, match="'start'"):
                made()
        for key, value in (("start", 3), ("shutdown", -1)):
            with pytest.raises(InvalidSpec, match=f"{key}={value}"):
                await sup.start_child(Worker.child_spec().replace(**{key: value}))
        assert await sup.which_children() == []


# --- starts ----------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("SUP-36")
async def test_a_start_result_is_given_by_start_child_and_restart_child_and_dropped_at_a_restart() -> None:
    async def start() -> StartResult:
        return StartResult(await Worker.start_link(), "and more")

    async with Supervisor.scope([]) as sup:
        for ask in (lambda: sup.start_child(spec(start)), lambda: sup.restart_child(start)):
            result: Any = await ask()
            assert isinstance(result, StartResult)
            assert result.info == "and more"
            assert await children_of(sup) == [result.pid]
            await sup.terminate_child(start)
        await sup.restart_child(start)
        (worker,) = await children_of(sup)
        await end(worker)
        (again,) = await children_of(sup)
        assert again != worker
        assert await again.who() == process.pid_of(again)


@pytest.mark.behaviour("DS-28")
async def test_a_restart_that_returns_no_process_leaves_the_child_restarting() -> None:
    results: list[Any] = [None]

    async def start() -> Any:
        return results[-1] or await Worker.start_link()

    async with DynamicSupervisor.scope(max_restarts=10**9) as sup:
        worker = await sup.start_child(spec(start))
        results.append("nonsense")
        await end(worker)
        assert await children_of(sup) == [RESTARTING]
        assert await sup.count_children() == Counts(specs=1, active=0, supervisors=0, workers=1)
        results.pop()
        while RESTARTING in await children_of(sup):
            pass
        assert (await sup.count_children()).active == 1


@pytest.mark.behaviour("DS-31")
async def test_a_child_that_is_back_after_a_failed_restart_takes_one_slot() -> None:
    gate = Gate()
    async with DynamicSupervisor.scope(max_children=2, max_restarts=10**9) as sup:
        child = await sup.start_child(Moody.child_spec(gate))
        gate.mood = "fail"
        await end(child)
        assert await children_of(sup) == [RESTARTING]
        gate.mood = "fine"
        while (await sup.count_children()).active == 0:
            pass
        assert await sup.count_children() == Counts(specs=1, active=1, supervisors=0, workers=1)
        await sup.start_child(Worker)
        with pytest.raises(MaxChildren):
            await sup.start_child(Worker)


@pytest.mark.behaviour("SUP-43")
@KINDS
async def test_who_asks_a_supervisor_waits_as_long_as_it_takes(kind: Any) -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    async with kind.scope() as sup:
        with virtual_time():
            starting = asyncio.create_task(sup.start_child(SlowStart.child_spec(release, entered)))
            counting = asyncio.create_task(sup.count_children())
            listing = asyncio.create_task(sup.which_children())
            await asyncio.sleep(86_400)
            assert not starting.done()
            assert not counting.done()
            assert not listing.done()
            release.set()
            assert (await counting).active == 1
            assert [row.child for row in await listing] == [await starting]
        assert (await within(sup, 5).count_children()).active == 1


@pytest.mark.behaviour("GS-63")
async def test_between_two_lives_a_name_is_nobody_and_no_call_waits() -> None:
    gate, phoenix = Gate(), Moody.named("phoenix")
    async with DynamicSupervisor.scope(max_restarts=10**9) as sup:
        await sup.start_child(Moody.options(name="phoenix").child_spec(gate))
        gate.mood = "fail"
        await end(phoenix)
        assert await children_of(sup) == [RESTARTING]
        assert process.whereis("phoenix") is None
        with pytest.raises(NoProcess):
            await phoenix.who()
        gate.mood = "fine"
        while RESTARTING in await children_of(sup):
            pass
        assert await phoenix.who() == process.whereis("phoenix")


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-44")
async def test_terminate_child_kills_when_the_shutdown_time_is_over_and_not_before() -> None:
    async with DynamicSupervisor.scope() as sup:
        child = await sup.start_child(Stubborn.child_spec().replace(shutdown=100))
        ref = process.monitor(child)
        with virtual_time() as clock:
            await sup.terminate_child(child)
            assert clock.elapsed == 100
        assert await reason_of(ref) is KILLED


@pytest.mark.behaviour("SUP-32")
async def test_a_supervisor_below_another_has_all_the_time_it_needs() -> None:
    release, told = asyncio.Event(), asyncio.Event()
    root = await Supervisor.start([])
    inner = await root.start_child(Supervisor.child_spec([]))
    slow = await inner.start_child(Slow.child_spec(release, told).replace(shutdown=float("inf")))
    refs = [process.monitor(each) for each in (slow, inner, root)]
    stopping = asyncio.create_task(stop(root, SHUTDOWN))
    await told.wait()
    with virtual_time():
        await asyncio.sleep(86_400)
    assert not stopping.done()
    release.set()
    await stopping
    assert [await reason_of(ref) for ref in refs] == [SHUTDOWN] * 3


@pytest.mark.behaviour("SUP-69")
@KINDS
async def test_a_child_of_somebody_else_that_unlinked_itself_is_waited_for(kind: Any) -> None:
    release = asyncio.Event()

    class Adopted(Worker):
        @call
        def unlink(self, other: Any) -> None:
            process.unlink(other)

        async def terminate(self, reason: object) -> None:
            await release.wait()

    adopted = await Adopted.start()
    sup = await kind.start()
    await sup.start_child(spec(lambda: adopted).replace(id=1))
    await adopted.unlink(sup)
    ending = asyncio.create_task(sup.terminate_child(adopted if kind is DynamicSupervisor else 1))
    await asyncio.sleep(1)
    assert not ending.done()
    release.set()
    await ending
    assert not process.alive(adopted)


@pytest.mark.behaviour("SUP-78")
async def test_who_does_not_run_is_counted_by_the_type_of_its_spec() -> None:
    children = [
        Worker,
        Worker.child_spec().replace(id="called a supervisor", type="supervisor"),
        DynamicSupervisor,
        DynamicSupervisor.child_spec().replace(id="called a worker", type="worker", shutdown=5),
    ]
    async with Supervisor.scope(children) as sup:
        assert await sup.count_children() == Counts(specs=4, active=4, supervisors=2, workers=2)
        for row in await sup.which_children():
            await sup.terminate_child(row.id)
        assert await sup.count_children() == Counts(specs=4, active=0, supervisors=2, workers=2)


@pytest.mark.behaviour("SUP-52")
@KINDS
async def test_a_supervisor_survives_any_number_of_crashes_that_are_far_enough_apart(kind: Any) -> None:
    with virtual_time():
        async with kind.scope(max_restarts=1, max_seconds=1) as sup:
            await sup.start_child(Worker)
            for _ in range(20):
                (worker,) = await children_of(sup)
                await end(worker)
                await asyncio.sleep(2.1)
            assert (await sup.count_children()).active == 1


# --- what a client can't even say ------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-48", "SUP-75", differs=True)
@KINDS
async def test_an_unknown_request_is_the_clients_error_and_the_supervisor_lives_on(kind: Any) -> None:
    async with kind.options(name="sup").scope() as sup:
        worker = await sup.start_child(Worker)
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            await sup.nonsense()
        with pytest.raises(TypeError, match="no Worker and has no who of it"):
            await Worker.named("sup").who()
        with pytest.raises(TypeError, match="no Worker and has no end of it"):
            Worker.named("sup").end("odd")
        assert await children_of(sup) == [worker]
