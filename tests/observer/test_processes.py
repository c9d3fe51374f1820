"""The process table and one process."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from regrow import KILL, Agent, GenServer, process, sys
from regrow.kernel.runtime import runtime
from regrow.observer import NoState, UnknownProcess, memory, observing, snapshot, survey
from regrow.observer.model import ProcessRow, ProcessSort
from tests.observer.programs import Game, Games, living, pid_of, program, start_game
from tests.waiting import turns


async def park(mailbox: int = 0) -> int:
    """A process that waits, with so many messages unread; its pid."""

    async def work() -> None:
        await process.receive(KeyError)

    pid = process.spawn(work)
    await asyncio.sleep(0)
    for number in range(mailbox):
        process.send(pid, f"message {number}")
    return pid


async def test_the_rows_show_what_a_process_is_like() -> None:
    async with program():
        await start_game(7)
        row = (await snapshot().processes(query="g7")).rows[0]
        games = pid_of(Games)
        assert (row.name, row.kind, row.status, row.parent) == ("g7 in by_id", "Game", "idle", games)
        assert (row.mailbox, row.links, row.supervisor) == (0, 2, False)  # its supervisor, the registry
        assert (row.messages, row.busy, row.age) == (None, None, None)  # nobody has counted


async def test_pages_are_cut_from_one_order() -> None:
    async with program():
        for number in range(25):
            await start_game(number)
        look = snapshot()
        pages = [await look.processes(query="game", offset=start, limit=10) for start in (0, 10, 20, 30)]
        assert [len(page.rows) for page in pages] == [10, 10, 5 + 1, 0]  # Games is found as well
        assert {page.total for page in pages} == {26}
        assert len({row.pid for page in pages for row in page.rows}) == 26


async def test_every_sort_sorts_both_ways() -> None:
    async with observing() as look, program():
        for number in range(5):
            game = await start_game(number)
            for _ in range(number):
                await game.play(number)
        await park(mailbox=3)
        for sort in survey_sorts():
            up = (await look.processes(sort=sort, limit=100)).rows
            down = (await look.processes(sort=sort, descending=True, limit=100)).rows
            assert len(up) == len(down) == living()
            column: Any = {"busy": "busy", "age": "age"}.get(sort, sort)
            cells = [getattr(row, column) for row in up]
            known = [("" if isinstance(each, str) else 0) if each is None else each for each in cells]
            if sort == "name":
                known = [(each or "").casefold() for each in cells]
            elif sort == "parent":
                known = [each or 0 for each in cells]
            assert known == sorted(known), sort
            assert [getattr(row, column) for row in down] == (
                [getattr(row, column) for row in reversed(up)]
            ), sort


def survey_sorts() -> list[ProcessSort]:
    from typing import get_args

    return list(get_args(ProcessSort))


async def test_equal_rows_are_in_the_order_of_their_births_across_portions(monkeypatch: Any) -> None:
    monkeypatch.setattr(survey, "RUN", 4)
    monkeypatch.setattr(survey, "PORTION", 2)
    pids = [await park(mailbox=number % 3) for number in range(50)]
    for descending in (False, True):
        rows: list[ProcessRow] = []
        for offset in range(0, 60, 7):
            page = await snapshot().processes(
                sort="mailbox", descending=descending, query="park", offset=offset, limit=7
            )
            rows += page.rows
        expected = sorted(range(50), key=lambda number: number % 3, reverse=descending)
        assert [row.pid for row in rows] == [pids[number] for number in expected]


async def test_filters_look_at_pid_name_kind_and_label() -> None:
    async with program():
        game = await start_game(3)
        label = await park()
        look = snapshot()
        assert [row.kind for row in (await look.processes(query="G3 IN")).rows] == ["Game"]
        assert label in [row.pid for row in (await look.processes(query="park.<locals>.WORK")).rows]
        games = pid_of(Games)
        assert games in [row.pid for row in (await look.processes(query=str(games))).rows]
        assert [row.kind for row in (await look.processes(parent=games)).rows] == ["Game"]
        assert (await look.processes(parent=games, query="nobody")).total == 0
        assert await game.play(1) == 1


async def test_who_dies_between_the_look_and_the_page_is_replaced_by_the_next() -> None:
    pids = [await park() for _ in range(6)]
    look = snapshot()
    assert (await look.processes(query="park", limit=3)).total == 6
    for pid in pids[:4]:
        process.exit(pid, KILL)
    await asyncio.sleep(0)
    page = await look.processes(query="park", limit=3)  # of the same look
    assert [row.pid for row in page.rows] == pids[4:]


async def test_messages_and_busy_time_are_counted_while_somebody_observes() -> None:
    async with observing() as look, program():
        game = await start_game(1)
        for _ in range(9):
            await game.play(1)
        (row,) = (await look.processes(query="g1 in")).rows
        assert row.messages == 9
        assert row.busy is not None
        assert row.busy > 0
        assert (await look.processes(sort="messages", descending=True)).rows[0].pid == row.pid


async def test_ages_are_told_from_the_pids() -> None:
    old = await park()
    async with observing() as look:
        await asyncio.sleep(10.5)
        new = await park()
        await asyncio.sleep(5)
        rows = {row.pid: row for row in (await look.processes()).rows}
        assert (rows[old].age, rows[old].age_is_least) == (15.5, True)
        age = rows[new].age
        assert age is not None
        assert 4.0 <= age <= 5.0
        assert not rows[new].age_is_least
        by_age = [row.pid for row in (await look.processes(sort="age", descending=True)).rows]
        assert by_age.index(old) < by_age.index(new)


async def test_looking_makes_no_process_of_who_looks() -> None:
    pid = await park()
    before = living()

    async def read() -> None:
        look = snapshot()
        await look.processes()
        await look.process(pid)
        await look.tree()
        await look.overview()
        await look.memory(pid)

    await asyncio.create_task(read())
    async with program() as games:
        await start_game(1)
        await asyncio.create_task(snapshot().state(pid_of(Games)))
        assert [each.behaviour.name for each in runtime().tasks.values()] == [
            "asyncio task"
        ]  # the test's own
        del games
    assert living() <= before + 1


# --- one process ----------------------------------------------------------------------------------------------------


async def test_one_process_shows_its_neighbours() -> None:
    async with program():
        game = await start_game(1)
        me = process.current()
        ref = process.monitor(game)
        pid = process.pid_of(game)
        detail = await snapshot().process(pid)
        assert [each.kind for each in detail.ancestors][:2] == ["Games", "Supervisor"]
        assert {each.kind for each in detail.links} == {"Games", "RegistryPartition"}
        assert [each.pid for each in detail.monitored_by] == [me]
        assert detail.names == ("g1 in by_id",)
        assert detail.row.monitors == 1
        assert detail.has_state
        assert detail.place is not None
        assert detail.place.spec is not None
        assert (detail.place.spec.restart, detail.place.spec.start) == ("transient", "Game")
        assert [each.pid for each in (await snapshot().process(me)).monitoring] == [pid]
        process.demonitor(ref)
        assert (await snapshot().process(pid)).monitored_by == ()
        games = await snapshot().process(pid_of(Games))
        assert [each.pid for each in games.children] == [pid]
        assert games.children_total == 1


async def test_a_mailbox_is_peeked_at_as_short_texts() -> None:
    pid = await park(mailbox=30)
    process.send(pid, "x" * 10_000)
    detail = await snapshot().process(pid, messages=True)
    assert detail.row.mailbox == 31
    assert len(detail.mailbox) == 20
    assert detail.mailbox[:2] == ("'message 0'", "'message 1'")
    assert detail.where is not None
    assert "in work" in detail.where
    other = await park()
    process.send(other, "x" * 10_000)
    assert len((await snapshot().process(other, messages=True)).mailbox[0]) <= 200
    assert (await snapshot().process(other)).mailbox == ("…",)


async def test_calls_in_a_mailbox_are_shown_as_calls() -> None:
    async with Game.scope(1) as game:

        async def wait() -> None:
            await game.wait()

        asker = process.spawn(wait)
        await turns()
        game.note("asleep")
        await turns()
        pid = process.pid_of(game)
        assert (await snapshot().process(pid)).mailbox == ("note(…)",)
        assert (await snapshot().process(pid, messages=True)).mailbox == ("note('asleep')",)
        asking = await snapshot().process(asker)
        assert asking.waiting_for is not None
        assert asking.waiting_for.pid == pid
        process.exit(asker, KILL)


async def test_who_is_not_there_is_unknown() -> None:
    look = snapshot()
    for ask in (look.process, look.state, look.memory, look.children, look.entries):
        with pytest.raises(UnknownProcess, match="999999999"):
            await ask(999_999_999)  # type: ignore[operator]
    pid = await park()
    with pytest.raises(UnknownProcess, match="supervisor"):
        await look.children(pid)
    with pytest.raises(UnknownProcess, match="registry"):
        await look.entries(pid)
    process.exit(pid, KILL)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sort": "size"}, "sort='size'.*pid, name"),
        ({"offset": -1}, "offset=-1"),
        ({"limit": 0}, "limit=0.*1,000"),
        ({"limit": 1001}, "limit=1001"),
        ({"limit": True}, "limit=True"),
    ],
)
async def test_wrong_words_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await snapshot().processes(**given)


# --- state and memory -----------------------------------------------------------------------------------------------


class Discreet(GenServer):
    def __init__(self) -> None:
        self.token = "swordfish"

    def format_status(self, status: Any) -> Any:
        return {**status, "state": {"token": "***"}}


async def test_state_is_shown_as_the_class_wants_it() -> None:
    async with Discreet.scope() as server, Game.scope(5) as game:
        assert (await snapshot().state(process.pid_of(server))).text == "token: '***'"
        text = (await snapshot().state(process.pid_of(game))).text
        assert "number: 5" in text
        assert "swordfish" in text


async def test_the_state_of_a_suspended_server_is_shown_and_that_of_a_busy_one_is_not_waited_for() -> None:
    async with Game.scope(5) as game:
        pid = process.pid_of(game)
        await sys.suspend(game)
        assert "number: 5" in (await snapshot().state(pid)).text
        await sys.resume(game)
        waiting = asyncio.create_task(game.wait())
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError, match="busy"):
            await snapshot().state(pid, timeout=0.5)
        (await sys_state(game)).gate.set()
        await waiting
        assert "number: 5" in (await snapshot().state(pid)).text


async def test_who_asks_a_server_that_hangs_again_and_again_does_not_fill_its_mailbox() -> None:
    async with Game.scope(5) as game:
        pid = process.pid_of(game)
        waiting = asyncio.create_task(game.wait())
        await asyncio.sleep(0)
        for _ in range(5):
            with pytest.raises(TimeoutError, match="busy"):
                await snapshot().state(pid, timeout=0.5)
        assert (await snapshot().process(pid)).row.mailbox == 1
        (await sys_state(game)).gate.set()
        first, second = await asyncio.gather(snapshot().state(pid), snapshot().state(pid))
        assert first.text == second.text
        await waiting
        await turns()
        assert runtime().parts["observer.looks"] == {}


async def test_who_ends_while_his_state_is_asked_for_is_unknown() -> None:
    pid = process.pid_of(await Game.start(5))
    waiting = asyncio.ensure_future(asyncio.wait_for(Game.of(pid).wait(), None))
    await asyncio.sleep(0)
    asking = asyncio.ensure_future(snapshot().state(pid))
    await turns()
    process.exit(pid, KILL)
    with pytest.raises(UnknownProcess, match=str(pid)):
        await asking
    await asyncio.gather(waiting, return_exceptions=True)
    await turns()
    assert runtime().parts["observer.looks"] == {}


async def sys_state(game: Any) -> Any:
    process_ = runtime().processes[process.pid_of(game)]
    return process_.server


async def test_what_is_no_server_has_no_state() -> None:
    pid = await park()
    with pytest.raises(NoState, match="no server"):
        await snapshot().state(pid)
    assert not (await snapshot().process(pid)).has_state


async def test_memory_is_estimated_and_says_when_it_was_cut() -> None:
    async with Agent.scope(lambda: ["x" * 1000 for _ in range(50)]) as small, Agent.scope(dict) as great:
        await great.update(lambda _: {number: str(number) for number in range(50_000)})
        look = snapshot()
        one = await look.memory(process.pid_of(small))
        assert 1_000 < one.bytes < 60_000  # fifty times the same text is one text
        assert not one.cut
        many = await look.memory(process.pid_of(great), objects=1000)
        assert many.cut
        assert many.objects == 1000
        whole = await look.memory(process.pid_of(great), objects=1_000_000)
        assert whole.bytes > many.bytes
        assert not whole.cut
        assert whole.bytes > 50_000 * 60


async def test_no_more_waits_to_be_looked_at_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0

    class Watched(deque[Any]):
        def append(self, each: Any) -> None:
            nonlocal longest
            super().append(each)
            longest = max(longest, len(self))

        def extend(self, some: Any) -> None:
            nonlocal longest
            super().extend(some)
            longest = max(longest, len(self))

    monkeypatch.setattr(memory, "deque", Watched)
    monkeypatch.setattr(memory, "CONTAINERS", (*memory.CONTAINERS, Watched))
    shared = [object() for _ in range(500)]
    async with Agent.scope(lambda: [list(shared) for _ in range(500)]) as agent:
        found = await snapshot().memory(process.pid_of(agent), objects=5000)
    assert found.objects > 1000
    assert not found.cut
    assert longest <= 5000


async def test_memory_does_not_run_away_into_other_processes() -> None:
    async with Agent.scope(lambda: ["y" * 100_000]) as other, Agent.scope(dict) as one:
        handle = other
        await one.update(lambda _: {"friend": handle, "loop": asyncio.get_running_loop(), "class": Game})
        assert (await snapshot().memory(process.pid_of(one))).bytes < 20_000


async def test_memory_asks_nobody_what_he_is() -> None:
    class Proxy:
        @property
        def __class__(self) -> Any:
            raise RuntimeError("no request is under way")

    async with Agent.scope(lambda: [Proxy(), Proxy()]) as agent:
        assert (await snapshot().memory(process.pid_of(agent))).bytes > 0
