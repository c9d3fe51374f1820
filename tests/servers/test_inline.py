"""A call on the caller's stack and a call through the mailbox are the same to every program."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import sys
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from regrow import (
    GenServer,
    LinkedExit,
    NotAllowed,
    Pid,
    Reply,
    ServerExited,
    call,
    cast,
    process,
)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(autouse=True, params=["on", "off", "random"])
def mode(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Any:
    monkeypatch.setenv("REGROW_INLINE", request.param)
    caplog.set_level(logging.CRITICAL, logger="regrow")
    return request.param


class Server(GenServer):
    def __init__(self) -> None:
        self.log: list[Any] = []

    @call
    def who(self) -> tuple[Pid, str]:
        return process.current(), variable.get()

    @call
    async def who_at_once(self) -> tuple[Pid, str]:
        return process.current(), variable.get()

    @call
    async def who_later(self) -> tuple[Pid, str]:
        await asyncio.sleep(0)
        return process.current(), variable.get()

    @call
    def set(self, value: str) -> None:
        variable.set(value)

    @call
    def handled(self) -> BaseException | None:
        return sys.exception()

    @call
    async def handled_async(self) -> BaseException | None:
        return sys.exception()

    @call
    def crash(self) -> None:
        raise ValueError("x")

    @call(raises=KeyError)
    def miss(self) -> None:
        raise KeyError("x")

    @cast
    def note(self, entry: Any) -> None:
        self.log.append(entry)

    @call
    def read(self) -> list[Any]:
        self.log.append("read")
        return list(self.log)

    @call
    def recurse(self, depth: int) -> int:
        def down(left: int) -> int:
            return 0 if left == 0 else 1 + down(left - 1)

        return down(depth)

    @call
    async def recurse_async(self, depth: int) -> int:
        return 0 if depth == 0 else 1 + await Server.recurse_async(self, depth - 1)

    @call
    def to_myself(self) -> None:
        process.send(process.current(), "to myself")

    def handle_info(self, message: Any) -> None:
        self.log.append(message)

    @call
    def end(self, pid: Pid, how: str) -> Any:
        process.exit(pid, "ended by the server")
        if how == "raises":
            raise ValueError("x")
        if how == "declared":
            raise KeyError("x")
        if how == "late":
            self.reply = Reply[str]()
            return self.reply
        return self.answer_later() if how == "async" else "answer"

    @call(raises=KeyError)
    async def end_async(self, pid: Pid, how: str) -> Any:
        reply = Server.end(self, pid, how.removeprefix("async def "))
        return await reply if how == "async def async" else reply

    async def answer_later(self) -> str:
        await asyncio.sleep(0)
        return "later"


async def test_a_handler_runs_in_the_servers_context_as_the_server() -> None:
    variable.set("at the start")
    server = await Server.start()
    pid = process.pid_of(server)
    variable.set("at the call")
    assert await server.who() == (pid, "at the start")
    assert await server.who_at_once() == (pid, "at the start")
    assert await server.who_later() == (pid, "at the start")
    assert process.current() != pid
    await server.set("by the handler")
    assert variable.get() == "at the call"
    assert await server.who() == (pid, "at the start")


async def test_a_server_started_by_a_server_has_its_parents_context_and_not_the_callers() -> None:
    class Parent(GenServer):
        @call
        def begin(self) -> Any:
            return self.start_one()

        async def start_one(self) -> tuple[str, tuple[Any, ...]]:
            child = await Server.start_link()
            info = process.info(child)
            assert info is not None
            return (await child.who())[1], info.ancestors

    variable.set("parent's")
    parent = await Parent.options(name="the parent").start()
    variable.set("caller's")
    context, ancestors = await parent.begin()
    assert context == "parent's"
    assert ancestors[0] == "the parent"


async def test_a_handler_does_not_see_what_its_caller_is_handling() -> None:
    server = await Server.start()
    try:
        raise LookupError("the caller's own")
    except LookupError:
        assert await server.handled() is None
        assert await server.handled_async() is None
        with pytest.raises(KeyError) as declared:
            await server.miss()
        with pytest.raises(ServerExited) as caught:
            await server.crash()
    reason = caught.value.reason
    assert isinstance(reason, ValueError)
    assert reason.__context__ is None
    assert reason.__traceback__ is None
    assert declared.value.__traceback__ is not None


@pytest.mark.behaviour("GS-29")
async def test_casts_messages_and_calls_of_one_client_are_handled_in_their_order() -> None:
    server = await Server.start()
    server.note(1)
    process.send(server, 2)
    server.note(3)
    assert await server.read() == [1, 2, 3, "read"]
    await server.to_myself()
    assert await server.read() == [1, 2, 3, "read", "to myself", "read"]


@pytest.mark.parametrize("handler", ["", "async def "])
@pytest.mark.parametrize("how", ["returns", "async", "late", "raises", "declared"])
@pytest.mark.parametrize("kind", ["process", "task", "server"])
async def test_a_caller_takes_its_own_exit_before_it_sees_reply_or_error(
    kind: str, how: str, handler: str
) -> None:
    server = await Server.start()
    ask = server.end_async if handler else server.end
    seen: list[Any] = []

    async def client() -> None:
        try:
            seen.append(await ask(process.current(), handler + how))
        except Exception as error:
            seen.append(error)
        seen.append("acted")

    class Client(GenServer):
        @cast
        async def run(self) -> None:
            await client()

    if kind == "process":
        pid = process.spawn(client)
    elif kind == "server":
        handle = await Client.start()
        pid = process.pid_of(handle)
        handle.run()
    else:
        task = asyncio.create_task(client())
        await asyncio.gather(task, return_exceptions=True)
        assert seen == []
        return
    process.monitor(pid)
    assert (await process.receive(process.Down)).reason == "ended by the server"
    assert seen == []
    if how != "raises" and how != "declared":
        assert (await server.who())[0] == process.pid_of(server)  # it goes on, whatever it was asked for


async def test_a_linked_caller_of_a_server_that_crashes_never_sees_server_exited() -> None:
    async def client() -> str:
        server = await Server.start_link()
        try:
            await server.crash()
        except ServerExited:
            return "saw it"
        return "went on"

    [outcome] = await asyncio.gather(asyncio.create_task(client()), return_exceptions=True)
    assert isinstance(outcome, LinkedExit)
    assert isinstance(outcome.reason, ValueError)


async def test_a_caller_deep_in_recursion_is_no_reason_for_the_server_to_die() -> None:
    server = await Server.start()

    async def deep(levels: int, recurse: Callable[[int], Awaitable[int]]) -> int:
        return await deep(levels - 1, recurse) if levels else await recurse(600)

    for levels in (10, 200, 400, 600, 800):
        assert await deep(levels, server.recurse) == 600
        assert await deep(levels, server.recurse_async) == 600
    assert process.alive(server)


async def test_a_call_after_an_await_that_took_place_in_an_earlier_slice_is_as_good() -> None:
    server = await Server.start()
    for _ in range(3):
        assert (await server.who())[0] == process.pid_of(server)
        await asyncio.sleep(0)
    assert len(set(await asyncio.gather(*(server.who() for _ in range(50))))) == 1


@pytest.mark.parametrize("handler", ["who", "who_at_once", "who_later"])
@pytest.mark.real_time("calls without end, measured by the machine's clock")
async def test_a_timer_is_not_late_while_a_loop_does_nothing_but_calls(handler: str) -> None:
    server = await Server.start()
    loop = asyncio.get_running_loop()
    late: list[float] = []
    due = loop.time() + 0.01
    loop.call_at(due, lambda: late.append(loop.time() - due))
    end = time.monotonic() + 1
    while not late and time.monotonic() < end:
        await getattr(server, handler)()
    assert late
    assert late[0] < 0.1  # 0.02 on a quiet machine; this one is shared


async def test_who_waited_for_an_asynchronous_handler_is_not_remembered() -> None:
    class Held:
        pass

    async def caller() -> weakref.ref[Held]:
        held = Held()
        await server.who_later()
        return weakref.ref(held)

    server = await Server.start()
    await caller()
    assert (await caller())() is None


@pytest.mark.real_time("calls without end, measured by the machine's clock")
async def test_a_time_out_round_a_loop_of_calls_fires() -> None:
    server = await Server.start()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                await server.who()


@pytest.mark.real_time("casts without end: the loop is never idle, and only real time goes on")
async def test_casts_without_end_do_not_starve_the_loop() -> None:
    class Busy(GenServer):
        @cast
        def again(self) -> None:
            Busy.of(process.current()).again()

    busy = [await Busy.start() for _ in range(3)]
    for each in busy:
        each.again()
    for _ in range(3):
        await asyncio.sleep(0.001)  # a timer: it is what must not starve
    for each in busy:
        process.exit(each, "enough")


async def _wrapped(self: object) -> None: ...


@functools.wraps(_wrapped)
async def _without_self(*, wanted: int = 1) -> int:
    return wanted


async def test_a_decorated_handler_that_takes_no_self_crashes_its_server() -> None:
    class Wrong(GenServer):
        lost: Any = call(_without_self)

    server = await Wrong.start()
    with pytest.raises(ServerExited) as caught:
        await server.lost()
    assert "takes 0 positional arguments" in str(caught.value.reason)
    assert not process.alive(server)


@pytest.mark.filterwarnings("ignore:Assigning a code object of non-matching type")  # as of Python 3.13
async def test_a_handler_may_become_a_plain_one_while_the_program_runs() -> None:
    """As tools do that load a changed file again."""

    class Reloaded(GenServer):
        @call
        async def ask(self) -> str:
            return "before"

    def plain(_self: object) -> str:
        return "after"

    server = await Reloaded.start()
    assert await server.ask() == "before"
    function: Any = vars(Reloaded)["ask"].function
    function.__code__ = plain.__code__
    assert await server.ask() == "after"


async def test_what_a_server_says_about_itself_is_refused_elsewhere() -> None:
    server = Server()
    with pytest.raises(NotAllowed, match="only a handler of Server itself"):
        server.set_timeout(1)


async def test_context_variables_that_cannot_be_compared_stop_nobody() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous, as an array is")

        __hash__ = None  # type: ignore[assignment]

    odd: contextvars.ContextVar[Odd] = contextvars.ContextVar("odd")

    class Sets(GenServer):
        @cast
        def set(self) -> None:
            odd.set(Odd())

        @call
        def read(self) -> Odd:
            return odd.get()

    odd.set(base := Odd())
    server = await Sets.start()
    server.set()
    server.set()
    assert await server.read() is base
