"""Task: a function in a process of its own, and all the ways to wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from regrow import (
    BRUTAL_KILL,
    INFINITY,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    CallTimeout,
    Down,
    DynamicSupervisor,
    Exit,
    Exited,
    GenServer,
    InvalidSpec,
    LinkedExit,
    NotAllowed,
    Ok,
    ServerExited,
    Shutdown,
    Stop,
    Supervisor,
    Task,
    TaskResult,
    call,
    process,
)
from regrow.kernel.runtime import runtime
from tests.waiting import forever, now


async def value(it: Any) -> Any:
    return it


async def after(event: asyncio.Event, it: Any = None) -> Any:
    await event.wait()
    return it


def boom(*_: Any) -> None:
    raise ValueError("boom")


async def empty_mailbox() -> bool:
    """Nothing has come, and nothing comes in the next turns."""
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)
    return True


async def ended(target: Any) -> object:
    ref = process.monitor(target)
    return (await process.receive(lambda m: isinstance(m, Down) and m.ref == ref)).reason


async def as_somebody(function: Callable[[], Any]) -> Any:
    """What *function* comes to in a process of its own; its reason, if that ended abnormally."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        told.set_result(await function())

    reason = await ended(process.spawn(run))
    return told.result() if told.done() else reason


def callers(pid: Any) -> tuple[int, ...]:
    extra = runtime().processes[pid].extra
    return () if extra is None else extra.callers


# --- starting -----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-01")
async def test_a_result_that_nobody_awaits_comes_as_messages() -> None:
    task = Task.async_(value, 3)
    assert task.pid in process.info(process.current()).links  # type: ignore[union-attr]
    assert await process.receive() == TaskResult(task.ref, 3)
    assert await process.receive() == Down(task.ref, task.pid, NORMAL)


@pytest.mark.behaviour("TASK-02")
async def test_await_gives_the_result_and_leaves_no_message() -> None:
    task = Task.async_(pow, 2, exp=5)
    assert task.owner == process.current()
    assert await task == 32
    assert await task == 32
    assert await task.yield_() == Ok(32)
    assert await Task.async_(value, "plain and async alike") == "plain and async alike"
    assert await empty_mailbox()


async def test_a_server_that_does_not_wait_gets_the_result_in_handle_info() -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()

    class Fetcher(GenServer):
        @call
        def fetch(self) -> int:
            return Task.async_(value, "page").ref

        def handle_info(self, message: Any) -> None:
            got.put_nowait(message)

    fetcher = await Fetcher.start()
    ref = await fetcher.fetch()
    assert await got.get() == TaskResult(ref, "page")
    assert (await got.get()).reason is NORMAL


async def test_an_async_handler_and_an_async_init_can_wait_for_a_task() -> None:
    class Patient(GenServer):
        async def init(self) -> None:
            self.first = await Task.async_(value, 1)

        @call
        async def both(self) -> tuple[int, int]:
            return self.first, await Task.async_(value, 2)

    assert await (await Patient.start()).both() == (1, 2)


@pytest.mark.behaviour("TASK-03")
async def test_a_task_knows_for_whom_it_works() -> None:
    me = process.current()

    async def mine() -> tuple[int, ...]:
        return callers(process.current())

    async def through_another() -> Any:
        return process.current(), await Task.async_(mine)

    assert await Task.async_(mine) == (me,)
    inner, chain = await Task.async_(through_another)
    assert chain == (inner, me)
    assert callers(Task.start(forever)) == callers(Task.start_link(forever)) == (me,)
    assert [each async for each in Task.async_stream([1], lambda _: callers(process.current()))] == [
        Ok((me,))
    ]


@pytest.mark.behaviour("TASK-04")
async def test_start_and_start_link_give_a_pid() -> None:
    free, tied = Task.start(forever), Task.start_link(forever)
    links = process.info(process.current()).links  # type: ignore[union-attr]
    assert tied in links
    assert free not in links
    assert process.info(free).kind == "task"  # type: ignore[union-attr]


async def test_what_is_no_function_is_refused_at_once() -> None:
    for start in (Task.async_, Task.start, Task.start_link, Task.child_spec):
        with pytest.raises(TypeError, match="a function and its arguments"):
            start(3)  # type: ignore[operator]
    with pytest.raises(TypeError, match="starts nothing"):
        Task()


