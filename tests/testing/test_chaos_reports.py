"""The plan of a storm, and its report: the same seed says the same, and the numbers are those of what was done."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys as python
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from regrow import (
    DynamicSupervisor,
    GenServer,
    Registry,
    StartError,
    Supervisor,
    Task,
    TaskSupervisor,
    call,
    cast,
    process,
    sys,
)
from regrow.kernel.events import attach, detach
from regrow.testing import ChaosReport, chaos, run_virtual
from regrow.testing.storms.census import Census
from regrow.testing.storms.plan import Rates, draw
from tests.application.subprocesses import clean_environment
from tests.testing.runners import run, told
from tests.waiting import forever

pytest_plugins = ["pytester"]


class Worker(GenServer, restart="transient"):
    @cast
    def stop(self) -> None:
        process.exit("enough")

    @call
    def ping(self) -> str:
        return "pong"


class Slow(GenServer):
    async def init(self) -> None:
        await asyncio.sleep(0.3)


class Temp(GenServer, restart="temporary"): ...


class Crew(DynamicSupervisor, max_restarts=1000): ...


class Team(Supervisor, max_restarts=1000): ...


# --- the plan -----------------------------------------------------------------------------------------------------


def test_a_plan_is_its_seeds_and_its_rates() -> None:
    rates = Rates(kill=2.0, delay=1.0, fail_starts=1.0)
    first = list(islice(draw(7, rates), 2000))
    assert first == list(islice(draw(7, rates), 2000))
    assert first != list(islice(draw(8, rates), 2000))
    assert [each.number for each in first] == list(range(1, 2001))
    assert all(one.at < other.at for one, other in pairwise(first))
    assert 450 < first[-1].at < 550  # four a second
    kinds = [each.kind for each in first]
    assert all(400 < kinds.count(kind) < 600 for kind in ("kill", "crash", "delay", "fail_start"))
    assert all((0.01 <= each.seconds <= 0.5) == (each.kind == "delay") for each in first)
    assert 0.4 < sum(each.place for each in first) / 2000 < 0.6


def test_a_plan_is_the_same_on_every_machine() -> None:
    """These were drawn once: who changes how a plan is drawn makes all seeds that people have noted down worthless."""
    drawn = islice(draw(42, Rates(kill=1.0, delay=1.0, fail_starts=1.0)), 4)
    assert [(each.at, each.kind, round(each.place, 6), each.seconds) for each in drawn] == [
        (0.34002, "kill", 0.223211, 0.0),
        (0.716411, "fail_start", 0.421922, 0.0),
        (0.79865, "delay", 0.198838, 0.328443),
        (1.061093, "crash", 0.80943, 0.0),
    ]


# --- the same again -----------------------------------------------------------------------------------------------


async def storm(seed: int = 11) -> ChaosReport:
    children = [
        Registry.child_spec("names", keys="unique"),
        Crew.options(name=Crew).child_spec(),
        Team.child_spec([Slow, Worker], strategy="one_for_all").replace(id="inner"),
        TaskSupervisor.options(name="tasks").child_spec(),
    ]
    async with Team.scope(children, strategy="rest_for_one") as top:
        for _ in range(20):
            await Crew.named(Crew).start_child(Worker)
        for _ in range(3):
            await TaskSupervisor.named("tasks").start_child(forever)
        return await chaos(top, seed=seed, seconds=20, kill=3.0, delay=1.0, fail_starts=1.0)


async def test_the_same_seed_does_the_same_to_the_same() -> None:
    one, again, other = await storm(), await storm(), await storm(12)
    assert str(one) == str(again)
    assert one == again
    assert str(one) != str(other)
    assert len(one.faults) > 60
    assert {each.kind for each in one.faults} == {"kill", "crash", "delay", "fail_start"}


@pytest.mark.real_time("other programs run")
def test_the_same_seed_does_the_same_in_another_program() -> None:
    program = (
        "import logging; logging.disable()\n"
        "from regrow.testing import run_virtual\n"
        "from tests.testing.test_chaos_reports import storm\n"
        "print(run_virtual(storm()))\n"
    )
    told = {
        subprocess.run(
            [python.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            env=clean_environment({"PYTHONHASHSEED": seed, "REGROW_INLINE": inline}),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, inline in (("0", "on"), ("1", "off"))
    }
    assert told == {f"{run_virtual(storm())}\n"}


# --- the numbers --------------------------------------------------------------------------------------------------


async def test_the_numbers_are_those_of_what_was_done() -> None:
    started: list[str] = []
    ended: list[object] = []

    def listen(event: str, fields: dict[str, Any]) -> None:
        if event == "process.started":
            started.append(fields["kind"])
        elif event == "process.exited":
            ended.append(fields["reason"])

    async with Crew.scope() as crew:
        for _ in range(10):
            await crew.start_child(Slow)
        attach(listen)
        report = await chaos(crew, seed=3, seconds=60, kill=1.0, delay=0.5, fail_starts=0.5)
        detach(listen)
        alive = {row.child for row in await crew.which_children()}
    by_kind = {
        kind: [each for each in report.faults if each.kind == kind] for kind in ("kill", "crash", "delay")
    }
    assert len(alive) == 10
    assert len(ended) == len(by_kind["kill"]) + len(by_kind["crash"]) > 40
    assert len(started) == report.restarts == len(ended)
    assert len(report.survived) + len(report.healed) == 10
    assert set(report.healed) == {each.whom for each in report.faults if each.kind != "delay"}
    for fault in (*by_kind["kill"], *by_kind["crash"]):
        assert fault.at is not None
        assert fault.healed_after is not None
        # Its own init takes 0.3 s; a crew that is held up by a delay, or by another start, comes to it later.
        assert fault.healed_after >= 0.3
    assert report.median == 0.3
    assert report.gave_up == ()
    assert report.ok


async def test_a_supervisor_that_gives_up_is_seen_and_its_static_children_heal_with_it() -> None:
    inner = Supervisor.child_spec([Worker.child_spec().replace(id="a"), Worker.child_spec().replace(id="b")])
    async with Team.scope([inner.replace(id="inner", restart="permanent")]) as team:
        report = await chaos(team, seed=3, faults=4, kill=1000.0, only=Worker)
    assert report.gave_up == ("inner",)
    assert report.healed == ("inner", "inner/a", "inner/b")
    assert len(report.healing) == 4
    assert not report.ok
    assert "gave up   inner" in str(report)
    assert "the tree did NOT stand it" in str(report)


async def test_when_the_supervisor_itself_gives_up_the_storm_is_over() -> None:
    began = asyncio.get_running_loop().time()
    crew = await DynamicSupervisor.options(name="crew").start()
    for _ in range(3):
        await crew.start_child(Worker)
    report = await chaos(crew, seed=3, seconds=1000, kill=100.0)
    assert asyncio.get_running_loop().time() - began < 1.0
    assert report.supervisor == "crew"
    assert report.gave_up == ("crew",)
    assert len(report.faults) == 4
    assert report.gone == ("Worker 1", "Worker 2", "Worker 3")
    assert report.ended is not None
    assert "Worker needed more than 3 restarts in 5 s" in report.ended
    assert "ended     crew itself: Worker needed more than 3 restarts in 5 s" in report.summary()


async def test_what_has_become_of_each_child() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)  # 1
        await crew.start_child(Temp)  # 2
        await crew.start_child(Slow)  # 3
        await crew.start_child(Registry.child_spec("names", keys="unique"))  # 4
        done = await crew.start_child(Task.child_spec(asyncio.sleep, 0.5).replace(restart="transient"))  # 5
        await crew.start_child(Worker)  # 6
        assert process.alive(done)
        async with chaos(crew, seed=3, kill=5.0, only=[Temp, Slow], settle=0.0) as storm:
            while not any(each.whom == "Temp 2" for each in storm.plan):
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.0)
            await crew.terminate_child(worker)
            await crew.start_child(Worker)
            while not process.info(crew).waiting_for:  # type: ignore[union-attr]  # it lives
                await asyncio.sleep(0.01)  # the slow one is being restarted
    report = storm.report
    assert report.gone == ("Temp 2",)
    assert report.waiting == ("Slow 3",)
    assert report.finished == ("Worker 1", "sleep 5")
    assert report.survived == ("Registry 4", "Worker 6")
    assert report.joined == 1
    assert not report.ok
    assert "2 untouched, 2 finished, 1 gone, 1 not back yet; 1 new" in report.summary()


async def test_a_child_that_was_ended_for_good_is_owed_nothing() -> None:
    spec = Slow.child_spec()
    async with Crew.scope() as crew:
        one = await crew.start_child(spec)
        async with chaos(crew, seed=3, kill=0.001) as storm:
            await crew.terminate_child(one)
            await crew.start_child(spec)  # by the same spec, and yet another child
    assert (storm.report.restarts, storm.report.joined) == (0, 1)
    assert storm.report.finished == ("Slow 1",)


async def test_who_is_owed_a_restart_is_waited_for() -> None:
    async with Crew.scope() as crew:
        for _ in range(5):
            await crew.start_child(Slow)
        began = asyncio.get_running_loop().time()
        report = await chaos(crew, seed=3, faults=12, kill=1_000_000.0)
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.3 * len(report.faults), abs=0.02)
        assert (await crew.count_children()).active == 5
    assert len(report.healing) == len(report.faults) > 3
    assert report.waiting == ()


async def test_the_children_of_a_dynamic_supervisor_are_gone_with_it() -> None:
    async with Team.scope([Crew.options(name=Crew).child_spec()]) as team:
        for _ in range(3):
            await Crew.named(Crew).start_child(Worker)
        report = await chaos(team, seed=3, faults=1, depth=1)
    assert report.healed == ("Crew",)
    assert report.gone == ("Crew/Worker 1", "Crew/Worker 2", "Crew/Worker 3")
    assert report.ok  # nobody but the killed one knew of them: that is how it is


async def test_a_supervisor_that_has_no_time_now_is_waited_for() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        await sys.suspend(crew)
        async with chaos(crew, seed=3, kill=100.0) as storm:
            while process.alive(worker):
                await asyncio.sleep(0.001)
            resuming = asyncio.ensure_future(resume_later(crew))
        await resuming
    (fault, *_) = storm.report.faults
    assert fault.healed_after == pytest.approx(1.5, abs=0.002)
    assert storm.report.healed == ("Worker 1",)


async def resume_later(crew: Crew) -> None:
    await asyncio.sleep(1.5)
    await sys.resume(crew)


async def test_a_child_in_the_wrong_book_is_told() -> None:
    async with Crew.scope() as crew:
        worker = await crew.start_child(Worker)
        top = crew.__regrow_process__()  # type: ignore[attr-defined]  # what every handle has
        census = Census(top, lambda: 0.0)
        census.begin()
        assert census.misfits() == []
        table = top.server._table
        spec = table.pop(process.pid_of(worker))
        (missing,) = census.misfits()
        table[-1] = table[process.pid_of(worker)] = spec
        (dead,) = census.misfits()
        del table[-1]
        census.end()
    assert "is a living child of Crew, and not in its table" in missing
    assert dead == "Crew has process -1 in its table, which is dead"


async def test_a_report_is_plain_values_too() -> None:
    report = await storm()
    told = json.loads(json.dumps(report.as_json()))
    assert told["seed"] == 11
    assert told["rates"]["delay_seconds"] == [0.01, 0.5]
    assert len(told["faults"]) == len(report.plan)
    assert told["healing"]["count"] == len(report.healing)
    assert told["ok"] is report.ok
    assert told["gone"] == list(report.gone)


async def test_crashes_of_its_own_are_told_and_are_no_failure_of_the_tree() -> None:
    async with Crew.scope() as crew:
        await crew.start_child(Temp)
        worker = await crew.start_child(Worker)
        async with chaos(crew, seed=3, kill=1.0, only=Temp) as storm:
            worker.stop()
            await asyncio.sleep(0.001)
    assert storm.report.crashes == ("Worker 2: 'enough'",)
    assert storm.report.ok
    assert "crashes   1 of their own by 'enough'" in str(storm.report)


async def test_who_is_named_and_never_there_makes_the_report_not_ok() -> None:
    for options, unmet in (
        ({"only": "conter"}, ("only='conter'",)),
        ({"only": [Worker, "conter"], "spare": [Slow, "Worker"]}, ("only='conter'", "spare=Slow")),
    ):
        async with Crew.scope() as crew:
            await crew.start_child(Worker)
            report = await chaos(crew, seed=7, seconds=60, kill=5, **options)  # type: ignore[arg-type]  # each its own
        assert (report.unmet, report.ok, report.faults) == (unmet, False, ())
        assert f"  unknown   {', '.join(unmet)}; there were: Worker 1\n" in str(report)
        assert f"NOT ok: the storm hit nobody; there was nobody for {', '.join(unmet)}" in report.summary()
        assert report.as_json()["unmet"] == list(unmet)
    async with Crew.scope() as crew:
        await crew.start_child(Worker)
        async with chaos(crew, seed=7, kill=5, only=[Worker, Slow], spare="Temp") as storm:
            await crew.start_child(Temp)  # who comes meanwhile is there as well
            await crew.start_child(Slow)
            await asyncio.sleep(3)
    assert storm.report.unmet == ()
    assert storm.report.ok
    async with Crew.scope() as crew:
        async with chaos(crew, seed=7, fail_starts=1000, only=Worker) as storm:
            await asyncio.sleep(1)
            with pytest.raises(StartError):
                await crew.start_child(Worker)  # who never came up is not unknown for that
    assert (storm.report.unmet, len(storm.report.faults)) == ((), 1)


async def test_a_storm_that_hits_nobody_is_not_ok() -> None:
    inner = Team.child_spec([Worker]).replace(id="inner")
    async with Team.scope([inner]) as team:
        report = await chaos(team, seed=7, seconds=60, kill=5, only=Worker, depth=1)
        assert (report.unmet, report.hit_nobody, report.ok) == ((), True, False)
        assert report.summary().splitlines()[-1] == "NOT ok: the storm hit nobody"
        assert report.as_json()["hit_nobody"]
        quiet = await chaos(team, seed=7, seconds=60, fail_starts=5)  # nothing was started: that is no slip
        assert (quiet.faults, quiet.hit_nobody, quiet.ok) == ((), False, True)


async def test_the_repr_is_a_line_that_pytest_shows_whole() -> None:
    inner = Team.child_spec([Worker], max_restarts=0).replace(id="inner")
    async with Team.options(name="team").scope([inner]) as team:
        report = await chaos(team, seed=3, faults=2, only=Worker)
    assert repr(report) == (
        "<ChaosReport below team, seed 3, 2 faults: the tree did NOT stand it; gave up: inner, inner>"
    )
    assert len(repr(replace(report, gave_up=("inner",) * 9, supervisor="x" * 500))) < 240


def test_in_a_test_the_text_of_a_report_that_is_not_ok_is_shown(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = run(
        pytester,
        """
