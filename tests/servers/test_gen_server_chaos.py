"""Servers that do everything to each other at random: afterwards the kernel's books are in order."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest

from regrow import (
    KILL,
    NORMAL,
    SHUTDOWN,
    CallingSelf,
    CallTimeout,
    Deadlock,
    GenServer,
    NoProcess,
    Reply,
    ReplyDropped,
    ServerExited,
    Stop,
    call,
    process,
    stop,
)
from regrow.kernel.process import IDLE, WAITING
from regrow.kernel.runtime import runtime
from tests.waiting import until

EXPECTED = (ServerExited, CallTimeout, TimeoutError, KeyError, ReplyDropped, Deadlock, CallingSelf)


class Chaotic(GenServer, shutdown=0.02):
    def __init__(self, peers: list[Any], dice: random.Random) -> None:
        self.peers, self.dice = peers, dice
        process.trap_exits(dice.random() < 0.3)

    @call(timeout=0.05)
    async def ask(self, depth: int) -> None:
        roll = self.dice.random()
        if roll < 0.05:
            raise ValueError("x")
        if roll < 0.1:
            raise Stop(self.dice.choice([NORMAL, SHUTDOWN, "x"]))
        if depth and self.peers:
            try:
                await self.dice.choice(self.peers).ask(depth - 1)
            except EXPECTED:
                pass
        if roll > 0.7:
            await asyncio.sleep(self.dice.random() * 0.002)

    @call(timeout=0.05, raises=KeyError)
    def act(self) -> Any:
        what = self.dice.randrange(20)
        peer = self.dice.choice(self.peers) if self.peers else None
        if what == 0:
            raise ValueError("x")
        if what == 1:
            raise KeyError("x")
        if what == 2:
            return self.stopping(1, "done")
        if what == 3:
            self.continue_with(1)
        if what == 4:
            self.set_timeout(0.001)
        if what == 5 and peer is not None:
            try:
                process.link(peer)
            except NoProcess:
                pass
        if what == 6 and peer is not None:
            process.exit(peer, self.dice.choice([KILL, "told", NORMAL]))
        if what == 7:
            self.reply = Reply[int]()
            return self.reply
        return 2

    def handle_continue(self, term: Any) -> None: ...

    def handle_info(self, message: Any) -> None: ...

    def terminate(self, reason: object) -> Any:
        if self.dice.random() < 0.1:
            raise ValueError("in terminate")
        return asyncio.sleep(self.dice.random() * 0.03) if self.dice.random() < 0.5 else None


async def client(peers: list[Any], dice: random.Random) -> None:
    for _ in range(60):
        try:
            if len(peers) < 12:
                peers.append(await Chaotic.start(peers, dice))
            server = dice.choice(peers)
            what = dice.randrange(10)
            if what < 4:
                await server.ask(4)
            elif what < 7:
                await server.act()
            elif what == 7:
                process.exit(server, dice.choice([KILL, "told"]))
            elif what == 8:
                async with asyncio.timeout(0.001):
                    await server.ask(3)
            else:
                await stop(server, timeout=0.01)
        except EXPECTED:
            pass
        peers[:] = [each for each in peers if process.alive(each)]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_servers_do_to_each_other_the_books_are_in_order(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")
    peers: list[Any] = []
    dice = random.Random(seed)
    async with asyncio.timeout(20):
        await asyncio.gather(*(client(peers, dice) for _ in range(5)))
        rt = runtime()

        def at_rest() -> bool:
            servers = [each for each in rt.processes.values() if each.behaviour.name == "Chaotic"]
            return all(each.status in (IDLE, WAITING) and not each.mailbox for each in servers)

        await until(at_rest)
    assert (rt.dying, rt.current, list(rt.run_queue), list(rt.outbox)) == (0, None, [], [])
    for each in rt.processes.values():
        if each.extra is not None:
            assert set(each.extra.links or ()) <= set(rt.processes)
            assert not each.extra.deferred or all(request.open for request in each.extra.deferred)