# --- completed, ignore --------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-05", "TASK-23")
async def test_a_completed_task_has_no_process_and_its_value() -> None:
    task = Task.completed(5)
    assert task.pid is None
    assert await task == 5
    assert await task.yield_() == task.ignore() == await task.shutdown() == Ok(5)
    assert await Task.await_many([task, Task.async_(value, 6)]) == [5, 6]


@pytest.mark.behaviour("TASK-06")
async def test_ignore_gives_what_has_come() -> None:
    process.trap_exits()
    done, failed = Task.async_(value, 1), Task.async_(process.exit, "oops")
    await process.receive(Exit)
    await process.receive(Exit)
    assert done.ignore() == Ok(1)
    assert failed.ignore() == Exited("oops")
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-06")
@pytest.mark.parametrize("late", [value, process.exit])
async def test_ignore_drops_what_comes_later(late: Any) -> None:
    process.trap_exits()
    go = asyncio.Event()

    async def later() -> None:
        await go.wait()
        await late("late")

    task = Task.async_(later)
    await asyncio.sleep(0)
    assert task.ignore() is None
    go.set()
    await process.receive(Exit)
    assert await empty_mailbox()
    with pytest.raises(CallTimeout):
        await task


# --- await --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-07", "TASK-08")
async def test_an_await_that_times_out_gives_up_and_the_task_goes_on() -> None:
    go = asyncio.Event()
    task = Task.async_(after, go, "late")
    with pytest.raises(CallTimeout, match="within 7 s"):
        await task.await_(7)
    assert now() == 7.0
    assert process.alive(task.pid)
    assert task.pid in process.info(process.current()).links  # type: ignore[union-attr]
    go.set()
    assert await ended(task.pid) is NORMAL
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-09")
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "oops"])
async def test_await_fails_with_the_reason_of_a_task_that_exits(reason: object) -> None:
    process.trap_exits()
    for end in (process.exit, _stop):
        with pytest.raises(ServerExited) as raised:
            await Task.async_(end, reason)
        assert raised.value.reason == reason
        assert "was waiting" in str(raised.value)


def _stop(reason: object) -> None:
    raise Stop(reason)


@pytest.mark.behaviour("TASK-10", "TASK-11")
async def test_await_fails_from_what_the_task_raised() -> None:
    process.trap_exits()

    async def later() -> None:
        await asyncio.sleep(0)
        raise KeyError("late")

    def undefined() -> None:
        import math

        math.squrt(2)  # type: ignore[attr-defined]

    functions: list[tuple[Any, type[Exception]]] = [
        (boom, ValueError),
        (later, KeyError),
        (undefined, AttributeError),
    ]
    for function, kind in functions:
        with pytest.raises(ServerExited) as raised:
            await Task.async_(function)
        assert isinstance(raised.value.reason, kind)
        assert raised.value.__cause__ is raised.value.reason
        assert isinstance((await process.receive(Exit)).reason, kind)
    assert await empty_mailbox()


async def test_a_crash_ends_an_owner_that_does_not_trap_exits() -> None:
    with pytest.raises(LinkedExit) as raised:
        await Task.async_(boom)
    assert isinstance(raised.value.reason, ValueError)


@pytest.mark.behaviour("TASK-12")
async def test_only_the_owner_may_wait() -> None:
    task = Task.async_(forever)
    waits: list[Callable[[], Any]] = [
        task.await_,
        task.yield_,
        task.shutdown,
        lambda: value(task.ignore()),
        lambda: Task.await_many([task]),
        lambda: Task.yield_many([task]),
    ]

    async def wrongly(wait: Callable[[], Any]) -> str:
        with pytest.raises(NotAllowed) as raised:
            await wait()
        assert str(process.current()) in str(raised.value)
        return str(raised.value)

    for wait in waits:
        told = asyncio.ensure_future(wrongly(wait))
        text = await told
        assert str(task.owner) in text
        assert "belongs to" in text
    with pytest.raises(NotAllowed, match="await_many"):
        await asyncio.gather(task)


