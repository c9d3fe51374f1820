"""What is gathered over time: samples, lag, ages, streams of events; and that all of it is let go of."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

from regrow import KILL, ServerExited, process
from regrow.kernel.events import emit
from regrow.kernel.runtime import runtime
from regrow.observer import NotObserved, Settings, TooManySubscriptions, observing, snapshot
from regrow.observer.ages import MOST, Ages
from regrow.observer.model import Sample, TreeChange
from regrow.observer.recording import recording_of
from regrow.observer.subscriptions import Subscriptions
from tests.observer.programs import Game, program, start_game, timers_of_the_observer
from tests.waiting import turns


async def test_a_sample_is_taken_every_second_and_rates_are_of_that_second() -> None:
    async with observing() as look, program():
        game = await start_game(1)
        assert len(look.series().samples) == 1
        for _ in range(30):
            await game.play(1)
        await asyncio.sleep(1.0)
        await turns()
        first, second = look.series().samples
        assert second.at - first.at == pytest.approx(1.0)
        assert second.messages is not None
        assert 30 <= second.messages <= 40
        assert second.processes == len(runtime().processes)
        assert second.loop_lag == 0.0
        assert second.memory is None or second.memory > 1_000_000
        await asyncio.sleep(1.0)
        await turns()
        assert look.series().samples[-1].messages == 0
        assert look.samples == 3


async def test_crashes_are_in_the_samples() -> None:
    async with observing(Settings(interval=0.5)) as look, program() as games:
        game = await games.start_child(Game.options(restart="temporary").child_spec(1))
        with pytest.raises(ServerExited):
            await game.crash()
        await asyncio.sleep(0.6)
        assert look.series().interval == 0.5
        assert look.series().samples[-1].crashes == 2.0  # one in half a second
        await asyncio.sleep(0.5)
        assert look.series().samples[-1].crashes == 0.0


async def test_the_series_is_bounded() -> None:
    async with observing(Settings(samples=5)) as look:
        await asyncio.sleep(20.5)
        assert len(look.series().samples) == 5
        assert look.samples == 21


async def test_without_an_observer_there_is_a_picture_and_no_history() -> None:
    look = snapshot()
    overview = await look.overview()
    assert (overview.uptime, overview.messages, overview.series.samples) == (None, None, ())
    assert not look.observed
    assert overview.scheduler.loop_lag is None
    with pytest.raises(NotObserved, match="child_spec"):
        look.subscribe()
    with pytest.raises(NotObserved):
        await look.next_sample()


@pytest.mark.real_time("a handler that holds the loop, which no virtual clock sees")
async def test_a_loop_that_is_held_shows_as_lag() -> None:
    async with observing(Settings(interval=0.2)) as look:
        time.sleep(0.15)  # noqa: ASYNC251  # that is what is shown
        await look.next_sample(after=2)
        lags = [each.loop_lag for each in look.series().samples]
        assert max(lags) > 0.03
        assert look.scheduler().loop_lag_max == max(lags)


async def test_who_waits_for_a_sample_gets_it() -> None:
    async with observing() as look:
        assert await look.next_sample() == 1
        assert await look.next_sample(after=1) == 2
        with pytest.raises(TimeoutError):
            await look.next_sample(after=2, timeout=0.1)
        waiting = asyncio.create_task(look.next_sample(after=100))
        await turns()
    with pytest.raises(NotObserved):
        await waiting


async def test_all_is_let_go_of_at_the_end() -> None:
    rt = runtime()
    before = list(rt.listeners), rt.probes
    async with observing(), observing() as look, program():
        assert rt.probes != before[1]
        look.subscribe("tree")
        game = await start_game(1)
        await game.play(1)
        emit(rt, "child.started", supervisor=1, pid=process.pid_of(game), id=None)
    assert (list(rt.listeners), rt.probes) == before
    assert not recording_of(rt).on
    assert timers_of_the_observer() == []
    assert look.series().samples == ()


async def test_several_share_one_recording() -> None:
    async with observing() as one:
        await asyncio.sleep(3.5)
        async with observing(Settings(samples=1)) as two:
            assert two.series() == one.series()
            assert len(two.series().samples) == 4
        assert one.samples == 4
        assert one.observed


@pytest.mark.parametrize(
    "given",
    [
        {"interval": 0},
        {"interval": True},
        {"interval": "1"},
        {"samples": 0},
        {"crashes": 1.5},
        {"max_subscriptions": -1},
    ],
)
def test_settings_that_can_not_work_are_refused(given: Any) -> None:
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        Settings(**given)


# --- ages -----------------------------------------------------------------------------------------------------------


def test_ages_are_never_too_great_and_the_notes_are_bounded() -> None:
    ages = Ages()
    born = [second * 0.37 for second in range(20_000)]  # a pid each, every 0.37 s
    pid = 0
    for second in range(7400):
        while pid < len(born) and born[pid] <= second:
            pid += 1
        ages.note(float(second), pid - 1)
    now = 7400.0
    assert len(ages._pids) <= MOST
    for each in range(1, len(born), 97):
        age, least = ages.of(each, now)
        true = now - born[each]
        assert age is not None
        assert age <= true
        assert true - age <= 1.0 + 0.02 * true, each  # coarser only for the old
        assert not least
    assert ages.of(0, now) == (7400.0, True)


def test_who_was_there_before_is_at_least_as_old_as_the_observer() -> None:
    ages = Ages()
    assert ages.of(3, 5.0) == (None, False)
    ages.note(5.0, 100)
    ages.note(6.0, 90)  # the highest has died
    assert ages.of(90, 9.0) == (4.0, True)
    assert ages.of(101, 9.0) == (0.0, False)


# --- streams --------------------------------------------------------------------------------------------------------


def sample(number: int) -> Sample:
    return Sample(float(number), number, 0, None, 0.0, 0.0, 0.0, None)


async def test_a_slow_reader_misses_and_is_told() -> None:
    subscriptions = Subscriptions(10)
    stream = subscriptions.add(("sample",), 3)
    for number in range(10):
        subscriptions.publish("sample", sample(number))
    assert len(stream._queue) == 3
    subscriptions.close()
    events = [event async for event in stream]
    assert [event.value.at for event in events] == [7.0, 8.0, 9.0]
    assert [event.missed for event in events] == [7, 0, 0]
    assert stream.missed == 7
    assert stream.closed


async def test_a_queue_of_one_counts_what_is_missed_too() -> None:
    subscriptions = Subscriptions(10)
    stream = subscriptions.add((), 1)
    for number in range(4):
        subscriptions.publish("sample", sample(number))
    subscriptions.skip("crash")
    subscriptions.publish("sample", sample(4))
    event = await anext(stream)
    assert (event.value.at, event.missed) == (4.0, 5)


async def test_readers_get_what_they_asked_for() -> None:
    async with observing() as look, program() as games:
        with look.subscribe("crash") as only, look.subscribe() as everything:
            game = await games.start_child(Game.options(restart="temporary").child_spec(1))
            with pytest.raises(ServerExited):
                await game.crash()
            event = await anext(only)
            assert event.kind == "crash"
            kinds = []
            async for event in everything:
                kinds.append(event.kind)
                if "sample" in kinds and "crash" in kinds:
                    break
        assert only.closed
        with pytest.raises(StopAsyncIteration):
            await anext(only)


async def test_changes_of_the_tree_come_together() -> None:
    rt = runtime()
    async with observing() as look:
        changes = look.subscribe("tree")
        for number in range(1000):
            emit(rt, "child.terminated", supervisor=number % 3, pid=number, id=None, reason=None)
        event = await anext(changes)
        assert isinstance(event.value, TreeChange)
        assert (event.value.supervisors, event.value.more) == ((0, 1, 2), False)
        for number in range(1000):
            emit(rt, "child.terminated", supervisor=number, pid=number, id=None, reason=None)
        event = await anext(changes)
        assert isinstance(event.value, TreeChange)
        assert len(event.value.supervisors) == 100
        assert event.value.more
        emit(rt, "application.stopped", name="x")
        event = await anext(changes)
        assert isinstance(event.value, TreeChange)
        assert (event.value.supervisors, event.value.more) == ((), True)


async def test_subscriptions_are_bounded_and_the_lost_ones_go() -> None:
    async with observing(Settings(max_subscriptions=3)) as look:
        kept = [look.subscribe("sample") for _ in range(3)]
        with pytest.raises(TooManySubscriptions, match="3"):
            look.subscribe()
        kept.pop().close()
        kept.append(look.subscribe())
        kept.pop()  # its reader went without a word
        gc.collect()
        look.subscribe()
        with pytest.raises(ValueError, match="'noise'"):
            look.subscribe("noise")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="size=0"):
            look.subscribe(size=0)


async def test_streams_end_with_the_observer() -> None:
    async with observing() as look:
        stream = look.subscribe("crash")
        reading = asyncio.create_task(_all(stream))
        await turns()
    assert await reading == []


async def _all(stream: Any) -> list[Any]:
    return [event async for event in stream]


async def test_a_reader_that_is_cut_leaves_the_stream_whole() -> None:
    async with observing() as look:
        stream = look.subscribe("sample")
        reading = asyncio.create_task(_all(stream))
        await turns()
        reading.cancel()
        await asyncio.wait([reading])
        await asyncio.sleep(1.5)
        assert (await anext(stream)).kind == "sample"


async def test_the_process_that_is_killed_is_counted_out() -> None:
    async with observing() as look:

        async def wait() -> None:
            await process.receive(KeyError)

        pid = process.spawn(wait)
        await turns()
        process.exit(pid, KILL)
        await turns()
        assert pid not in [row.pid for row in (await look.processes()).rows]
