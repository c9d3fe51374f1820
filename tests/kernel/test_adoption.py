"""An asyncio task that uses regrow becomes a process, and the end of one is the end of the other."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    DynamicSupervisor,
    Exit,
    GenServer,
    LinkedExit,
    NoCurrentProcess,
    Pid,
    call,
    process,
)
from regrow.kernel import events
from regrow.kernel.runtime import runtime
from tests.waiting import forever, now, turns


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Server(GenServer):
    @call
    async def wait(self) -> None:
        await asyncio.Event().wait()


class Adopted:
    """A task that becomes a process and then does as it is told."""

    def __init__(self, then: Any = None) -> None:
        self.pid: asyncio.Future[Pid] = asyncio.get_running_loop().create_future()
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self.run(then))

    async def run(self, then: Any) -> Any:
        self.pid.set_result(process.current())
        await self.go.wait()
        if isinstance(then, BaseException):
            raise then
        return await then() if callable(then) else then


async def monitored(adopted: Adopted) -> int:
    return process.monitor(await adopted.pid)


async def test_a_task_is_one_process_for_its_whole_life() -> None:
    me = process.current()
    await asyncio.sleep(0)
    assert process.current() == me
    other = Adopted()
    assert await other.pid != me
    info = process.info(me)
    assert info is not None
    assert (info.kind, info.parent) == ("asyncio task", None)
    other.go.set()
    await other.task


@pytest.mark.real_time("a thread answers")
async def test_a_task_that_only_sends_is_not_adopted() -> None:
    server = await Server.start()
    count = len(process.processes())

    async def sends() -> None:
        process.send(server, "x")

    await asyncio.create_task(sends())
    assert len(process.processes()) == count
    with pytest.raises(NoCurrentProcess):
        await asyncio.to_thread(process.current)


@pytest.mark.parametrize(
    ("then", "reason"),
    [("value", NORMAL), (ValueError("x"), ValueError), (SystemError("y"), SystemError)],
    ids=repr,
)
async def test_how_a_task_ends_is_how_its_process_ends(then: Any, reason: Any) -> None:
    adopted = Adopted(then)
    await monitored(adopted)
    adopted.go.set()
    down = await process.receive(Down)
    assert down.reason is reason or isinstance(down.reason, reason)
    [outcome] = await asyncio.gather(adopted.task, return_exceptions=True)
    assert outcome is then
    if isinstance(then, BaseException):
        assert then.__traceback__ is not None  # the task's owner still reports it
        assert down.reason.__traceback__ is None


async def test_a_cancelled_task_ends_with_shutdown() -> None:
    adopted = Adopted()
    await monitored(adopted)
    adopted.task.cancel()
    assert (await process.receive(Down)).reason is SHUTDOWN
    await asyncio.gather(adopted.task, return_exceptions=True)


@pytest.mark.parametrize("where", ["receive", "call", "sleep"])
@pytest.mark.parametrize(("signal", "reason"), [("boom", "boom"), (KILL, KILLED)], ids=repr)
async def test_an_exit_signal_ends_the_task(signal: Any, reason: Any, where: str) -> None:
    server = await Server.start()
    waits = {"receive": process.receive, "call": server.wait, "sleep": forever}
    adopted = Adopted(waits[where])
    await monitored(adopted)
    adopted.go.set()
    await turns()
    process.exit(await adopted.pid, signal)
    assert not process.alive(await adopted.pid)
    assert (await process.receive(Down)).reason == reason
    with pytest.raises(
        (LinkedExit, asyncio.CancelledError), match=f"exit signal from .*{reason!r}"
    ) as caught:
        await adopted.task
    assert isinstance(caught.value, asyncio.CancelledError if where == "sleep" else LinkedExit)


async def test_normal_is_no_signal_to_a_task_and_a_trapping_one_gets_messages() -> None:
    adopted = Adopted(process.receive)
    pid = await adopted.pid
    process.exit(pid, NORMAL)
    adopted.go.set()
    await asyncio.sleep(0)
    assert process.alive(pid)
    process.send(pid, "message")
    assert await adopted.task == "message"

    async def traps() -> Any:
        process.trap_exits()
        return await process.receive(Exit)

    trapping = Adopted(traps)
    trapping.go.set()
    await turns()
    process.exit(await trapping.pid, "boom")
    assert await trapping.task == Exit(process.current(), "boom")


@pytest.mark.parametrize("kind", ["server", "supervisor"])
@pytest.mark.parametrize("how", ["returns", "raises", "cancelled"])
async def test_what_plain_code_has_start_linked_ends_with_it(kind: str, how: str) -> None:
    class Trapping(GenServer, trap_exits=True):
        pass

    started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def code() -> None:
        process.current()
        started.set_result(await (DynamicSupervisor if kind == "supervisor" else Trapping).start_link())
        if how == "raises":
            raise KeyError("x")
        if how == "cancelled":
            await forever()

    task = asyncio.create_task(code())
    handle = await started
    ref = process.monitor(handle)
    if how == "cancelled":
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    down = await process.receive(Down)
    assert down.ref == ref
    expected = {"returns": NORMAL, "cancelled": SHUTDOWN}.get(how)
    assert down.reason is expected or isinstance(down.reason, KeyError)


async def test_a_server_that_traps_nothing_outlives_the_normal_end_of_its_starter() -> None:
    async def code() -> Server:
        return await Server.start_link()

    server = await asyncio.create_task(code())
    await asyncio.sleep(0)
    assert process.alive(server)


async def test_lifecycle_events_are_told_and_a_listener_that_fails_is_taken_off() -> None:
    told: list[tuple[str, Any]] = []

    def listener(event: str, fields: dict[str, Any]) -> None:
        told.append((event, fields.get("kind")))

    def fails(event: str, fields: dict[str, Any]) -> None:
        raise RuntimeError(event)

    events.attach(listener)
    events.attach(fails)
    server = await Server.start()
    process.exit(server, "x")
    events.detach(listener)
    events.detach(fails)
    await Server.start()
    assert told == [("process.started", "Server"), ("process.exited", "Server")] or told == [
        ("process.started", "asyncio task"),
        ("process.started", "Server"),
        ("process.exited", "Server"),
    ]


async def test_an_adopted_task_that_swallows_its_exit_is_dead_to_the_others_after_the_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, logger="regrow")
    refused, fenced = [], asyncio.Event()

    async def code() -> None:
        process.current()
        try:
            await forever()
        except asyncio.CancelledError:
            pass
        await fenced.wait()
        try:
            process.send(me, "from the dead")
        except LinkedExit as error:
            refused.append(error)

    me = process.current()
    task = asyncio.create_task(code())
    await asyncio.sleep(0)
    pid = process.processes()[-1]
    process.monitor(pid)
    process.exit(pid, "boom")
    process.exit(pid, KILL)
    assert (await process.receive(Down)).reason is KILLED
    assert now() == 0.1
    fenced.set()
    await task
    assert len(refused) == 1
    assert [record.regrow["event"] for record in caplog.records] == ["fenced"]  # type: ignore[attr-defined]
    assert runtime().dying == 0