@pytest.mark.behaviour("TASK-13")
async def test_a_lost_connection_is_an_error_in_every_wait() -> None:
    process.trap_exits()
    waits: list[Callable[[Task[Any]], Any]] = [
        lambda task: task.await_(),
        lambda task: task.yield_(),
        lambda task: task.shutdown(),
        lambda task: Task.await_many([task]),
        lambda task: Task.yield_many([task]),
    ]
    for wait in waits:
        task = Task.async_(forever)
        process.exit(task.pid, NOCONNECTION)
        await process.receive(Exit)
        with pytest.raises(ServerExited) as raised:
            await wait(task)
        assert raised.value.reason is NOCONNECTION


# --- await_many ---------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-14")
async def test_await_many_keeps_the_order_of_its_tasks() -> None:
    events = [asyncio.Event() for _ in range(3)]
    tasks = [Task.async_(after, event, n) for n, event in enumerate(events)]
    for event in reversed(events):
        event.set()
        await asyncio.sleep(0)
    assert await Task.await_many(tasks) == [0, 1, 2]
    assert await Task.await_many([]) == []
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-15")
@pytest.mark.parametrize(
    ("fails", "reason"),
    [(boom, ValueError), (lambda: process.exit("boom"), str), (lambda: process.exit(NORMAL), type(NORMAL))],
)
async def test_await_many_fails_with_the_first_failure_and_lets_go_of_all(fails: Any, reason: type) -> None:
    process.trap_exits()
    go = asyncio.Event()
    tasks = [Task.async_(after, go), Task.async_(fails)]
    with pytest.raises(ServerExited) as raised:
        await Task.await_many(tasks, timeout=None)
    assert isinstance(raised.value.reason, reason)
    go.set()
    for _ in tasks:
        await process.receive(Exit)
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-16")
async def test_await_many_times_out_and_lets_go_of_all() -> None:
    go = asyncio.Event()
    tasks = [Task.async_(asyncio.sleep, 3), Task.async_(after, go)]
    with pytest.raises(CallTimeout):
        await Task.await_many(tasks, timeout=7)
    assert now() == 7.0
    assert process.alive(tasks[1].pid)
    go.set()
    await ended(tasks[1].pid)
    assert await empty_mailbox()


async def test_await_many_wants_tasks() -> None:
    with pytest.raises(TypeError, match="is no Task"):
        await Task.await_many([3])  # type: ignore[list-item]


# --- yield, yield_many --------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-17")
async def test_yield_gives_the_outcome_or_none_and_can_be_asked_again() -> None:
    process.trap_exits()
    go = asyncio.Event()
    task = Task.async_(after, go, 7)
    assert await task.yield_(0) is None
    assert await task.yield_(3) is None
    assert now() == 3.0
    go.set()
    assert await task.yield_(INFINITY) == Ok(7)
    assert await Task.async_(process.exit, "oops").yield_() == Exited("oops")
    with pytest.raises(ValueError, match="must be seconds"):
        await task.yield_(-1)


@pytest.mark.behaviour("TASK-18")
async def test_yield_prefers_the_result_to_a_down_that_came_too_and_takes_both() -> None:
    task = Task.async_(value, 1)
    while process.alive(task.pid):
        await asyncio.sleep(0)
    assert await task.yield_(0) == Ok(1)
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-19")
async def test_yield_many_gives_each_task_with_its_outcome() -> None:
    process.trap_exits()
    tasks = [Task.async_(value, 1), Task.async_(forever), Task.async_(process.exit, "oops")]
    outcomes = [Ok(1), None, Exited("oops")]
    assert await Task.yield_many(tasks, 3) == list(zip(tasks, outcomes, strict=True))
    assert process.alive(tasks[1].pid)
    assert now() == 3.0
    assert await Task.yield_many(tasks, 3, on_timeout="ignore") == list(zip(tasks, outcomes, strict=True))
    assert process.alive(tasks[1].pid)
    with pytest.raises(CallTimeout):
        await tasks[1]
    last = Task.async_(forever)
    begin = now()
    assert await Task.yield_many([last], 3, on_timeout="kill_task") == [(last, None)]
    assert now() - begin == 3.0
    assert not process.alive(last.pid)
    with pytest.raises(ValueError, match="on_timeout='kill'"):
        await Task.yield_many(tasks, on_timeout="kill")  # type: ignore[arg-type]


