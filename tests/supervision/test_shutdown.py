"""How children are ended: a DynamicSupervisor's together, a Supervisor's one by one, each within its time."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from regrow import INFINITY, GenServer, NoProcess, ServerExited, process, sys
from regrow.kernel.reasons import KILL, KILLED, NORMAL, SHUTDOWN, Shutdown
from regrow.servers.calls import call
from regrow.servers.child_spec import ChildSpec, spec
from regrow.servers.gen_server import stop
from regrow.supervision.children import Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import (
    Answering,
    Gate,
    Moody,
    Obedient,
    Slow,
    Stubborn,
    Worker,
    children_of,
    end,
    ended,
)
from tests.waiting import now


async def reasons_when_stopped(
    supervisor: Any, children: list[Any], reason: object = SHUTDOWN
) -> list[object]:
    """Stop the supervisor; the exit reasons of the supervisor and of these children, as monitors see them."""
    refs = [process.monitor(each) for each in (supervisor, *children)]
    await stop(supervisor, reason)
    downs = {down.ref: down.reason for down in [await process.receive(process.Down) for _ in refs]}
    return [downs[ref] for ref in refs]


@pytest.mark.behaviour("DS-35")
async def test_a_brutal_kill_child_dies_killed_and_runs_no_terminate() -> None:
    diary: list[Any] = []
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Obedient.child_spec(diary).replace(shutdown="brutal_kill"))
    assert await reasons_when_stopped(sup, [child]) == [SHUTDOWN, KILLED]
    assert diary == []


@pytest.mark.behaviour("DS-36", "SUP-32")
@pytest.mark.parametrize("kind", ["dynamic", "static"])
async def test_an_infinite_shutdown_is_waited_for(kind: str) -> None:
    release, told = asyncio.Event(), asyncio.Event()
    made = Slow.child_spec(release, told).replace(shutdown=float("inf"))
    sup: Any = await (DynamicSupervisor.start() if kind == "dynamic" else Supervisor.start([]))
    child = await sup.start_child(made)
    stopping = asyncio.create_task(stop(sup, SHUTDOWN))
    ref = process.monitor(child)
    await told.wait()
    await asyncio.sleep(86_400)
    assert not stopping.done()
    release.set()
    await stopping
    assert await process.receive(process.Down) == process.Down(ref, process_pid(child), SHUTDOWN)


def process_pid(handle: Any) -> int:
    """The pid a handle was bound to, though the process is gone."""
    return handle.__reduce__()[1][1]


@pytest.mark.behaviour("DS-37", "DS-38")
@pytest.mark.parametrize("seconds", [float("inf"), 5])
async def test_a_child_may_answer_with_another_reason_and_the_supervisor_keeps_its_own(
    seconds: float,
) -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Answering.child_spec(Shutdown("later")).replace(shutdown=seconds))
    assert await reasons_when_stopped(sup, [child]) == [SHUTDOWN, Shutdown("later")]


@pytest.mark.behaviour("DS-39", "SUP-33")
@pytest.mark.parametrize("kind", ["dynamic", "static"])
async def test_a_child_that_does_not_end_in_its_time_is_killed_and_the_others_end_well(kind: str) -> None:
    sup: Any = await (DynamicSupervisor.start() if kind == "dynamic" else Supervisor.start([]))
    stubborn = await sup.start_child(Stubborn.child_spec().replace(shutdown=2.5))
    worker = await sup.start_child(Worker)
    assert await reasons_when_stopped(sup, [stubborn, worker]) == [SHUTDOWN, KILLED, SHUTDOWN]
    assert now() == pytest.approx(2.5)


async def test_a_shutdown_of_zero_seconds_is_over_at_once() -> None:
    sup = await DynamicSupervisor.start()
    stubborn = await sup.start_child(Stubborn.child_spec().replace(shutdown=0))
    assert await reasons_when_stopped(sup, [stubborn]) == [SHUTDOWN, KILLED]
    assert now() == 0.0


@pytest.mark.behaviour("DS-40")
async def test_permanent_children_may_end_normally() -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Answering.child_spec(NORMAL))
    assert await reasons_when_stopped(sup, [child]) == [SHUTDOWN, NORMAL]


@pytest.mark.behaviour("DS-41", "SUP-77")
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("moved"), "odd"])
async def test_the_supervisor_ends_after_its_children_with_the_reason_it_was_given(reason: object) -> None:
    for sup in (await DynamicSupervisor.start(), await Supervisor.start([])):
        child = await sup.start_child(Worker)
        order: list[object] = []
        refs = [process.monitor(child), process.monitor(sup)]
        await stop(sup, reason)
        downs = [await process.receive(process.Down) for _ in refs]
        order = [down.ref for down in downs]
        assert order == refs
        assert [down.reason for down in downs] == [SHUTDOWN, reason]


async def test_children_of_a_dynamic_supervisor_are_told_at_the_same_time() -> None:
    release = asyncio.Event()
    told = [asyncio.Event() for _ in range(3)]
    sup = await DynamicSupervisor.start()
    for event in told:
        await sup.start_child(Slow.child_spec(release, event))
    stopping = asyncio.create_task(stop(sup, SHUTDOWN))
    for event in told:
        await event.wait()
    release.set()
    await stopping


@pytest.mark.behaviour("SUP-29")
async def test_children_of_a_static_supervisor_are_told_one_by_one_in_reverse_order() -> None:
    releases = [asyncio.Event() for _ in range(3)]
    told = [asyncio.Event() for _ in range(3)]
    sup = await Supervisor.start([Slow.child_spec(releases[n], told[n]).replace(id=n) for n in range(3)])
    stopping = asyncio.create_task(stop(sup, SHUTDOWN))
    for n in (2, 1, 0):
        await told[n].wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert [event.is_set() for event in told] == [place >= n for place in range(3)]
        releases[n].set()
    await stopping


@pytest.mark.behaviour("SUP-34")
async def test_children_that_end_by_themselves_during_the_shutdown_do_not_disturb_it() -> None:
    release, told = asyncio.Event(), asyncio.Event()
    reasons = [NORMAL, SHUTDOWN, Shutdown("x"), "odd"]
    gate = Gate()
    children = [Moody.child_spec(gate).replace(id=n) for n in range(len(reasons))]
    sup = await Supervisor.start([*children, Slow.child_spec(release, told)])
    rows = {row.id: row.child for row in await sup.which_children()}
    ref = process.monitor(sup)
    stopping = asyncio.create_task(stop(sup, SHUTDOWN))
    await told.wait()
    for n, reason in enumerate(reasons):
        await end(rows[n], reason)
    release.set()
    await stopping
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    assert gate.starts == len(reasons)


@pytest.mark.behaviour("SUP-35")
async def test_a_shutdown_with_an_unexpected_reason_is_reported_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for sup in (await DynamicSupervisor.start(), await Supervisor.start([])):
        caplog.clear()
        child = await sup.start_child(Answering.child_spec("odd"))
        assert await reasons_when_stopped(sup, [child]) == [SHUTDOWN, "odd"]
        (record,) = [each for each in caplog.records if each.name == "regrow.supervisor"]
        fields = record.__dict__["regrow"]
        assert (fields["event"], fields["reason"]) == ("shutdown_error", "odd")
        assert fields["child"]["pid"] == process_pid(child)


@pytest.mark.behaviour("SUP-78")
async def test_a_child_whose_exit_waits_in_the_queue_is_not_counted_as_active() -> None:
    release, told = asyncio.Event(), asyncio.Event()
    async with Supervisor.scope([Worker, (Slow, release, told)]) as sup:
        (_, worker) = await children_of(sup)
        ending = asyncio.create_task(sup.terminate_child(Slow))
        await told.wait()
        counting = asyncio.create_task(sup.count_children())
        await asyncio.sleep(0)
        await end(worker)
        release.set()
        assert await counting == Counts(specs=2, active=0, supervisors=0, workers=2)
        assert (await sup.count_children()).active == 1
        await ending


@pytest.mark.behaviour("SUP-69")
async def test_a_child_that_unlinked_itself_is_ended_like_the_others() -> None:
    class Loner(Worker):
        def __init__(self) -> None:
            super().__init__()

        async def init(self) -> None:
            process.unlink(parent_of_me())

    sup: Any
    for sup in (await DynamicSupervisor.start(), await Supervisor.start([])):
        one = await sup.start_child(Loner.child_spec().replace(id=1))
        two = await sup.start_child(Loner.child_spec().replace(id=2))
        await sup.terminate_child(one if isinstance(sup, DynamicSupervisor) else 1)
        assert not process.alive(one)
        assert await reasons_when_stopped(sup, [two]) == [SHUTDOWN, SHUTDOWN]


def parent_of_me() -> int:
    info = process.info(process.current())
    assert info is not None
    assert info.parent is not None
    return info.parent


async def test_a_child_that_unlinks_itself_while_it_ends_is_waited_for_and_no_longer() -> None:
    class Slippery(Worker, trap_exits=True):
        async def terminate(self, reason: object) -> None:
            process.unlink(parent_of_me())
            await asyncio.sleep(0)

    for sup in (await DynamicSupervisor.start(), await Supervisor.start([])):
        child = await sup.start_child(Slippery)
        assert await reasons_when_stopped(sup, [child]) == [SHUTDOWN, SHUTDOWN]


async def test_a_child_of_other_parents_that_cut_its_link_is_waited_for_too() -> None:
    class Deserter(Worker):
        def handle_info(self, message: Any) -> None:
            process.unlink(message)

        async def terminate(self, reason: object) -> None:
            await asyncio.sleep(0)

    deserter = await Deserter.start()
    async with DynamicSupervisor.scope() as sup:
        child = await sup.start_child(spec(lambda: deserter))
        process.send(child, process.pid_of(sup))
        await child.who()
        await sup.terminate_child(child)
        assert not process.alive(child)


async def test_children_ended_by_the_thousand_leave_nothing_behind_in_their_supervisor() -> None:
    class Leisurely(Worker):
        async def terminate(self, reason: object) -> None:
            await asyncio.sleep(0)

    async with DynamicSupervisor.scope() as sup:
        for kind in (Worker, Leisurely):
            for _ in range(1200):  # more than there are frames on a stack
                await sup.terminate_child(await sup.start_child(kind))
        await end(await sup.start_child(Worker))
        (again,) = await children_of(sup)
        assert await again.who()


@pytest.mark.behaviour("SUP-70", differs=True)
async def test_a_child_that_unlinked_itself_is_restarted_all_the_same_when_it_dies() -> None:
    """OTP does not notice (SUP-70); here nobody gets out of his supervisor's sight."""

    class Loner(Worker):
        def handle_info(self, message: object) -> None:
            process.unlink(parent_of_me())

    async with Supervisor.scope([Loner]) as sup:
        (loner,) = await children_of(sup)
        process.send(loner, "go")
        await end(loner)
        (again,) = await children_of(sup)
        assert again != loner
        assert await sup.terminate_child(Loner) is None


