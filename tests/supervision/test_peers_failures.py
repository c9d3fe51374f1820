"""What was measured to go wrong in other libraries of this kind, each as a test that regrow survives.

Their names are in no test: what they did may be mended by now, and the failure is what counts.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from regrow import (
    KILL,
    SHUTDOWN,
    Down,
    DynamicSupervisor,
    GenServer,
    ServerExited,
    StartError,
    Supervisor,
    call,
    process,
)
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.children import RESTARTING
from tests.supervision.failing import (
    ALL_KINDS,
    KINDS,
    Crashing,
    Diary,
    Failing,
    FailingLater,
    Kind,
    Sleepy,
)
from tests.supervision.servers import Boom, Gate, Moody, Slow, SlowStart, Worker, children_of, end
from tests.waiting import now, until

FOR_EVER = 10**9


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of crash reports would take more time than what they report."""
    caplog.set_level(logging.CRITICAL, logger="regrow")


# --- no restart intensity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("child", [Crashing, Failing, FailingLater])
@pytest.mark.parametrize("name", ALL_KINDS)
async def test_a_child_that_always_fails_is_restarted_so_often_and_no_more(name: str, child: Any) -> None:
    """Measured: an always failing child restarted 5,459 times in two seconds, and so on for ever.

    regrow tries ``max_restarts`` times; then the supervisor ends, and who started it knows.
    """
    process.trap_exits()
    diary, kind = Diary(), Kind(name)
    await kind.start_link()
    process.monitor(kind.sup)
    first = await kind.start_child("x", child.child_spec(diary))
    diary.failing = True
    first.end(Boom())
    assert (await process.receive(Down, timeout=60)).reason is SHUTDOWN
    assert diary.starts == [0.0] * (1 + 3)


async def test_a_tree_of_supervisors_multiplies_the_restarts_and_still_ends() -> None:
    """The same, one level up: a supervisor that gives up is restarted, and that is counted as well."""
    process.trap_exits()
    diary = Diary()
    diary.failing = True
    below = Supervisor.child_spec([Crashing.child_spec(diary)], max_restarts=3)
    top = await Supervisor.start_link([below], max_restarts=2)
    process.monitor(top)
    assert (await process.receive(Down, timeout=60)).reason is SHUTDOWN
    assert len(diary.starts) == (1 + 3) * (1 + 2)


# --- a retry loop that starves the loop -------------------------------------------------------------------------------


PATIENCE = 50_000
"""Starts between two turns of the loop. Some hundred fit into a slice: this is no slow machine but a starved loop."""


@pytest.mark.parametrize("child", [Crashing, Failing, FailingLater])
@pytest.mark.parametrize("name", ALL_KINDS)
async def test_a_retry_loop_without_a_limit_lets_others_have_their_turns(name: str, child: Any) -> None:
    """Measured: 1.14 million retries in three seconds, in which a sibling that ticks every 10 ms ran once.

    regrow gives the loop a turn after each slice of time, however many restarts are allowed.
    """
    diary, kind = Diary(), Kind(name)
    await kind.start_link(max_restarts=FOR_EVER)
    first = await kind.start_child("x", child.child_spec(diary))
    since = starved = 0

    def count() -> None:
        nonlocal since, starved
        since += 1
        if since > PATIENCE:
            starved, diary.failing = since, False

    diary.on_start, diary.enough, diary.failing = count, math.inf, True
    first.end(Boom())
    for _ in range(20):
        await asyncio.sleep(0)
        since = 0
    begun = len(diary.starts)
    await until(lambda: starved or len(diary.starts) > begun)  # it does go on
    diary.failing = False
    assert not starved


@pytest.mark.real_time("the retries never let the loop rest, so a virtual clock would stand still")
async def test_a_timer_ticks_on_beside_a_retry_loop() -> None:
    """The same, by the clock: a sibling that ticks every 10 ms does."""
    diary, late = Diary(), []
    begin, enough = time.monotonic(), 5.0
    diary.enough = math.inf

    def count() -> None:
        if time.monotonic() - begin > enough:  # nobody else could end it
            diary.failing = False

    async with DynamicSupervisor.scope(max_restarts=FOR_EVER) as sup:
        child = await sup.start_child(Failing.child_spec(diary))
        diary.on_start, diary.failing = count, True
        child.end(Boom())
        for _ in range(10):
            due = now() + 0.01
            await asyncio.sleep(0.01)
            late.append(now() - due)
        diary.failing = False
    assert len(diary.starts) > 10
    assert max(late) < 1.0  # 5 ms as a rule