@pytest.mark.virtual_time
async def test_it(start_supervised):
    sup = await start_supervised(DynamicSupervisor.child_spec())
    report = await chaos(sup, seed=7, seconds=60, kill=5)
    assert report.ok, str(report)
""",
    )
    result.assert_outcomes(failed=1)
    for expected in (
        "seed 7, kill 5/s, for 60 s",
        "restarts  0",
        "NOT ok: the storm hit nobody",
        "in report.plan",
    ):
        assert expected in told(result)


# --- under the plugin ---------------------------------------------------------------------------------------------

STORMY = """
from regrow.testing import chaos


class Needy(GenServer, restart="transient"):
    def __init__(self, game, error=None):
        self.game, self.error = game, error

    def init(self):
        process.send_interval(process.current(), "ask", 0.2)

    async def handle_info(self, message):
        try:
            await self.game.who()
        except ServerExited:
            raise self.error if self.error else NotImplementedError from None


class Careless(Needy):
    async def handle_info(self, message):
        await self.game.who()


class Tree(Supervisor, max_restarts=10_000): ...


async def rage(start_supervised, kind, *args):
    game = Game.named("game")
    tree = await start_supervised(
        Tree.child_spec([Game.options(name="game").child_spec(), kind.child_spec(game, *args)])
    )
    report = await chaos(tree, seed=5, seconds=200, kill=0.2, delay=0.2, only="game", delay_seconds=6.0)
    assert len(report.faults) > 30
    assert report.ok
    return report