@pytest.mark.behaviour("SUP-72", "SUP-73", "DS-53")
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "odd"])
@pytest.mark.parametrize("by_death", [False, True])
async def test_the_parents_exit_ends_it_with_that_reason(reason: object, by_death: bool) -> None:
    for kind in (DynamicSupervisor, Supervisor):
        owner = process.current()

        async def parent(kind: Any = kind, owner: Any = owner) -> None:
            sup = await kind.start_link() if kind is DynamicSupervisor else await kind.start_link([])
            process.send(owner, (sup, await sup.start_child(Worker)))
            await process.receive(str)
            if by_death:
                process.exit(reason)
            process.unlink(owner)
            process.exit(sup, reason)
            await process.receive(int)

        pid = process.spawn(parent)
        sup, child = await process.receive(tuple)
        refs = {process.monitor(sup): reason, process.monitor(child): SHUTDOWN}
        process.send(pid, "go")
        for _ in refs:
            down = await process.receive(process.Down)
            assert down.reason == refs[down.ref]


@pytest.mark.behaviour("SUP-74")
async def test_killing_a_supervisor_leaves_nobody_behind() -> None:
    diary: list[Any] = []
    outer = await Supervisor.start([])
    inner = await outer.start_child(DynamicSupervisor.child_spec())
    plain = await outer.start_child(Worker)
    trapping = await outer.start_child(Obedient.child_spec(diary, "trapping"))
    below = await inner.start_child(Obedient.child_spec(diary, "below"))
    refs = {
        process.monitor(each): name
        for name, each in {"plain": plain, "trapping": trapping, "inner": inner, "below": below}.items()
    }
    process.exit(outer, KILL)
    reasons = {}
    for _ in refs:
        down = await process.receive(process.Down)
        reasons[refs[down.ref]] = down.reason
    assert reasons == {"plain": KILLED, "trapping": KILLED, "inner": KILLED, "below": SHUTDOWN}
    assert sorted(diary, key=str) == [("below", SHUTDOWN), ("trapping", KILLED)]


