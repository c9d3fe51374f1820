"""Calls, casts, messages, late replies, continues and time-outs of a server."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

import pytest

from regrow import (
    NORMAL,
    SHUTDOWN,
    CallTimeout,
    Down,
    GenServer,
    NoProcess,
    Reply,
    ReplyDropped,
    ServerExited,
    Shutdown,
    Stop,
    call,
    cast,
    process,
    within,
)
from tests.waiting import now, turns


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Declared(Exception):
    pass


class Server(GenServer):
    def __init__(self) -> None:
        self.log: list[Any] = []
        self.replies: list[Reply[Any]] = []

    @call
    def read(self) -> list[Any]:
        return list(self.log)

    @cast
    def note(self, entry: Any) -> None:
        self.log.append(entry)

    @call
    async def slow(self, gate: asyncio.Event) -> str:
        await gate.wait()
        return "done"

    @cast
    async def work(self, gate: asyncio.Event) -> None:
        self.log.append("begun")
        await gate.wait()
        self.log.append("done")

    @call(timeout=0)
    def never(self) -> None:
        self.log.append("never")

    @call(timeout=0)
    async def never_async(self) -> None:
        self.log.append("never")

    @call(raises=Declared)
    def declared(self, error: Exception) -> None:
        raise error

    @call(raises=(Declared, StopIteration))
    async def declared_later(self, error: Exception) -> None:
        await asyncio.sleep(0)
        raise error

    @call(raises=StopIteration)
    def stops_iterating(self) -> None:
        raise StopIteration(3)

    @call
    def end(self, reason: Any) -> None:
        raise Stop(reason)

    @call
    def exits(self, reason: Any) -> None:
        process.exit(reason)

    # --- late replies

    @call
    def later(self) -> Reply[Any]:
        self.replies.append(Reply[Any]())
        return self.replies[-1]

    @call
    async def later_async(self) -> Reply[Any]:
        await asyncio.sleep(0)
        return Server.later(self)

    @cast
    def answer(self, value: Any) -> None:
        for each in self.replies:
            each.send(value)

    @cast
    def refuse(self, error: BaseException) -> None:
        for each in self.replies:
            each.fail(error)

    @cast
    def drop(self) -> None:
        self.replies.clear()

    @call
    async def early(self, gate: asyncio.Event) -> Reply[str]:
        reply = Reply[str]()
        reply.send("early")
        await gate.wait()
        reply.send("late")
        return reply

    @call
    def early_plain(self) -> Reply[str]:
        reply = Reply[str]()
        reply.send("early")
        return reply

    def handle_info(self, message: Any) -> None:
        self.log.append(message)


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()


async def reason_of(server: GenServer) -> object:
    ref = process.monitor(server)
    return (await process.receive(lambda each: isinstance(each, Down) and each.ref == ref, timeout=60)).reason


# --- calls ---------------------------------------------------------------------------------------------------------


async def test_one_message_at_a_time_also_when_a_handler_waits(gate: asyncio.Event) -> None:
    server = await Server.start()
    server.work(gate)
    server.note("next")
    asked = asyncio.create_task(server.read())
    await turns()
    assert not asked.done()
    gate.set()
    assert await asked == ["begun", "done", "next"]


@pytest.mark.behaviour("GS-06", "GS-22")
async def test_a_call_that_is_not_answered_in_time_fails_and_the_server_goes_on(gate: asyncio.Event) -> None:
    server = await Server.start()
    for seconds in (60, 0):
        with pytest.raises(CallTimeout, match=rf"slow got no answer from <Server \d+> within {seconds} s"):
            await within(server, seconds).slow(gate)
        assert now() == 60.0
    with pytest.raises(CallTimeout, match="within 5 s"):
        await server.slow(gate)
    assert now() == 65.0
    gate.set()
    assert await server.read() == []
    with pytest.raises(CallTimeout):
        await within(server, 0).read()
    for kind, never in enumerate((server.never, server.never_async), 1):
        with pytest.raises(CallTimeout, match="within 0 s"):
            await never()
        assert await server.read() == ["never"] * kind


@pytest.mark.behaviour("GS-22")
@pytest.mark.parametrize("seconds", [-1, "1", True, float("nan")], ids=repr)
async def test_what_is_no_time_is_refused_by_within(seconds: Any) -> None:
    server = await Server.start()
    with pytest.raises(ValueError, match="must be seconds"):
        within(server, seconds)
    with pytest.raises(TypeError, match="within takes a handle"):
        within(Server(), 1)


async def test_within_infinity_and_none_wait_as_long_as_the_server_lives(gate: asyncio.Event) -> None:
    server = await Server.start()
    asked = [asyncio.create_task(within(server, each).slow(gate)) for each in (None, float("inf"))]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*asked) == ["done", "done"]


@pytest.mark.behaviour("GS-04", "GS-07")
async def test_a_call_to_nobody_fails_and_a_cast_is_silent() -> None:
    server = await Server.start()
    process.exit(server, "x")
    for nobody in (server, Server.named("nobody"), Server.named(("no", 1))):
        with pytest.raises(NoProcess, match="there is no process") as caught:
            await nobody.read()
        assert isinstance(caught.value, ServerExited)
        nobody.note(1)


@pytest.mark.behaviour("GS-23", "GS-24", "GS-28")
@pytest.mark.parametrize("way", ["end", "exits"])
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("x"), "boom", ("any", 1)], ids=repr)
async def test_a_server_that_ends_without_a_reply_fails_its_caller_with_the_reason(
    way: str, reason: Any
) -> None:
    server = await Server.start()
    ref = process.monitor(server)
    with pytest.raises(ServerExited) as caught:
        await getattr(server, way)(reason)
    assert caught.value.reason == reason
    assert caught.value.request == way
    assert (await process.receive(Down)) == Down(ref, process_id(caught.value), reason)


def process_id(error: ServerExited) -> int:
    return int(str(error.server).split()[1].rstrip(">"))


async def test_who_waits_behind_a_crash_is_told_too(gate: asyncio.Event) -> None:
    server = await Server.start()
    asked = [asyncio.create_task(server.slow(gate)), asyncio.create_task(server.read())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    process.exit(server, "boom")
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [each.reason for each in outcomes if isinstance(each, ServerExited)] == ["boom", "boom"]


async def test_a_cancelled_caller_leaves_its_message_and_nobody_minds(gate: asyncio.Event) -> None:
    server = await Server.start()
    asked = asyncio.create_task(server.slow(gate))
    await turns()
    asked.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await server.read() == []


# --- declared exceptions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["declared", "declared_later"])
async def test_a_declared_exception_goes_to_the_caller_without_the_servers_frames(way: str) -> None:
    server, error = await Server.start(), Declared("no")
    error.__cause__ = ValueError("cause")
    lengths = []
    for _ in range(20):
        with pytest.raises(Declared) as caught:
            await getattr(server, way)(error)
        frames = traceback.extract_tb(caught.value.__traceback__)
        lengths.append(len(frames))
        assert way not in {each.name for each in frames}
    assert caught.value is error
    assert max(lengths) <= 6  # of the caller and of the way to it; they don't grow
    assert process.alive(server)
    with pytest.raises(ServerExited):
        await getattr(server, way)(ValueError("not declared"))


async def test_what_no_coroutine_can_raise_reaches_the_caller_in_a_form_that_it_can() -> None:
    server = await Server.start()
    with pytest.raises(RuntimeError, match=r"StopIteration\(3\)"):
        await server.stops_iterating()
    asked = asyncio.create_task(server.later())
    await turns()
    server.refuse(StopIteration(4))
    with pytest.raises(RuntimeError, match=r"StopIteration\(4\)"):
        await asked
    assert process.alive(server)


# --- late replies --------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-21", "GS-65")
@pytest.mark.parametrize("way", ["later", "later_async"])
async def test_a_reply_may_be_sent_later_once(way: str) -> None:
    server = await Server.start()
    asked = [asyncio.create_task(getattr(server, way)()) for _ in range(3)]
    await turns()
    server.answer("now")
    server.answer("again")
    assert await asyncio.gather(*asked) == ["now"] * 3


async def test_a_late_reply_may_be_an_error_and_the_server_lives_on() -> None:
    server = await Server.start()
    asked = asyncio.create_task(server.later())
    await turns()
    server.refuse(Declared("no"))
    with pytest.raises(Declared):
        await asked
    assert process.alive(server)


async def test_a_reply_that_is_dropped_fails_its_caller_at_once() -> None:
    server = await Server.start()
    asked = asyncio.create_task(server.later())
    await turns()
    server.drop()
    with pytest.raises(ReplyDropped, match="later"):
        await asked


async def test_a_reply_may_be_sent_before_the_handler_is_through(gate: asyncio.Event) -> None:
    server = await Server.start()
    assert await server.early(gate) == "early"
    gate.set()
    assert await server.early_plain() == "early"


async def test_a_reply_after_the_callers_time_out_goes_nowhere() -> None:
    server = await Server.start()
    with pytest.raises(CallTimeout):
        await within(server, 3).later()
    server.answer("too late")
    assert await server.read() == []


# --- messages ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-48")
async def test_a_message_that_nobody_takes_is_logged_and_the_server_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Deaf(GenServer):
        @call
        def ping(self) -> str:
            return "pong"

    caplog.set_level(logging.ERROR, logger="regrow")
    server = await Deaf.start()
    process.send(server, {"un": "expected"})
    assert await server.ping() == "pong"
    [record] = caplog.records
    assert "unexpected message: {'un': 'expected'}" in record.getMessage()
    assert record.regrow["event"] == "no_handle_info"  # type: ignore[attr-defined]
