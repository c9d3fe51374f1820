"""The dead leave nothing behind: no state, and no garbage that only the collector of cycles would find."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from regrow import GenServer, ServerExited, call, cast, process, stop
from regrow.kernel import events
from regrow.kernel.process import IDLE
from regrow.kernel.runtime import runtime
from tests.waiting import turns, until


class State:
    pass


class Server(GenServer):
    def __init__(self) -> None:
        self.state = State()

    @call
    def crash(self) -> None:
        raise ValueError("x")

    @call
    async def crash_later(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("x")

    @call(raises=KeyError)
    def miss(self) -> None:
        raise KeyError("x")

    @cast
    def crash_silently(self) -> None:
        raise ValueError("x")

    @call
    async def answer(self) -> str:
        return "answer"


async def life(what: str) -> weakref.ref[State]:
    server = await Server.start()
    pid = process.pid_of(server)
    state = weakref.ref(runtime().processes[pid].server.state)
    for _ in range(3):
        try:
            asked = getattr(server, what)()
            if asked is not None:
                await asked
        except (ServerExited, KeyError):
            pass
    if what in ("miss", "answer"):
        await stop(server)
    while pid in process.processes():
        await asyncio.sleep(0)
    return state


@pytest.mark.parametrize("what", ["crash", "crash_later", "miss", "crash_silently", "answer"])
async def test_a_life_leaves_no_state_and_no_garbage(what: str) -> None:
    logging.getLogger("regrow").setLevel(logging.CRITICAL)  # caplog keeps records, and they the frames
    try:
        await life(what)
        await turns()
        gc.collect()
        gc.disable()
        state = await life(what)
        await turns()
        assert state() is None
        assert gc.collect() == 0
    finally:
        gc.enable()
        logging.getLogger("regrow").setLevel(logging.NOTSET)


async def test_thousands_of_calls_leave_nothing_in_the_runtime() -> None:
    server = await Server.start()
    rt = runtime()
    for _ in range(1000):
        asked = asyncio.create_task(server.answer())
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    assert await server.answer() == "answer"
    assert all(not each.waiting for each in rt.expiries.values())
    assert len(rt.processes) == 2


async def test_a_mailbox_over_its_limit_is_told_once_until_it_is_short_again() -> None:
    class Slow(GenServer, max_mailbox=3):
        @cast
        async def wait(self, gate: asyncio.Event) -> None:
            await gate.wait()

    told: list[int] = []

    def listener(event: str, fields: dict[str, int]) -> None:
        if event == "mailbox.alarm":
            told.append(fields["length"])

    events.attach(listener)
    server, done = await Slow.start(), asyncio.Event()
    done.set()
    for _ in range(2):
        gate = asyncio.Event()
        server.wait(gate)
        await turns()
        for _ in range(8):
            server.wait(done)
        gate.set()
        await until(lambda: runtime().processes[process.pid_of(server)].status == IDLE)
    assert told == [4, 4]
