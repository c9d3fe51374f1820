"""TaskSupervisor: tasks as supervised children, tied to their callers by a link, by a promise, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import (
    BRUTAL_KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildNotFound,
    Counts,
    Down,
    Exited,
    InvalidFlags,
    InvalidSpec,
    MaxChildren,
    Ok,
    ServerExited,
    Task,
    TaskResult,
    TaskSupervisor,
    process,
    stop,
    sys,
)
from regrow.kernel.runtime import runtime
from tests.supervision.servers import ended


async def value(it: Any) -> Any:
    return it


async def for_ever() -> None:
    await asyncio.Event().wait()


def boom(*_: Any) -> None:
    raise ValueError("boom")


def links_of(pid: Any) -> tuple[int, ...]:
    info = process.info(pid)
    assert info is not None
    return info.links


async def empty_mailbox() -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)
    return True


async def test_a_task_is_a_child_of_the_supervisor() -> None:
    async with TaskSupervisor.scope() as tasks:
        task = await tasks.async_(for_ever)
        assert process.info(task.pid).parent == process.pid_of(tasks)  # type: ignore[union-attr]
        assert set(links_of(task.pid)) == {process.pid_of(tasks), process.current()}
        assert await tasks.count_children() == Counts(specs=1, active=1, supervisors=0, workers=1)
        assert task.owner == process.current()
        assert await task.shutdown() is None
        left = await tasks.async_nolink(for_ever)
    assert not process.alive(left.pid)


async def test_its_results_are_awaited_as_those_of_any_task() -> None:
    async with TaskSupervisor.scope() as tasks:
        assert await (await tasks.async_(value, 1)) == 1
        assert await (await tasks.async_nolink(pow, 2, 3)) == 8
        both = [await tasks.async_nolink(value, n) for n in range(3)]
        assert await Task.await_many(both) == [0, 1, 2]
        last = await tasks.async_nolink(for_ever)
        assert await last.shutdown() is None
        assert await empty_mailbox()


@pytest.mark.behaviour("TASK-03")
async def test_its_tasks_know_for_whom_they_work() -> None:
    async def callers() -> tuple[int, ...]:
        extra = runtime().processes[process.current()].extra
        return () if extra is None else extra.callers

    told: asyncio.Queue[Any] = asyncio.Queue()

    async def tell() -> None:
        await told.put(await callers())

    me = process.current()
    async with TaskSupervisor.scope() as tasks:
        assert await (await tasks.async_(callers)) == (me,)
        assert await (await tasks.async_nolink(callers)) == (me,)
        await tasks.start_child(tell)
        assert await told.get() == (me,)
        for stream in (
            tasks.async_stream([1], lambda _: callers()),
            tasks.async_stream_nolink([1], lambda _: callers()),
        ):
            assert [each async for each in stream] == [Ok((me,))]


@pytest.mark.behaviour("TASK-32")
async def test_without_a_link_the_caller_only_gets_messages() -> None:
    async with TaskSupervisor.scope() as tasks:
        done = await tasks.async_nolink(value, 1)
        assert await process.receive() == TaskResult(done.ref, 1)
        assert await process.receive() == Down(done.ref, done.pid, NORMAL)
        failed = await tasks.async_nolink(boom)
        message = await process.receive()
        assert (message.ref, message.target, type(message.reason)) == (failed.ref, failed.pid, ValueError)
        assert await empty_mailbox()
        with pytest.raises(ServerExited) as raised:
            await (await tasks.async_nolink(boom))
        assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.behaviour("TASK-33")
async def test_a_linked_task_dies_with_its_caller_and_one_without_link_goes_on() -> None:
    async with TaskSupervisor.scope() as tasks:
        me = process.current()

        async def caller() -> None:
            process.send(me, (await tasks.async_(for_ever), await tasks.async_nolink(for_ever)))
            await process.receive()
            process.exit("crash")

        pid = process.spawn(caller)
        linked, free = await process.receive(tuple)
        process.monitor(linked.pid)
        process.send(pid, "go")
        assert (await process.receive(Down)).reason == "crash"
        assert process.alive(free.pid)
        assert await tasks.children() == [free.pid]


@pytest.mark.behaviour("TASK-35")
async def test_each_task_has_the_shutdown_time_that_was_said() -> None:
    tasks = await TaskSupervisor.start()
    brutal = [
        await tasks.async_nolink(for_ever, shutdown=BRUTAL_KILL),
        await tasks.start_child(for_ever, shutdown=BRUTAL_KILL),
    ]
    usual = [await tasks.async_nolink(for_ever), await tasks.start_child(for_ever)]
    state = await sys.get_state(tasks)
    assert sorted(str(spec.shutdown) for spec in state._table.values()) == [
        "5.0",
        "5.0",
        BRUTAL_KILL,
        BRUTAL_KILL,
    ]
    refs = [process.monitor(each.pid if isinstance(each, Task) else each) for each in brutal + usual]
    await stop(tasks)
    reasons = {}
    while len(reasons) < len(refs):
        down = await process.receive(lambda message: message.ref in refs)
        reasons[down.ref] = down.reason
    assert [reasons[ref] for ref in refs] == [KILLED, KILLED, SHUTDOWN, SHUTDOWN]


@pytest.mark.behaviour("TASK-36")
async def test_start_child_ties_nobody_and_is_temporary() -> None:
    async with TaskSupervisor.scope() as tasks:
        pid = await tasks.start_child(for_ever)
        assert links_of(pid) == (process.pid_of(tasks),)
        process.exit(pid, "crash")
        while await tasks.children():
            await asyncio.sleep(0)
        assert await empty_mailbox()


@pytest.mark.behaviour("TASK-36")
@pytest.mark.parametrize(("restart", "end"), [("permanent", NORMAL), ("transient", "crash")])
async def test_start_child_runs_the_function_again_if_it_is_to(restart: Any, end: object) -> None:
    runs: asyncio.Queue[int] = asyncio.Queue()

    async def run(word: str) -> None:
        assert word == "again"
        await runs.put(process.current())
        if runs.qsize() == 1:
            process.exit(end)
        await for_ever()

    async with TaskSupervisor.scope() as tasks:
        first = await tasks.start_child(run, "again", restart=restart)
        while runs.qsize() < 2:
            await asyncio.sleep(0)
        assert await runs.get() == first
        assert await tasks.children() == [await runs.get()]


@pytest.mark.behaviour("TASK-37")
async def test_a_transient_task_that_always_crashes_ends_its_supervisor() -> None:
    runs = []

    def crash() -> None:
        runs.append(1)
        raise ValueError("boom")

    tasks = await TaskSupervisor.start()
    ref = process.monitor(tasks)
    await tasks.start_child(crash, restart="transient")
    assert (await process.receive(lambda message: message.ref == ref)).reason is SHUTDOWN
    assert len(runs) == 4


@pytest.mark.behaviour("TASK-38")
async def test_terminate_child_ends_a_task_and_children_lists_those_that_run() -> None:
    async with TaskSupervisor.scope() as tasks:
        first, second = await tasks.start_child(for_ever), await tasks.start_child(for_ever)
        assert await tasks.children() == [first, second]
        assert await tasks.terminate_child(first) is None
        assert await tasks.children() == [second]
        with pytest.raises(ChildNotFound):
            await tasks.terminate_child(first)


@pytest.mark.behaviour("TASK-28", "TASK-29")
async def test_a_stream_without_links_gives_failures_to_any_consumer() -> None:
    async with TaskSupervisor.scope() as tasks:
        stream = tasks.async_stream_nolink(["a", "b"], process.exit, max_concurrency=1)
        assert [each async for each in stream] == [Exited("a"), Exited("b")]
        zipped = tasks.async_stream_nolink(["a"], process.exit, zip_input_on_exit=True)
        assert [each async for each in zipped] == [Exited("a", "a")]
        assert await empty_mailbox()


@pytest.mark.behaviour("TASK-29")
async def test_a_stream_with_links_ends_a_consumer_that_does_not_trap_exits() -> None:
    async with TaskSupervisor.scope() as tasks:

        async def consume() -> None:
            async for _ in tasks.async_stream([1], boom):
                pass

        assert isinstance(await ended(process.spawn(consume)), ValueError)
        assert process.alive(tasks)


@pytest.mark.behaviour("TASK-25", "TASK-26")
async def test_a_supervised_stream_keeps_order_and_bound() -> None:
    most = 0

    async def run(n: int) -> int:
        nonlocal most
        most = max(most, len(await tasks.children()))
        return n * n

    async with TaskSupervisor.scope() as tasks:
        outcomes = [each async for each in tasks.async_stream(range(7), run, max_concurrency=2)]
        assert outcomes == [Ok(n * n) for n in range(7)]
        assert most == 2


@pytest.mark.behaviour("TASK-39", "TASK-30")
async def test_bad_options_are_refused_before_anything_is_started() -> None:
    async with TaskSupervisor.scope() as tasks:
        for stream in (tasks.async_stream, tasks.async_stream_nolink):
            with pytest.raises(InvalidSpec, match="shutdown='soon'"):
                stream([1], str, shutdown="soon")  # type: ignore[call-overload]
            with pytest.raises(ValueError, match="max_concurrency=0"):
                stream([1], str, max_concurrency=0)
        with pytest.raises(InvalidSpec, match="shutdown=-1"):
            await tasks.async_(value, 1, shutdown=-1)
        with pytest.raises(InvalidSpec, match="restart='always'"):
            await tasks.start_child(for_ever, restart="always")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a function and its arguments"):
            await tasks.async_nolink(3)  # type: ignore[call-overload]
        assert await tasks.children() == []


async def test_max_children_bounds_it() -> None:
    async with TaskSupervisor.scope(max_children=1) as tasks:
        await tasks.start_child(for_ever)
        with pytest.raises(MaxChildren):
            await tasks.async_nolink(value, 1)
        with pytest.raises(MaxChildren):
            async for _ in tasks.async_stream_nolink([1], value):
                pass
        assert await empty_mailbox()


async def test_it_has_no_extra_arguments_and_no_other_strategy() -> None:
    with pytest.raises((TypeError, InvalidFlags), match="extra_arguments"):

        class Wrong(TaskSupervisor, extra_arguments=[1]): ...

    for flags in ({"extra_arguments": [1]}, {"strategy": "one_for_all"}):
        with pytest.raises(Exception, match=next(iter(flags))):
            await TaskSupervisor.start(**flags)  # type: ignore[arg-type]


async def test_a_named_task_supervisor_is_found_by_name() -> None:
    async with TaskSupervisor.options(name="tasks").scope():
        task = await TaskSupervisor.named("tasks").async_nolink(value, "found")
        assert await task == "found"
    with pytest.raises(ServerExited):
        await TaskSupervisor.named("tasks").start_child(for_ever)


async def test_a_caller_that_gives_up_during_the_start_leaves_no_task_behind() -> None:
    async with TaskSupervisor.scope() as tasks:
        await sys.suspend(tasks)
        starting = asyncio.ensure_future(tasks.async_nolink(for_ever))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await sys.resume(tasks)
        for _ in range(10):
            await asyncio.sleep(0)
        assert await tasks.children() == []
