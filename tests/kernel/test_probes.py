"""Probes: whoever watches messages sees each of them, changes none, and costs nothing when gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from regrow import CallTimeout, GenServer, ServerExited, call, cast, process, within
from regrow.kernel import probes
from regrow.kernel.process import Process
from regrow.kernel.runtime import runtime


class Refused(Exception): ...


class Counter(GenServer):
    def __init__(self) -> None:
        self.count = 0

    @call(raises=Refused)
    def add(self, n: int) -> int:
        if n < 0:
            raise Refused
        self.count += n
        return self.count

    @call
    async def add_later(self, n: int) -> int:
        await asyncio.sleep(0)
        self.count += n
        return self.count

    @call
    def crash(self) -> None:
        raise ValueError("as asked")

    @cast
    def put(self, n: int) -> None:
        self.count += n

    def handle_info(self, message: object) -> None:
        self.count += 100


class Watcher:
    """Notes down what is sent, what runs, and how calls end."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.ran: list[str] = []
        self.asked: list[tuple[str, type[BaseException] | None]] = []

    def sending(
        self, target: Process, function: Callable[..., Any], label: str, kind: str
    ) -> Callable[..., Any]:
        self.sent.append((kind, label))

        def around(server: Any, /, *args: Any, **kwargs: Any) -> Any:
            self.ran.append(label)
            return function(server, *args, **kwargs)

        return around

    def asking(self, target: Process, label: str) -> Callable[[BaseException | None], None]:
        return lambda error: self.asked.append((label, None if error is None else type(error)))


@contextmanager
def watched() -> Iterator[Watcher]:
    watcher = Watcher()
    probes.install(runtime(), watcher)
    try:
        yield watcher
    finally:
        probes.remove(runtime(), watcher)


async def test_each_kind_of_message_is_seen_and_does_what_it_did() -> None:
    async with Counter.scope() as counter:
        await counter.add(1)  # opens the slice, in which calls may take the shortest way
        with watched() as watcher:
            assert await counter.add(1) == 2
            assert await counter.add_later(1) == 3
            counter.put(1)
            process.send(process.pid_of(counter), "hello")
            assert await counter.add(0) == 104
        assert watcher.sent == [
            ("call", "add"),
            ("call", "add_later"),
            ("cast", "put"),
            ("call", "add"),
            ("info", "handle_info"),
        ]
        assert watcher.ran == ["add", "add_later", "put", "handle_info", "add"]
        assert watcher.asked == [("add", None), ("add_later", None), ("add", None)]


async def test_nothing_is_seen_when_the_probe_is_gone() -> None:
    async with Counter.scope() as counter:
        with watched() as watcher:
            await counter.add(1)
        await counter.add(1)
        counter.put(1)
        assert await counter.add(0) == 3
        assert watcher.ran == ["add"]


async def test_each_call_is_seen_and_not_the_first_of_a_slice_alone() -> None:
    async with Counter.scope() as counter:
        with watched() as watcher:
            for _ in range(5):
                await counter.add(1)
        assert len(watcher.ran) == 5


async def test_two_probes_both_see_it_the_first_one_nearest_to_the_handler() -> None:
    async with Counter.scope() as counter:
        with watched() as first, watched() as second:
            assert await counter.add(1) == 1
        assert first.ran == second.ran == ["add"]


async def test_the_caller_hears_of_what_went_wrong() -> None:
    async with Counter.scope() as counter:
        with watched() as watcher:
            with pytest.raises(Refused):
                await counter.add(-1)
        assert watcher.asked == [("add", Refused)]


async def test_a_time_out_is_told_to_the_probe_of_the_caller() -> None:
    async with Counter.scope() as counter:
        with watched() as watcher:
            with pytest.raises(CallTimeout):
                await within(counter, 0).add(1)
        assert watcher.asked == [("add", CallTimeout)]


async def test_a_crash_is_told_as_the_exit_of_the_server() -> None:
    counter = await Counter.start()
    with watched() as watcher:
        with pytest.raises(ServerExited):
            await counter.crash()
    assert watcher.asked == [("crash", ServerExited)]


@pytest.mark.parametrize("how_many", [1, 2])
async def test_arguments_that_do_not_fit_are_the_callers_mistake_with_probes_too(how_many: int) -> None:
    async with Counter.scope() as counter:
        wrong: Any = counter
        watchers = [Watcher() for _ in range(how_many)]
        for each in watchers:
            probes.install(runtime(), each)
        try:
            with pytest.raises(TypeError):
                await wrong.add(1, 2, 3)
            with pytest.raises(TypeError):
                wrong.put()
            assert await counter.add(1) == 1  # the server lives
        finally:
            for each in watchers:
                probes.remove(runtime(), each)
