"""The meters: what they count, for whom, and that they are off when nobody holds them."""

from __future__ import annotations

import asyncio
import time

import pytest

from regrow import GenServer, ServerExited, Supervisor, call, process
from regrow.kernel.runtime import runtime
from regrow.telemetry import Metered, meters
from tests.telemetry.servers import Game
from tests.waiting import turns, until


async def test_every_message_is_counted_for_its_process() -> None:
    async with Game.scope() as game, Game.scope() as other:
        with meters() as measured:
            for cell in range(5):
                await game.play(cell)
            other.note("a")
            process.send(other, "b")
            await other.all()
            assert measured.of(process.pid_of(game)).handled == 5
            assert measured.of(process.pid_of(other)).handled == 3
            assert measured.handled == 8
            assert set(measured) == {process.pid_of(game), process.pid_of(other)}
            assert len(measured) == 2


async def test_inline_and_queued_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime(), "inline", "on")
    async with Game.scope() as game:
        with meters() as measured:
            assert measured.inline_share == 0.0
            await game.play(1)
            await game.play(2)
            await game.play(3)
            game.note("queued")
            await turns()
            assert (measured.inline, measured.queued, measured.handled) == (3, 1, 4)
            assert measured.inline_share == 1.0  # a note is never inline: it is no call
            monkeypatch.setattr(runtime(), "inline", "off")
            await game.play(4)
            assert (measured.calls, measured.inline_share) == (4, 0.75)
        assert measured.calls == 0


class Worker(GenServer):
    def __init__(self, other: Worker | None = None) -> None:
        self.other = other

    @call
    def work(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    @call
    async def work_and_wait(self, seconds: float) -> None:
        Worker.work(self, seconds)
        await asyncio.sleep(4)
        Worker.work(self, seconds)

    @call
    async def delegate(self, seconds: float) -> None:
        assert self.other is not None
        await self.other.work(seconds)


async def test_busy_is_the_time_that_code_runs_and_not_the_time_that_it_waits() -> None:
    async with Worker.scope() as worker:
        with meters() as measured:
            await worker.work(0.02)
            once = measured.of(process.pid_of(worker)).busy
            assert once >= 0.02
            await worker.work_and_wait(0.02)
            handled, busy = measured.of(process.pid_of(worker))
            assert handled == 2
            assert 0.06 <= busy < 3
            assert measured.busy == pytest.approx(busy)


async def test_what_runs_inline_in_a_handler_is_the_other_servers_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime(), "inline", "on")
    async with Worker.scope() as other, Worker.scope(other) as worker:
        with meters() as measured:
            await worker.delegate(0.05)
            assert measured.of(process.pid_of(other)).busy >= 0.05
            assert measured.of(process.pid_of(worker)).busy < 0.05
            assert measured.busy == pytest.approx(sum(measured.of(pid).busy for pid in measured))


async def test_a_crash_counts_and_the_dead_have_no_row() -> None:
    with meters() as measured:
        game = await Game.start()
        pid = process.pid_of(game)
        with pytest.raises(ServerExited):
            await game.burn()
        assert measured.handled == 1
        assert measured.of(pid) == Metered(0, 0.0)
        assert list(measured) == []


async def test_refused_arguments_are_no_message() -> None:
    async with Game.scope() as game:
        with meters() as measured:
            with pytest.raises(TypeError):
                await game.play()  # type: ignore[call-arg]  # that is the point
            assert measured.handled == 0


async def test_they_are_on_while_somebody_holds_them_and_forget_with_the_last() -> None:
    rt = runtime()
    measured = meters()
    assert meters(rt) is measured
    async with Game.scope() as game:
        await game.play(1)
        assert (measured.on, measured.handled) == (False, 0)
        measured.acquire()
        with meters():
            await game.play(1)
        assert measured.on
        await game.play(1)
        assert measured.handled == 2
        probes, listeners = len(rt.probes), len(rt.listeners)
        measured.release()
        assert (len(rt.probes), len(rt.listeners)) == (probes - 1, listeners - 1)
        assert (measured.on, measured.handled, measured.busy, list(measured)) == (False, 0, 0.0, [])
        with pytest.raises(RuntimeError, match="not held"):
            measured.release()


async def test_a_message_on_its_way_when_they_are_switched_off_is_not_counted() -> None:
    async with Game.scope() as game:
        with meters() as measured:
            waiting = asyncio.create_task(game.think(0.01))
            await until(lambda: process.info(game).status == "busy")
        await waiting
        assert (measured.handled, list(measured)) == (0, [])


async def test_system_messages_are_not_counted() -> None:
    async with Supervisor.scope([]) as root:
        with meters() as measured:
            assert process.info(root) is not None
            assert await root.which_children() == []
            assert measured.handled == 1
