"""What both type checkers must take of agents, tasks and system messages. Read by test_typing, never run."""

from __future__ import annotations

from typing import Any, assert_type

from regrow import Agent, ChildSpec, Exited, Ok, Pid, Task, TaskStream, TaskSupervisor, spec, sys, within


class Counter(Agent[int], restart="transient"):
    def __init__(self, first: int) -> None:
        super().__init__(int, first)


def make(n: int, *, twice: bool = False) -> list[int]:
    return [n] * (1 + twice)


async def make_slowly(n: int) -> list[int]:
    return [n]


def push(now: list[int], n: int) -> list[int]:
    return [*now, n]


def pop(now: list[int]) -> tuple[int, list[int]]:
    return now[-1], now[:-1]


async def total(now: list[int]) -> float:
    return sum(now)


async def agents() -> None:
    stack = await Agent.start_link(make, 1, twice=True)
    assert_type(stack, Agent[list[int]])
    assert_type(await Agent.start(make_slowly, 1), Agent[list[int]])
    assert_type(Agent.child_spec(make, 1), ChildSpec[Agent[list[int]]])
    assert_type(await Agent.options(name="stack").start_link(make, 1), Agent[list[int]])
    words: Agent[dict[str, int]] = await Agent.start_link(dict[str, int])
    assert_type(await stack.get(len), int)
    assert_type(await stack.get(total), float)
    assert_type(await stack.get_and_update(pop), int)
    await stack.update(push, 3)
    await within(stack, 0.5).update(push, 3)
    stack.cast(push, 3)
    assert_type(await words.get(lambda now: now["a"]), int)
    assert_type(await Counter.start_link(3), Counter)
    assert_type(Counter.child_spec(3), ChildSpec[Counter])
    assert_type(await (await Counter.start_link(3)).get(lambda n: n + 1), int)
    async with Agent.scope(make, 1) as scoped:
        assert_type(scoped, Agent[list[int]])


async def tasks() -> None:
    task = Task.async_(make_slowly, 1)
    _ = assert_type(task, Task[list[int]])
    assert_type(await task, list[int])
    plain = Task.async_(make, 1, twice=True)
    _ = assert_type(plain, Task[list[int]])
    assert_type(await task.yield_(), Ok[list[int]] | Exited | None)
    assert_type(await Task.await_many([task]), list[list[int]])
    assert_type(Task.start_link(make, 1), Pid)
    assert_type(Task.child_spec(make_slowly, 1), ChildSpec[Pid])
    done = Task.completed(3)
    _ = assert_type(await done, int)
    stream = Task.async_stream([1, 2], make_slowly, max_concurrency=2, on_timeout="kill_task")
    assert_type(stream, TaskStream[list[int]])
    async for outcome in stream:
        match outcome:
            case Ok(value):
                assert_type(value, list[int])
            case Exited(reason):
                del reason
    for each, result in await Task.yield_many([task], 1, limit=1):
        _ = assert_type(each, Task[list[int]])
        assert_type(result, Ok[list[int]] | Exited | None)


async def supervised(tasks: TaskSupervisor) -> None:
    task = await tasks.async_(make_slowly, 1)
    _ = assert_type(task, Task[list[int]])
    assert_type(await (await tasks.async_nolink(push, [1], 2, shutdown=1)), list[int])
    assert_type(await tasks.start_child(make_slowly, 1, restart="transient"), Pid)
    assert_type(tasks.async_stream_nolink([1], make_slowly, shutdown=1, ordered=False), TaskStream[list[int]])
    assert_type(await tasks.children(), list[Pid])
    assert_type(spec(TaskSupervisor), ChildSpec[TaskSupervisor])


async def system(counter: Counter) -> None:
    assert_type(await sys.get_state(counter), Any)
    assert_type(await sys.statistics(counter), sys.Statistics | None)
