"""The last crashes in full, and the restarts that followed."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from contextlib import nullcontext
from typing import Any

import pytest

from regrow import Agent, GenServer, Registry, ServerExited, Stop, Supervisor, Task, call, process
from regrow.kernel.process import Pid
from regrow.kernel.runtime import runtime
from regrow.observer import UnknownCrash, crashes, observing, remember_crashes, snapshot
from regrow.observer.crashes import History, history_of
from regrow.observer.model import TreeChange
from tests.observer.programs import Game, Games, pid_of, program, start_game
from tests.waiting import turns


async def crash(game: Any, *args: Any) -> None:
    with pytest.raises(ServerExited):
        await game.crash(*args)


async def test_a_crash_is_written_down_in_full() -> None:
    async with observing() as look, program():
        game = await start_game(1)
        pid = process.pid_of(game)
        await crash(game, "hard")
        (row,) = look.crashes().rows
        assert (row.id, row.pid, row.name, row.kind) == (1, pid, "g1 in by_id", "Game")
        assert row.reason.startswith("RuntimeError('game 1 is broken')")
        assert row.where is not None
        assert row.where.endswith("in crash")
        full = look.crash(1)
        assert full.row == row
        assert full.ancestors[:2] == ("Games", "root")
        first, second = full.traceback.splitlines()[:2]
        assert first == "Traceback (most recent call last):"
        assert "programs.py" in second  # and not where regrow has called it
        assert 'raise RuntimeError(f"game {self.number} is broken")' in full.traceback
        assert full.message == "crash(…)"
        assert look.crash(1, message=True).message == "crash('hard')"
        assert full.state is None
        state = look.crash(1, state=True).state
        assert state is not None
        assert "swordfish" in state
        with pytest.raises(UnknownCrash, match="2"):
            look.crash(2)


async def test_a_crash_does_not_depend_on_the_logging_level() -> None:
    logger = logging.getLogger("regrow")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        async with observing() as look, program():
            await crash(await start_game(1))
            full = look.crash(1, state=True)
            assert "Traceback" in full.traceback
            assert "number" in (full.state or "")
    finally:
        logger.setLevel(before)


class Discreet(GenServer, restart="temporary"):
    def __init__(self) -> None:
        self.token = "swordfish"

    def format_status(self, status: Any) -> Any:
        return {**status, "state": "hidden", "message": "hidden too"}

    @call
    def fail(self, password: str) -> None:
        raise Stop("enough")


async def test_format_status_decides_what_is_seen() -> None:
    async with observing() as look, program() as games:
        server = await games.start_child(Discreet)
        with pytest.raises(ServerExited):
            await server.fail("swordfish")
        full = look.crash(1, state=True, message=True)
        assert (full.state, full.message) == ("'hidden'", "hidden too")
        assert full.row.reason == "'enough'"
        assert full.traceback == ""
        assert full.row.where is None
        assert "swordfish" not in repr(full)


class Secretive(GenServer):
    def format_status(self, status: Any) -> Any:
        return {**status, "reason": "hidden"}

    @call
    def fail(self) -> None:
        raise RuntimeError("swordfish")


async def test_a_reason_that_is_hidden_takes_its_traceback_along() -> None:
    async with observing() as look, program() as games:
        with pytest.raises(ServerExited):
            await (await games.start_child(Secretive)).fail()
        full = look.crash(1, state=True, message=True)
        assert full.row.reason == "'hidden'"
        assert "swordfish" not in repr(full)


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("static", [True, False])
async def test_the_tree_does_not_tell_a_reason_that_is_hidden(observed: bool, static: bool) -> None:
    async with (
        observing() if observed else nullcontext(),
        program(*[Secretive.options(name="it").child_spec()] * static) as games,
    ):
        if not static:
            await games.start_child(Secretive.options(name="it").child_spec())
        with pytest.raises(ServerExited):
            await Secretive.named("it").fail()
        await turns()
        look = snapshot()
        found = repr(await look.tree()) + repr(await look.process(pid_of("it")))
        assert "swordfish" not in found
        told = "'hidden'" if observed else "RuntimeError"
        assert f"last_exit={told!r}" in found


async def test_the_tree_does_not_tell_why_a_start_failed_if_the_class_hides_reasons() -> None:
    async with observing() as look, program():
        supervisor: Any = runtime().processes[Pid(pid_of(Games))].server
        for number, kind in ((998, Secretive), (999, Agent)):  # as between two attempts to start them again
            supervisor._restarting[number] = kind.child_spec(dict) if kind is Agent else kind.child_spec()
            supervisor._history[number] = 1, RuntimeError("swordfish")
        hidden, told = (await look.children(pid_of(Games))).rows
        supervisor._restarting.clear()
        supervisor._history.clear()
    assert (hidden.state, hidden.last_exit) == ("restarting", "RuntimeError")
    assert told.last_exit == "RuntimeError('swordfish')"


@pytest.mark.parametrize("written", [True, False])
async def test_a_restart_does_not_tell_a_reason_that_is_hidden(
    monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    async with observing() as look, program() as games:
        await games.start_child(Secretive.options(name="it").child_spec())
        if not written:  # as if there had been too many
            monkeypatch.setattr(History, "_written_down", lambda *_: None)
        with pytest.raises(ServerExited):
            await Secretive.named("it").fail()
        await turns()
        (restart,) = look.restarts().rows
        assert restart.reason == ("'hidden'" if written else "RuntimeError")


async def test_tasks_and_plain_processes_crash_too() -> None:
    async def fail() -> None:
        raise ValueError("a task's own")

    async with observing() as look:
        Task.start(fail)
        process.spawn(fail)
        await turns()
        found = look.crashes(query="task's own").rows
        assert {each.kind for each in found} == {"task", "process"}
        assert {each.called for each in found} == {fail.__qualname__}  # they have no name, and a label
        assert all("ValueError" in each.reason for each in found)
        assert look.crashes(query="nobody says that").total == 0


async def test_nothing_of_the_dead_is_kept_alive() -> None:
    class Big:
        def __call__(self) -> None: ...

    class Holder(GenServer, restart="temporary"):
        def __init__(self, big: Any) -> None:
            self.big = big

        @call
        def fail(self) -> None:
            mine = self.big
            raise RuntimeError("with a frame that holds it", mine)

    logging.disable()  # pytest keeps all records, and they the exception
    async with observing() as look, program() as games:
        big = Big()
        seen = weakref.ref(big)
        server = await games.start_child((Holder, big))
        del big
        await look.process(process.pid_of(server))  # a survey that holds the process
        with pytest.raises(ServerExited):
            await server.fail()
        del server
        await asyncio.sleep(1)
        gc.collect()
        assert look.crashes().total == 1
        assert seen() is None
    logging.disable(logging.NOTSET)


async def test_only_the_last_ones_are_kept() -> None:
    async with observing() as look, program() as games:
        history = history_of(runtime())
        history.most_crashes = 3
        for number in range(5):
            await crash(await games.start_child(Game.options(restart="temporary").child_spec(number)))
        assert [row.id for row in look.crashes().rows] == [5, 4, 3]
        page = look.crashes(offset=1, limit=1)
        assert ([row.id for row in page.rows], page.total) == ([4], 3)
        assert (await look.overview()).crashes == 5


async def test_a_storm_is_counted_and_not_written_down() -> None:
    async with observing() as look, program() as games:
        for number in range(crashes.A_SECOND + 7):
            await crash(await games.start_child(Game.options(restart="temporary").child_spec(number)))
        page = look.crashes(limit=100)
        assert page.total == crashes.A_SECOND
        assert page.rows[0].unwritten == 7
        await asyncio.sleep(1)
        await crash(await games.start_child(Game.options(restart="temporary").child_spec(0)))
        assert look.crashes().total == crashes.A_SECOND + 1
        assert look.crashes().rows[0].id == crashes.A_SECOND + 8
        assert (await look.overview()).crashes == crashes.A_SECOND + 8


async def test_great_texts_are_cut() -> None:
    class Great(GenServer, restart="temporary"):
        def __init__(self) -> None:
            self.text = "x" * 1_000_000

        @call
        def fail(self, text: str) -> None:
            raise RuntimeError("y" * 1_000_000)

        @call
        def dive(self) -> None:
            def deeper() -> None:
                deeper()

            deeper()

    async with observing() as look, program() as games:
        with pytest.raises(ServerExited):
            await (await games.start_child(Great)).fail("z" * 1_000_000)
        full = look.crash(1, state=True)
        assert len(full.row.reason) <= 200
        assert len(full.traceback) <= 16_100
        assert len(full.message) <= 1000
        assert len(full.state or "") <= 1000
        with pytest.raises(ServerExited):
            await (await games.start_child(Great)).dive()
        assert "RecursionError" in look.crash(2).traceback
        assert len(look.crash(2).traceback) <= 16_100


async def test_the_history_is_kept_without_an_observer() -> None:
    forget = remember_crashes()
    async with program() as games:
        await crash(await games.start_child(Game.options(restart="temporary").child_spec(1)))
        look = snapshot()
        assert not look.observed
        assert look.crashes().total == 1
        async with observing():
            assert look.crashes().total == 1
        assert look.crashes().total == 1
        forget()
        forget()
        assert look.crashes().total == 0
        await crash(await games.start_child(Game.options(restart="temporary").child_spec(1)))
        assert look.crashes().total == 0


# --- restarts -------------------------------------------------------------------------------------------------------


def restarted(history: History, old: int | None, new: int, **more: Any) -> Any:
    return history.restart({"supervisor": 5, "pid": new, "old_pid": old, "id": "x", "restarts": 1, **more})


async def test_the_restarts_of_a_place_make_a_chain() -> None:
    history = history_of(runtime())
    history.acquire()
    restarted(history, 10, 11, reason=ValueError("one"))
    restarted(history, 20, 21)
    restarted(history, 11, 12, reason=ValueError("two"))
    for pid in (10, 11, 12):
        assert [each.pid for each in history.restarts(pid, 0, 10).rows] == [12, 11]
    assert [each.reason for each in history.restarts(12, 0, 10).rows] == [
        "ValueError('two')",
        "ValueError('one')",
    ]
    assert [each.pid for each in history.restarts(None, 0, 10).rows] == [12, 21, 11]
    assert history.restarts(99, 0, 10).total == 0
    history.release()


async def test_only_the_last_restarts_are_kept_and_nothing_of_the_others() -> None:
    history = history_of(runtime())
    history.acquire()
    history.most_restarts = 50
    for number in range(1000):
        restarted(history, number, number + 1, reason=ValueError(number))
    assert history.restarted == 1000
    assert history.restarts(None, 0, 100).total == 50
    assert len(history._before) == len(history._after) == 50
    assert [each.pid for each in history.restarts(1000, 0, 3).rows] == [1000, 999, 998]
    reasons = [each.reason for each in history.restarts(None, 0, 100).rows]
    assert reasons[0] == "ValueError"  # so many in a second are not described
    history.release()


async def test_a_crash_shows_the_restart_that_followed() -> None:
    async with observing() as look, program():
        game = await start_game(1)
        old = process.pid_of(game)
        await crash(game)
        await turns()
        new = (await look.processes(query="g1 in")).rows[0].pid
        (row,) = look.crashes().rows
        assert row.restarted_as == new
        full = look.crash(row.id)
        assert full.restart is not None
        assert (full.restart.pid, full.restart.old_pid, full.restart.restarts) == (new, old, 1)
        assert full.restart.supervisor == pid_of(Games)
        assert full.restart.reason is not None
        assert "game 1 is broken" in full.restart.reason
        assert full.history == (full.restart,)
        detail = await look.process(new)
        assert [each.pid for each in detail.crashes] == [old]
        assert detail.restarts == (full.restart,)
        assert [each.pid for each in look.crashes(pid=new).rows] == [old]
        assert (await look.overview()).restarts == 1


async def test_agents_are_no_different() -> None:
    async with observing() as look, program() as games:
        agent = await games.start_child(Agent.options(restart="temporary").child_spec(dict))
        with pytest.raises(ServerExited):
            await agent.get(lambda state: state["nothing"])
        assert look.crashes().rows[0].reason.startswith("KeyError('nothing')")


async def test_what_can_not_be_written_down_is_no_harm(monkeypatch: Any, caplog: Any) -> None:
    def fail(*_: Any) -> str:
        raise RuntimeError("of the observer's own")

    monkeypatch.setattr(crashes, "label_of", fail)
    async with observing() as look, program():
        game = await start_game(1)
        await crash(game)
        assert look.crashes().total == 0
        assert "could not be written down" in caplog.text
        await turns()
        assert (await look.processes(query="g1 in")).total == 1  # it was restarted, for all that


async def test_a_place_remembers_all_who_were_there() -> None:
    async with observing() as look, program():
        name = Registry.named("by_id").via("g1")
        await start_game(1)
        first = pid_of(name)
        with look.subscribe("restart", "tree") as events:
            for _ in range(3):
                await crash(Game.named(name))
                await turns()
            last = await look.process(pid_of(name))
            kinds = []
            async for event in events:
                kinds.append(event.kind)
                if isinstance(event.value, TreeChange):
                    assert event.value.supervisors == (pid_of(Games),)
                    break
        assert kinds == ["restart"] * 3 + ["tree"]
        assert last.place is not None
        assert last.place.restarts == 3
        assert "game 1 is broken" in (last.place.last_exit or "")
        assert [each.restarts for each in last.restarts] == [3, 2, 1]
        assert [each.id for each in last.crashes] == [3, 2, 1]
        assert look.restarts(pid=first).rows == last.restarts


async def test_the_children_of_a_static_supervisor_are_counted_too() -> None:
    tree = [Agent.options(name=each).child_spec(dict) for each in ("a", "b")]
    async with observing() as look, Supervisor.options(name="top").scope(tree, strategy="one_for_all"):
        with pytest.raises(ServerExited):
            await Agent.named("a").get(lambda state: state["nothing"])
        await turns()
        assert [each.restarts for each in (await look.children(pid_of("top"))).rows] == [1, 1]
        page = look.restarts()
        assert [(each.supervisor_name, each.id, each.restarts) for each in page.rows] == [
            ("top", "b", 1),
            ("top", "a", 1),
        ]
        assert page.rows[1].reason == "KeyError('nothing')"


async def test_crashes_are_remembered_at_no_cost_for_starts_and_ends() -> None:
    rt = runtime()
    before = list(rt.listeners)
    forget = remember_crashes()
    assert rt.listeners == before
    Task.start(lambda: 1 / 0)
    await turns()
    assert snapshot().crash(1).message.endswith("<lambda>()")
    forget()
    assert rt.on_crash == []
