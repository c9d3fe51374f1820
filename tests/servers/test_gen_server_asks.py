"""What a handler may ask for beside its reply: to continue, and a receive time-out."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import (
    TIMEOUT,
    Down,
    Exit,
    GenServer,
    NotAllowed,
    ServerExited,
    Stop,
    call,
    cast,
    process,
)
from tests.waiting import turns


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Server(GenServer):
    def __init__(self) -> None:
        self.log: list[Any] = []

    @call
    def read(self) -> list[Any]:
        return list(self.log)

    @cast
    def note(self, entry: Any) -> None:
        self.log.append(entry)

    @cast
    async def work(self, gate: asyncio.Event) -> None:
        self.log.append("begun")
        await gate.wait()
        self.log.append("done")

    @call
    def go_on(self, *terms: Any) -> str:
        self.continue_with(terms)
        self.log.append("replied")
        return "replied"

    @call
    def go_on_twice(self) -> None:
        self.continue_with(1)
        self.continue_with(2)

    def handle_continue(self, terms: Any) -> None:
        first, *others = terms
        if first == "stop":
            raise Stop("from continue")
        self.log.append(("continue", first))
        if others:
            self.continue_with(others)

    @call
    def wait_for(self, seconds: Any) -> None:
        self.set_timeout(seconds)

    def handle_info(self, message: Any) -> None:
        self.log.append(message)


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()


# --- continue ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-30", "GS-31")
async def test_a_continue_comes_before_the_messages_that_wait_and_may_go_on(gate: asyncio.Event) -> None:
    server = await Server.start()
    server.work(gate)
    asked = asyncio.create_task(server.go_on(1, 2, 3))
    await turns()
    server.note("waited")
    gate.set()
    assert await asked == "replied"
    expected = ["begun", "done", "replied", ("continue", 1), ("continue", 2), ("continue", 3), "waited"]
    assert await server.read() == expected


@pytest.mark.behaviour("GS-34")
async def test_a_continue_may_stop_the_server_after_the_reply() -> None:
    server = await Server.start()
    ref = process.monitor(server)
    assert await server.go_on("stop") == "replied"
    assert (await process.receive(Down)).reason == "from continue"
    assert ref


async def test_one_continue_at_a_time() -> None:
    server = await Server.start()
    with pytest.raises(ServerExited) as caught:
        await server.go_on_twice()
    assert isinstance(caught.value.reason, NotAllowed)


@pytest.mark.behaviour("GS-30", "GS-32")
async def test_init_may_ask_for_a_continue_which_runs_after_the_start_and_before_any_message() -> None:
    class Late(Server):
        def init(self) -> None:
            process.send(process.current(), "to myself")
            self.continue_with(["slowly"])

    server = await Late.start()
    assert await server.read() == [("continue", "slowly"), "to myself"]


@pytest.mark.behaviour("GS-33")
async def test_a_continue_without_its_handler_says_so() -> None:
    class Missing(GenServer):
        def init(self) -> None:
            self.continue_with("x")

    process.trap_exits()
    await Missing.start_link()
    reason = (await process.receive(Exit)).reason
    assert isinstance(reason, NotImplementedError)
    assert "define handle_continue(self, term)" in str(reason)


# --- receive time-out ----------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-35", "GS-36")
async def test_a_receive_time_out_comes_once() -> None:
    server = await Server.start()
    await server.wait_for(5)
    await asyncio.sleep(30)
    assert await server.read() == [TIMEOUT]


@pytest.mark.behaviour("GS-35")
@pytest.mark.parametrize("what", ["call", "cast", "message"])
async def test_any_message_ends_a_receive_time_out(what: str) -> None:
    server = await Server.start()
    await server.wait_for(5)
    if what == "call":
        await server.read()
    elif what == "cast":
        server.note("x")
    else:
        process.send(server, "x")
    await asyncio.sleep(30)
    assert TIMEOUT not in await server.read()


async def test_a_receive_time_out_can_be_taken_back_and_must_be_a_time() -> None:
    server = await Server.start()
    await server.wait_for(None)
    await server.wait_for(float("inf"))
    with pytest.raises(ServerExited, match="must be seconds"):
        await server.wait_for(-1)
