"""A server tied to a block in both directions, by the rules of cancel and uncancel that TaskGroup has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from regrow import (
    SHUTDOWN,
    Exit,
    GenServer,
    LinkedExit,
    Registry,
    ServerExited,
    Shutdown,
    StartError,
    Stop,
    call,
    cast,
    process,
    stop,
)
from regrow.kernel.runtime import runtime
from tests.waiting import forever, now, turns


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Server(GenServer, shutdown=3):
    def __init__(self, log: list[Any] | None = None, gate: asyncio.Event | None = None) -> None:
        self.log: list[Any] = [] if log is None else log
        self.gate = gate

    @call
    def ping(self) -> str:
        return "pong"

    @cast
    def end(self, reason: Any) -> None:
        raise Stop(reason)

    async def terminate(self, reason: object) -> None:
        self.log.append(reason)
        if self.gate is not None:
            await self.gate.wait()


class Plain(GenServer):
    """It has no `terminate`, so a signal ends it at once."""


def cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_leaving_the_block_stops_the_server_with_shutdown() -> None:
    log: list[Any] = []
    async with Server.scope(log) as server:
        assert await server.ping() == "pong"
        pid = process.pid_of(server)
    assert log == [SHUTDOWN]
    assert process.info(pid) is None


async def test_a_block_that_raises_stops_the_server_and_raises_its_own() -> None:
    log: list[Any] = []
    with pytest.raises(KeyError):
        async with Server.scope(log):
            raise KeyError("mine")
    assert log == [SHUTDOWN]


async def test_a_start_that_fails_raises_before_the_block() -> None:
    class Fails(GenServer):
        def __init__(self) -> None:
            raise ValueError("x")

    with pytest.raises(StartError):
        async with Fails.scope():
            pytest.fail("not reached")
    assert cancelling() == 0


@pytest.mark.parametrize("reason", ["boom", SHUTDOWN, Shutdown("gave up")], ids=repr)
async def test_the_servers_end_cancels_the_block_and_raises_a_bare_server_exited(reason: Any) -> None:
    for _ in range(2):  # catch it and go on: nothing is left behind
        with pytest.raises(ServerExited) as caught:
            async with Server.scope() as server:
                server.end(reason)
                await forever()
        assert caught.value.reason == reason
        assert cancelling() == 0
    await asyncio.sleep(0)


async def test_its_normal_end_leaves_the_block_running() -> None:
    async with Server.scope() as server:
        await stop(server)
        await asyncio.sleep(0)
        done = True
    assert done


async def test_a_death_that_the_block_has_not_noticed_yet_is_raised_at_its_end() -> None:
    with pytest.raises(ServerExited):
        async with Plain.scope() as server:
            process.exit(server, "boom")
    assert cancelling() == 0


async def test_a_block_that_swallows_the_cancellation_raises_at_its_end() -> None:
    with pytest.raises(ServerExited):
        async with Server.scope() as server:
            server.end("boom")
            try:
                await forever()
            except asyncio.CancelledError:
                pass
            await asyncio.sleep(0)
    assert cancelling() == 0


@pytest.mark.parametrize("dies", ["inner", "outer", "both"])
async def test_nested_scopes_raise_the_one_that_died(dies: str) -> None:
    with pytest.raises(ServerExited) as caught:
        async with Plain.scope() as outer:
            async with Plain.scope() as inner:
                if dies in ("inner", "both"):
                    process.exit(inner, "inner")
                if dies in ("outer", "both"):
                    process.exit(outer, "outer")
                await forever()
    assert caught.value.reason == ("inner" if dies == "inner" else "outer")
    assert cancelling() == 0


@pytest.mark.parametrize("outside", [True, False])
async def test_a_time_out_stays_a_time_out(outside: bool) -> None:
    with pytest.raises(TimeoutError):
        if outside:
            async with asyncio.timeout(60), Server.scope():
                await forever()
        else:
            async with Server.scope(), asyncio.timeout(60):
                await forever()
    assert now() == 60.0
    assert cancelling() == 0


async def test_a_time_out_and_a_death_in_one_turn_are_the_time_out() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60) as limit:
            async with Server.scope() as server:
                process.exit(server, "boom")
                limit.reschedule(0)
                await asyncio.sleep(0)
                await forever()
    assert cancelling() == 0


async def test_a_cancellation_from_outside_stays_one_also_when_the_server_dies_of_it() -> None:
    async def block(dies: bool) -> None:
        async with Server.scope() as server:
            if dies:
                process.exit(server, "boom")
            entered.set()
            await forever()

    for dies in (False, True):
        entered = asyncio.Event()
        task = asyncio.create_task(block(dies))
        if not dies:
            await entered.wait()
        else:
            while not entered.is_set():
                await asyncio.sleep(0)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError), outcome


async def test_a_task_group_in_a_scope_and_a_scope_in_a_task_group() -> None:
    with pytest.raises(ServerExited):
        async with Server.scope() as server, asyncio.TaskGroup() as group:
            group.create_task(forever())
            server.end("boom")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())
            async with Server.scope() as server:
                server.end("boom")
                await forever()
    assert [type(each) for each in caught.value.exceptions] == [ServerExited]
    assert cancelling() == 0


async def test_body_and_server_that_both_fail_raise_a_group() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with Server.scope() as server:
            try:
                server.end("boom")
                await forever()
            finally:
                raise KeyError("mine")
    kinds = {type(each) for each in caught.value.exceptions}
    assert kinds == {KeyError, ServerExited}
    assert cancelling() == 0


async def test_a_second_cancellation_while_it_shuts_down_kills() -> None:
    log: list[Any] = []
    entered = asyncio.Event()

    async def block() -> None:
        async with Server.options(name="slow").scope(log, asyncio.Event()):
            entered.set()
            await forever()

    task = asyncio.create_task(block())
    await entered.wait()
    task.cancel()
    while not log:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.whereis("slow") is None


async def test_a_server_that_will_not_stop_is_killed_after_its_shutdown_time() -> None:
    async with Server.options(name="slow").scope([], asyncio.Event()):
        pass
    assert process.whereis("slow") is None


async def test_entered_and_left_in_different_tasks_harms_nobody() -> None:
    scope = Server.scope()
    server = await asyncio.create_task(scope.__aenter__())
    process.exit(server, "boom")
    await turns()
    with pytest.raises(ServerExited):
        await scope.__aexit__(None, None, None)
    assert cancelling() == 0


async def test_a_generator_closed_inside_a_scope_is_no_group() -> None:
    async def generate() -> AsyncIterator[GenServer]:
        async with Server.scope() as server:
            yield server

    generator: Any = generate()
    server = await anext(generator)
    pid = process.pid_of(server)
    await generator.aclose()
    assert process.info(pid) is None


async def test_a_crash_right_after_the_start_is_server_exited_and_no_exit_signal() -> None:
    class Brief(GenServer):
        def init(self) -> None:
            self.continue_with("crash")

        def handle_continue(self, term: Any) -> None:
            raise ValueError(term)

    with pytest.raises(ServerExited) as caught:
        async with Brief.scope():
            await forever()
    assert isinstance(caught.value.reason, ValueError)
    process.trap_exits()
    with pytest.raises(ServerExited):
        async with Brief.scope():
            await forever()
    with pytest.raises(TimeoutError):
        await process.receive(Exit, timeout=0)


@pytest.mark.parametrize("how", ["normally", "cancelled"])
async def test_an_owner_that_ends_without_leaving_the_block(how: str) -> None:
    class Trapping(Server, trap_exits=True):
        pass

    log: list[Any] = []
    scope = Trapping.scope(log)
    entered: asyncio.Future[Trapping] = asyncio.get_running_loop().create_future()

    async def owner() -> None:
        entered.set_result(await scope.__aenter__())
        if how == "cancelled":
            await forever()

    task = asyncio.create_task(owner())
    server = await entered
    if how == "normally":  # a fixture's set-up: another task leaves the block
        await task
        await asyncio.sleep(0)
        assert await server.ping() == "pong"
        await scope.__aexit__(None, None, None)
    else:
        process.monitor(server)
        task.cancel()
        await process.receive()
    assert log == [SHUTDOWN]


async def test_a_scope_in_a_servers_handler_is_the_servers() -> None:
    class Outer(GenServer):
        @call
        async def use(self, how: str) -> str:
            try:
                async with Server.scope() as inner:
                    if how == "dies":
                        process.exit(inner, "boom")
                        await forever()
                    return await inner.ping()
            except ServerExited as error:
                return f"caught {error.reason}"

    outer = await Outer.start()
    assert await outer.use("works") == "pong"
    assert await outer.use("dies") == "caught boom"
    assert await outer.use("works") == "pong"


async def test_scopes_leave_nothing_with_their_owner() -> None:
    for _ in range(3):
        async with Server.scope() as server:
            assert await server.ping() == "pong"
    info = process.info(process.current())
    assert info is not None
    assert (info.links, info.monitors, info.monitoring) == ((), 0, 0)
    assert list(runtime().processes) == [process.current()]


async def test_the_block_that_stops_a_tree_does_not_die_of_its_links_into_it() -> None:
    async with Registry.scope("seats", keys="unique") as seats:
        seats.register("mine")
        assert process.info(process.current()).links != ()
    assert process.info(process.current()).links == ()
    await asyncio.sleep(0)


async def test_the_error_of_a_block_linked_into_its_tree_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Registry.scope("seats", keys="unique") as seats:
            seats.register("mine")
            raise ZeroDivisionError


async def test_links_to_others_than_the_tree_stay() -> None:
    other = await Server.start_link()
    async with Server.scope() as root:
        process.link(root)
    assert process.alive(other)
    with pytest.raises(LinkedExit):
        process.exit(other, "gone")
        await process.receive()