# --- a crash while the supervisor is busy -----------------------------------------------------------------------------


@pytest.mark.parametrize("busy", ["starting", "ending", "restarting", "idle"])
@pytest.mark.parametrize("name", KINDS)
async def test_a_crash_while_the_supervisor_is_busy_is_healed_the_moment_it_is_free(
    name: str, busy: str
) -> None:
    """Measured: a crash that came while the supervisor was busy lost its wake-up, and was noticed by a poll of 5 s.

    In regrow an exit is a message in the supervisor's queue, taken in its turn: nothing polls, nothing is lost.
    """
    kind, release, told = Kind(name), asyncio.Event(), asyncio.Event()
    await kind.start_link(max_restarts=100)
    diaries = [Diary() for _ in range(10)]
    victims = [await kind.start_child(f"v{n}", Crashing.child_spec(each)) for n, each in enumerate(diaries)]
    other = Diary()
    working: asyncio.Task[Any] | None = None
    if busy == "starting":
        working = asyncio.create_task(kind.start_child("other", Sleepy.child_spec(other, quick=0)))
    elif busy == "ending":
        slow = await kind.start_child("other", Slow.child_spec(release, told))
        working = asyncio.create_task(kind.terminate_child("other", slow))
        asyncio.get_running_loop().call_later(3, release.set)
    elif busy == "restarting":
        sleepy = await kind.start_child("other", Sleepy.child_spec(other))
        sleepy.end(Boom())
    await asyncio.sleep(1)
    for victim in victims:
        victim.end(Boom())
    await until_all(lambda: all(len(each.starts) == 2 for each in diaries))
    assert [each.starts[1] for each in diaries] == [1.0 if busy == "idle" else 3.0] * 10
    if working is not None:
        await working


async def until_all(condition: Callable[[], bool]) -> None:
    """Until it is so, for at most ten seconds of virtual time."""
    deadline = now() + 10
    while not condition() and now() < deadline:
        await asyncio.sleep(0.125)


# --- a burst of crashes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [False, True], ids=["in one turn", "over many turns"])
@pytest.mark.parametrize("name", KINDS)
async def test_all_of_a_burst_of_crashes_are_healed(name: str, spread: bool) -> None:
    """Measured: 738 of 2,000 crashed children restarted in a minute; and 200 that crashed over some turns of the loop
    healed after 5 s of doing nothing.

    regrow heals all of them, without a wait, and counts them right.
    """
    kind, diaries = Kind(name), [Diary() for _ in range(2000)]
    await kind.start_link(max_restarts=FOR_EVER)
    old = [await kind.start_child(f"{n}", Crashing.child_spec(each)) for n, each in enumerate(diaries)]
    for n, child in enumerate(old):
        child.end(Boom())
        if spread and n % 10 == 0:
            await asyncio.sleep(0)
    await until(lambda: all(len(each.starts) == 2 for each in diaries))
    new = await children_of(kind.sup)
    assert len(new) == (await kind.sup.count_children()).active == 2000
    assert not {*map(process.pid_of, new)} & {child.__regrow_process__().pid for child in old}
    assert all([await child.who() for child in new])
    assert {each.starts[1] for each in diaries} == {0.0}


# --- a death before anybody watches -----------------------------------------------------------------------------------


class Elsewhere(GenServer):
    """Starts a process that its caller's supervisor knows nothing of."""

    @call
    async def begin(self) -> Worker:
        return await Worker.start()


