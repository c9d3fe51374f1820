"""What ends in a first step, or by one: nobody dead acts, no exit is lost, and the caller's clean-up runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

from regrow import (
    KILL,
    NORMAL,
    DynamicSupervisor,
    GenServer,
    NoProcess,
    Registry,
    ServerExited,
    StartError,
    Stop,
    call,
    cast,
    process,
)
from regrow.kernel import probes
from regrow.kernel.runtime import runtime
from tests.waiting import turns

both = pytest.mark.parametrize("mode", ["on", "off"])
log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


class Frail(GenServer):
    @call
    async def crash(self) -> None:
        raise ValueError("in the first step")

    @call
    def crash_plainly(self) -> None:
        raise ValueError("plain")

    @call
    def tie(self, pid: process.Pid) -> None:
        process.link(pid)

    @call
    def echo(self, value: object) -> object:
        return value


class Unborn(GenServer):
    async def init(self) -> None:
        saved.append(Unborn.of(process.current()))
        raise ValueError("no")

    @call
    def ping(self) -> str:
        return "pong"


saved: list[Unborn] = []


@both
async def test_who_failed_in_the_first_step_of_its_start_is_dead(mode: str) -> None:
    runtime().inline = mode
    saved.clear()
    with pytest.raises(StartError):
        await Unborn.start()
    with pytest.raises(NoProcess):
        await saved[0].ping()
    process.monitor(saved[0])
    assert (await process.receive(process.Down)).reason is not None


class Tied(GenServer):
    def __init__(self, other: Frail) -> None:
        process.link(other)
        process.exit(other, "boom")

    async def init(self) -> None:
        log.append("acts")


@both
async def test_who_has_to_end_before_its_first_step_takes_none(mode: str) -> None:
    runtime().inline = mode
    other = await Frail.start()
    with pytest.raises(StartError, match="boom"):
        await Tied.start(other)
    assert log == []


class Clinging(GenServer):
    async def init(self) -> None:
        with contextlib.suppress(BaseException):
            process.exit(process.current(), KILL)
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30)


@both
async def test_who_is_killed_in_its_first_step_has_the_grace_of_the_killed(mode: str) -> None:
    runtime().inline = mode
    loop = asyncio.get_running_loop()
    before = loop.time()
    with pytest.raises(StartError):
        await Clinging.start()
    assert loop.time() - before == pytest.approx(0.1)


class Worker(GenServer): ...


class Caller(GenServer):
    @call
    async def go(self, which: str, worker: process.Pid) -> None:
        frail = await Frail.start_link()
        await frail.tie(worker)
        try:
            await getattr(frail, which)()
        finally:
            log.append("clean-up begins")
            await asyncio.sleep(0.01)
            log.append("clean-up done")


@both
@pytest.mark.parametrize("which", ["crash", "crash_plainly"])
async def test_a_caller_who_dies_of_its_callee_cleans_up_and_takes_no_exit_of_others_along(
    mode: str, which: str
) -> None:
    runtime().inline = mode
    name = Registry.named("names").via("worker")
    async with Registry.scope("names", keys="unique"), DynamicSupervisor.scope(max_restarts=9) as sup:
        worker = await sup.start_child(Worker.options(name=name).child_spec())
        first = process.pid_of(worker)
        process.monitor(worker)
        caller = await Caller.start()
        with pytest.raises(ServerExited):
            await caller.go(which, first)
        assert (await process.receive(process.Down)).target == first
        await asyncio.sleep(1)
        (row,) = await sup.which_children()
        assert process.alive(row.child)
        assert name.whereis_name() == process.pid_of(row.child) != first
    assert log == ["clean-up begins", "clean-up done"]


@both
@pytest.mark.parametrize("which", ["crash", "crash_plainly"])
async def test_a_block_that_has_ended_is_not_cancelled_afterwards(mode: str, which: str) -> None:
    runtime().inline = mode
    with pytest.raises((ServerExited, ExceptionGroup)):
        async with Frail.scope() as frail:
            await getattr(frail, which)()
    await asyncio.sleep(1)


async def test_refused_arguments_are_let_go_of_at_once() -> None:
    class Something: ...

    async def refused(frail: Any) -> weakref.ref[Something]:
        something = Something()
        with contextlib.suppress(TypeError):
            await frail.echo(something, something)
        return weakref.ref(something)

    async with Frail.scope() as frail:
        await frail.echo(1)
        gc.disable()
        try:
            gone = await refused(frail)
            await turns()
            assert gone() is None
        finally:
            gc.enable()


class Lingering(GenServer):
    @cast
    def leave(self) -> None:
        raise Stop(NORMAL)

    def terminate(self, reason: object) -> Any:
        with contextlib.suppress(BaseException):
            process.exit(process.current(), KILL)
        return self.rest()

    async def rest(self) -> None:
        log.append("acts")


@both
async def test_who_is_killed_in_its_terminate_does_nothing_more(mode: str) -> None:
    runtime().inline = mode
    lingering = await Lingering.start()
    lingering.leave()
    await asyncio.sleep(1)
    assert not process.alive(lingering)
    assert log == []


mine: ContextVar[list[int]] = ContextVar("mine")


class Setting(GenServer):
    def __init__(self) -> None:
        self.own: list[int] = []

    @cast
    def put(self) -> None:
        mine.set(self.own)

    @call
    def sees_it_of(self, other: list[int]) -> bool:
        return mine.get() is other


async def test_what_a_message_puts_into_its_context_is_not_its_siblings() -> None:
    mine.set([])
    runtime().inline = "off"
    async with DynamicSupervisor.scope() as sup:
        one, other = await sup.start_child(Setting), await sup.start_child(Setting)
        own = one.__regrow_process__().server.own  # type: ignore[attr-defined]  # a handle's way to its process
        one.put()
        assert await other.sees_it_of(own) is False


async def test_a_probe_that_fails_is_taken_away_and_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def sending(self, *_: object) -> Any:
            raise ValueError("a probe of mine")

        def asking(self, *_: object) -> Any:
            raise ValueError("a probe of mine")

    class Noting(GenServer):
        def handle_info(self, message: object) -> None:
            log.append(str(message))

        @call
        def ping(self) -> str:
            return "pong"

    async with Noting.scope() as noting:
        for send in ("info", "call"):
            probes.install(runtime(), Failing())
            if send == "info":
                process.send(process.pid_of(noting), "hello")
                await turns()
            assert await noting.ping() == "pong"
            assert runtime().probes == ()
    assert log == ["hello"]
    assert "a probe failed and was taken away" in caplog.text