async def starting(games):
    while True:
        await asyncio.sleep(0.1)
        await games.start_child(Game)
"""


def test_crashes_on_purpose_and_those_that_follow_fail_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = run(
        pytester,
        STORMY
        + """

@pytest.mark.virtual_time
async def test_who_calls_a_victim_may_crash_too(start_supervised, capture_reports):
    await rage(start_supervised, Careless)
    kinds = {type(each.error).__name__ for each in capture_reports.crashes}
    assert kinds == {"ChaosError", "ServerExited", "CallTimeout"}


@pytest.mark.virtual_time
async def test_who_starts_and_can_not_may_crash_too(start_supervised, capture_reports):
    games = await start_supervised(DynamicSupervisor)
    starter = await start_supervised(Task.child_spec(starting, games).replace(restart="permanent"))
    report = await chaos(games, seed=5, seconds=20, fail_starts=1.0)
    assert len([each for each in capture_reports.crashes if isinstance(each.error, StartError)]) == len(report.faults)


@pytest.mark.virtual_time
async def test_who_comes_to_it_later_as_well(start_supervised):
    games = await start_supervised(DynamicSupervisor)
    async with chaos(games, seed=5, fail_starts=100.0):
        await asyncio.sleep(1)
        with pytest.raises(StartError) as caught:
            await games.start_child(Game)

    async def later():
        raise RuntimeError("no game") from caught.value

    process.spawn(later)
    await asyncio.sleep(1)


@pytest.mark.virtual_time
async def test_but_an_error_of_its_own_is_its_own(start_supervised):
    await rage(start_supervised, Needy, KeyError("game"))


@pytest.mark.virtual_time
async def test_and_what_follows_from_nothing_either(start_supervised, capture_reports):
    game = await start_supervised(Game)
    needy = await start_supervised(Careless.child_spec(game).replace(id="needy", restart="temporary"))
    await chaos(await start_supervised(DynamicSupervisor), seed=1, faults=1)
    process.exit(game, KILL)
    await asyncio.sleep(1)
""",
    )
    result.assert_outcomes(passed=3, failed=2)
    printed = told(result)
    assert "crashed: KeyError('game')" in printed
    assert "test_but_an_error_of_its_own_is_its_own" in printed
    assert "test_and_what_follows_from_nothing_either" in printed
    assert "crashed: NoProcess" in printed
