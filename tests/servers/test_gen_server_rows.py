"""Rows of the inventory about servers that need a test of their own, and the few where regrow does otherwise."""

from __future__ import annotations

import asyncio
import logging
import sys
from types import FrameType
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    CallTimeout,
    Down,
    GenServer,
    Global,
    InvalidName,
    NoProcess,
    Registry,
    Reply,
    ServerExited,
    StartError,
    Stop,
    call,
    cast,
    process,
    stop,
    within,
)
from regrow.kernel.runtime import runtime
from tests.waiting import turns


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="regrow")


class Server(GenServer):
    def __init__(self, log: list[Any] | None = None) -> None:
        self.log: list[Any] = [] if log is None else log

    @call
    def who(self) -> process.Pid:
        return process.current()

    @call
    def give(self, value: Any) -> Any:
        return value

    @call
    def fail(self, error: Exception) -> None:
        raise error

    @call
    async def wait(self, gate: asyncio.Event) -> str:
        await gate.wait()
        return "done"

    @cast
    def note(self, entry: Any) -> int:
        self.log.append(entry)
        return 42

    @call
    def go_on(self, term: Any) -> str:
        self.continue_with(term)
        return "replied"

    async def handle_continue(self, term: Any) -> int:
        if isinstance(term, asyncio.Event):
            await term.wait()
            self.log.append("continued")
        elif term == "stop":
            raise Stop("from continue")
        return 42

    def handle_info(self, message: Any) -> int:
        self.log.append(message)
        return 42

    def terminate(self, reason: object) -> int:
        self.log.append(("terminate", reason))
        return 42


async def reason_of(ref: int) -> object:
    return (await process.receive(lambda each: isinstance(each, Down) and each.ref == ref)).reason


# --- specs, starts -------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-01")
def test_a_spec_says_the_class_and_the_arguments_and_leaves_the_rest_to_the_defaults() -> None:
    made = Server.child_spec([1])
    assert (made.id, made.start, made.args, dict(made.kwargs)) == (Server, Server, ([1],), {})
    assert (made.restart, made.shutdown, made.type, made.name) == ("permanent", 5.0, "worker", None)
    assert Server.options(id="other", restart="temporary").child_spec([1]) == made.replace(
        id="other", restart="temporary"
    )


@pytest.mark.behaviour("GS-14", differs=True)
@pytest.mark.parametrize("reason", ["unwell", KILLED, ValueError("x")], ids=repr)
async def test_a_start_that_fails_spares_a_caller_that_does_not_trap_exits(reason: Any) -> None:
    class Unwell(GenServer):
        async def init(self) -> None:
            raise reason if isinstance(reason, Exception) else Stop(reason)

    async def caller() -> None:
        with pytest.raises(StartError) as caught:
            await Unwell.start_link()
        await turns()
        process.exit(("lives on", caught.value.reason))

    _, ref = process.spawn_monitor(caller)
    assert await reason_of(ref) == ("lives on", reason)


@pytest.mark.behaviour("GS-17")
@pytest.mark.parametrize("start", ["start", "start_link"])
async def test_an_init_that_says_why_it_will_not_start_is_no_crash(
    start: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(GenServer):
        def init(self) -> None:
            raise Stop(("no room", 3))

    process.trap_exits()
    with pytest.raises(StartError) as caught:
        await getattr(Full, start)()
    assert caught.value.reason == ("no room", 3)
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)
    assert caplog.records == []


@pytest.mark.behaviour("GS-51", differs=True)
async def test_a_server_needs_no_init() -> None:
    class Bare(GenServer):
        @call
        def ping(self) -> str:
            return "pong"

    assert await (await Bare.start()).ping() == "pong"


@pytest.mark.behaviour("GS-60")
async def test_the_nearest_ancestor_comes_first() -> None:
    class Family(GenServer):
        @call
        async def have_a_child(self) -> tuple[object, ...]:
            info = process.info(await Server.start_link())
            assert info is not None
            return info.ancestors

    parent = await Family.start()
    assert await parent.have_a_child() == (process.pid_of(parent), process.current())
    named = await Family.options(name="named").start()
    assert await named.have_a_child() == ("named", process.current())


