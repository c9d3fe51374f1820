"""Registry: dispatch, broadcast and locks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import KILL, NORMAL, NotAllowed, Registry, ServerExited, UnknownRegistry, process, stop
from tests.servers.registry_members import Member, pid_of

KINDS: list[Any] = ["unique", "duplicate", ("duplicate", "key")]


async def four_members(registry: Registry, key: str = "hello") -> list[Member]:
    """Four processes with consecutive pids, so that they are spread over the partitions."""
    members = [await Member.start() for _ in range(4)]
    for number, member in enumerate(members):
        await member.do(registry.register, key, number)
    return members


def mailbox_is_empty() -> bool:
    info = process.info(process.current())
    assert info is not None
    return info.mailbox_length == 0


# --- dispatch ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-16")
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("keys", KINDS)
async def test_a_key_without_entries_calls_nobody(keys: Any, parallel: bool) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=2)
    calls: list[Any] = []
    if parallel:
        await registry.dispatch("none", calls.append, parallel=True)
    else:
        registry.dispatch("none", calls.append)
    assert calls == []


@pytest.mark.behaviour("REG-16")
@pytest.mark.parametrize("keys", KINDS)
async def test_the_function_gets_the_entries(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys)
    registry.register("hello", "world")
    calls: list[Any] = []
    registry.dispatch("hello", calls.append)
    await registry.dispatch("hello", calls.append, parallel=True)
    assert calls == [[(process.current(), "world")]] * 2


@pytest.mark.behaviour("REG-17")
@pytest.mark.parametrize(("keys", "groups"), [("duplicate", 2), (("duplicate", "key"), 1)])
async def test_serial_dispatch_runs_in_the_caller_once_a_partition(keys: Any, groups: int) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=2)
    members = await four_members(registry)
    calls: list[Any] = []
    registry.dispatch("hello", lambda entries: calls.append((process.current(), entries)))
    assert [pid for pid, _ in calls] == [process.current()] * groups
    found = sorted(entry for _, entries in calls for entry in entries)
    assert found == [(pid_of(member), number) for number, member in enumerate(members)]


async def test_what_a_serial_dispatch_raises_comes_out() -> None:
    registry = await Registry.start_link("r", keys="unique")
    registry.register("hello")
    with pytest.raises(ZeroDivisionError):
        registry.dispatch("hello", lambda _: 1 / 0)


async def test_a_serial_dispatch_refuses_an_async_function() -> None:
    async def slowly(entries: Any) -> None: ...

    registry = await Registry.start_link("r", keys="unique")
    registry.register("hello")
    with pytest.raises(TypeError, match="parallel=True"):
        registry.dispatch("hello", slowly)


@pytest.mark.behaviour("REG-18")
async def test_parallel_dispatch_runs_in_processes_of_its_own_and_leaves_nothing() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=2)
    await four_members(registry)
    met: list[process.Pid] = []
    both = asyncio.Event()

    async def meet(entries: Any) -> None:
        assert len(entries) == 2
        met.append(process.current())
        if len(met) == 2:
            both.set()
        await both.wait()  # so they run at the same time

    process.trap_exits(True)
    await registry.dispatch("hello", meet, parallel=True)
    assert len(set(met)) == 2
    assert process.current() not in met
    assert not any(map(process.alive, met))
    assert mailbox_is_empty()


@pytest.mark.behaviour("REG-18")
@pytest.mark.parametrize(("keys", "partitions"), [("duplicate", 1), (("duplicate", "key"), 3), ("unique", 3)])
async def test_parallel_dispatch_with_one_table_runs_in_the_caller(keys: Any, partitions: int) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=partitions)
    registry.register("hello")
    ran: list[process.Pid] = []

    async def note(_entries: Any) -> None:
        ran.append(process.current())

    await registry.dispatch("hello", note, parallel=True)
    assert ran == [process.current()]


async def test_what_a_parallel_dispatch_raises_comes_out_when_all_are_through() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=2)
    await four_members(registry)
    through: list[int] = []

    async def fail(entries: Any) -> None:
        through.append(len(entries))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await registry.dispatch("hello", fail, parallel=True)
    assert through == [2, 2]
    assert mailbox_is_empty()


async def test_a_parallel_dispatch_hears_that_its_process_was_killed() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=2)
    await four_members(registry)

    async def suicide(_entries: Any) -> None:
        process.exit(process.current(), KILL)
        await asyncio.Event().wait()

    with pytest.raises(ServerExited):
        await registry.dispatch("hello", suicide, parallel=True)


async def test_a_cancelled_parallel_dispatch_leaves_no_process_behind() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=2)
    await four_members(registry)
    begun: list[process.Pid] = []
    started = asyncio.Event()

    async def hang(_entries: Any) -> None:
        begun.append(process.current())
        if len(begun) == 2:
            started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(registry.dispatch("hello", hang, parallel=True))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while any(map(process.alive, begun)):
        await asyncio.sleep(0)


# --- broadcast --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", KINDS)
async def test_a_broadcast_reaches_every_entry_of_the_key(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=2)
    members = [await Member.start() for _ in range(3)]
    if keys == "unique":
        members = members[:1]
    for member in members:
        await member.do(registry.register, "news")
    assert registry.broadcast("news", "hello") == len(members)
    assert registry.broadcast("olds", "hello") == 0
    assert [await member.heard() for member in members] == [["hello"]] * len(members)


# --- locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-37")
async def test_a_lock_is_released_when_its_holder_raises() -> None:
    registry = await Registry.start_link("r", keys="unique")
    with pytest.raises(ZeroDivisionError):
        async with registry.lock("a"):
            raise ZeroDivisionError
    async with registry.lock("a"):
        pass


async def test_a_lock_lets_one_in_at_a_time_in_the_order_of_asking() -> None:
    registry = await Registry.start_link("r", keys="unique")
    log: list[str] = []

    async def work(name: str) -> None:
        async with registry.lock("a"):
            log.append(f"{name} in")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append(f"{name} out")

    await asyncio.gather(*(work(name) for name in "xyz"))
    assert log == [f"{name} {what}" for name in "xyz" for what in ("in", "out")]


async def test_locks_of_other_keys_are_other_locks() -> None:
    registry = await Registry.start_link("r", keys="unique")
    async with registry.lock(1), registry.lock(1.0), registry.lock(True), registry.lock("1"):
        pass


@pytest.mark.behaviour("REG-37")
async def test_a_lock_is_released_when_its_holder_is_killed() -> None:
    registry = await Registry.start_link("r", keys="unique")
    held = asyncio.Event()

    async def hold() -> None:
        async with registry.lock("a"):
            held.set()
            await asyncio.Event().wait()

    holder = process.spawn(hold)
    await held.wait()
    process.exit(holder, KILL)
    async with registry.lock("a"):
        assert not process.alive(holder)


async def test_who_gives_up_waiting_loses_nobody_their_turn() -> None:
    registry = await Registry.start_link("r", keys="unique")
    turns: list[str] = []

    async def wait(name: str) -> None:
        async with registry.lock("a"):
            turns.append(name)

    async with registry.lock("a"):
        waiting = [asyncio.create_task(wait(name)) for name in "xy"]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    await asyncio.wait(waiting)
    assert turns == ["y"]


async def test_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    registry = await Registry.start_link("r", keys="unique")
    turns: list[str] = []

    async def wait(name: str) -> None:
        async with registry.lock("a"):
            turns.append(name)

    async with registry.lock("a"):
        waiting = [asyncio.create_task(wait(name)) for name in "xy"]
        await asyncio.sleep(0)
    waiting[0].cancel()  # its turn has come, and it has not run since
    await asyncio.wait(waiting)
    assert turns == ["y"]


async def test_a_lock_that_the_process_holds_already_is_refused() -> None:
    registry = await Registry.start_link("r", keys="unique")
    async with registry.lock("a"):
        with pytest.raises(NotAllowed, match="already"):
            async with registry.lock("a"):
                pass
    async with registry.lock("a"):
        pass


async def test_who_waits_for_a_lock_hears_that_the_registry_ended() -> None:
    registry = await Registry.start("r", keys="unique")
    failures: list[BaseException] = []

    async def wait() -> None:
        try:
            async with registry.lock("a"):
                pass
        except UnknownRegistry as error:
            failures.append(error)

    async with registry.lock("a"):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        await stop(registry, NORMAL)
        await waiting
    assert len(failures) == 1
