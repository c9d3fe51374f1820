"""Chosen schedules: what they vary, what they keep, and that a failure is told so that it can be had again."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from regrow import GenServer, call, cast, process
from regrow.kernel.reasons import KILL
from regrow.testing import (
    ClockStuck,
    EndlessSchedule,
    Explored,
    FailingSchedule,
    Reports,
    UnexpectedCrash,
    explore,
    find_failing_schedule,
)
from regrow.testing.chosen_loop import run_schedule
from regrow.testing.exploring import Strategy, _chooser
from regrow.testing.schedules import PATIENCE, Played, Schedule, from_text, to_text
from regrow.testing.supervised import Supervised

STRATEGIES: list[Strategy] = ["both", "random", "preemption"]


class Diary(GenServer):
    """Writes down what it is told."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines

    @cast
    def note(self, text: str) -> None:
        self.lines.append(self.name + text)

    @call
    def written(self) -> list[str]:
        return self.lines

    @cast
    def burn(self) -> None:
        raise OSError("on fire")


class Careful(Diary):
    """Cleans up, which takes a turn of its own."""

    def __init__(self) -> None:
        super().__init__("", [])

    async def terminate(self, reason: object) -> None:
        await asyncio.sleep(0)


def seen_in(scenario: Callable[[set[Any]], Any], *, schedules: int = 200, **options: Any) -> set[Any]:
    """What *scenario* puts into the set it is given, over many schedules."""
    seen: set[Any] = set()

    async def whole() -> None:
        await scenario(seen)

    result = find_failing_schedule(whole, schedules=schedules, **options)
    assert isinstance(result, Explored), result
    return seen


