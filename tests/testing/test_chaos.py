"""``chaos``: the faults that a storm does, what it reports of them, and that nothing of it stays.

A storm of one kind of fault and one fault is exact: so each kind is looked at alone. ``test_chaos_reports`` has those
about the plan and the numbers.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import pytest

from regrow import (
    INFINITY,
    KILLED,
    SHUTDOWN,
    CallTimeout,
    DynamicSupervisor,
    GenServer,
    NoProcess,
    StartError,
    Supervisor,
    Task,
    TaskSupervisor,
    call,
    cast,
    process,
    stop,
    sys,
    within,
)
from regrow.kernel.events import attach, detach
from regrow.kernel.runtime import runtime
from regrow.supervision import starts
from regrow.testing import ChaosError, ChaosReport, Fault, chaos, explore
from regrow.testing.storms.plan import Rates, draw
from tests.waiting import forever, turns


class Worker(GenServer):
    """Notes down what it is asked, and with what it ends, in the list that all of one test share."""

    def __init__(self, seen: list[Any] | None = None) -> None:
        self.seen = [] if seen is None else seen

    @call
    def note(self, word: str) -> str:
        self.seen.append(word)
        return word

    @cast
    def write(self, word: str) -> None:
        self.seen.append(word)

    @call(timeout=None)
    async def work(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        self.seen.append("worked")
        return "worked"

    def terminate(self, reason: object) -> None:
        self.seen.append(reason)


class Clerk(GenServer):
    """Another kind of server."""


class Slow(GenServer):
    async def init(self) -> None:
        await asyncio.sleep(0.3)


class Crew(DynamicSupervisor, max_restarts=1000): ...


class Team(Supervisor, max_restarts=1000): ...


async def trapping() -> None:
    process.trap_exits()
    await forever()


NAN = float("nan")


def now() -> float:
    return asyncio.get_running_loop().time()


# --- kills and crashes --------------------------------------------------------------------------------------------


async def test_half_of_the_kills_are_crashes_and_who_is_hit_is_restarted() -> None:
    seen: list[Any] = []
    async with Crew.scope() as crew:
        await crew.start_child((Worker, seen))
        report = await chaos(crew, seed=1, faults=20)
        assert (await crew.count_children()).active == 1
    kinds = [each.kind for each in report.faults]
    assert len(kinds) == 20
    assert (
        kinds.count("crash") == sum(isinstance(each, ChaosError) for each in seen) > 5
    )  # who is killed says nothing
    assert kinds.count("kill") == 20 - kinds.count("crash") > 5
    assert report.restarts == len(report.healing) == 20


async def test_a_killed_process_is_killed_and_a_crashed_one_crashes_with_the_storms_error() -> None:
    ends: list[object] = []

    def listen(event: str, fields: dict[str, Any]) -> None:
        if event == "process.exited" and fields["kind"] == "Worker":
            ends.append(fields["reason"])

    async with Crew.scope() as crew:
        await crew.start_child(Worker)
        attach(listen)
        report = await chaos(crew, seed=1, faults=10)
        detach(listen)
    assert len(ends) == 10
    for fault, reason in zip(report.faults, ends, strict=True):
        if fault.kind == "kill":
            assert reason is KILLED
        else:
            assert isinstance(reason, ChaosError)
            assert str(reason) == f"fault {fault.number} of the storm with seed 1"


async def test_a_crash_comes_in_its_turn_like_any_message() -> None:
    seen: list[Any] = []
    async with Crew.scope() as crew:
        worker = await crew.start_child((Worker, seen))
        asked = asyncio.ensure_future(worker.work(100))
        await turns()
        worker.write("before")
        report = await chaos(crew, seed=seed_of("crash"), faults=1, settle=200)
        (fault,) = report.faults
        assert await asked == "worked"
    assert seen[:2] == ["worked", "before"]
    assert isinstance(seen[2], ChaosError)
    assert fault.at == 100.0 > fault.planned
    assert fault.healed_after == 0.0


async def test_functions_and_tasks_crash_too_and_who_traps_exits_is_only_killed() -> None:
    async with Crew.scope() as crew:
        await crew.start_child(Task.child_spec(forever).replace(restart="permanent"))
        report = await chaos(crew, seed=seed_of("crash"), faults=1)
        assert [each.whom for each in report.faults] == ["forever 1"]
    async with Crew.scope() as crew:
        await crew.start_child(Task.child_spec(trapping).replace(restart="permanent"))
        report = await chaos(crew, seed=1, faults=20)
    assert {each.kind: each.whom for each in report.plan} == {"kill": "trapping 1", "crash": None}


async def test_supervisors_are_hit_as_well_but_never_the_one_that_was_named() -> None:
    async with Team.scope([Crew.child_spec()]) as team:
        before = process.pid_of(team)
        report = await chaos(team, seed=1, faults=10)
        assert process.pid_of(team) == before
    assert [each.whom for each in report.faults] == ["Crew"] * 10
    assert report.ok


# --- delays -------------------------------------------------------------------------------------------------------


async def test_a_delay_holds_messages_back_in_their_order_and_system_messages_pass() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        begun: list[float] = []
        storm = chaos(
            crew, seed=3, faults=1, delay=1.0, delay_seconds=2.0, tell=lambda fault: begun.append(now())
        )
        raging = asyncio.ensure_future(storm._run())
        while not begun:
            await asyncio.sleep(0.01)
        worker.write("first")
        called = asyncio.ensure_future(worker.note("second"))
        await turns()
        assert (await sys.get_status(worker)).status == "suspended"
        assert (await sys.get_state(worker)).seen == []
        with pytest.raises(CallTimeout):
            await within(worker, 0.5).note("third")
        assert await called == "second"
        assert now() == pytest.approx(begun[0] + 2.0)
        assert (await sys.get_state(worker)).seen == ["first", "second", "third"]
        report = await raging
        assert (await sys.get_status(worker)).status == "running"
    (fault,) = report.faults
    assert (fault.kind, fault.seconds, fault.whom) == ("delay", 2.0, "Worker 1")
    assert report.survived == ("Worker 1",)
    assert report.ok


async def test_an_exit_ends_a_delayed_process_at_once() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        async with chaos(crew, seed=3, delay=1.0, delay_seconds=1000.0) as storm:
            while process.info(worker).status != "suspended":  # type: ignore[union-attr]  # it lives
                await asyncio.sleep(0.01)
            began = now()
            await crew.terminate_child(worker)
            assert now() == began
    assert storm.report.finished == ("Worker 1",)


async def test_who_comes_after_a_delayed_process_can_be_delayed_as_well() -> None:
    def suspended() -> list[int]:
        return [each.pid for each in runtime().processes.values() if each.extra and each.extra.suspended]

    async with Crew.scope() as crew:
        await crew.start_child(Worker)
        async with chaos(crew, seed=3, delay=1.0, delay_seconds=1000.0) as storm:
            for _ in range(3):
                while not suspended():
                    await asyncio.sleep(0.1)
                assert now() < 30
                process.exit(suspended()[0], "enough")
                await turns()
    assert len(storm.report.faults) == 3


async def test_who_was_suspended_by_somebody_else_stays_suspended() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        await sys.suspend(worker)
        report = await chaos(crew, seed=3, faults=5, delay=1.0)
        assert report.faults == ()
        assert (await sys.get_status(worker)).status == "suspended"


async def test_who_is_suspended_by_somebody_else_before_the_delays_turn_is_not_delayed() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        working = asyncio.ensure_future(worker.work(10.0))
        await turns()
        suspending = asyncio.ensure_future(
            sys.suspend(worker, timeout=None)
        )  # waits for that, and so does the delay
        await turns()
        began = now()
        report = await chaos(crew, seed=3, faults=1, delay=1.0, delay_seconds=0.5, settle=100.0)
        assert now() == pytest.approx(began + 10.0)
        assert [each.kind for each in report.plan] == ["delay"]
        assert report.faults == ()
        await suspending
        await asyncio.sleep(10.0)
        assert (await sys.get_status(worker)).status == "suspended"
        await sys.resume(worker)
        assert await working == "worked"


@pytest.mark.parametrize(
    "meanwhile", ["behind the delay", "while it lasts", "just before its end", "at its end"]
)
async def test_a_suspension_by_somebody_else_outlasts_a_delay(meanwhile: str) -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        if meanwhile == "behind the delay":
            working = asyncio.ensure_future(worker.work(10.0))
            await turns()
        async with chaos(crew, seed=3, delay=1.0, delay_seconds=1000.0) as storm:
            if meanwhile == "behind the delay":
                while not storm.plan:
                    await asyncio.sleep(0.01)
                await sys.suspend(worker, timeout=None)
                assert await working == "worked"
            else:
                while process.info(worker).status != "suspended":  # type: ignore[union-attr]  # it lives
                    await asyncio.sleep(0.01)
                if meanwhile == "at its end":  # both requests are in the mailbox, this one behind
                    asyncio.get_running_loop().call_soon(storm.stop)
                suspending = asyncio.ensure_future(sys.suspend(worker))
                if meanwhile == "just before its end":
                    asyncio.get_running_loop().call_soon(storm.stop)
                await suspending
        assert [each.kind for each in storm.report.faults] == ["delay"]
        written = len((await sys.get_state(worker)).seen)
        worker.write("later")
        await asyncio.sleep(2000.0)
        assert (await sys.get_status(worker)).status == "suspended"
        assert len((await sys.get_state(worker)).seen) == written
        await sys.resume(worker)
        assert (await worker.note("resumed"), process.info(worker).status) == ("resumed", "idle")  # type: ignore[union-attr]  # it lives


# --- starts -------------------------------------------------------------------------------------------------------


async def test_the_next_starts_fail_and_those_after_them_do_not() -> None:
    async with Crew.scope() as crew:
        async with chaos(crew, seed=2, fail_starts=10.0) as storm:
            while len(storm.plan) < 2:
                await asyncio.sleep(0.01)
            for _ in range(2):
                with pytest.raises(StartError) as caught:
                    await crew.start_child(Clerk)
                assert isinstance(caught.value.reason, ChaosError)
            await crew.start_child(Clerk)
        assert [each.whom for each in storm.report.faults] == ["Clerk (new)"] * 2
        assert not any(each.owed for each in storm.report.faults)  # who asked for them has heard of it
        assert storm.report.joined == 1
        async with chaos(crew, seed=2, fail_starts=10.0) as storm:
            await asyncio.sleep(10)
        await crew.start_child(Clerk)  # those that have found no start do not wait for one
    assert storm.report.faults == ()
    assert len(storm.report.plan) > 50


async def test_a_failed_restart_is_tried_again_and_counts_against_the_intensity() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        told: list[Fault] = []
        async with chaos(crew, seed=2, fail_starts=10.0, tell=told.append) as storm:
            while len(storm.plan) < 3:
                await asyncio.sleep(0.01)
            process.exit(worker, "enough")
            await turns()
            assert (await crew.count_children()).active == 1
            assert len((await sys.get_state(crew))._intensity) == 4
    report = storm.report
    assert [each.whom for each in report.faults] == ["Worker 1"] * 3
    assert [each.healed_after for each in report.faults] == [0.0] * 3
    assert told == list(report.faults)  # in their order, though they came in one turn
    assert report.restarts == 1
    assert report.healed == ("Worker 1",)


async def test_starts_elsewhere_do_not_fail() -> None:
    async with Crew.scope() as crew, Crew.scope() as other:
        async with chaos(crew, seed=2, fail_starts=1000.0) as storm:
            await asyncio.sleep(1.0)
            await other.start_child(Worker)
    assert storm.report.faults == ()


# --- whom ---------------------------------------------------------------------------------------------------------


async def crowd(crew: Crew) -> None:
    for number in range(5):
        await crew.start_child(Worker.options(name=f"w{number}").child_spec())
        await crew.start_child(Clerk)


async def hit(crew: Crew, **options: Any) -> set[str]:
    report = await chaos(crew, seed=5, faults=60, **options)
    assert len(report.faults) == 60
    return {str(each.whom) for each in report.faults}


async def test_only_and_spare_take_classes_names_pids_and_lists() -> None:
    workers = {f"Worker {number}" for number in (1, 3, 5, 7, 9)}
    clerks = {f"Clerk {number}" for number in (2, 4, 6, 8, 10)}
    async with Crew.scope() as crew:
        await crowd(crew)
        assert await hit(crew) == workers | clerks
    for options, expected in (
        ({"only": Clerk}, clerks),
        ({"only": "Clerk"}, clerks),
        ({"spare": Clerk}, workers),
        ({"only": ["w0", "w1"]}, {"Worker 1", "Worker 3"}),
        ({"only": Worker, "spare": [Clerk, "w0", "Worker 9"]}, {"Worker 3", "Worker 5", "Worker 7"}),
    ):
        async with Crew.scope() as crew:
            await crowd(crew)
            assert await hit(crew, **options) == expected
    async with Crew.scope() as crew:
        await crowd(crew)
        first = process.pid_of("w0")
        assert "Worker 1" not in await hit(crew, spare=first)
    async with Crew.scope() as crew:
        await crowd(crew)
        handle = Worker.of(process.pid_of("w1"))
        assert await hit(crew, only=handle) == {"Worker 3"}  # also when it is another process since


async def test_a_fault_hits_who_stands_at_its_place_in_the_row() -> None:
    async with Crew.scope() as crew:
        for _ in range(10):
            await crew.start_child(Clerk)
        report = await chaos(crew, seed=5, faults=60, delay=1.0, delay_seconds=0.001)
    drawn = list(islice(draw(5, Rates(delay=1.0, delay_seconds=(0.001, 0.001))), 60))
    assert [each.whom for each in report.plan] == [f"Clerk {int(each.place * 10) + 1}" for each in drawn]


async def test_who_has_a_spared_child_below_is_not_hit_himself() -> None:
    inner = Team.child_spec([Worker]).replace(id="inner")
    async with Team.scope([inner, Clerk]) as team:
        report = await chaos(team, seed=5, faults=40, kill=1.0, delay=1.0, spare=Worker)
        assert report.survived == ("inner", "inner/Worker")
        assert {each.kind for each in report.faults if each.whom == "inner"} == {"delay"}


async def test_depth_is_counted_from_the_supervisor() -> None:
    inner = Team.child_spec([Worker]).replace(id="inner")
    for depth, expected in ((1, {"inner", "Clerk"}), (2, {"inner", "Clerk", "inner/Worker"})):
        async with Team.scope([inner, Clerk]) as team:
            report = await chaos(team, seed=5, faults=40, depth=depth)
            assert {each.whom for each in report.faults} == expected


async def test_a_start_is_spared_like_a_process() -> None:
    async with Crew.scope() as crew:
        async with chaos(crew, seed=2, fail_starts=1000.0, spare=Clerk) as storm:
            await asyncio.sleep(1.0)
            await crew.start_child(Clerk)
            with pytest.raises(StartError):
                await crew.start_child(Worker)
    assert len(storm.report.faults) == 1


# --- the end ------------------------------------------------------------------------------------------------------


async def test_nothing_stays_of_a_storm_that_is_cancelled() -> None:
    listeners = list(runtime().listeners)
    seen: list[Any] = []
    async with Crew.scope() as crew, Crew.scope() as other, Crew.scope() as third:
        busy = await crew.start_child((Worker, seen))
        clerk = await other.start_child(Clerk)
        second = await other.start_child(Worker)
        asked = asyncio.ensure_future(busy.work(50))
        asked_second = asyncio.ensure_future(second.work(50))
        await turns()
        raging = asyncio.gather(
            chaos(crew, seed=seed_of("crash"), faults=1, only=busy, settle=1000)._run(),
            chaos(other, seed=4, seconds=1000, delay=5.0, delay_seconds=900.0)._run(),
            chaos(third, seed=4, seconds=1000, fail_starts=5.0)._run(),
        )
        await asyncio.sleep(
            20
        )  # the clerk is held, the busy ones are to crash and to be held when they have time
        assert process.info(clerk).status == "suspended"  # type: ignore[union-attr]  # it lives
        assert process.info(busy).mailbox_length == 1  # type: ignore[union-attr]  # it lives
        assert process.info(second).mailbox_length == 1  # type: ignore[union-attr]  # it lives
        assert len(starts.attendants) == 3
        raging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await raging
        assert starts.attendants == ()
        assert runtime().listeners == listeners
        await third.start_child(Worker)
        assert (await sys.get_status(clerk)).status == "running"
        assert await asked == await asked_second == "worked"
        assert (await sys.get_status(busy)).status == (await sys.get_status(second)).status == "running"
    assert seen == ["worked", SHUTDOWN]


async def test_a_storm_lasts_as_long_as_its_block_or_until_it_is_stopped() -> None:
    async with Crew.scope() as crew:
        await crew.start_child(Worker)
        async with chaos(crew, seed=4, kill=10.0) as storm:
            with pytest.raises(RuntimeError, match="the storm is not over"):
                _ = storm.report
            await asyncio.sleep(3.0)
        assert storm.report.seconds == 3.0
        assert 15 < len(storm.report.faults) < 45
        async with chaos(crew, seed=4, fail_starts=10.0) as storm:
            await asyncio.sleep(1.0)
            storm.stop()
            done = len(storm.plan)
            assert done > 5
            await crew.start_child(Worker)
            await asyncio.sleep(3.0)
            assert len(storm.plan) == done
        assert storm.report.seconds == 1.0
        began = now()
        report = await chaos(crew, seed=4, seconds=2.5, kill=10.0)
        assert (report.seconds, now() - began) == (2.5, 2.5)


async def test_two_storms_may_rage_at_once_where_neither_sees_the_other() -> None:
    async with Crew.scope() as crew, Crew.scope() as other:
        for each in (crew, other):
            await each.start_child(Worker)
        one, two = await asyncio.gather(
            chaos(crew, seed=1, seconds=5, kill=5.0)._run(), chaos(other, seed=2, seconds=5, kill=5.0)._run()
        )
        assert one.ok
        assert two.ok
        assert (one.restarts, two.restarts) == (len(one.faults), len(two.faults))


async def test_a_second_storm_in_the_same_tree_is_refused() -> None:
    async with Team.options(name="team").scope([Crew.options(name="crew").child_spec()]) as team:
        await Crew.named("crew").start_child(Worker)
        for one, two in (("team", "team"), ("team", "crew"), ("crew", "team")):
            listeners = list(runtime().listeners)
            async with chaos(one, kill=0.001):
                with pytest.raises(
                    RuntimeError,
                    match=rf"a storm is on already below {one}, whose tree overlaps that of {two}: each",
                ):
                    await chaos(two, seconds=1)
                assert len(starts.attendants) == 1
            assert runtime().listeners == listeners
        assert (await chaos(team, seed=1, faults=3)).ok


async def test_what_cant_be_is_refused() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        for options, complaint in (
            ({"kill": -1}, "kill=-1: must be a number of faults a second, 0 or more"),
            ({"kill": 0}, "there would be no faults"),
            ({"delay": INFINITY}, "delay=inf: must be"),
            ({"delay": 1, "delay_seconds": 0}, r"delay_seconds=\(0, 0\): must be seconds"),
            ({"delay_seconds": (1, 2, 3)}, "must be a number of seconds, or"),
            ({"kill": NAN}, "kill=nan: must be a number of faults a second, 0 or more: kill=1.0, say"),
            ({"kill": INFINITY}, "kill=inf: must be"),
            ({"delay": NAN}, "delay=nan: must be"),
            ({"fail_starts": NAN}, "fail_starts=nan: must be"),
            ({"fail_starts": INFINITY}, "fail_starts=inf: must be"),
            ({"delay": 1, "delay_seconds": (0.1, NAN)}, r"delay_seconds=\(0\.1, nan\): must be seconds"),
            ({"seconds": -1}, "seconds=-1: must be seconds"),
            ({"seconds": NAN}, "seconds=nan: must be seconds, 0 or more, and not endless: seconds=10, say"),
            ({"seconds": INFINITY}, "seconds=inf: must be"),
            ({"settle": -1}, "settle=-1: must be seconds"),
            ({"settle": NAN}, "settle=nan: must be"),
            ({"settle": INFINITY}, "settle=inf: must be"),
            ({"settle": None}, "settle=None: must be"),
            ({"seconds": True}, "seconds=True"),
            (
                {"delay": 1, "delay_seconds": (2, 1)},
                r"delay_seconds=\(2, 1\): least is above most; say delay_seconds=\(1, 2\)",
            ),
            ({"faults": 0}, "faults=0: must be a whole number, 1 or more"),
            ({"seed": "x"}, "seed='x': must be a whole number"),
            ({"depth": 0}, "depth=0: must be a whole number, 1 or more"),
        ):
            with pytest.raises(ValueError, match=complaint):
                chaos(crew, **options)
        for who in (3.5, None, b"x", True):
            for option in ("only", "spare"):
                complaint = (
                    rf"{option}=\[{who!r}\]: {who!r} is nobody; must be a class of servers, a pid or handle"
                )
                with pytest.raises(TypeError, match=complaint):
                    chaos(crew, **{option: [who]})
        with pytest.raises(
            TypeError, match=r"only=3\.5: 3\.5 is nobody; .* one or a list: only='cellar', say"
        ):
            chaos(crew, only=3.5)
        for nobody in (None, 3.5):
            with pytest.raises(
                TypeError, match=rf"takes a supervisor, as a handle, pid or name; {nobody} is none"
            ):
                await chaos(nobody, faults=1)
        with pytest.raises(ValueError, match=r"must come to an end: say seconds=10 or faults=100"):
            await chaos(crew)
        with pytest.raises(ValueError, match="is no process below the supervisor"):
            await chaos(crew, faults=1, spare=process.current())
        with pytest.raises(
            TypeError, match=r"takes a supervisor, as a handle, pid or name; <Worker \d+> is none"
        ):
            await chaos(worker, faults=1)
        with pytest.raises(NoProcess):
            await chaos("nobody", faults=1)
        storm = chaos(crew, faults=1)
        await storm
        with pytest.raises(RuntimeError, match="has been run already"):
            await storm
        assert starts.attendants == ()


async def test_a_storm_needs_no_task_and_tells_of_each_fault_as_it_is_done() -> None:
    told: list[tuple[float, Fault]] = []
    async with Team.scope([TaskSupervisor, Slow]) as team:
        before = asyncio.all_tasks()
        async with chaos(team, seed=1, kill=1.0, tell=lambda fault: told.append((now(), fault))) as storm:
            began = now()
            assert asyncio.all_tasks() == before
            await asyncio.sleep(10)
    assert [fault for _, fault in told] == list(storm.report.faults)
    assert [round(at - began, 6) for at, _ in told] == [each.at for each in storm.report.faults]
    assert type(storm.report) is ChaosReport


async def test_what_tell_raises_is_the_loops_to_report_and_harms_nobody() -> None:
    told: list[Fault] = []
    raised: list[object] = []

    def tell(fault: Fault) -> None:
        told.append(fault)
        raise BrokenPipeError(f"fault {fault.number}")

    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: raised.append(context["exception"])
    )
    async with Crew.scope() as crew:
        before = process.pid_of(crew)
        for _ in range(5):
            await crew.start_child(Worker)
        async with asyncio.timeout(1000):
            report = await chaos(crew, seed=2, faults=30, kill=2.0, delay=1.0, fail_starts=1.0, tell=tell)
        assert (process.pid_of(crew), (await crew.count_children()).active) == (before, 5)
    assert {each.kind for each in told} == {"kill", "crash", "delay", "fail_start"}
    assert [each.at for each in told] == sorted(each.at or 0.0 for each in report.faults)
    assert sorted(each.number for each in told) == [each.number for each in report.faults]
    assert [str(each) for each in raised] == [f"fault {each.number}" for each in told]
    assert all(isinstance(each, BrokenPipeError) for each in raised)
    assert report.ok


async def test_who_asks_for_a_start_that_fails_does_not_get_the_error_of_tell() -> None:
    raised: list[object] = []

    def tell(fault: Fault) -> None:
        raise BrokenPipeError

    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: raised.append(context["exception"])
    )
    async with Crew.scope() as crew:
        async with chaos(crew, seed=2, fail_starts=10.0, tell=tell):
            await asyncio.sleep(1.0)
            with pytest.raises(StartError) as caught:
                await crew.start_child(Clerk)
        assert isinstance(caught.value.reason, ChaosError)
        assert [type(each) for each in raised] == [BrokenPipeError]
        await crew.start_child(Clerk)


@pytest.mark.parametrize("ends", [False, True])
async def test_when_the_report_is_there_all_faults_have_been_told(ends: bool) -> None:
    told: list[Fault] = []
    top = await DynamicSupervisor.start(max_restarts=0 if ends else 100)
    await top.start_child(Worker)
    report = await chaos(top, seed=1, faults=3, tell=told.append)
    assert told == list(report.faults) != []
    assert (report.ended is not None) is ends
    if not ends:
        await stop(top)


@pytest.mark.real_time("explore has a loop of its own")
def test_under_any_schedule_all_faults_have_been_told_when_the_report_is_there() -> None:
    async def scenario() -> None:
        told: list[Fault] = []
        async with Crew.scope() as crew:
            await crew.start_child(Worker)
            report = await chaos(crew, seed=1, faults=3, tell=told.append)
            assert told == list(report.faults) != []

    explore(scenario, schedules=100)


def seed_of(kind: str) -> int:
    """A seed whose first fault is of that *kind*."""
    return next(seed for seed in range(100) if next(draw(seed, Rates(kill=1.0))).kind == kind)
