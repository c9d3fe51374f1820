"""The first step of an async handler is taken where the handler was called, and in a task of its own all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import GenServer, ServerExited, call, cast, process
from regrow.kernel.runtime import runtime

both = pytest.mark.parametrize("mode", ["on", "off"])


acted: list[str] = []


class Asynchronous(GenServer):
    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any] | None] = []

    @call
    async def at_once(self) -> asyncio.Task[Any] | None:
        return asyncio.current_task()

    @call
    async def later(self) -> asyncio.Task[Any] | None:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is before
        return before

    @call
    async def too_long(self) -> str:
        try:
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "no time-out"

    @call
    async def crash(self) -> None:
        raise ValueError("in the first step")

    @call
    async def leave(self) -> None:
        try:
            process.exit(process.current(), "of its own will")
        except BaseException:  # one that does not give in
            pass
        await asyncio.sleep(0)
        acted.append("a dead process acts")

    @call
    async def who(self) -> process.Pid:
        return process.current()

    @cast
    async def note(self) -> None:
        self.tasks.append(asyncio.current_task())

    @call
    def noted(self) -> int:
        return len(self.tasks)


async def test_a_handler_that_never_waits_is_done_without_a_turn_of_the_loop() -> None:
    runtime().inline = "on"
    turns: list[int] = []
    async with Asynchronous.scope() as server:
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await server.at_once()
        assert turns == []


async def test_off_it_begins_at_the_next_turn() -> None:
    runtime().inline = "off"
    turns: list[int] = []
    async with Asynchronous.scope() as server:
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await server.at_once()
        assert turns == [1]


@both
async def test_it_runs_in_a_task_of_its_own_from_the_first_step_on(mode: str) -> None:
    runtime().inline = mode
    ours = asyncio.current_task()
    async with Asynchronous.scope() as server:
        first, second = await server.at_once(), await server.later()
        assert len({ours, first, second, None}) == 4
        assert asyncio.current_task() is ours


@both
async def test_asyncio_time_outs_hold_in_it_and_leave_the_caller_alone(mode: str) -> None:
    runtime().inline = mode
    async with Asynchronous.scope() as server:
        assert await server.too_long() == "timed out"


@both
async def test_it_is_the_current_process_and_the_caller_is_himself_again_afterwards(mode: str) -> None:
    runtime().inline = mode
    me = process.current()
    async with Asynchronous.scope() as server:
        assert await server.who() == process.pid_of(server)
        assert process.current() == me


@both
async def test_a_crash_in_the_first_step_is_a_crash(mode: str) -> None:
    runtime().inline = mode
    server = await Asynchronous.start()
    with pytest.raises(ServerExited, match="in the first step"):
        await server.crash()
    assert not process.alive(server)


@both
async def test_who_ends_in_its_first_step_does_nothing_more(mode: str) -> None:
    runtime().inline = mode
    server = await Asynchronous.start()
    with pytest.raises(ServerExited) as caught:
        await server.leave()
    assert caught.value.reason == "of its own will"
    await asyncio.sleep(1)
    assert acted == []


@both
async def test_a_server_handles_one_message_after_the_other(mode: str) -> None:
    runtime().inline = mode
    async with Asynchronous.scope() as server:
        for _ in range(5):
            server.note()
        assert await server.noted() == 5


class Outer(GenServer):
    def __init__(self, inner: Asynchronous) -> None:
        self.inner = inner

    @call
    async def through(self) -> list[asyncio.Task[Any] | None]:
        mine = asyncio.current_task()
        his = await self.inner.at_once()
        assert asyncio.current_task() is mine
        return [mine, his, await self.inner.later()]


@both
async def test_first_steps_within_first_steps_are_told_apart(mode: str) -> None:
    runtime().inline = mode
    async with Asynchronous.scope() as inner, Outer.scope(inner) as outer:
        assert len(set(await outer.through())) == 3
