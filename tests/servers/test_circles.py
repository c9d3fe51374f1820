"""Servers that call each other: themselves, in a circle, and in a chain of ten thousand."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from regrow import CallingSelf, Deadlock, GenServer, ServerExited, call, process


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Peer(GenServer):
    def __init__(self, other: Any = None) -> None:
        self.other = other

    @call
    def meet(self, other: Any) -> None:
        self.other = other

    @call
    async def ask(self) -> Any:
        return await self.other.ask()

    @call
    async def ask_myself(self) -> Any:
        return await Peer.of(process.current()).ask()

    @call
    async def ask_my_name(self) -> Any:
        return await Peer.named("peer").ask()

    @call
    async def on_self(self) -> str:
        return await self.answer()

    @call
    def answer(self) -> str:
        return "mine"


@pytest.mark.behaviour("GS-05")
async def test_a_server_that_calls_itself_is_told_so_at_once() -> None:
    for question in ("ask_myself", "ask_my_name"):
        server = await Peer.options(name="peer").start()
        process.monitor(server)
        with pytest.raises(ServerExited) as caught:
            await getattr(server, question)()
        assert isinstance(caught.value.reason, CallingSelf)
        assert "peer" in str(caught.value.reason)
        assert "await self.ask(...)" in str(caught.value.reason)
        await process.receive(process.Down)


async def test_a_call_on_self_runs_at_once() -> None:
    assert await (await Peer.start()).on_self() == "mine"


async def test_a_circle_of_calls_is_named() -> None:
    one = await Peer.options(name="one").start()
    two = await Peer.options(name="two").start(one)
    three = await Peer.options(name="three").start(two)
    await one.meet(three)
    with pytest.raises(ServerExited) as caught:
        await three.ask()
    reason: Any = caught.value.reason
    while isinstance(reason, ServerExited):
        reason = reason.reason
    assert isinstance(reason, Deadlock)
    names = [each.split("'")[1] for each in reason.circle]
    assert names[0] == names[-1]
    assert set(names) == {"one", "two", "three"}
    assert "wait for each other for ever" in str(reason)


async def test_ten_thousand_servers_that_each_call_the_next_do_not_overflow_the_stack() -> None:
    class Link(GenServer):
        def __init__(self, following: Any) -> None:
            self.following = following

        @call(timeout=None)
        async def depth(self) -> int:
            return 1 if self.following is None else 1 + await self.following.depth()

    server = None
    for _ in range(10_000):
        server = await Link.start(server)
    assert server is not None
    assert await server.depth() == 10_000


async def test_a_chain_of_failing_servers_keeps_the_root_cause_and_stays_short() -> None:
    class Link(GenServer):
        def __init__(self, following: Any) -> None:
            self.following = following

        @call
        async def ask(self) -> None:
            if self.following is None:
                raise ValueError("the root")
            await self.following.ask()

    server = None
    for _ in range(300):
        server = await Link.start(server)
    assert server is not None
    with pytest.raises(ServerExited) as caught:
        await server.ask()
    assert isinstance(caught.value.__cause__, ValueError)
    assert "the root" in str(caught.value)
    assert len(repr(caught.value)) < 500
