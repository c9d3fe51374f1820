"""Code that will not let its process end, or ends in ways it should not: death is a fact all the same."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    NORMAL,
    CallTimeout,
    Down,
    GenServer,
    Pid,
    ProcessExit,
    Reply,
    ServerExited,
    call,
    cast,
    process,
    stop,
)
from regrow.testing import run_virtual
from tests.waiting import forever, now


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.ERROR, logger="regrow")
    return caplog


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.regrow["event"] for record in caplog.records if hasattr(record, "regrow")]


async def reason_of(target: Any) -> object:
    ref = process.monitor(target)
    return (await process.receive(lambda each: isinstance(each, Down) and each.ref == ref, timeout=60)).reason


class Stubborn(GenServer, shutdown=2.0):
    def __init__(self, log: list[str] | None = None) -> None:
        self.log: list[str] = [] if log is None else log

    @call
    async def swallow_for_ever(self) -> None:
        while True:
            try:
                await asyncio.Event().wait()  # here, since the report names the line
            except asyncio.CancelledError:
                pass

    @call
    async def wait_for_what_swallows(self) -> None:
        await asyncio.create_task(Stubborn.swallow_a_while(self))

    async def swallow_a_while(self) -> None:
        # By the clock, since nobody can end it and it would keep asyncio.run from its end.
        end = now() + 30
        while (left := end - now()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                pass

    @call
    async def finally_waits(self) -> None:
        try:
            await forever()
        finally:
            self.log.append("finally")
            await asyncio.Event().wait()
            self.log.append("never")

    @call
    async def finally_acts(self) -> None:
        try:
            await forever()
        finally:
            for act in self.acts:
                try:
                    result = act()
                    if asyncio.iscoroutine(result):
                        await result
                    self.log.append("acted")
                except ProcessExit:
                    self.log.append("refused")

    @property
    def acts(self) -> list[Callable[[], Any]]:
        other = process_of_main[0]
        return [
            lambda: process.send(other, "x"),
            lambda: process.exit(other, "x"),
            lambda: process.link(other),
            lambda: process.monitor(other),
            lambda: process.spawn(asyncio.sleep, 0),
            lambda: process.spawn_link(asyncio.sleep, 0),
            lambda: process.register("of the dead"),
            process.current,
            process.trap_exits,
            lambda: Stubborn.named("other").touch(),
            lambda: Stubborn.named("other").ask(),
            lambda: process.receive(timeout=0),
            lambda: Stubborn.start_link(),
            lambda: stop("other"),
        ]

    @cast
    def touch(self) -> None:
        self.log.append("touched")

    @call
    def ask(self) -> str:
        return "answered"


process_of_main: list[Pid] = []


async def busy(server: Stubborn, handler: str) -> asyncio.Task[Any]:
    task = asyncio.create_task(getattr(server, handler)())
    for _ in range(4):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("signal", ["boom", KILL], ids=repr)
@pytest.mark.parametrize("handler", ["swallow_for_ever", "wait_for_what_swallows", "finally_waits"])
async def test_what_will_not_end_is_fenced_and_reported_with_its_line(
    handler: str, signal: object, logged: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    server = await Stubborn.options(name="stubborn").start(log)
    pid = process.pid_of(server)
    asked = await busy(server, handler)
    process.exit(server, signal)
    assert not process.alive(pid)
    assert process.whereis("stubborn") == pid  # its name is not free before it has ended
    assert await reason_of(pid) == (KILLED if signal is KILL else "boom")
    assert now() == (0.1 if signal is KILL else 2.0)
    assert process.whereis("stubborn") is None
    with pytest.raises(ServerExited):
        await asked
    assert "fenced" in events(logged)
    [where] = [record.regrow["where"] for record in logged.records if record.regrow["event"] == "fenced"]
    assert "test_hostile_code.py" in where
    assert log == (["finally"] if handler == "finally_waits" else [])


async def test_the_dead_run_their_finally_and_everything_of_regrow_refuses_them() -> None:
    process_of_main[:] = [process.current()]
    others: list[str] = []
    await Stubborn.options(name="other").start(others)
    log: list[str] = []
    server = await Stubborn.start(log)
    asked = await busy(server, "finally_acts")
    process.exit(server, "boom")
    assert await reason_of(server) == "boom"
    with pytest.raises(ServerExited):
        await asked
    assert log == ["refused"] * 14
    assert others == []
    assert process.alive(process.current())


RAISES: list[BaseException] = [
    asyncio.CancelledError(),
    RecursionError("deep"),
    GeneratorExit(),
    StopAsyncIteration(),
    MemoryError(),
    BaseException("base"),
    TimeoutError(),
]


class Raises(GenServer):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @call
    def plain(self, error: BaseException) -> None:
        raise error

    @call
    async def later(self, error: BaseException) -> None:
        await asyncio.sleep(0)
        raise error

    @cast
    def casts(self, error: BaseException) -> None:
        raise error

    def handle_info(self, message: Any) -> None:
        raise message


@pytest.mark.parametrize("way", ["plain", "later"])
@pytest.mark.parametrize("error", RAISES, ids=repr)
async def test_whatever_a_call_raises_ends_the_server_and_reaches_the_caller_as_server_exited(
    error: BaseException, way: str, logged: pytest.LogCaptureFixture
) -> None:
    server = await Raises.start()
    ref = process.monitor(server)
    with pytest.raises(ServerExited) as caught:
        await getattr(server, way)(error)
    assert type(caught.value.reason) is type(error)
    down = await process.receive(Down)
    assert (down.ref, type(down.reason)) == (ref, type(error))
    assert events(logged) == ["crash"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("error", RAISES, ids=repr)
async def test_whatever_a_cast_or_a_message_raises_ends_the_server(error: BaseException) -> None:
    one, other = await Raises.start(), await Raises.start()
    refs = {process.monitor(one), process.monitor(other)}
    one.casts(error)
    process.send(other, error)
    downs = [await process.receive(Down), await process.receive(Down)]
    assert {each.ref for each in downs} == refs
    assert {type(each.reason) for each in downs} == {type(error)}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("way", ["plain", "later", "casts", "info", "terminate", "spawn", "init"])
def test_what_wants_to_end_the_program_kills_the_process_first_and_goes_on(
    kind: type[BaseException], way: str, logged: pytest.LogCaptureFixture
) -> None:
    ended: list[object] = []

    class Quits(Raises):
        def __init__(self, error: BaseException | None = None) -> None:
            if error is not None:
                raise error

        def terminate(self, reason: object) -> None:
            ended.append(reason)
            if way == "terminate":
                raise kind

    async def main() -> None:
        server = await Quits.start()
        if way == "casts":
            server.casts(kind())
        elif way == "info":
            process.send(server, kind())
        elif way == "terminate":
            await stop(server)
        elif way == "spawn":
            process.spawn(fails)
        elif way == "init":
            await Quits.start(kind())
        else:
            await getattr(server, way)(kind())
        await forever()

    def fails() -> None:
        raise kind

    with pytest.raises(kind):
        run_virtual(main())
    gc.collect()
    assert "asyncio" not in {record.name for record in logged.records}  # which would report it a second time
    assert len(ended) == 1
    if way in ("plain", "later", "casts", "info"):
        assert type(ended[0]) is kind


async def test_recursion_without_end_in_a_handler_is_its_own_crash() -> None:
    class Deep(GenServer):
        @call
        def deep(self) -> int:
            return 1 + Deep.deep(self)

    server = await Deep.start()
    with pytest.raises(ServerExited) as caught:
        await server.deep()
    assert isinstance(caught.value.reason, RecursionError)


class Owes(GenServer):
    @call(timeout=60)
    def later(self) -> Reply[str]:
        self.reply = Reply[str]()
        return self.reply

    @cast
    def crash(self) -> None:
        raise ValueError("x")

    @cast
    async def answers_when_told_to_end(self) -> None:
        try:
            await forever()
        finally:
            self.reply.send("from the dead")


async def test_a_server_that_dies_while_it_owes_an_answer_fails_its_callers() -> None:
    server = await Owes.start()
    asked = [asyncio.create_task(server.later()) for _ in range(3)]
    await asyncio.sleep(0)
    server.crash()
    for each in asked[-1:]:
        with pytest.raises(ServerExited) as caught:
            await each
        assert isinstance(caught.value.reason, ValueError)
    await asyncio.gather(*asked, return_exceptions=True)


async def test_the_dead_answer_nobody() -> None:
    server = await Owes.start()
    asked = asyncio.create_task(server.later())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.answers_when_told_to_end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    process.exit(server, "boom")
    with pytest.raises(ServerExited) as caught:
        await asked
    assert caught.value.reason == "boom"


@pytest.mark.behaviour("GS-43")
async def test_a_crash_in_terminate_replaces_the_reason(logged: pytest.LogCaptureFixture) -> None:
    class Bad(GenServer):
        def terminate(self, reason: object) -> None:
            raise ValueError("in terminate")

    server = await Bad.start()
    with pytest.raises(ServerExited) as caught:
        await stop(server)
    assert isinstance(caught.value.reason, ValueError)
    assert events(logged) == ["crash"]


async def test_terminate_that_never_ends_is_killed_when_a_signal_asked_for_it() -> None:
    class Slow(GenServer, shutdown=3):
        async def terminate(self, reason: object) -> None:
            await forever()

    server = await Slow.start()
    process.exit(server, "boom")
    assert process.alive(server)
    assert await reason_of(server) is KILLED
    assert now() == 3.0


@pytest.mark.behaviour("GS-40")
async def test_a_slow_terminate_outlives_a_stop_with_a_time_out() -> None:
    gate = asyncio.Event()

    class Slow(GenServer):
        async def terminate(self, reason: object) -> None:
            await gate.wait()

    server = await Slow.start()
    with pytest.raises(CallTimeout):
        await stop(server, timeout=60)
    assert now() == 60.0
    assert process.alive(server)
    gate.set()
    assert await reason_of(server) is NORMAL