async def test_even_a_process_that_traps_exits_and_stays_is_gone_after_its_supervisor_was_killed() -> None:
    async def deaf() -> None:
        process.trap_exits()
        process.send(owner, process.current())
        while True:
            await process.receive(process.Exit)
            process.send(owner, "heard it")

    owner = process.current()
    sup = await DynamicSupervisor.start()
    pid = await sup.start_child(ChildSpec("deaf", lambda: process.spawn_link(deaf), shutdown=2))
    await process.receive(int)
    ref = process.monitor(pid)
    process.exit(sup, KILL)
    await process.receive(str)
    assert process.alive(pid)
    assert await process.receive(process.Down) == process.Down(ref, pid, KILLED)
    assert now() == 5.0  # what the kernel gives it


async def test_a_kill_during_a_shutdown_takes_who_is_left_along() -> None:
    told = asyncio.Event()
    sup = await DynamicSupervisor.start()
    slow = await sup.start_child(Slow.child_spec(asyncio.Event(), told).replace(shutdown=float("inf")))
    ref = process.monitor(slow)
    stopping = asyncio.create_task(stop(sup, SHUTDOWN))
    await told.wait()
    process.exit(sup, KILL)
    assert await ended(sup) is not None
    with pytest.raises(Exception, match="exited"):
        await stopping
    process.exit(slow, KILL)
    assert (await process.receive(process.Down)).ref == ref


