"""Exit signals beside the tables of ``signal_matrix``: how long they give, two at a time, with others in one turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import INFINITY, KILL, KILLED, NORMAL, Down, GenServer, cast, process, stop
from tests.waiting import forever


class Swallows(GenServer):
    """Its ``work`` lets no cancellation pass."""

    def __init__(self) -> None:
        self.refused = 0

    @cast
    async def work(self) -> None:
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                pass


class Lingers(GenServer):
    """Its ``terminate`` never ends."""

    async def terminate(self, reason: object) -> None:
        await forever()


async def busy(server: type[Any]) -> Any:
    """One of these in its ``work``, monitored."""
    victim = await server.start()
    process.monitor(victim)
    victim.work()
    await asyncio.sleep(1)
    return victim


async def end_of(begin: float) -> tuple[object, float]:
    """The reason of the end that is told next, and the seconds since *begin*."""
    reason = (await process.receive(Down)).reason
    return reason, round(now() - begin, 9)


def now() -> float:
    return asyncio.get_running_loop().time()


# --- how long it may take -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shutdown", "seconds"), [(2.0, 2.0), (5.0, 5.0), (60.0, 5.0), (INFINITY, 5.0), ("brutal_kill", 0.0)]
)
async def test_a_handler_has_its_shutdown_time_to_let_go_and_five_seconds_at_most(
    shutdown: Any, seconds: float
) -> None:
    class Mine(Swallows, shutdown=shutdown):
        pass

    victim = await busy(Mine)
    begin = now()
    process.exit(victim, "boom")
    assert await end_of(begin) == ("boom", seconds)


async def test_kill_shortens_the_grace_of_a_signal_that_came_before() -> None:
    victim = await busy(Swallows)
    begin = now()
    process.exit(victim, "boom")
    await asyncio.sleep(1)
    process.exit(victim, KILL)
    assert await end_of(begin) == (KILLED, 1.1)


async def test_a_second_signal_neither_changes_the_reason_nor_gives_more_time() -> None:
    victim = await busy(Swallows)
    begin = now()
    process.exit(victim, "first")
    await asyncio.sleep(4)
    process.exit(victim, "second")
    assert await end_of(begin) == ("first", 5.0)


async def test_terminate_has_its_shutdown_time_after_the_handlers_grace() -> None:
    class Both(Swallows, Lingers, shutdown=3.0):
        pass

    victim = await busy(Both)
    begin = now()
    process.exit(victim, "boom")
    assert await end_of(begin) == (KILLED, 6.0)


@pytest.mark.parametrize("reason", ["boom", NORMAL])
async def test_a_signal_sets_the_shutdown_time_to_a_terminate_that_is_under_way(reason: object) -> None:
    victim = await Lingers.start()
    process.monitor(victim)
    stopping = asyncio.create_task(stop(victim, "stopped"))
    await asyncio.sleep(60)  # nobody said how long
    assert process.alive(victim)
    begin = now()
    process.exit(victim, reason)
    await asyncio.sleep(3)
    process.exit(victim, "again")  # gives it no more time, if the first one counted
    assert await end_of(begin) == (KILLED, 8.0 if reason is NORMAL else 5.0)
    await asyncio.gather(stopping, return_exceptions=True)


# --- in the same moment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order", ["exit, message", "message, exit", "exit, cancel", "cancel, exit", "time-out, exit"]
)
async def test_the_exit_wins_over_what_comes_in_the_same_turn(order: str) -> None:
    went_on: list[str] = []
    tasks: list[Any] = []
    timeouts: list[asyncio.Timeout] = []

    class Waits(GenServer):
        @cast
        async def work(self) -> None:
            tasks.append(asyncio.current_task())
            try:
                async with asyncio.timeout(10) as limit:
                    timeouts.append(limit)
                    await process.receive(str)
                went_on.append("message")
            except TimeoutError:
                went_on.append("time-out")

    victim = await busy(Waits)
    actions = {
        "message": lambda: process.send(victim, "hello"),
        "cancel": lambda: tasks[0].cancel(),
        "time-out": lambda: timeouts[0].reschedule(0),
        "exit": lambda: process.exit(victim, "boom"),
    }
    for action in order.split(", "):
        actions[action]()
    assert (await process.receive(Down)).reason == "boom"
    assert went_on == []


# --- at once --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("PROC-26")
async def test_after_an_exit_signal_the_target_is_dead_to_the_sender_at_once() -> None:
    async def idle() -> None:
        await asyncio.Event().wait()

    pid = process.spawn(idle)
    await asyncio.sleep(0)
    process.exit(pid, "boom")
    assert not process.alive(pid)


@pytest.mark.behaviour("PROC-26")
async def test_once_dead_a_process_is_never_alive_again() -> None:
    class Slow(GenServer):
        @cast
        async def work(self) -> None:
            await asyncio.Event().wait()

        async def terminate(self, reason: object) -> None:
            await asyncio.sleep(0)

    server = await Slow.start()
    server.work()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pid = process.pid_of(server)
    process.monitor(server)
    process.exit(server, "boom")
    seen = [process.alive(pid)]
    while not any(isinstance(each, Down) for each in await received()):
        seen.append(process.alive(pid))
        await asyncio.sleep(0)
    seen.append(process.alive(pid))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] is False


async def received() -> list[Any]:
    try:
        return [await process.receive(timeout=0)]
    except TimeoutError:
        return []


@pytest.mark.behaviour("PROC-13")
async def test_a_reason_may_be_any_value() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not to be compared")

    odd = Odd()

    async def work() -> None:
        process.exit(odd)

    process.spawn_monitor(work)
    assert (await process.receive(Down)).reason is odd
