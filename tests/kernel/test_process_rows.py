"""Rows of the inventory about processes that need a test of their own, and the few where regrow does otherwise."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from regrow import NORMAL, CallTimeout, Down, Exit, GenServer, Pid, Reply, call, cast, process, within
from regrow.testing import virtual_time
from tests.waiting import turns


class Desk(GenServer):
    """Answers when it is told to, and so often."""

    def __init__(self) -> None:
        self.replies: list[Reply[str]] = []

    @call
    def ask(self) -> Reply[str]:
        self.replies.append(Reply[str]())
        return self.replies[-1]

    @cast
    def answer(self, *values: str) -> None:
        for reply in self.replies:
            for value in values:
                reply.send(value)


def mailbox_length() -> int:
    info = process.info(process.current())
    assert info is not None
    return info.mailbox_length


@pytest.mark.behaviour("PROC-02")
@pytest.mark.parametrize("seconds", [0, 2**32 / 1000])
async def test_a_process_may_sleep_for_no_time_and_for_weeks(seconds: float) -> None:
    async def sleeper(told: Pid) -> None:
        await asyncio.sleep(seconds)
        process.send(told, await process.receive(timeout=0))

    with virtual_time() as clock:
        pid, ref = process.spawn_monitor(sleeper, process.current())
        process.send(pid, "came meanwhile")
        assert await process.receive() == "came meanwhile"
        assert await process.receive() == Down(ref, pid, NORMAL)
        assert clock.elapsed == seconds


@pytest.mark.behaviour("PROC-05", differs=True)
async def test_a_timer_counts_from_now_and_a_moment_is_told_by_the_loops_clock() -> None:
    with virtual_time():
        loop = asyncio.get_running_loop()
        at = loop.time() + 90
        await asyncio.sleep(30)
        process.send_after(process.current(), "ring", at - loop.time())
        assert await process.receive() == "ring"
        assert loop.time() == pytest.approx(at)
    with pytest.raises(TypeError, match="abs"):
        process.send_after(process.current(), "ring", at, abs=True)  # type: ignore[call-arg]


@pytest.mark.behaviour("PROC-01", "PROC-08", differs=True)
async def test_without_aliases_a_late_reply_goes_nowhere_and_a_second_one_too() -> None:
    desk = await Desk.start()
    ref = process.monitor(desk)
    with pytest.raises(CallTimeout):
        await within(desk, 0).ask()
    desk.answer("too late")
    asked = asyncio.create_task(desk.ask())
    await turns()
    desk.answer("first", "second")
    assert await asked == "first"
    await turns()
    assert mailbox_length() == 0
    pid = process.pid_of(desk)
    process.exit(desk, "over")
    assert await process.receive() == Down(ref, pid, "over")


@pytest.mark.behaviour("PROC-22")
async def test_what_a_process_sent_before_its_end_comes_before_its_exit() -> None:
    async def sender(to: Pid) -> None:
        for number in range(3):
            process.send(to, number)
        process.exit("done")

    process.trap_exits()
    pid = process.spawn_link(sender, process.current())
    assert [await process.receive() for _ in range(4)] == [0, 1, 2, Exit(pid, "done")]


@pytest.mark.behaviour("PROC-23")
async def test_at_the_exit_message_the_name_is_free_and_the_process_dead() -> None:
    async def named() -> None:
        process.register("busy name")

    process.trap_exits()
    for _ in range(1000):
        pid = process.spawn_link(named)
        assert await process.receive() == Exit(pid, NORMAL)
        assert process.whereis("busy name") is None
        assert not process.alive(pid)


@pytest.mark.behaviour("PROC-27", differs=True)
async def test_who_starts_a_process_hands_on_its_context_where_elixir_hands_on_a_group_leader() -> None:
    output: ContextVar[list[str]] = ContextVar("output")

    class Talker(GenServer):
        @call
        def say(self, word: str) -> None:
            output.get().append(word)

    async def family(told: Pid) -> None:
        output.set(into := [])
        talker = await Talker.start_link()
        output.set([])
        process.send(told, (talker, into))
        await process.receive()

    process.spawn(family, process.current())
    talker, into = await process.receive(tuple)
    output.set(mine := list[Any]())
    await talker.say("hello")
    assert (into, mine) == (["hello"], [])