# --- calls ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-04", "GS-07")
async def test_names_of_all_kinds_that_are_nobodys_fail_a_call_and_swallow_a_cast() -> None:
    registry = await Registry.start_link("r", keys="unique")
    for name in ("nobody", Global("nobody"), registry.via("nobody")):
        with pytest.raises(NoProcess):
            await Server.named(name).who()
        Server.named(name).note("into the void")
    with pytest.raises(InvalidName):
        Server.named(None)
    with pytest.raises(InvalidName):
        await stop(None)


@pytest.mark.behaviour("GS-21")
async def test_a_reply_may_be_sent_by_another_process() -> None:
    class Desk(GenServer):
        @call
        def ask(self, clerk: process.Pid) -> Reply[str]:
            reply = Reply[str]()
            process.send(clerk, reply)
            return reply

    async def clerk() -> None:
        (await process.receive()).send(f"from {process.current()}")

    pid = process.spawn(clerk)
    assert await (await Desk.start()).ask(pid) == f"from {pid}"


@pytest.mark.behaviour("GS-23")
async def test_a_server_that_is_killed_during_a_call_fails_its_caller_with_killed() -> None:
    server = await Server.start()
    asked = asyncio.create_task(server.wait(asyncio.Event()))
    await turns()
    process.exit(server, KILL)
    with pytest.raises(ServerExited) as caught:
        await asked
    assert (caught.value.reason, caught.value.request) == (KILLED, "wait")


@pytest.mark.behaviour("GS-24")
async def test_what_a_handler_raises_is_the_reason_for_the_caller_and_for_monitors() -> None:
    server, error = await Server.start(), ValueError("boom")
    ref = process.monitor(server)
    with pytest.raises(ServerExited) as caught:
        await server.fail(error)
    assert caught.value.reason is error
    assert caught.value.__cause__ is error
    assert await reason_of(ref) is error


@pytest.mark.behaviour("GS-64")
async def test_a_call_in_a_task_is_a_request_that_can_be_awaited_later_and_again() -> None:
    server, gate = await Server.start(), asyncio.Event()
    request = asyncio.create_task(server.wait(gate))
    for _ in range(2):
        assert await asyncio.wait([request], timeout=0) == (set(), {request})
    assert not request.done()
    gate.set()
    assert await request == "done"

    lost = asyncio.create_task(within(server, None).wait(asyncio.Event()))
    await turns()
    process.exit(server, "gone")
    with pytest.raises(ServerExited) as caught:
        await lost
    assert caught.value.reason == "gone"
    assert "Server" in str(caught.value.server)


