"""DynamicSupervisor: who is restarted when, how often, and what happens when a restart fails."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from regrow import Global, Registry, RegistryVia, process
from regrow.kernel.errors import NoProcess
from regrow.kernel.reasons import KILL, KILLED, NORMAL, SHUTDOWN, Shutdown
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import stop
from regrow.supervision.children import RESTARTING, ChildInfo, Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, Gate, Moody, Worker, children_of, end, ended

CLEAN = [NORMAL, SHUTDOWN, Shutdown("detail")]
UNCLEAN = [Boom("crash"), "odd", KILLED]


async def end_one(restart: Any, reason: Any) -> tuple[Any, list[Any], Counts]:
    """Start a child, end it with that reason; the child, who is there afterwards, and the counts."""
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Worker.child_spec("x").replace(restart=restart))
        await end(worker, reason)
        return worker, await children_of(sup), await sup.count_children()


@pytest.mark.behaviour("DS-23")
@pytest.mark.parametrize("reason", CLEAN + UNCLEAN)
async def test_a_temporary_child_is_never_restarted(reason: Any) -> None:
    _, children, counts = await end_one("temporary", reason)
    assert children == []
    assert counts == Counts(0, 0, 0, 0)


@pytest.mark.behaviour("DS-24")
@pytest.mark.parametrize("reason", CLEAN)
async def test_a_transient_child_that_ends_cleanly_is_forgotten(reason: Any) -> None:
    _, children, counts = await end_one("transient", reason)
    assert children == []
    assert counts == Counts(0, 0, 0, 0)


@pytest.mark.behaviour("DS-24")
@pytest.mark.parametrize("reason", UNCLEAN)
async def test_a_transient_child_that_crashes_is_restarted(reason: Any) -> None:
    worker, (again,), counts = await end_one("transient", reason)
    assert again != worker
    assert counts == Counts(1, 1, 0, 1)


@pytest.mark.behaviour("DS-25", "DS-26")
@pytest.mark.parametrize("reason", CLEAN + UNCLEAN)
async def test_a_permanent_child_is_always_restarted(reason: Any) -> None:
    worker, (again,), counts = await end_one("permanent", reason)
    assert again != worker
    assert counts == Counts(1, 1, 0, 1)


async def test_a_killed_child_is_restarted() -> None:
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Worker.child_spec("x").replace(restart="transient"))
        process.exit(worker, KILL)
        (again,) = await children_of(sup)
        assert again != worker
        assert await again.arguments() == ("x",)


@pytest.mark.behaviour("SUP-79")
@pytest.mark.parametrize("name", ["phoenix", Global("phoenix"), Registry.named("birds").via("phoenix")])
async def test_a_named_child_is_found_under_its_name_after_a_hundred_kills(name: Any) -> None:
    birds = await Registry.start_link("birds", keys="unique")
    async with DynamicSupervisor.scope(max_restarts=100) as sup:
        await sup.start_child(Worker.options(name=name).child_spec())
        pids = set()
        for _ in range(100):
            pid = process.whereis(name)
            pids.add(pid)
            process.exit(name, KILL)
            assert len(await children_of(sup)) == 1
        assert len(pids) == 100
        assert await Worker.named(name).who() == process.whereis(name)
        await birds.settled()
        assert birds.count() == (1 if isinstance(name, RegistryVia) else 0)


@pytest.mark.behaviour("DS-27")
async def test_a_restart_that_ignores_removes_the_child() -> None:
    gate = Gate()
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Moody.child_spec(gate))
        gate.mood = "ignore"
        await end(worker)
        assert await sup.count_children() == Counts(0, 0, 0, 0)
        assert gate.starts == 2


@pytest.mark.behaviour("DS-28", "DS-51")
async def test_a_restart_that_fails_leaves_the_child_restarting_until_it_succeeds() -> None:
    gate = Gate()
    async with DynamicSupervisor.scope(max_restarts=10**9) as sup:
        worker = await sup.start_child(Moody.child_spec(gate))
        gate.mood = "fail"
        await end(worker)
        assert await sup.which_children() == [ChildInfo(None, RESTARTING, "worker", (Moody,))]
        assert await sup.count_children() == Counts(specs=1, active=0, supervisors=0, workers=1)
        other = await sup.start_child(Worker)
        assert await other.who()
        gate.mood = "fine"
        while RESTARTING in await children_of(sup):
            pass
        assert await sup.count_children() == Counts(specs=2, active=2, supervisors=0, workers=2)


@pytest.mark.behaviour("DS-32")
async def test_a_crash_and_a_failing_restart_are_two_attempts() -> None:
    gate = Gate()
    process.trap_exits()
    sup = await DynamicSupervisor.start_link(max_restarts=1)
    worker = await sup.start_child(Moody.child_spec(gate))
    gate.mood = "fail"
    worker.end(Boom("crash"))
    assert await process.receive(process.Exit) == process.Exit(process.Pid(last_pid(sup)), SHUTDOWN)
    assert gate.starts == 2


def last_pid(handle: Any) -> int:
    """The pid a handle was bound to, though the process is gone."""
    return handle.__reduce__()[1][1]


@pytest.mark.behaviour("DS-33")
async def test_a_restart_that_always_fails_is_tried_max_restarts_times() -> None:
    gate = Gate()
    sup = await DynamicSupervisor.start(max_restarts=10)
    worker = await sup.start_child(Moody.child_spec(gate))
    ref = process.monitor(sup)
    gate.mood = "fail"
    worker.end(Boom("crash"))
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    assert gate.starts == 1 + 10


@pytest.mark.behaviour("DS-25", "DS-34")
@pytest.mark.parametrize("reason", [Boom("crash"), NORMAL])
async def test_the_fourth_restart_in_the_window_stops_the_supervisor_and_its_children(reason: Any) -> None:
    sup = await DynamicSupervisor.start()
    bystander = await sup.start_child(Worker)
    for _ in range(3):
        await end(await sup.start_child(Worker), reason)
        assert len(await children_of(sup)) >= 2
    ref, other = process.monitor(sup), process.monitor(bystander)
    (await sup.start_child(Worker)).end(reason)
    first, second = [await process.receive(process.Down) for _ in range(2)]
    assert (first.ref, first.reason) == (other, SHUTDOWN)
    assert (second.ref, second.reason) == (ref, SHUTDOWN)


async def test_starting_and_terminating_by_hand_are_no_restarts() -> None:
    async with DynamicSupervisor.scope(max_restarts=0) as sup:
        for _ in range(20):
            await sup.terminate_child(await sup.start_child(Worker))
        await end(await sup.start_child(Worker.child_spec().replace(restart="temporary")))
        assert await sup.count_children() == Counts(0, 0, 0, 0)


@pytest.mark.behaviour("DS-50", "SUP-68")
@pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])
async def test_stopping_it_does_not_wait_for_a_child_that_is_restarting(kind: Any) -> None:
    gate = Gate()
    sup = await kind.start(max_restarts=10**9)
    worker = await sup.start_child(Moody.child_spec(gate))
    gate.mood = "fail"
    await end(worker)
    assert await children_of(sup) == [RESTARTING]
    await stop(sup)
    with pytest.raises(NoProcess):
        await sup.count_children()


@pytest.mark.behaviour("DS-49")
async def test_a_temporary_child_keeps_no_start_arguments() -> None:
    class Big: ...

    async with DynamicSupervisor.scope() as sup:
        big = Big()
        gone = weakref.ref(big)

        def start(_big: Big) -> int:
            return process.spawn_link(_for_ever)

        pid = await sup.start_child(ChildSpec("x", start, (big,), restart="temporary"))
        del big
        await asyncio.sleep(0)  # the kernel remembers the caller's frame for the rest of its slice
        gc.collect()
        assert gone() is None
        assert process.alive(pid)
        (row,) = await sup.which_children()
        assert row.modules == (start,)


async def test_temporary_children_of_one_class_keep_what_their_own_specs_said() -> None:
    plain = Worker.child_spec().replace(restart="temporary")
    specs = [plain, plain.replace(type="supervisor", shutdown=5.0), plain.replace(modules="dynamic"), plain]
    async with DynamicSupervisor.scope() as sup:
        for each in specs:
            await sup.start_child(each)
        rows = await sup.which_children()
        assert [(row.type, row.modules) for row in rows] == [(each.type, each.modules) for each in specs]


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_many_crashes_at_once_are_all_healed() -> None:
    async with DynamicSupervisor.scope(max_restarts=50) as sup:
        workers = [await sup.start_child(Worker.child_spec(n)) for n in range(50)]
        for worker in workers:
            worker.end(Boom("crash"))
        for worker in workers:
            await ended(worker)
        again = await children_of(sup)
        assert len(again) == 50
        assert not set(again) & set(workers)
        assert sorted([await worker.arguments() for worker in again]) == [(n,) for n in range(50)]


@pytest.mark.parametrize("whom", ["its handle", "its pid"])
async def test_a_child_whose_restart_failed_is_terminated_by_what_it_was_known_by(whom: str) -> None:
    gate = Gate()
    async with DynamicSupervisor.scope(max_restarts=10**9) as sup:
        worker = await sup.start_child(Moody.child_spec(gate))
        gate.mood = "fail"
        known = worker if whom == "its handle" else process.pid_of(worker)
        worker.end(Boom("once"))
        while [row.child for row in await sup.which_children()] != [RESTARTING]:
            await asyncio.sleep(0)
        await sup.terminate_child(known)
        assert await sup.which_children() == []