# --- what is varied -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_processes_take_their_turns_in_every_order(strategy: Strategy) -> None:
    async def scenario(seen: set[Any]) -> None:
        lines: list[str] = []
        for server in [await Diary.start(name, lines) for name in "abc"]:
            server.note("")
        await asyncio.sleep(1)
        seen.add(tuple(lines))

    assert seen_in(scenario, strategy=strategy, schedules=600) == set(permutations("abc"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tasks_go_on_in_every_order(strategy: Strategy) -> None:
    async def scenario(seen: set[Any]) -> None:
        order: list[str] = []

        async def come(who: str) -> None:
            order.append(who)

        await asyncio.gather(*map(come, "abc"))
        seen.add(tuple(order))

    assert seen_in(scenario, strategy=strategy, schedules=600) == set(permutations("abc"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_timers_that_are_due_together_fire_in_every_order(strategy: Strategy) -> None:
    async def scenario(seen: set[Any]) -> None:
        order: list[str] = []
        for who in "abc":
            asyncio.get_running_loop().call_later(1.0, order.append, who)
        await asyncio.sleep(2)
        seen.add(tuple(order))

    assert seen_in(scenario, strategy=strategy, schedules=600) == set(permutations("abc"))


def test_one_may_be_ever_so_far_ahead_of_another() -> None:
    async def scenario(seen: set[Any]) -> None:
        steps = 0

        async def walk() -> None:
            nonlocal steps
            for _ in range(10):
                await asyncio.sleep(0)
                steps += 1

        walking = asyncio.create_task(walk())
        await asyncio.sleep(0)
        seen.add(steps)
        await walking

    assert {0, 10} <= seen_in(scenario)


def test_calls_are_inline_and_queued() -> None:
    async def scenario(seen: set[Any]) -> None:
        server = await Diary.start("a", [])
        ran: list[str] = []
        asyncio.get_running_loop().call_soon(ran.append, "something else")
        await server.written()
        seen.add(tuple(ran))

    assert seen_in(scenario) == {(), ("something else",)}


# --- what is kept -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_has_an_order_keeps_it(strategy: Strategy) -> None:
    async def scenario(seen: set[Any]) -> None:
        lines: list[str] = []
        server = await Diary.start("", lines)
        called: list[int] = []
        for number in range(3):
            server.note(str(number))
            asyncio.get_running_loop().call_soon(called.append, number)
        asyncio.get_running_loop().call_later(2.0, called.append, 4)
        asyncio.get_running_loop().call_later(1.0, called.append, 3)
        await asyncio.sleep(3)
        seen.add((tuple(lines), tuple(called)))

    assert seen_in(scenario, strategy=strategy) == {(("0", "1", "2"), (0, 1, 2, 3, 4))}


def test_the_first_schedules_are_the_plain_ones() -> None:
    runs: list[list[str]] = []

    async def scenario() -> None:
        order: list[str] = []
        server = await Diary.start("", [])

        async def come(who: str) -> None:
            await server.written()
            order.append(who)

        await asyncio.gather(*map(come, "abc"))
        runs.append(order)

    explore(scenario, schedules=2)
    assert runs == [["a", "b", "c"], ["a", "b", "c"]]


def test_who_only_asks_again_and_again_lets_the_others_through() -> None:
    async def scenario() -> None:
        done = False

        async def work() -> None:
            nonlocal done
            done = True

        working = asyncio.create_task(work())
        while not done:
            await asyncio.sleep(0)
        await working

    for strategy in STRATEGIES:
        assert isinstance(
            find_failing_schedule(scenario, strategy=strategy, max_steps=10 * PATIENCE), Explored
        )


def test_a_schedule_holds_one_back_until_the_others_wait_or_its_patience_is_over() -> None:
    schedule = Schedule(Played([-1]))
    assert schedule.lane(["a", "b", "c"]) == 1
    assert schedule.lane(["a", "b"]) == 1
    assert schedule.lane(["a"]) == 0  # the others wait
    assert schedule.made == [-1, 0]
    patient = Schedule(Played([-2]))
    assert [patient.lane(["a", "b"]) for _ in range(PATIENCE + 1)] == [0] * (PATIENCE + 1)
    assert patient.lane(["b", "a"]) == 0


def test_where_there_is_nothing_to_choose_two_runs_are_enough() -> None:
    async def scenario() -> None:
        await asyncio.sleep(1)

    assert explore(scenario) == Explored(schedules=1, distinct=1)


# --- what fails ---------------------------------------------------------------------------------------------------


async def first_come() -> None:
    served: list[str] = []

    async def come(who: str) -> None:
        served.append(who)

    await asyncio.gather(come("early"), come("late"), come("later"))
    assert served[-1] != "early", served


def test_a_failure_is_raised_with_the_text_that_plays_it_again() -> None:
    with pytest.raises(AssertionError) as caught:
        explore(first_come)
    (note,) = caught.value.__notes__
    replay = note.split("replay='")[1].split("'")[0]
    assert replay.count("=") == 1
    assert "first_come.<locals>.come goes on at test_exploring.py:" in note
    assert f"<- {replay}" in note
    # Below explore itself, and none of the frames that ran it.
    assert caught.traceback[2].name == "first_come"
    with pytest.raises(AssertionError) as again:
        explore(first_come, replay=replay)
    assert again.value.__notes__[0].splitlines()[1:] == note.splitlines()[1:]
    assert explore(first_come, replay="") == Explored(1, 1)


def test_what_fails_in_the_plain_order_says_so() -> None:
    async def scenario() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        explore(scenario)
    assert caught.value.__notes__[0].startswith("it fails in the plain order, simply run:")


def test_a_call_that_is_queued_is_told_by_its_line() -> None:
    async def scenario() -> None:
        server = await Diary.start("a", [])
        ran: list[str] = []
        asyncio.get_running_loop().call_soon(ran.append, "something else")
        await server.written()
        assert not ran

    found = find_failing_schedule(scenario)
    assert isinstance(found, FailingSchedule)
    assert any(
        "a call at test_exploring.py:" in each and "in scenario that could" in each for each in found.trace
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failure_is_shrunk_and_found_again_by_its_seed(strategy: Strategy) -> None:
    found = find_failing_schedule(first_come, strategy=strategy, seed="autumn")
    assert isinstance(found, FailingSchedule)
    assert found.replay.count("=") == 1
    again = find_failing_schedule(first_come, strategy=strategy, seed="autumn")
    assert isinstance(again, FailingSchedule)
    assert (again.number, again.replay, again.trace) == (found.number, found.replay, found.trace)


def test_seeds_differ() -> None:
    numbers = set()
    for seed in range(20):
        found = find_failing_schedule(first_come, seed=seed)
        assert isinstance(found, FailingSchedule)
        numbers.add(found.number)
    assert len(numbers) > 1


def test_waiting_for_what_never_comes_fails() -> None:
    async def scenario() -> None:
        first, second = asyncio.Lock(), asyncio.Lock()

        async def hold(one: asyncio.Lock, other: asyncio.Lock) -> None:
            async with one:
                await asyncio.sleep(0)
                async with other:
                    pass

        await asyncio.gather(hold(first, second), hold(second, first))

    with pytest.raises(ClockStuck, match="wait for ever"):
        explore(scenario)


def test_going_on_for_ever_fails() -> None:
    async def scenario() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(EndlessSchedule, match="max_steps="):
        explore(scenario, max_steps=1000)


def test_a_crash_that_nobody_noticed_fails_unless_it_is_allowed(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        (await Diary.start("", [])).burn()
        await asyncio.sleep(1)

    with pytest.raises(UnexpectedCrash, match=r"Diary crashed: OSError\('on fire'\).*allow=") as caught:
        explore(scenario)
    assert isinstance(caught.value.__cause__, OSError)
    assert "in burn" in caught.value.__notes__[0]  # where, since the error itself has no frames any more
    explore(scenario, allow=OSError, schedules=5)
    explore(scenario, allow=(KeyError, lambda report: "fire" in report.reason), schedules=5)
    with pytest.raises(UnexpectedCrash):
        explore(scenario, allow=KeyError)
    assert not caplog.records  # a thousand schedules don't write a thousand reports
    assert not capsys.readouterr().err


def test_shrinking_keeps_to_the_crash_that_was_found() -> None:
    """There is a common crash and a rare one, and only what was found first is told."""

    class Torn(GenServer):
        @cast
        def fall(self, error: Exception) -> None:
            raise error

    async def scenario() -> None:
        order: list[str] = []

        async def come(who: str) -> None:
            order.append(who)

        await asyncio.gather(*map(come, "abc"))
        if order != ["a", "b", "c"]:
            (await Torn.start()).fall(KeyError("rare") if order == ["c", "b", "a"] else ValueError("common"))
            await asyncio.sleep(1)

    told: set[type[BaseException] | None] = set()
    for seed in range(30):
        found = find_failing_schedule(scenario, seed=seed)
        assert isinstance(found, FailingSchedule)
        told.add(type(found.error.__cause__))
    assert told == {KeyError, ValueError}


def test_what_does_not_fail_again_is_said_to_hang_on_something_else() -> None:
    runs = iter(range(10**6))

    async def scenario() -> None:
        await asyncio.sleep(0)
        assert next(runs) != 0

    with pytest.raises(AssertionError) as caught:
        explore(scenario)
    assert any(
        "does not fail: the scenario depends on something else" in each for each in caught.value.__notes__
    )


def test_threads_are_refused() -> None:
    async def scenario() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="nobody can choose a thread's pace"):
        explore(scenario)


def test_what_does_not_end_when_it_is_cancelled_fails() -> None:
    async def scenario() -> None:
        async def stubborn() -> None:
            for _ in range(20_000):
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    pass

        asyncio.get_running_loop().stubborn = asyncio.create_task(stubborn())  # type: ignore[attr-defined]  # kept alive

    with pytest.raises(EndlessSchedule, match="did not end"):
        explore(scenario, max_steps=1000, schedules=1)


def test_shrinking_an_endless_schedule_has_an_end() -> None:
    runs = 0

    async def scenario() -> None:
        nonlocal runs
        runs += 1
        order: list[str] = []

        async def come(who: str) -> None:
            order.append(who)

        await asyncio.gather(*map(come, "abcdefgh"))
        while order != sorted(order):
            await asyncio.sleep(0)

    with pytest.raises(EndlessSchedule):
        explore(scenario, max_steps=100_000)
    assert runs < 30


def test_what_ends_the_program_is_no_failure() -> None:
    async def scenario() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(scenario)


async def test_it_says_where_it_can_be_called() -> None:
    with pytest.raises(RuntimeError, match="plain `def test_"):
        explore(first_come)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"strategy": "clever"}, "'both', 'random' or 'preemption'"),
        ({"schedules": 0}, "at least 1"),
        ({"preemptions": -1}, "at least 0"),
        ({"max_steps": 0}, "max_steps=0: must be a whole number, at least 1"),
        ({"schedules": "9"}, "schedules='9'"),
        ({"replay": "12:1"}, "'12:1' is no schedule"),
        ({"replay": "-1=1"}, "'-1=1' is no schedule"),
        ({"replay": "99=1"}, "replay='99=1' no longer fits"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        explore(first_come, **wrong)


def test_a_scenario_is_a_coroutine_function() -> None:
    with pytest.raises(TypeError, match="coroutine function"):
        explore(lambda: None)  # type: ignore[arg-type, return-value]  # wrong on purpose

    async def of(number: int) -> None:
        await asyncio.sleep(number)

    with pytest.raises(TypeError, match=r"missing a required argument: 'number'.*functools.partial"):
        explore(of)  # type: ignore[arg-type]  # wrong on purpose
    explore(functools.partial(of, 1))


def test_texts_of_schedules() -> None:
    assert from_text(to_text([0, 3, -1, 0, 1])) == [0, 3, -1, 0, 1]
    assert from_text("") == []


def test_a_child_that_crashed_just_before_the_end_of_a_test_is_no_refusal() -> None:
    async def scenario() -> None:
        with Reports() as reports:
            supervised = Supervised(reports)
            diary: Diary = await supervised.start(Careful)
            diary.burn()
            while not reports.crashes:
                await asyncio.sleep(0)
            await supervised.stop_all()

    explore(scenario, schedules=200, allow=OSError)


# --- the same everywhere ------------------------------------------------------------------------------------------


async def everything() -> None:
    """Tasks, a group that is cancelled, processes, links, names, timers: whatever could depend on an address."""
    lines: list[str] = []
    servers: list[Diary] = []
    for name in "abcdef":  # no comprehension: newer Pythons give that no frame of its own
        servers.append(await Diary.start(name, lines))
        process.monitor(servers[-1])
    for name in ("north", "south", "east"):
        await Diary.options(name=name).start(name, lines)
    gate = asyncio.Event()

    async def wait(who: str) -> None:
        try:
            await gate.wait()
        finally:
            lines.append(who)

    try:
        async with asyncio.TaskGroup() as group:
            for who in "uvwxyz":
                group.create_task(wait(who))
            for server in servers:
                server.note("!")
            await asyncio.sleep(1)
            process.exit(servers[0], KILL)
            raise ZeroDivisionError
    except* ZeroDivisionError:
        pass
    for server in servers[1:]:
        await server.written()


def traces() -> str:
    """The traces of some schedules, one after another."""
    found = []
    for number in range(1, 31):
        run = run_schedule(
            everything, _chooser(number, "golden", "both", 3, 40), max_steps=10_000, traced=True
        )
        assert run.error is None
        found.append(to_text(run.choices) + "\n" + "\n".join(run.trace))
    return re.sub(r"\.py:\d+", ".py", "\n\n".join(found))


GOLDEN = "8ee0d51803bbd086"
"""What another machine got. It changes when the scenario above does, or the steps that regrow takes in it."""


@pytest.mark.real_time("another Python runs it too")
@pytest.mark.parametrize("hash_seed", ["0", "random"])
def test_the_same_seed_gives_the_same_trace_everywhere(hash_seed: str) -> None:
    root = Path(__file__).parents[2]
    there = subprocess.run(
        [sys.executable, "-c", "from tests.testing.test_exploring import traces; print(traces(), end='')"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)]),
        },
    ).stdout
    assert there == traces()
    assert hashlib.sha256(there.encode()).hexdigest()[:16] == GOLDEN