@pytest.mark.behaviour("GS-62")
async def test_a_call_costs_the_same_however_many_messages_its_caller_has_not_read() -> None:
    server = await Server.start()
    lines = 0

    def trace(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    async def work_of_100_calls() -> int:
        nonlocal lines
        lines = 0
        sys.settrace(trace)
        try:
            for _ in range(100):
                await server.who()
        finally:
            sys.settrace(None)
        return lines

    alone = await work_of_100_calls()
    for number in range(10_000):
        process.send(process.current(), number)
    assert await work_of_100_calls() < 2 * alone
    assert await process.receive() == 0


# --- what handlers give --------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-31")
async def test_the_reply_is_there_while_the_continue_is_still_under_way() -> None:
    gate, log = asyncio.Event(), list[Any]()
    server = await Server.start(log)
    assert await server.go_on(gate) == "replied"
    assert log == []
    gate.set()
    assert await server.who() == process.pid_of(server)
    assert log == ["continued"]


@pytest.mark.behaviour("GS-32")
async def test_the_start_is_over_while_the_continue_of_init_is_still_under_way() -> None:
    gate, log = asyncio.Event(), list[Any]()

    class Late(Server):
        def init(self) -> None:
            self.continue_with(gate)

    server = await Late.start_link(log)
    asked = asyncio.create_task(server.who())
    await turns()
    assert log == []
    assert not asked.done()
    gate.set()
    assert await asked == process.pid_of(server)
    assert log == ["continued"]


@pytest.mark.behaviour("GS-34")
async def test_terminate_runs_when_a_continue_stops_the_server() -> None:
    log: list[Any] = []
    server = await Server.start(log)
    ref = process.monitor(server)
    assert await server.go_on("stop") == "replied"
    assert await reason_of(ref) == "from continue"
    assert log == [("terminate", "from continue")]


@pytest.mark.behaviour("GS-25", differs=True)
async def test_what_a_handler_raises_is_never_its_answer() -> None:
    class Answer(Exception): ...

    server = await Server.start()
    with pytest.raises(ServerExited) as caught:
        await server.fail(Answer("a value"))
    assert isinstance(caught.value.reason, Answer)
    assert not process.alive(server)


@pytest.mark.behaviour("GS-26", differs=True)
async def test_a_call_may_return_anything_and_what_others_return_is_nobodys_business() -> None:
    server = await Server.start()
    for value in (None, 42, ("stop", "normal"), "noreply", ["reply"]):
        assert await server.give(value) == value
    server.note("cast")
    process.send(server, "info")
    assert await server.go_on("nothing") == "replied"
    await turns()
    assert process.alive(server)
    await stop(server)  # terminate returns 42 as well


@pytest.mark.behaviour("GS-49", differs=True)
async def test_what_a_server_does_not_offer_is_the_clients_error_and_the_server_lives_on() -> None:
    server: Any = await Server.start()
    ref = process.monitor(server)
    for ask in (lambda: server.fly(), lambda: server.handle_call("fly")):
        with pytest.raises(AttributeError, match="has no attribute"):
            ask()
    with pytest.raises(TypeError, match="give"):
        await server.give()
    assert await server.give("well") == "well"
    assert process.demonitor(ref)


@pytest.mark.behaviour("GS-43")
async def test_what_terminate_returns_changes_nothing() -> None:
    server = await Server.start()
    ref = process.monitor(server)
    await stop(server, "asked")
    assert await reason_of(ref) == "asked"


@pytest.mark.behaviour("GS-39")
async def test_stop_reaches_a_server_by_its_via() -> None:
    registry = await Registry.start_link("r", keys="unique")
    log: list[Any] = []
    server = await Server.options(name=registry.via("s")).start(log)
    ref = process.monitor(server)
    await stop(registry.via("s"), "asked")
    assert await reason_of(ref) == "asked"
    assert log == [("terminate", "asked")]
    assert process.whereis(registry.via("s")) is None


# --- what is not there ---------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-38", differs=True)
async def test_a_server_at_rest_is_small_already_and_needs_no_hibernation() -> None:
    server = await Server.start(["state"])
    assert await server.give(1) == 1
    await turns()
    asleep = runtime().processes[process.pid_of(server)]
    assert not asleep.mailbox
    assert asleep.extra is None or (asleep.extra.task is None and asleep.extra.steps is None)
    assert await server.give(2) == 2
    with pytest.raises(TypeError, match="hibernate_after"):
        Server.options(hibernate_after=1)  # type: ignore[call-arg]


@pytest.mark.behaviour("GS-08", differs=True)
async def test_a_name_with_a_node_is_a_name_like_any_other() -> None:
    there = ("name", "node@elsewhere")
    with pytest.raises(NoProcess) as caught:
        await Server.named(there).who()
    assert not isinstance(caught.value, CallTimeout)
    server = await Server.options(name=there).start()
    assert await Server.named(there).who() == process.pid_of(server)


@pytest.mark.behaviour("GS-11", "GS-12", differs=True)
async def test_many_servers_are_reached_through_a_duplicate_registry() -> None:
    class Member(Server):
        def init(self) -> None:
            registry.register("members")

    registry = await Registry.start_link("r", keys="duplicate")
    logs: list[list[Any]] = [[], []]
    members = [await Member.start(log) for log in logs]
    gone = await Member.start()
    process.exit(gone, KILL)
    assert registry.broadcast("members", "to all") == 2
    asked = [Member.of(pid).who() for pid, _ in registry.lookup("members") if process.alive(pid)]
    assert await asyncio.gather(*asked) == [process.pid_of(each) for each in members]
    assert logs == [["to all"], ["to all"]]


@pytest.mark.behaviour("GS-61", differs=True)
async def test_only_servers_are_called_and_others_get_messages() -> None:
    async def echo() -> None:
        while True:
            to, message = await process.receive(tuple)
            process.send(to, ["echo", message])

    process.register("echo", process.spawn(echo))
    with pytest.raises(TypeError, match="is no Server and has no who of it"):
        await Server.named("echo").who()
    process.send("echo", (process.current(), "hello"))
    assert await process.receive(list) == ["echo", "hello"]