@pytest.mark.behaviour("TASK-20")
async def test_yield_many_is_over_when_enough_have_come() -> None:
    tasks = [Task.async_(forever), Task.async_(value, 1), Task.async_(forever), Task.async_(value, 2)]
    results = await Task.yield_many(tasks, None, limit=2, on_timeout="kill_task")
    assert [outcome for _, outcome in results] == [None, Ok(1), None, Ok(2)]
    assert process.alive(tasks[0].pid)
    assert [each for _, each in await Task.yield_many(tasks, None, limit=1)] == [None, Ok(1), None, Ok(2)]
    with pytest.raises(ValueError, match="limit=0"):
        await Task.yield_many(tasks, limit=0)


# --- shutdown -----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-21")
async def test_shutdown_gives_none_for_a_task_that_it_ends() -> None:
    task = Task.async_(forever)
    assert await task.shutdown() is None
    assert not process.alive(task.pid)
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-21", "TASK-22")
@pytest.mark.parametrize("how", [5, BRUTAL_KILL])
async def test_shutdown_gives_a_result_that_came_in_time_and_other_reasons(how: Any) -> None:
    process.trap_exits()
    done = Task.async_(value, 1)
    await process.receive(Exit)
    assert await done.shutdown(how) == Ok(1)
    reasons = [NORMAL, "oops", Shutdown("so"), KILLED if how == 5 else SHUTDOWN]
    for reason in reasons:
        failed = Task.async_(process.exit, reason)
        await process.receive(Exit)
        assert await failed.shutdown(how) == Exited(reason)
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-21")
async def test_a_task_that_does_not_end_in_time_is_killed() -> None:
    async def stubborn() -> None:
        process.trap_exits()
        await forever()

    task = Task.async_(stubborn)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await task.shutdown(8) == Exited(KILLED)
    assert now() == 8.0
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-22")
async def test_brutal_kill_gives_none_for_a_task_that_it_kills() -> None:
    async def stubborn() -> None:
        process.trap_exits()
        await forever()

    task = Task.async_(stubborn)
    await asyncio.sleep(0)
    assert await task.shutdown(BRUTAL_KILL) is None
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-24")
async def test_shutdown_of_a_task_whose_end_is_known_says_noproc() -> None:
    task = Task.async_(value, 1)
    assert await task == 1
    assert await task.shutdown() == Exited(NOPROC)
    assert await task.shutdown(BRUTAL_KILL) == Exited(NOPROC)


async def test_shutdown_takes_seconds_or_brutal_kill() -> None:
    task = Task.async_(forever)
    for bad in (-1, "soon", True):
        with pytest.raises(ValueError, match="must be seconds"):
            await task.shutdown(bad)  # type: ignore[arg-type]


async def test_shutdown_ends_an_ignored_task_too() -> None:
    task = Task.async_(forever)
    assert task.ignore() is None
    assert await task.shutdown() is None
    assert not process.alive(task.pid)


# --- streams ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-25")
async def test_a_stream_gives_outcomes_in_the_order_of_its_items() -> None:
    events = [asyncio.Event() for _ in range(3)]
    events[2].set()

    async def run(n: int) -> int:
        await events[n].wait()
        if n:
            events[n - 1].set()
        return n

    assert [each async for each in Task.async_stream(range(3), run, max_concurrency=3)] == [
        Ok(0),
        Ok(1),
        Ok(2),
    ]
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-25")
async def test_an_unordered_stream_gives_outcomes_as_they_come() -> None:
    events = [asyncio.Event() for _ in range(3)]
    events[2].set()

    async def run(n: int) -> int:
        await events[n].wait()
        return n

    seen = []
    async for outcome in Task.async_stream(range(3), run, max_concurrency=3, ordered=False):
        assert isinstance(outcome, Ok)
        seen.append(outcome.value)
        if outcome.value:
            events[outcome.value - 1].set()
    assert seen == [2, 1, 0]


async def test_a_stream_takes_an_async_iterable_and_plain_functions() -> None:
    async def items() -> AsyncIterator[int]:
        for n in range(5):
            await asyncio.sleep(0)
            yield n

    assert [each async for each in Task.async_stream(items(), str)] == [Ok(str(n)) for n in range(5)]
    assert [each async for each in Task.async_stream([], str)] == []


