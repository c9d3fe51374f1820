"""The loop goes on while somebody looks at very many processes, and many readers cost one look.

Time is not measured here (``bench/observer_cost.py`` does): it is counted how many things are done between two turns of
the loop, and how often the work is done at all.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from regrow import GenServer, process
from regrow.kernel.process import Process
from regrow.kernel.runtime import runtime
from regrow.observer import encoding, pace, snapshot
from regrow.observer import processes as process_rows
from regrow.observer import registries as registry_rows
from regrow.observer import survey as surveys
from regrow.observer import tree as trees
from regrow.observer.model import Memory, Page, TreeNode
from regrow.observer.pace import PORTION, ROW, TURN, Pace, Shared, timed
from tests.observer.programs import Games, pid_of, program, start_game, timers_of_the_observer
from tests.waiting import turns

MANY = 8_000


class Pebble(GenServer):
    def __init__(self, number: int) -> None:
        self.number = number


@asynccontextmanager
async def many(count: int = MANY) -> AsyncIterator[list[int]]:
    """So many processes at rest, of no supervisor: those end quickest."""
    async with program():
        games = Games.named(Games)
        await _fill(games, count)
        yield [pid for pid, each in runtime().processes.items() if each.behaviour.name == "Pebble"]


async def _fill(games: Any, count: int) -> None:
    from dataclasses import replace

    rt = runtime()
    server: Any = rt.processes[pid_of(Games)].server  # type: ignore[index]
    server._flags = replace(server._flags, max_children=None)
    for number in range(count):
        await games.start_child((Pebble, number))


class Meter:
    """Counts the things that are done in one turn of the loop, at most, and in all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = self.all = self._now = 0
        go_on, meter = Pace.go_on, self

        async def counted(self: Pace, things: int) -> None:
            meter._now += things
            meter.all += things
            meter.most = max(meter.most, meter._now)
            await go_on(self, things)

        monkeypatch.setattr(Pace, "go_on", counted)

    def __enter__(self) -> Meter:
        self._turn()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()  # while it turns, a virtual clock stands still

    def _turn(self) -> None:
        self._now = 0
        self._timer = asyncio.get_running_loop().call_soon(self._turn)


