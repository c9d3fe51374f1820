"""What the observer can do to processes, and what it says when it can't."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import DynamicSupervisor, GenServer, PartitionSupervisor, Supervisor, Task, call, process
from regrow.observer import actions
from regrow.observer.actions import ActionRefused


class Counter(GenServer):
    def __init__(self) -> None:
        self.count = 0
        self.cleaned: list[object] = []

    @call
    def add(self) -> int:
        self.count += 1
        return self.count


class Careful(Counter):
    def terminate(self, reason: object) -> None:
        ended.append(reason)


class Stubborn(Counter):
    async def terminate(self, reason: object) -> None:
        await asyncio.sleep(60)


ended: list[object] = []


async def only_child(supervisor: Any) -> int:
    (row,) = await supervisor.which_children()
    return process.pid_of(row.child)


async def test_stop_lets_it_clean_up_and_a_permanent_child_comes_back() -> None:
    ended.clear()
    async with Supervisor.scope([Careful]) as supervisor:
        pid = await only_child(supervisor)
        assert "has stopped" in await actions.stop(pid)
        assert [str(each) for each in ended] == ["SHUTDOWN"]
        assert await only_child(supervisor) != pid


async def test_stop_a_supervisor_a_task_and_an_asyncio_task() -> None:
    async def wait() -> None:
        process.current()
        await asyncio.sleep(60)

    async with Supervisor.scope([], max_restarts=9) as supervisor:
        inner = await supervisor.start_child(DynamicSupervisor.child_spec())
        await actions.stop(process.pid_of(inner))
        task = Task.start(wait)
        await actions.stop(task)
        adopted = asyncio.create_task(wait())
        await asyncio.sleep(0)
        await actions.stop(max(process.processes()))
        assert adopted.cancelled()
        assert not process.alive(task)


async def test_kill_asks_nobody() -> None:
    ended.clear()
    async with Supervisor.scope([Careful]) as supervisor:
        pid = await only_child(supervisor)
        assert "was killed" in await actions.kill(pid)
        assert ended == []
        assert await only_child(supervisor) != pid


async def test_what_does_not_come_to_its_end_is_said() -> None:
    stubborn = await Stubborn.start()
    with pytest.raises(ActionRefused, match="within 5 s; kill does not ask"):
        await actions.stop(process.pid_of(stubborn))
    await actions.kill(process.pid_of(stubborn))


async def test_suspend_and_resume() -> None:
    counter = await Counter.start()
    pid = process.pid_of(counter)
    await actions.suspend(pid)
    asking = asyncio.ensure_future(counter.add())
    await asyncio.sleep(1)
    assert not asking.done()
    await actions.resume(pid)
    assert await asking == 1
    await actions.kill(pid)


@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
async def test_restart_goes_by_the_spec_and_counts_for_nothing(kind: Any) -> None:
    async with kind.scope(max_restarts=0) as supervisor:  # a counted restart would be its end
        first = await supervisor.start_child(Counter.child_spec())
        await first.add()
        done = await actions.restart(process.pid_of(first))
        pid = await only_child(supervisor)
        assert f"process {pid} is in its place" in done
        assert await Counter.of(pid).add() == 1
        assert not process.alive(first)


async def test_restart_where_the_supervisor_has_no_call_for_it() -> None:
    options = PartitionSupervisor.options(name="counters")
    async with options.scope(Counter.child_spec(), partitions=2) as supervisor:
        rows = await supervisor.which_children()
        pid = process.pid_of(rows[0].child)
        assert "was killed, for" in await actions.restart(pid)
        await asyncio.sleep(0.1)
        assert len(await supervisor.which_children()) == 2
        assert not process.alive(pid)


@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
async def test_a_temporary_child_is_not_restarted_and_not_stopped_either(kind: Any) -> None:
    async with kind.scope() as supervisor:
        child = await supervisor.start_child(Counter.child_spec().replace(restart="temporary"))
        with pytest.raises(ActionRefused, match="temporary"):
            await actions.restart(process.pid_of(child))
        assert process.alive(child)


@pytest.mark.parametrize("name", list(actions.ACTIONS))
async def test_who_has_ended_is_nobody(name: str) -> None:
    with pytest.raises(ActionRefused, match="no process 999999"):
        await actions.ACTIONS[name](999_999)


async def test_what_is_no_server_and_what_is_no_child() -> None:
    task = Task.start(asyncio.sleep, 60)
    with pytest.raises(ActionRefused, match="is no server"):
        await actions.suspend(task)
    with pytest.raises(ActionRefused, match="no supervisor's child"):
        await actions.restart(task)
    await actions.kill(task)


async def test_one_that_is_at_something_else_is_suspended_when_it_gets_to_it() -> None:
    class Busy(GenServer):
        @call(timeout=60)
        async def work(self) -> None:
            await asyncio.sleep(30)

    busy = await Busy.start()
    working = asyncio.ensure_future(busy.work())
    await asyncio.sleep(0)
    with pytest.raises(ActionRefused, match="has not been suspended within 5 s"):
        await actions.suspend(process.pid_of(busy))
    await working
    await actions.kill(process.pid_of(busy))


async def test_a_restart_that_was_begun_comes_to_its_end() -> None:
    class Slow(Counter):
        async def terminate(self, reason: object) -> None:
            await asyncio.sleep(1)

    async with Supervisor.scope([Slow]) as supervisor:
        pid = await only_child(supervisor)
        asking = asyncio.create_task(actions.restart(pid))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.sleep(2)
        assert await only_child(supervisor) != pid
