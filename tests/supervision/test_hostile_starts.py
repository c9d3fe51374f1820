"""Start functions that return nonsense, fail, block or leave something behind: the supervisor lives on."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from regrow import process
from regrow.kernel.errors import Deadlock, Ignore, ServerExited, StartError, StartIgnored
from regrow.kernel.reasons import KILL, KILLED, SHUTDOWN
from regrow.servers.calls import call
from regrow.servers.child_spec import spec
from regrow.servers.gen_server import stop
from regrow.servers.starting import StartResult
from regrow.supervision.children import Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import BadStart
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, SlowStart, Stubborn, Worker, children_of, end, ended
from tests.waiting import now

NOBODY = Counts(0, 0, 0, 0)


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


def start_plainly() -> int:
    """A plain start function: its process is linked to who runs it, the supervisor."""
    return process.spawn_link(wait_for_ever)


@pytest.mark.behaviour("DS-20", "SUP-16")
@pytest.mark.parametrize("value", [None, 42, "pid", object, [], True, Worker])
async def test_a_start_function_that_returns_no_process_is_an_error_with_that_value(value: Any) -> None:
    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(BadStart) as failed:
            await sup.start_child(spec(lambda: value))
        assert failed.value.reason is value
        assert repr(value) in str(failed.value)
        assert "StartResult(pid, info)" in str(failed.value)
        assert await sup.count_children() == NOBODY


async def test_a_start_function_may_not_return_the_supervisor_its_parent_or_a_child_it_has() -> None:
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Worker)
        for wrong in (sup, process.pid_of(sup), process.current(), worker, process.pid_of(worker)):
            with pytest.raises(BadStart):
                await sup.start_child(spec(lambda wrong=wrong: wrong))
        assert await children_of(sup) == [worker]


@pytest.mark.behaviour("DS-20")
async def test_an_error_of_a_start_function_comes_out_with_its_own_reason() -> None:
    def refuse() -> None:
        raise StartError("no room")

    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec(refuse))
        assert failed.value.reason == "no room"
        assert await sup.count_children() == NOBODY


@pytest.mark.behaviour("DS-21", "SUP-18")
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    "error",
    [Boom("no"), asyncio.CancelledError(), RecursionError(), StopIteration(), GeneratorExit(), MemoryError()],
)
async def test_whatever_a_start_function_raises_is_a_start_error(
    error: BaseException, asynchronous: bool
) -> None:
    def start() -> None:
        raise error

    async def start_later() -> None:
        await asyncio.sleep(0)
        raise error

    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec(start_later if asynchronous else start))
        reason = failed.value.reason
        assert isinstance(
            reason, RuntimeError if asynchronous and type(error) is StopIteration else type(error)
        )
        assert await sup.count_children() == NOBODY
        assert await (await sup.start_child(Worker)).who()


@pytest.mark.behaviour("DS-21")
async def test_an_exit_raised_by_a_start_function_is_its_reason() -> None:
    def leave() -> None:
        process.exit("because")

    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec(leave))
        assert failed.value.reason == "because"
        assert process.alive(sup)


@pytest.mark.parametrize("wanted", [SystemExit, KeyboardInterrupt])
def test_what_wants_to_end_the_program_does_and_is_a_start_error_for_who_asked(
    wanted: type[BaseException],
) -> None:
    seen: list[Any] = []

    def start() -> None:
        raise wanted

    async def main() -> None:
        async with DynamicSupervisor.scope() as sup:
            try:
                await sup.start_child(spec(start))
            except StartError as error:
                seen.append(type(error.reason))
            await asyncio.Event().wait()

    with pytest.raises(wanted):
        asyncio.run(main())
    assert seen in ([wanted], [])


async def test_a_plain_start_function_runs_as_the_supervisor_and_may_return_a_pid() -> None:
    async with DynamicSupervisor.scope() as sup:
        pid = await sup.start_child(spec(start_plainly))
        info = process.info(pid)
        assert info is not None
        assert info.parent == process.pid_of(sup)
        assert await children_of(sup) == [pid]
        await sup.terminate_child(pid)
        assert not process.alive(pid)


@pytest.mark.behaviour("DS-19", "DS-26")
@pytest.mark.parametrize("by_handle", [False, True])
async def test_a_start_result_is_given_as_it_is_and_its_process_supervised(by_handle: bool) -> None:
    async def start() -> StartResult:
        worker = await Worker.start_link()
        return StartResult(worker if by_handle else process.pid_of(worker), "and more")

    async with DynamicSupervisor.scope() as sup:
        result = await sup.start_child(spec(start))
        assert isinstance(result, StartResult)
        assert result.info == "and more"
        (worker,) = await children_of(sup)
        assert process.pid_of(result.pid) == process.pid_of(worker)
        await end(worker)
        (again,) = await children_of(sup)
        assert again != worker
        assert await again.who()


async def test_a_process_that_was_not_linked_is_linked_to_the_supervisor() -> None:
    async def start() -> Worker:
        return await Worker.start()

    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(spec(start))
        await end(worker)
        (again,) = await children_of(sup)
        assert again != worker
    assert not process.alive(again)


async def test_somebody_elses_process_is_a_child_once_a_start_function_has_returned_it() -> None:
    foundlings = [await Worker.start(), await Worker.start()]

    async with DynamicSupervisor.scope() as sup:
        first = await sup.start_child(spec(lambda: foundlings.pop(0)))
        await end(first)
        (second,) = await children_of(sup)
        assert second != first
        assert not foundlings
    assert not process.alive(second)


async def killed(target: Any) -> None:
    """Kill it, and wait in a start function until it is gone."""
    process.exit(target, KILL)
    while process.alive(target):
        await asyncio.sleep(0)


@pytest.mark.parametrize("by_handle", [False, True])
@pytest.mark.parametrize("linked", [False, True])
async def test_a_process_that_dies_before_it_is_returned_is_restarted_like_any_child(
    by_handle: bool, linked: bool
) -> None:
    started: list[Any] = []

    async def start() -> Any:
        worker = await (Worker.start_link() if linked else Worker.start())
        started.append(worker if by_handle else process.pid_of(worker))
        if len(started) == 1:
            await killed(worker)
        return started[-1]

    async with DynamicSupervisor.scope() as sup:
        first = await sup.start_child(spec(start))
        (child,) = await children_of(sup)
        assert [first, process.pid_of(child)] == [started[0], process.pid_of(started[1])]


async def test_a_child_that_has_just_died_is_not_taken_for_a_new_one() -> None:
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Worker)
        pid = process.pid_of(worker)

        async def start() -> int:
            await killed(pid)
            return pid

        with pytest.raises(BadStart):
            await sup.start_child(spec(start))
        (again,) = await children_of(sup)
        assert again != worker
        assert await again.who()


async def test_what_a_failed_start_function_started_is_not_left_behind() -> None:
    started: list[int] = []

    async def start() -> None:
        started.append(process.spawn_link(wait_for_ever))
        started.append(process.pid_of(await Worker.start_link()))
        raise Boom

    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError):
            await sup.start_child(spec(start))
        assert not any(process.alive(pid) for pid in started)
        assert await sup.count_children() == NOBODY


async def test_a_start_function_that_takes_too_long_is_a_start_error() -> None:
    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec(wait_for_process).replace(timeout=30))
        assert now() == 30.0
        assert isinstance(failed.value.reason, TimeoutError)
        assert await sup.count_children() == NOBODY


async def wait_for_process() -> int:
    await wait_for_ever()
    return 0


async def test_an_ignoring_start_function_starts_nobody() -> None:
    def ignore() -> None:
        raise Ignore

    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartIgnored):
            await sup.start_child(spec(ignore))
        assert await sup.count_children() == NOBODY


async def test_killing_the_supervisor_in_a_start_ends_the_start_and_what_it_has_begun() -> None:
    entered = asyncio.Event()
    cut = asyncio.Event()
    begun: list[int] = []

    async def start() -> int:
        begun.append(process.spawn_link(wait_for_ever))
        entered.set()
        try:
            await wait_for_ever()
        finally:
            cut.set()
        return 0

    sup = await DynamicSupervisor.start()
    asking = asyncio.create_task(sup.start_child(spec(start)))
    await entered.wait()
    ref = process.monitor(sup)
    process.exit(sup, KILL)
    down = await process.receive(lambda message: isinstance(message, process.Down) and message.ref == ref)
    assert down.reason is KILLED
    await cut.wait()
    await ended(begun[0])
    with pytest.raises(Exception, match="exited"):
        await asking


@pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])
async def test_a_killed_supervisor_takes_along_whatever_its_start_had_begun(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    entered = asyncio.Event()
    begun: list[Any] = []

    async def start() -> None:
        begun.append(await Worker.start())
        begun.append(await Stubborn.start_link())
        entered.set()
        await wait_for_ever()

    sup = await kind.start()
    asking = asyncio.create_task(sup.start_child(spec(start)))
    await entered.wait()
    process.exit(sup, KILL)
    for each in begun:
        await ended(each)
    with pytest.raises(ServerExited):
        await asking
    assert not [each for each in caplog.records if each.name == "regrow.supervisor"]


async def test_a_server_that_takes_too_long_to_start_is_a_start_error_and_gone() -> None:
    entered = asyncio.Event()
    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(
                SlowStart.options(name="slow", timeout=30).child_spec(asyncio.Event(), entered)
            )
        assert now() == 30.0
        assert failed.value.reason == "timeout"
        assert entered.is_set()
        assert process.whereis("slow") is None
        assert await sup.count_children() == NOBODY


async def test_a_caller_that_gives_up_does_not_take_the_child_along() -> None:
    release, entered = asyncio.Event(), asyncio.Event()

    async def start() -> Worker:
        entered.set()
        await release.wait()
        return await Worker.start_link()

    async with DynamicSupervisor.scope() as sup:
        asking = asyncio.create_task(sup.start_child(spec(start)))
        await entered.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        release.set()
        assert (await sup.count_children()).active == 1


@pytest.mark.behaviour("DS-19", "SUP-16", "SUP-18")
async def test_a_static_supervisor_treats_hostile_start_functions_the_same_way() -> None:
    def boom() -> None:
        raise Boom

    async with Supervisor.scope([]) as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec(boom))
        assert isinstance(failed.value.reason, Boom)
        with pytest.raises(BadStart) as failed:
            await sup.start_child(spec(lambda: 42))
        assert failed.value.reason == 42
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec(lambda: process.exit("because")))
        assert failed.value.reason == "because"
        assert await sup.count_children() == NOBODY
        pid = await sup.start_child(spec(start_plainly))
        assert await children_of(sup) == [pid]


async def test_a_child_that_calls_its_supervisor_in_its_start_is_a_deadlock_and_no_hang() -> None:
    class Clingy(Worker):
        def __init__(self, sup: Any) -> None:
            super().__init__()
            self.sup = sup

        async def init(self) -> None:
            await self.sup.count_children()

    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(StartError) as failed:
            await sup.start_child(Clingy.child_spec(sup))
        assert isinstance(failed.value.reason, Deadlock)
        assert await sup.count_children() == NOBODY


@pytest.mark.behaviour("SUP-76")
async def test_an_order_to_stop_that_comes_during_a_start_is_served_after_it() -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    for sup in (await DynamicSupervisor.start(), await Supervisor.start([])):
        starting = asyncio.create_task(sup.start_child(SlowStart.child_spec(release, entered)))
        await entered.wait()
        stopping = asyncio.create_task(stop(sup, SHUTDOWN))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not stopping.done()
        release.set()
        child = await starting
        await stopping
        assert not process.alive(child)
        release.clear()
        entered.clear()


async def test_a_child_runs_in_the_context_of_its_supervisor_and_not_of_who_asked() -> None:
    where: ContextVar[str] = ContextVar("where", default="nowhere")

    class Placed(Worker):
        def __init__(self) -> None:
            super().__init__()
            self.place = where.get()

        @call
        def places(self) -> tuple[str, str]:
            return self.place, where.get()

    where.set("at the supervisor's start")
    sup = await DynamicSupervisor.start()
    where.set("at the request")
    child = await sup.start_child(Placed)
    assert await child.places() == ("at the supervisor's start",) * 2
    process.exit(child, KILL)
    (again,) = await children_of(sup)
    assert await again.places() == ("at the supervisor's start",) * 2
    await stop(sup)