async def test_requests_wait_while_a_child_is_being_ended_and_are_answered_after() -> None:
    release, told = asyncio.Event(), asyncio.Event()

    class Greeter(Worker):
        @call
        def hello(self) -> str:
            return "hello"

    async with DynamicSupervisor.scope() as sup:
        slow = await sup.start_child(Slow.child_spec(release, told))
        stopping = asyncio.create_task(sup.terminate_child(slow))
        await told.wait()
        starting = asyncio.create_task(sup.start_child(Greeter))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not starting.done()
        release.set()
        await stopping
        assert await (await starting).hello() == "hello"


@pytest.mark.parametrize("where", ["handler", "terminate"])
async def test_a_child_that_was_being_ended_when_its_supervisor_was_killed_is_not_left_behind(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regrow.kernel.death.LEFT_BEHIND_GRACE", 0.01)
    lingers = asyncio.Event()

    async def linger() -> None:
        lingers.set()
        await asyncio.Event().wait()

    class InHandler(GenServer):
        async def handle_info(self, message: object) -> None:
            busy.set()
            try:
                await asyncio.Event().wait()
            finally:
                await linger()

    class InTerminate(GenServer):
        async def terminate(self, reason: object) -> None:
            await linger()

    busy = asyncio.Event()
    kind = InHandler if where == "handler" else InTerminate
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(kind.child_spec().replace(shutdown=INFINITY))
    process.monitor(child)
    if where == "handler":
        process.send(child, "keep busy")
        await busy.wait()
    stopping = asyncio.create_task(stop(sup))
    await lingers.wait()
    process.exit(sup, KILL)
    assert (await process.receive(process.Down, timeout=2)).reason is KILLED
    with pytest.raises(ServerExited):
        await stopping


# --- a supervisor that is killed ends after its children -----------------------------------------------------------


class Tidying(GenServer):
    """Takes *seconds* to end, and holds its name meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        process.trap_exits()

    async def terminate(self, reason: object) -> None:
        await asyncio.sleep(self.seconds)


class Refusing(Tidying, shutdown=0.5):
    pass


class Plain(GenServer):
    pass


def tidying(seconds: float) -> ChildSpec[Any]:
    return Tidying.options(name="tidying").child_spec(seconds)


@pytest.mark.parametrize("seconds", [0, 0.25])
async def test_a_killed_supervisor_is_restarted_when_its_children_have_given_their_names_back(
    seconds: float,
) -> None:
    class Below(Supervisor):
        def init(self) -> object:
            return self.plan([tidying(seconds)])

    async with Supervisor.scope([Below], max_restarts=1) as above:
        before = process.whereis("tidying")
        (row,) = await above.which_children()
        process.exit(process.pid_of(row.child), KILL)
        while process.whereis("tidying") in (before, None):
            await asyncio.sleep(0.01)
        assert seconds <= now() <= seconds + 0.02


async def test_who_watches_a_killed_supervisor_hears_of_it_after_its_children() -> None:
    sup = await DynamicSupervisor.start()
    slow = await sup.start_child(tidying(2))
    quick = await sup.start_child(Plain)
    refs = {process.monitor(each): each for each in (sup, slow, quick)}
    process.exit(sup, KILL)
    assert not process.alive(quick)
    ends = [refs[(await process.receive(process.Down, timeout=9)).ref] for _ in range(3)]
    assert ends == [quick, slow, sup]
    assert now() == 2.0


async def test_a_supervisor_that_is_killed_while_it_starts_a_child_ends_once() -> None:
    class Endless(GenServer):
        async def init(self) -> None:
            await asyncio.Event().wait()

    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    sup = await DynamicSupervisor.start()
    children = [await sup.start_child(Plain) for _ in range(3)]
    starting = asyncio.create_task(sup.start_child(Endless))
    await asyncio.sleep(0.01)
    process.monitor(sup)
    process.exit(sup, KILL)
    assert (await process.receive(process.Down, timeout=9)).reason is KILLED
    assert not any(map(process.alive, children))
    with pytest.raises(ServerExited):
        await starting
    with pytest.raises(TimeoutError):
        await process.receive(process.Down, timeout=1)
    gc.collect()
    assert complaints == []


async def test_a_child_that_waits_for_its_killed_supervisor_is_told_at_once_and_tidies_up() -> None:
    told: list[object] = []

    class Asking(GenServer, trap_exits=True):
        async def handle_info(self, message: object) -> None:
            try:
                await sup.start_child(Endless)
            except ServerExited as error:
                told.append(error.reason)

        async def terminate(self, reason: object) -> None:
            try:
                await sup.count_children()
            except NoProcess:
                told.append("nobody there")

    class Endless(GenServer):
        async def init(self) -> None:
            await asyncio.Event().wait()

    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Asking)
    process.send(child, "ask")
    await asyncio.sleep(0.01)
    process.monitor(sup)
    process.exit(sup, KILL)
    await process.receive(process.Down, timeout=9)
    assert told == [KILLED, "nobody there"]
    assert now() < 0.2


async def test_a_child_that_unlinked_itself_does_not_hold_its_killed_supervisor() -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Plain)
    await sys.replace_state(child, unlinked)
    process.monitor(sup)
    process.exit(sup, KILL)
    await process.receive(process.Down, timeout=9)
    assert now() == 0.0
    assert not process.alive(child)


def unlinked(server: Any) -> Any:
    process.unlink(process.Pid(parent_of_me()))
    return server


async def test_a_supervisor_killed_while_it_stops_is_not_said_to_refuse(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sup = await DynamicSupervisor.start()
    await sup.start_child(tidying(1))
    stopping = asyncio.create_task(stop(sup))
    await asyncio.sleep(0.1)
    process.exit(sup, KILL)
    with pytest.raises(ServerExited):
        await stopping
    assert "did not end in the time" not in caplog.text


async def test_a_second_kill_of_a_supervisor_does_not_hurry_its_children() -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(tidying(2))
    process.monitor(sup)
    process.exit(sup, KILL)
    await asyncio.sleep(1)
    process.exit(sup, KILL)
    assert process.alive(child)
    assert (await process.receive(process.Down, timeout=9)).reason is KILLED
    assert now() == 2.0


async def test_a_child_that_refuses_to_end_holds_a_killed_supervisor_for_the_shutdown_time_of_its_class() -> (
    None
):
    sup = await DynamicSupervisor.start()
    await sup.start_child((Refusing, 100))
    process.monitor(sup)
    process.exit(sup, KILL)
    await process.receive(process.Down, timeout=9)
    assert 0.5 <= now() < 0.7


async def test_ending_a_child_that_is_a_supervisor_by_brutal_kill_waits_for_those_below_it() -> None:
    class Below(Supervisor):
        def init(self) -> object:
            return self.plan([tidying(0.5)])

    async with Supervisor.scope([Below.child_spec().replace(shutdown="brutal_kill")]) as above:
        await above.terminate_child(Below)
        assert now() == 0.5
        assert process.whereis("tidying") is None
        await above.restart_child(Below)
        assert process.whereis("tidying") is not None