@pytest.mark.parametrize("sort", ["name", "kind", "mailbox", "messages", "links"])
async def test_no_stretch_does_more_than_two_thousand_things(monkeypatch: Any, sort: Any) -> None:
    async with many():
        look = snapshot()
        with Meter(monkeypatch) as meter:
            await look.processes(sort=sort, descending=True)
        assert meter.all >= 2 * MANY  # a column, and the sorting of it
        assert meter.most <= TURN
        with meter:
            await look.processes(sort=sort, descending=True, offset=MANY // 2)
            await look.processes(query="peb")
            await look.process(pid_of(Games))
            await look.tree()
        assert meter.most <= TURN


class Turns:
    """Counts what is done in each turn of the loop, on a machine so quick that no clock ends a stretch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: dict[int, int] = {}
        self._turn = 0
        self._patch = monkeypatch
        monkeypatch.setattr(pace, "perf_counter", lambda: 0.0)

    def count(self, where: Any, name: str) -> None:
        """Calls of *where*'s function *name*, or the things that it gives if it is a generator."""
        counted = getattr(where, name)

        def call(*args: Any, **keywords: Any) -> Any:
            self._note()
            return counted(*args, **keywords)

        def generate(*args: Any, **keywords: Any) -> Any:
            for each in counted(*args, **keywords):
                self._note()
                yield each

        self._patch.setattr(where, name, generate if inspect.isgeneratorfunction(counted) else call)

    def _note(self) -> None:
        """One more in this turn."""
        self.done[self._turn] = self.done.get(self._turn, 0) + 1

    async def of(self, work: Any) -> Any:
        self.done.clear()
        self._next()
        try:
            return await work
        finally:
            self._timer.cancel()

    def _next(self) -> None:
        self._turn += 1
        self._timer = asyncio.get_running_loop().call_soon(self._next)

    @property
    def all(self) -> int:
        return sum(self.done.values())

    @property
    def most(self) -> int:
        return max(self.done.values())


async def test_no_stretch_makes_more_than_two_hundred_rows(monkeypatch: Any) -> None:
    async with many(2000):
        for number in range(500):
            await start_game(number)
        (registry,) = await snapshot().registries()
        counts = Turns(monkeypatch)
        counts.count(process_rows, "row_of")
        counts.count(registry_rows, "neighbour")
        counts.count(trees, "_node")
        look, games = snapshot(), pid_of(Games)
        for work, rows in (
            (lambda: look.processes(limit=1000), 1000),
            (lambda: look.children(games, limit=1000), 1000),
            (lambda: look.tree(games, limit=1000, nodes=2000), 1000),
            (lambda: look.entries(registry.pid, limit=1000), 500),
        ):
            await counts.of(work())
            assert counts.all >= rows
            assert counts.most <= TURN // ROW


async def test_no_stretch_of_an_answer_writes_more_than_two_hundred_rows(monkeypatch: Any) -> None:
    row = Memory(7, 4096, 12, cut=False)
    page = Page((row,) * 1000, total=1000, offset=0, limit=1000, at=0.0)
    counts = Turns(monkeypatch)
    counts.count(encoding, "_filled")
    answer = await counts.of(encoding.plain(page))
    assert counts.all >= 1000
    assert counts.most <= TURN // ROW
    monkeypatch.undo()
    counts = Turns(monkeypatch)
    counts.count(encoding, "_text")
    text = await counts.of(encoding.json_text(answer))
    assert json.loads(text) == encoding.as_json(page) == answer
    assert counts.all >= 1000
    assert counts.most <= TURN // ROW


async def test_a_row_whose_process_ends_before_it_is_written_is_left_out(monkeypatch: Any) -> None:
    monkeypatch.setattr(pace, "TURN", PORTION)  # short stretches: there is time to end between two of them
    async with many(900) as pebbles:
        look, games = snapshot(), pid_of(Games)
        for work in (lambda: look.processes(limit=1000), lambda: look.children(games, limit=1000)):
            ended, pebbles = pebbles[-5:], pebbles[:-5]
            looking = asyncio.create_task(work())  # type: ignore[arg-type]  # either gives a page
            await turns(2)
            assert not looking.done()
            for pid in ended:
                process.exit(pid, "kill")
            rows: Any = (await looking).rows
            pids = {each.pid for each in rows}
            assert {*pebbles} <= pids
            assert not pids & {*ended}
            assert not [each for each in rows if isinstance(each, TreeNode) and each.state == "stopped"]


async def test_a_slow_machine_gives_way_sooner(monkeypatch: Any) -> None:
    clock = iter(range(10**9))
    monkeypatch.setattr(pace, "perf_counter", lambda: next(clock) * 0.01)  # each look at it takes 10 ms
    async with many(5000):
        with Meter(monkeypatch) as meter:
            await snapshot().processes(sort="kind")
        assert meter.all >= 10_000
        assert meter.most <= surveys.RUN


async def test_the_loop_turns_while_somebody_looks(monkeypatch: Any) -> None:
    async with many():
        turned = 0

        async def turn() -> None:
            nonlocal turned
            while True:
                turned += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        await snapshot().processes(sort="mailbox")
        turning.cancel()
        assert turned >= MANY // TURN


async def test_five_pages_cost_one_look(monkeypatch: Any) -> None:
    made: list[surveys.Survey] = []
    init = surveys.Survey.__init__

    def noted(self: surveys.Survey, *args: Any) -> None:
        made.append(self)
        init(self, *args)

    monkeypatch.setattr(surveys.Survey, "__init__", noted)
    async with many(3000):
        meter = Meter(monkeypatch)
        look = snapshot()
        await asyncio.gather(*(look.processes(sort="kind") for _ in range(5)))
        once = meter.all
        await asyncio.gather(*(snapshot().processes(sort="kind", offset=50) for _ in range(5)))
        assert meter.all - once <= 10 * pace.PORTION  # the turning of pages
        assert len(made) == 1
        await asyncio.sleep(surveys.LONGEST)
        await look.processes(sort="kind")
        assert len(made) == 2


async def test_a_look_that_was_much_work_lasts_longer(monkeypatch: Any) -> None:
    look = snapshot()
    await look.processes()
    first = surveys.surveys_of(look.runtime, look._recording)._last
    assert first is not None
    first.spent = 0.1
    await asyncio.sleep(1.5)
    await look.processes()
    assert surveys.surveys_of(look.runtime, look._recording)._last is first
    await asyncio.sleep(0.6)
    await look.processes()
    assert surveys.surveys_of(look.runtime, look._recording)._last is not first


async def test_nothing_is_kept_of_a_look_when_nobody_looks() -> None:
    look = snapshot()
    await look.processes(sort="kind")
    await asyncio.sleep(surveys.LONGEST + 1)
    assert surveys.surveys_of(look.runtime, look._recording)._last is None
    assert timers_of_the_observer() == []


async def test_a_reader_who_goes_away_breaks_nothing_for_the_others() -> None:
    async with many(5000):
        look = snapshot()
        one = asyncio.create_task(look.processes(sort="name"))
        two = asyncio.create_task(look.processes(sort="name"))
        await turns(2)
        one.cancel()
        assert (await two).total > 5000
        assert one.cancelled()


async def test_processes_that_die_meanwhile_are_no_harm() -> None:
    async with many(4000) as pids:
        look = snapshot()
        reading = [
            asyncio.create_task(look.processes(sort=sort, query=query, offset=offset, limit=1000))
            for sort in ("mailbox", "name", "messages")
            for query in ("", "peb")
            for offset in (0, 2000)
        ]
        games = Games.named(Games)
        for number, pid in enumerate(pids[::3]):
            await games.terminate_child(pid)
            if number % 50 == 0:
                await asyncio.sleep(0)
        for each in reading:
            page = await each
            assert all(row.pid in pids or row.kind != "Pebble" for row in page.rows)
        gone = pids[0]
        assert gone not in [row.pid for row in (await look.processes(query="peb", limit=1000)).rows]


async def test_little_is_allocated_for_processes_that_are_not_on_the_page() -> None:
    async with many(5000):
        look = snapshot()
        await look.processes(sort="pid")
        gc.collect()
        gc.disable()
        try:
            before = gc.get_count()[0]
            await look.processes(sort="mailbox", descending=True, limit=10)
            assert gc.get_count()[0] - before < 500  # a few for each portion, none for each process
        finally:
            gc.enable()


async def test_the_tree_of_a_great_supervisor_makes_a_page_of_nodes() -> None:
    async with many(5000):
        forest = await snapshot().tree(nodes=100)
        assert forest.cut
        page = await snapshot().children(pid_of(Games), offset=4990)
        assert (len(page.rows), page.total) == (10, 5000)


async def test_work_that_fails_fails_for_who_asked_and_is_forgotten() -> None:
    shared: Shared[int] = Shared(limit=2)

    async def fail() -> int:
        raise ValueError("no")

    async def one() -> int:
        return 1

    with pytest.raises(ValueError, match="no"):
        await shared.get("a", fail)
    assert await shared.get("a", one) == 1
    for key in range(10):
        await shared.get(key, one)
    assert len(shared._made) <= 2


async def test_looking_neither_makes_nor_changes_anything_in_a_process() -> None:
    async with many(10) as pids:
        before = [runtime().processes[pid].extra for pid in pids]  # type: ignore[index]
        for pid in pids:
            await snapshot().process(pid)
        assert [runtime().processes[pid].extra for pid in pids] == before  # type: ignore[index]
        assert process.alive(pids[0])  # type: ignore[arg-type]
        assert Process.__slots__


async def test_only_its_own_time_is_charged_to_a_coroutine(monkeypatch: Any) -> None:
    used = 0.0
    monkeypatch.setattr(pace, "thread_time", lambda: used)

    async def work() -> str:
        nonlocal used
        try:
            used += 1
            await asyncio.sleep(0)
            used += 2
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            used += 4
        return "done"

    async def charged() -> tuple[str, float]:
        return await timed(work())

    task = asyncio.create_task(charged())
    for _ in range(4):
        await turns(1)
        used += 100
    task.cancel()
    assert await task == ("done", 7.0)