@pytest.mark.behaviour("TASK-26")
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_stream_runs_no_more_tasks_at_a_time_than_it_may(ordered: bool) -> None:
    running = most = done = 0
    taken = []
    three_run = asyncio.Barrier(3)

    def items() -> Any:
        for n in range(9):
            taken.append(n)
            yield n

    async def run(_: int) -> int:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await three_run.wait()
        ahead = len(taken) - done
        running -= 1
        done += 1
        return ahead

    stream = Task.async_stream(items(), run, max_concurrency=3, ordered=ordered)
    assert taken == []
    ahead = [each.value async for each in stream if isinstance(each, Ok)]
    assert most == 3
    assert max(ahead) == 3
    assert len(ahead) == 9


@pytest.mark.behaviour("TASK-27")
async def test_a_task_of_a_stream_that_takes_too_long_fails_the_consumer() -> None:
    pids: list[int] = []

    async def run(_: int) -> None:
        pids.append(process.current())
        await forever()

    with pytest.raises(CallTimeout, match="did not end within"):
        async for _ in Task.async_stream([1, 2], run, max_concurrency=2, timeout=9):
            pass
    assert now() == 9.0
    while any(map(process.alive, pids)):
        await asyncio.sleep(0)
    assert len(pids) == 2
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-27")
async def test_or_is_killed_and_the_stream_goes_on() -> None:
    async def run(n: int) -> int:
        if n == 1:
            await forever()
        return n

    stream = Task.async_stream(range(3), run, timeout=9, on_timeout="kill_task", max_concurrency=2)
    assert [each async for each in stream] == [Ok(0), Exited("timeout"), Ok(2)]
    assert now() == 9.0
    zipped = Task.async_stream([1], run, timeout=9, on_timeout="kill_task", zip_input_on_exit=True)
    assert [each async for each in zipped] == [Exited("timeout", 1)]
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-28")
async def test_a_consumer_that_traps_exits_sees_failures_in_the_stream_only() -> None:
    process.trap_exits()
    assert [each async for each in Task.async_stream(["a", "b"], process.exit)] == [Exited("a"), Exited("b")]
    zipped = Task.async_stream(["a", "b"], process.exit, zip_input_on_exit=True)
    assert [each async for each in zipped] == [Exited("a", "a"), Exited("b", "b")]
    assert repr(Exited("a", "b")) == "Exited('a', input='b')"
    assert await empty_mailbox()


@pytest.mark.behaviour("TASK-29")
async def test_a_crash_ends_a_consumer_that_does_not_trap_exits() -> None:
    async def consume() -> None:
        async for _ in Task.async_stream([1], boom):
            pass

    assert isinstance(await as_somebody(consume), ValueError)
    with pytest.raises(LinkedExit):
        await consume()


