"""What an async handler asks for beside its reply takes place as it does for a plain one, whether it waits or not."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest

from regrow import TIMEOUT, GenServer, NoProcess, Reply, ServerExited, call, process, sys
from regrow.kernel import events
from tests.waiting import forever, now, turns

HANDLERS = pytest.mark.parametrize("handler", ["plain", "at_once", "after_a_wait"])


@pytest.fixture(autouse=True, params=["on", "off"])
def mode(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REGROW_INLINE", request.param)
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Server(GenServer, max_mailbox=2):
    def __init__(self) -> None:
        self.log: list[Any] = []

    def asked(self, what: str) -> Any:
        match what:
            case "stop":
                return self.stopping("stopped")
            case "continue":
                self.continue_with("more")
            case "time out":
                self.set_timeout(3)
            case "crash":
                raise ValueError(what)
            case "reply":
                self.reply = Reply[str]()
                return self.reply
        return what

    @call
    def plain(self, what: str) -> Any:
        return self.asked(what)

    @call
    async def at_once(self, what: str) -> Any:
        return self.asked(what)

    @call
    async def after_a_wait(self, what: str) -> Any:
        asked = self.asked(what)
        await asyncio.sleep(0)
        return asked

    @call
    async def receives(self, number: int) -> list[Any]:
        return [await process.receive() for _ in range(number)]

    @call
    async def receives_late(self, number: int) -> list[Any]:
        await asyncio.sleep(1)
        return [await process.receive() for _ in range(number)]

    async def code_change(self, old_version: object, extra: int) -> None:
        self.log += await Server.receives(self, extra)

    @call
    def read(self) -> list[Any]:
        return self.log

    @call
    def send(self, value: str) -> None:
        self.reply.send(value)

    def handle_continue(self, term: str) -> None:
        self.log.append(term)

    def handle_info(self, message: object) -> None:
        self.log.append((message, now()))


@HANDLERS
async def test_it_stops_after_its_reply(handler: str) -> None:
    server = await Server.start()
    assert await getattr(server, handler)("stop") == "stopped"
    await turns()
    assert not process.alive(server)
    with pytest.raises(NoProcess):
        await server.read()


@HANDLERS
async def test_it_continues_before_the_next_message(handler: str) -> None:
    server = await Server.start()
    assert await getattr(server, handler)("continue") == "continue"
    assert await server.read() == ["more"]


@HANDLERS
async def test_its_time_out_is_heard(handler: str) -> None:
    server = await Server.start()
    await getattr(server, handler)("time out")
    await asyncio.sleep(4)
    assert await server.read() == [(TIMEOUT, 3.0)]


@HANDLERS
async def test_it_answers_later_and_the_server_is_free_meanwhile(handler: str) -> None:
    server = await Server.start()
    waiting = asyncio.create_task(getattr(server, handler)("reply"))
    await turns()
    assert not waiting.done()
    await server.send("late")
    assert await waiting == "late"


@HANDLERS
async def test_a_debugger_sees_message_and_reply(handler: str) -> None:
    server = await Server.start()
    await sys.log(server, True)
    await getattr(server, handler)("nothing")
    assert [kind for kind, _ in await sys.log(server)] == ["in", "out"]


@HANDLERS
async def test_what_comes_while_it_waits_is_handled_after_it(handler: str) -> None:
    server = await Server.start()
    first = asyncio.create_task(getattr(server, handler)("nothing"))
    await asyncio.sleep(0)
    process.send(server, "next")
    assert await first == "nothing"
    assert await server.read() == [("next", 0.0)]


@HANDLERS
async def test_who_is_about_to_end_asks_nobody(handler: str) -> None:
    server = await Server.start()

    async def client() -> None:
        with suppress(asyncio.CancelledError):
            await forever()
        await getattr(server, handler)("continue")

    pid = process.spawn(client)
    process.monitor(pid)
    await turns()
    process.exit(pid, "enough")
    assert (await process.receive(process.Down)).reason == "enough"
    assert await server.read() == []


@HANDLERS
async def test_the_report_of_its_crash_says_what_it_handled(
    handler: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "regrow")
    server = await Server.start()
    with pytest.raises(ServerExited):
        await getattr(server, handler)("crash")
    [report] = caplog.records
    assert f"{handler}('crash')" in report.getMessage()


@HANDLERS
@pytest.mark.parametrize("turn", range(5))
async def test_a_server_that_is_ended_takes_no_step_more(handler: str, turn: int) -> None:
    """The books of the kernel are looked at after each step; so here it is enough that there are steps."""
    server = await Server.start()
    asked = asyncio.create_task(getattr(server, handler)("nothing"))
    for _ in range(turn):
        await asyncio.sleep(0)
    process.exit(server, "enough")
    [outcome] = await asyncio.gather(asked, return_exceptions=True)
    assert outcome == "nothing" or isinstance(outcome, ServerExited | NoProcess)
    assert not process.alive(server)


# --- a handler that takes the last of its messages itself, and so leaves no mailbox ---------------------------------


async def answered(server: Server) -> Any:
    """What ``receives`` got, after it was sent two messages."""
    asked = asyncio.create_task(server.receives(2))
    await turns()
    process.send(server, "first")
    process.send(server, "second")
    return await asked


async def test_a_debugger_sees_its_reply_also_when_it_received() -> None:
    server = await Server.start()
    await sys.log(server, True)
    assert await answered(server) == ["first", "second"]
    assert ("out", "['first', 'second']") in [(kind, text[:19]) for kind, text in await sys.log(server)]


async def test_a_suspended_server_stays_so_after_its_code_has_changed() -> None:
    server = await Server.start()
    await sys.suspend(server)
    changed = asyncio.create_task(sys.change_code(server, extra=1))
    await turns()
    process.send(server, "changed")
    await changed
    waiting = asyncio.create_task(server.read())
    await turns()
    assert not waiting.done()
    await sys.resume(server)
    assert await waiting == ["changed"]


async def test_a_mailbox_that_it_has_emptied_may_be_too_long_again() -> None:
    told: list[str] = []
    events.attach(lambda event, _fields: told.append(event))
    server = await Server.start()
    for _ in range(2):
        asked = asyncio.create_task(server.receives_late(3))
        await turns()
        for each in range(3):
            process.send(server, each)
        assert await asked == [0, 1, 2]
    assert told.count("mailbox.alarm") == 2
