"""A watched handler can't be told from one that is not: results, errors, cuts, and where it stands."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from regrow import KILL, KILLED, GenServer, ServerExited, call, process
from regrow.kernel import probes
from regrow.kernel.process import Process
from regrow.kernel.runtime import runtime
from regrow.telemetry.handling import Handling
from tests.telemetry.servers import Boom, Game, Refused
from tests.waiting import forever, turns, until

Log = list[str]


class Noting(Handling):
    """Notes down its moments."""

    __slots__ = ("label", "log")

    def __init__(self, process: Process, function: Callable[..., Any], label: str, log: Log) -> None:
        super().__init__(process, function)
        self.label = label
        self.log = log

    def begin(self) -> None:
        self.log.append(f"begin {self.label}")

    def pause(self) -> None:
        self.log.append("pause")

    def resume(self) -> None:
        self.log.append("resume")

    def end(self, error: BaseException | None) -> None:
        self.log.append("end" if error is None else f"end by {type(error).__name__}")


class Watcher:
    def __init__(self, log: Log) -> None:
        self.log = log

    def sending(self, target: Process, function: Callable[..., Any], label: str, kind: str) -> Any:
        return Noting(target, function, label, self.log)

    def asking(self, target: Process, label: str) -> None:
        return None


@contextmanager
def watched(times: int = 1) -> Iterator[Log]:
    log: Log = []
    watchers = [Watcher(log) for _ in range(times)]
    for each in watchers:
        probes.install(runtime(), each)
    try:
        yield log
    finally:
        for each in watchers:
            probes.remove(runtime(), each)


async def test_a_plain_handler_begins_and_ends() -> None:
    async with Game.scope() as game:
        with watched() as log:
            assert await game.play(4) == 4
            game.note("a")
            process.send(game, "b")
            assert (await game.all())[0] == "a"
    assert log == [
        *("begin play", "end", "begin note", "end", "begin handle_info", "end"),
        *("begin all", "end"),
    ]


async def test_a_coroutine_pauses_between_its_steps() -> None:
    async with Game.scope() as game:
        with watched() as log:
            assert await game.think(1.0) == "thought"
    assert log == ["begin think", "pause", "resume", "pause", "resume", "end"]


async def test_errors_are_the_handlers_own() -> None:
    async with Game.scope() as game:
        with watched() as log:
            with pytest.raises(Refused):
                await game.play(-1)
            assert await game.play(1) == 1
    assert log == ["begin play", "end by Refused", "begin play", "end"]


async def test_a_crash_is_reported_with_the_message_as_it_was_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    game = await Game.start()
    with watched() as log:
        with pytest.raises(ServerExited):
            await game.burn()
    assert log == ["begin burn", "end by Boom"]
    (report,) = [each for each in caplog.records if each.name == "regrow"]
    assert report.__dict__["regrow"]["message"] == "burn()"


async def test_a_late_reply_is_no_result_of_the_handler() -> None:
    async with Game.scope() as game:
        with watched() as log:
            waiting = asyncio.create_task(game.wait())
            await turns()
            game.answer("soup")
            assert await waiting == "soup"
    assert log == ["begin wait", "end", "begin answer", "end"]


class Slow(GenServer, shutdown=0.2):
    def __init__(self) -> None:
        self.cleaned: list[str] = []

    @call
    async def linger(self, cleaned: list[str]) -> None:
        try:
            await forever()
        finally:
            cleaned.append("finally")

    @call
    async def refuse(self, cleaned: list[str]) -> None:
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                cleaned.append("swallowed")


async def test_a_cut_ends_it() -> None:
    slow, cleaned = await Slow.start(), list[str]()
    with watched() as log:
        waiting = asyncio.create_task(slow.linger(cleaned))
        await until(lambda: "pause" in log[2:])
        process.exit(slow, "enough")
        with pytest.raises(ServerExited):
            await waiting
    assert cleaned == ["finally"]
    assert log == ["begin linger", "pause", "resume", "pause", "resume", "end by CancelledError"]


async def test_a_cut_before_the_first_step_ends_it_without_a_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime(), "inline", "off")  # inline, the first step may come at once
    slow, cleaned = await Slow.start(), list[str]()
    with watched() as log:
        waiting = asyncio.create_task(slow.linger(cleaned))
        await until(lambda: log)
        assert log == ["begin linger", "pause"]
        process.exit(slow, KILL)
        with pytest.raises(ServerExited) as caught:
            await waiting
    assert caught.value.reason is KILLED
    assert cleaned == []
    assert log == ["begin linger", "pause", "resume", "end by CancelledError"]


async def test_who_will_not_end_is_fenced_and_its_line_is_told(caplog: pytest.LogCaptureFixture) -> None:
    slow, cleaned = await Slow.start(), list[str]()
    with watched() as log:
        waiting = asyncio.create_task(slow.refuse(cleaned))
        await until(lambda: "pause" in log[2:])
        process.exit(slow, KILL)
        with pytest.raises(ServerExited):
            await waiting
    assert log[-1] == "end by GeneratorExit"
    (fenced,) = [each for each in caplog.records if "cut off" in each.getMessage()]
    assert "in refuse" in fenced.getMessage() or "in forever" in fenced.getMessage()


async def test_where_a_watched_coroutine_stands_is_known() -> None:
    async with Game.scope() as game:
        with watched() as log:
            waiting = asyncio.create_task(game.think(1.0))
            await until(lambda: "pause" in log[2:])
            where = process.info(game).where
            await waiting
    assert where is not None
    assert "servers.py" in where
    assert "in think" in where


async def test_a_handler_that_was_watched_keeps_nothing_of_its_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")  # a report is kept for the test, and all that it holds

    class Clue(Boom): ...

    class Loser(GenServer):
        @call
        async def lose(self) -> None:
            await asyncio.sleep(0)
            raise self.made(Clue())

        def made(self, error: Clue) -> Clue:
            kept.append(weakref.ref(error))
            return error

    kept: list[weakref.ref[Clue]] = []
    loser = await Loser.start()
    with watched():
        try:
            await loser.lose()
        except ServerExited:
            pass
    del loser
    await turns()
    gc.collect()
    assert kept[0]() is None


async def test_what_is_not_watched_any_more_still_comes_to_its_end() -> None:
    async with Game.scope() as game:
        with watched() as log:
            waiting = asyncio.create_task(game.think(0.01))
            await until(lambda: log)
        assert await waiting == "thought"
        assert log[-1] == "end"
        await game.play(1)
        assert log.count("begin play") == 0