@pytest.mark.behaviour("TASK-30")
async def test_options_that_cannot_be_are_refused_when_the_stream_is_made() -> None:
    for bad in ({"max_concurrency": 0}, {"on_timeout": "kill"}, {"timeout": -1}, {"max_concurrency": 1.5}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
            Task.async_stream([1], str, **bad)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a function of one item"):
        Task.async_stream([1], 3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="iterable"):
        Task.async_stream(3, str)  # type: ignore[call-overload]


async def test_leaving_a_stream_ends_its_tasks() -> None:
    pids: list[int] = []

    async def run(n: int) -> int:
        pids.append(process.current())
        await all_run.wait()
        if n:
            await forever()
        return n

    all_run = asyncio.Barrier(3)
    async for outcome in Task.async_stream(range(3), run, max_concurrency=3):
        assert outcome == Ok(0)
        break
    assert len(pids) == 3
    while any(map(process.alive, pids)):
        await asyncio.sleep(0)
    assert await empty_mailbox()


async def test_an_input_that_fails_fails_the_stream_and_ends_its_tasks() -> None:
    pids: list[int] = []

    async def run(_: int) -> None:
        pids.append(process.current())
        await forever()

    def items() -> Any:
        yield 1
        raise ValueError("no more")

    stream = Task.async_stream(items(), run, max_concurrency=2)
    with pytest.raises(ValueError, match="no more"):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await asyncio.sleep(0)
    assert not any(map(process.alive, pids))


async def test_a_stream_belongs_to_the_process_of_its_first_step() -> None:
    stream = Task.async_stream(range(3), str)
    assert await anext(stream) == Ok("0")

    async def somebody_else() -> None:
        with pytest.raises(NotAllowed, match="belongs to"):
            await anext(stream)

    await asyncio.ensure_future(somebody_else())
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


# --- reports ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-31")
async def test_a_crash_is_reported_once_and_in_full(caplog: pytest.LogCaptureFixture) -> None:
    process.trap_exits()
    process.register("the starter")
    pid = Task.start_link(boom, 1, "x")
    await process.receive(Exit)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    fields: dict[str, Any] = record.regrow  # type: ignore[attr-defined]
    assert (fields["pid"], fields["starter"], fields["kind"]) == (pid, "the starter", "task")
    assert (fields["function"], fields["args"]) == ("boom", "(1, 'x')")
    assert fields["reason"] == "ValueError('boom')"
    assert f"<task {pid}> started from the starter terminating" in caplog.text


@pytest.mark.behaviour("TASK-31")
async def test_an_exit_with_a_reason_is_reported_unless_it_is_clean(caplog: pytest.LogCaptureFixture) -> None:
    process.trap_exits()
    for reason in (NORMAL, SHUTDOWN, Shutdown("so"), "oops"):
        Task.start_link(process.exit, reason)
        await process.receive(Exit)
    await Task.async_(forever).shutdown(BRUTAL_KILL)
    assert [record.regrow["reason"] for record in caplog.records] == ["'oops'"]  # type: ignore[attr-defined]


# --- links, children ----------------------------------------------------------------------------------------------


@pytest.mark.behaviour("TASK-33", "TASK-34")
async def test_a_linked_task_dies_with_its_callers_crash_and_survives_its_normal_end() -> None:
    for reason, lives in ((NORMAL, True), ("crash", False)):
        pids: list[Any] = []

        async def caller(pids: list[Any] = pids, reason: object = reason) -> None:
            pids.append(Task.async_(forever).pid)
            await asyncio.sleep(0)
            process.exit(reason)

        await ended(process.spawn(caller))
        await asyncio.sleep(0)
        assert process.alive(pids[0]) is lives


def test_the_spec_of_a_task_is_temporary() -> None:
    made = Task.child_spec(value, 3)
    assert (made.id, made.restart, made.shutdown, made.type, made.modules) == (
        value,
        "temporary",
        5.0,
        "worker",
        (value,),
    )
    assert made.replace(restart="permanent", id="poll").restart == "permanent"


async def test_a_coroutine_function_is_a_child_of_any_supervisor() -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()

    async def poll(what: str = "bare") -> None:
        await got.put((what, process.info(process.current()).parent))  # type: ignore[union-attr]

    async with DynamicSupervisor.scope() as children:
        pid = process.pid_of(children)
        await children.start_child(poll)
        assert await got.get() == ("bare", pid)
        await children.start_child((poll, "a tuple"))
        assert await got.get() == ("a tuple", pid)
        await children.start_child(Task.child_spec(poll, "a spec"))
        assert await got.get() == ("a spec", pid)
    async with Supervisor.scope([poll, Task.child_spec(poll, "again").replace(id="again")]) as root:
        assert {(await got.get())[0] for _ in range(2)} == {"bare", "again"}
        assert process.alive(root)
    async with Supervisor.scope([(Task, poll, "by class")]):
        assert (await got.get())[0] == "by class"


async def test_a_bad_function_is_refused_before_the_supervisor_sees_it() -> None:
    with pytest.raises((TypeError, InvalidSpec)):
        Task.child_spec("poll")  # type: ignore[arg-type]


@pytest.mark.behaviour("TASK-40")
async def test_a_permanent_task_that_ends_is_restarted_until_the_supervisor_gives_up() -> None:
    runs = []

    async def once() -> None:
        runs.append(1)

    process.trap_exits()
    root = await Supervisor.start_link([Task.child_spec(once).replace(restart="permanent")])
    assert (await process.receive(Exit)).reason is SHUTDOWN
    assert len(runs) == 4
    assert not process.alive(root)
