"""When the event loop ends, its processes are stopped in order, and nothing is dropped in silence."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import SHUTDOWN, DynamicSupervisor, GenServer, cast, process
from regrow.testing import run_virtual
from tests.waiting import forever, now, turns


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.ERROR, logger="regrow")
    return caplog


class Server(GenServer, shutdown=7):
    def __init__(self, name: str, log: list[Any]) -> None:
        self.name, self.log = name, log

    async def terminate(self, reason: object) -> None:
        await asyncio.sleep(0)
        self.log.append((self.name, reason))

    @cast
    async def busy(self) -> None:
        try:
            await forever()
        finally:
            self.log.append((self.name, "cut"))


class Trapping(Server, trap_exits=True):
    pass


class Stubborn(GenServer, shutdown=3):
    async def terminate(self, reason: object) -> None:
        await forever()


async def test_nothing() -> None:
    """A loop that regrow was not used on ends as ever."""


@pytest.mark.parametrize("start", ["start", "start_link"])
@pytest.mark.parametrize("kind", [Server, Trapping])
def test_roots_are_stopped_in_reverse_order_and_terminate_runs(kind: type[Server], start: str) -> None:
    log: list[Any] = []

    async def main() -> None:
        for name in "abc":
            await getattr(kind, start)(name, log)

    run_virtual(main())
    if kind is Trapping and start == "start_link":  # there the end of main is what ends them
        assert sorted(name for name, _ in log) == ["a", "b", "c"]
    else:
        assert log == [("c", SHUTDOWN), ("b", SHUTDOWN), ("a", SHUTDOWN)]


def test_busy_handlers_are_cut_and_then_terminate() -> None:
    log: list[Any] = []

    async def main() -> None:
        server = await Server.start("a", log)
        server.busy()
        await turns()

    run_virtual(main())
    assert log == [("a", "cut"), ("a", SHUTDOWN)]


def test_it_is_the_same_when_main_raises_or_is_interrupted() -> None:
    for error in (ValueError("x"), KeyboardInterrupt(), SystemExit(3)):
        log: list[Any] = []

        async def main(error: BaseException = error, log: list[Any] = log) -> None:
            await Server.start("a", log)
            raise error

        with pytest.raises(type(error)):
            run_virtual(main())
        assert log == [("a", SHUTDOWN)]


def test_what_will_not_stop_is_killed_after_its_shutdown_time() -> None:
    log: list[Any] = []
    times: list[float] = []

    class Timed(Server):
        async def terminate(self, reason: object) -> None:
            times.append(now())
            await super().terminate(reason)

    async def main() -> None:
        await Timed.start("first", log)
        await Stubborn.start()
        await Timed.start("last", log)

    run_virtual(main())
    assert log == [("last", SHUTDOWN), ("first", SHUTDOWN)]
    assert times == [0.0, 3.0]


def test_a_tree_is_stopped_as_a_tree() -> None:
    log: list[Any] = []

    async def main() -> None:
        async def root() -> None:
            await asyncio.Event().wait()

        supervisor = await DynamicSupervisor.start()
        for name in "abc":
            await supervisor.start_child(Server.child_spec(name, log))
        process.spawn(root)

    run_virtual(main())
    assert sorted(log) == [("a", SHUTDOWN), ("b", SHUTDOWN), ("c", SHUTDOWN)] or {
        each for each, _ in log
    } == set("abc")


def test_a_spawned_function_is_cut_and_its_finally_runs() -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("finally")

    async def main() -> None:
        process.spawn(work)
        await asyncio.sleep(0)

    run_virtual(main())
    assert log == ["finally"]


def test_one_loop_after_another_each_have_their_own_processes() -> None:
    pids = []

    async def main() -> None:
        await Server.options(name="the same").start("a", [])
        pids.append(process.current())

    for _ in range(3):
        run_virtual(main())
    assert len(set(pids)) == 3


def test_an_unknown_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_INLINE", "sometimes")

    async def main() -> None:
        process.current()

    with pytest.raises(ValueError, match="REGROW_INLINE='sometimes' is not a mode: use on, off or random"):
        run_virtual(main())