@pytest.mark.parametrize(
    "way", ["linked", "not linked", "of a message to itself", "elsewhere", "when it is returned"]
)
@pytest.mark.parametrize("name", KINDS)
async def test_a_child_that_dies_before_it_is_watched_is_not_lost(name: str, way: str) -> None:
    """Measured: a child that crashed before its supervisor had monitored it was never restarted, and never missed.

    In regrow a child is linked before its first step. Whoever a start function returns dead is restarted if the
    supervisor has heard of its end, and refused as a failed start if it could not: a process of somebody else's.
    """
    diary, kind, elsewhere = Diary(), Kind(name), await Elsewhere.start()

    async def start() -> Any:
        begin = {"not linked": Worker.start, "elsewhere": elsewhere.begin}.get(way, Worker.start_link)
        child = await begin()
        diary.start()
        if diary.failing:
            await end(child)
        return child

    def recover() -> None:
        diary.failing = way != "when it is returned" and len(diary.starts) < 3

    diary.on_start = recover
    await kind.start_link(max_restarts=10)
    spec = Crashing.child_spec(diary) if way == "of a message to itself" else ChildSpec("x", start)
    if way == "elsewhere":
        for _ in range(2):
            with pytest.raises(StartError):
                await kind.start_child("x", spec)
    child = await kind.start_child("x", spec)
    if way == "when it is returned":
        process.exit(child, KILL)
        await until(lambda: len(diary.starts) == 2)
        process.exit((await children_of(kind.sup))[0], KILL)
    await until(lambda: len(diary.starts) == 3)
    [running] = await children_of(kind.sup)
    assert await running.who()
    assert (await kind.sup.count_children()).active == 1


# --- a terminate that comes during a restart --------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
async def test_a_child_that_is_terminated_while_its_restart_fails_stays_away(name: str) -> None:
    """Measured: a child that waits for its next restart is nowhere, so to terminate it does nothing, and it comes back.

    In regrow it is on the books as restarting; terminate_child takes it off, and the retry under way does nothing.
    """
    gate, kind = Gate(), Kind(name)
    await kind.start_link(max_restarts=FOR_EVER)
    child = await kind.start_child("x", Moody.child_spec(gate))
    pid = process.pid_of(child)
    gate.mood = "fail"
    child.end(Boom())
    await until(lambda: gate.starts > 2)
    assert await children_of(kind.sup) == [RESTARTING]
    await kind.terminate_child("x", pid)
    gate.mood, starts = "fine", gate.starts
    await asyncio.sleep(60)
    assert gate.starts == starts
    assert (await kind.sup.count_children()).active == 0
    assert await children_of(kind.sup) == ([] if name == "dynamic" else [None])


@pytest.mark.parametrize("order", ["terminate_child", "stop the supervisor"])
async def test_a_child_that_is_terminated_while_it_is_being_restarted_stays_away(order: str) -> None:
    """The same with a restart that takes its time: the order waits for it, and then ends who has come back."""
    process.trap_exits()
    diary, kind = Diary(), Kind("one_for_one")
    await kind.start_link()
    process.monitor(kind.sup)
    child = await kind.start_child("x", Sleepy.options(name="sleepy").child_spec(diary))
    child.end(Boom())
    await asyncio.sleep(1)
    assert len(diary.starts) == 2
    if order == "terminate_child":
        await kind.terminate_child("x", None)
        assert now() == 3.0
    else:
        process.exit(kind.sup, SHUTDOWN)
        assert (await process.receive(Down)).reason is SHUTDOWN
    assert process.whereis("sleepy") is None
    await asyncio.sleep(60)
    assert process.whereis("sleepy") is None
    assert len(diary.starts) == 2


# --- who asks a supervisor that goes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["killed", "gives up"])
async def test_nobody_waits_for_a_supervisor_that_has_gone(ends: str) -> None:
    """Measured: an answer awaited from a process that had died.

    A supervisor's calls have no time-out in regrow, and its end wakes whoever waits for it.
    """
    process.trap_exits()
    release, entered = asyncio.Event(), asyncio.Event()
    sup = await DynamicSupervisor.start_link(max_restarts=0)
    victim = await sup.start_child(Worker)
    starting = asyncio.create_task(sup.start_child(SlowStart.child_spec(release, entered)))
    await entered.wait()
    victim.end(Boom())
    waiting = [asyncio.create_task(sup.start_child(Worker)), asyncio.create_task(sup.count_children())]
    await asyncio.sleep(0)
    if ends == "killed":
        process.exit(sup, KILL)
    else:
        release.set()
    outcomes = await asyncio.gather(starting, *waiting, return_exceptions=True)
    assert [type(each) for each in outcomes[1:]] == [ServerExited, ServerExited]
    assert isinstance(outcomes[0], ServerExited) == (ends == "killed")
