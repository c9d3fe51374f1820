"""Registry: what becomes of entries when their process dies, and of processes when the registry does."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import KILL, SHUTDOWN, Registered, Registry, UnknownRegistry, Unregistered, process, stop
from tests.servers.registry_members import Member, Survivor, end, ended, pid_of

KINDS: list[Any] = ["unique", "duplicate", ("duplicate", "key")]


def links(target: Any) -> tuple[process.Pid, ...]:
    info = process.info(target)
    assert info is not None
    return info.links


# --- the death of a member --------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-08", "REG-09")
@pytest.mark.parametrize("partitions", [1, 4])
async def test_the_key_of_a_dead_owner_is_free_at_once_and_the_late_cleaning_spares_the_new_owner(
    partitions: int,
) -> None:
    registry = await Registry.start_link("r", keys="unique", partitions=partitions)
    member = await Member.start()
    await member.do(registry.register, "hello", "old")
    process.exit(member, KILL)
    # No turn of the loop since: the partition knows nothing yet.
    assert registry.lookup("hello") == [(pid_of(member), "old")]
    registry.register("hello", "new")
    assert registry.lookup("hello") == [(process.current(), "new")]
    await registry.settled()
    assert registry.lookup("hello") == [(process.current(), "new")]
    assert registry.keys() == ["hello"]
    assert registry.keys(member) == []


@pytest.mark.behaviour("REG-30")
@pytest.mark.parametrize("keys", KINDS)
@pytest.mark.parametrize("partitions", [1, 4])
async def test_all_entries_of_a_process_go_with_it_whatever_it_died_of(keys: Any, partitions: int) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=partitions)
    registry.register("mine")
    members = [await Member.start() for _ in range(6)]
    for number, member in enumerate(members):
        for key in range(3):
            await member.do(registry.register, (number, key))
    assert registry.count() == 19
    await stop(members[0])
    process.exit(members[1], KILL)
    process.exit(members[2], SHUTDOWN)
    for member in members[3:]:
        await end(member)
    await registry.settled()
    assert registry.select() == [("mine", process.current(), None)]
    assert all(pid_of(member) not in links(pid) for member in members for pid in registry.partitions())


@pytest.mark.behaviour("REG-30")
async def test_an_asyncio_task_that_registered_is_gone_when_it_ends() -> None:
    registry = await Registry.start_link("r", keys="duplicate")

    async def subscribe() -> process.Pid:
        registry.register("news")
        assert registry.count() == 1
        return process.current()

    await ended(await asyncio.create_task(subscribe()))
    await registry.settled()
    assert registry.count() == 0


@pytest.mark.behaviour("REG-31")
@pytest.mark.parametrize("keys", KINDS)
async def test_lookup_shows_the_dead_until_the_partition_has_cleaned_up(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys)
    member = await Member.start()
    await member.do(registry.register, "hello", 1)
    process.exit(member, KILL)
    dead = [(pid_of(member), 1)]
    assert registry.lookup("hello") == registry.match("hello", ...) == dead
    assert registry.count() == 1
    assert registry.broadcast("hello", "anybody?") == 0
    await registry.settled()
    assert registry.lookup("hello") == []
    assert registry.count() == 0


async def test_an_exit_signal_of_the_living_takes_no_entry_away() -> None:
    registry = await Registry.start_link("r", keys="unique")
    registry.register("hello")
    (partition,) = registry.partitions()
    process.exit(partition, "boo")
    process.send(partition, "boo")
    await registry.settled()
    assert registry.keys() == ["hello"]
    assert registry.partitions() == [partition]


@pytest.mark.behaviour("REG-23")
@pytest.mark.parametrize("keys", KINDS)
async def test_the_link_with_the_partition_stays_until_the_last_entry_is_gone(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys)
    member = await Member.start()
    (partition,) = registry.partitions()
    (given,) = await member.do(registry.register, "a")
    assert given == partition
    await member.do(registry.register, "b")
    assert partition in links(member)
    assert pid_of(member) in links(partition)
    await member.do(registry.unregister, "a")
    assert partition in links(member)
    await member.do(registry.unregister, "b")
    assert partition not in links(member)
    assert pid_of(member) not in links(partition)


# --- listeners --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-21", "REG-22")
@pytest.mark.parametrize("keys", KINDS)
async def test_listeners_hear_who_comes_and_who_goes_but_not_of_the_dead(keys: Any) -> None:
    ear = await Member.options(name="ear").start()
    registry = await Registry.start_link("r", keys=keys, listeners=["ear", "nobody"])
    member = await Member.start()
    await member.do(registry.register, "a", 1)
    await member.do(registry.unregister, "a")
    await member.do(registry.unregister, "a")
    await member.do(registry.register, "b", 2)
    await member.do(registry.unregister_match, "b", 2)
    await member.do(registry.register, "c")
    await end(member)
    await registry.settled()
    assert registry.count() == 0
    pid = pid_of(member)
    assert await ear.heard() == [
        Registered("r", "a", pid, 1),
        Unregistered("r", "a", pid),
        Registered("r", "b", pid, 2),
        Unregistered("r", "b", pid),
        Registered("r", "c", pid, None),
    ]


@pytest.mark.behaviour("REG-21", "REG-22")
async def test_listeners_hear_of_names_that_are_given_and_not_of_names_that_die() -> None:
    ear = await Member.options(name="ear").start()
    registry = await Registry.start_link("r", keys="unique", listeners=["ear"])
    member = await Member.options(name=registry.via(1.0, "value")).start()
    process.unregister(registry.via(1.0))
    again = await Member.options(name=registry.via("b")).start()
    await end(again)
    assert await ear.heard() == [
        Registered("r", 1.0, pid_of(member), "value"),
        Unregistered("r", 1.0, pid_of(member)),
        Registered("r", "b", pid_of(again), None),
    ]


# --- the death of a partition, and of the registry --------------------------------------------------------------------


async def restarted(registry: Registry, before: list[process.Pid], indexes: set[int]) -> None:
    """Wait until those partitions are new ones."""
    while not all(process.alive(registry.partitions()[each]) for each in range(len(before))) or any(
        registry.partitions()[each] == before[each] for each in indexes
    ):
        await asyncio.sleep(0)


@pytest.mark.behaviour("REG-32")
async def test_a_partition_takes_its_processes_along_unless_they_trap_exits() -> None:
    registry = await Registry.start_link("r", keys="unique")
    member, survivor, bystander = await Member.start(), await Survivor.start(), await Member.start()
    await member.do(registry.register, "a")
    await survivor.do(registry.register, "b")
    before = registry.partitions()
    process.exit(before[0], KILL)
    assert not process.alive(member)
    await restarted(registry, before, {0})
    assert [message.pid for message in await survivor.heard()] == before
    assert process.alive(bystander)


@pytest.mark.behaviour("REG-33")
@pytest.mark.parametrize("keys", ["unique", ("duplicate", "key")])
async def test_where_partitions_share_a_table_one_crash_restarts_them_all(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=3)
    members = [await Member.start() for _ in range(6)]
    for number, member in enumerate(members):
        await member.do(registry.register, number)
    before = registry.partitions()
    process.exit(before[1], KILL)
    await restarted(registry, before, {0, 1, 2})
    assert set(before).isdisjoint(registry.partitions())
    assert not any(map(process.alive, members))
    assert registry.count() == 0
    registry.register(0, "new")
    assert registry.lookup(0) == [(process.current(), "new")]


@pytest.mark.behaviour("REG-33")
async def test_where_each_partition_has_its_table_only_the_crashed_one_is_restarted() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=3)
    members = [await Member.start() for _ in range(6)]
    for member in members:
        await member.do(registry.register, "all")
    before = registry.partitions()
    lost = [member for member in members if before[1] in links(member)]
    process.exit(before[1], KILL)
    await restarted(registry, before, {1})
    assert [a == b for a, b in zip(before, registry.partitions(), strict=True)] == [True, False, True]
    kept = [member for member in members if process.alive(member)]
    assert len(lost) == 2
    assert len(kept) == 4
    assert {pid for pid, _ in registry.lookup("all")} == set(map(pid_of, kept))
    registry.register("all")
    assert registry.count() == 5


@pytest.mark.behaviour("REG-33")
async def test_a_crash_is_reported_and_until_the_restart_registering_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = await Registry.start_link("r", keys="unique")
    before = registry.partitions()
    with caplog.at_level(logging.ERROR, "regrow.supervisor"):
        process.exit(before[0], KILL)
        with pytest.raises(UnknownRegistry, match="being restarted"):
            registry.register("a")
        await restarted(registry, before, {0})
    (record,) = [record for record in caplog.records if record.name == "regrow.supervisor"]
    assert record.getMessage().startswith(f"partition 0 (pid {before[0]}) of registry r terminated")
    assert vars(record)["regrow"]["event"] == "child_terminated"


async def test_the_fourth_crash_within_five_seconds_ends_the_registry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = await Registry.start("r", keys="unique", partitions=2)
    with caplog.at_level(logging.ERROR, "regrow.supervisor"):
        for _ in range(3):
            before = registry.partitions()
            process.exit(before[0], KILL)
            await restarted(registry, before, {0, 1})
        last = registry.partitions()
        ref = process.monitor(registry)
        process.exit(last[0], KILL)
        down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    assert not any(map(process.alive, last))
    assert [vars(record)["regrow"]["event"] for record in caplog.records][-1] == "shutdown"
    assert process.whereis("r") is None


@pytest.mark.behaviour("REG-34")
@pytest.mark.parametrize("keys", KINDS)
async def test_stopping_the_registry_ends_its_processes_with_shutdown(keys: Any) -> None:
    registry = await Registry.start("r", keys=keys, partitions=2)
    members = [await Member.start() for _ in range(4)]
    survivor = await Survivor.start()
    for member in [*members, survivor]:
        await member.do(registry.register, f"key of {pid_of(member)}")
    refs = [process.monitor(member) for member in members]
    await stop(registry)
    downs = [await process.receive(process.Down) for _ in refs]
    assert {down.ref for down in downs} == set(refs)
    assert {down.reason for down in downs} == {SHUTDOWN}
    assert process.alive(survivor)
    with pytest.raises(UnknownRegistry, match="'r' is not running"):
        Registry.named("r").lookup("a")
    with pytest.raises(UnknownRegistry, match="has ended"):
        registry.lookup("a")


@pytest.mark.behaviour("REG-34")
async def test_a_killed_registry_leaves_no_partition_behind() -> None:
    registry = await Registry.start("r", keys="unique", partitions=3)
    member = await Member.start()
    await member.do(registry.register, "a")
    partitions = registry.partitions()
    process.exit(registry, KILL)
    for each in [*partitions, member]:
        await ended(each)
    assert process.whereis("r") is None
    again = await Registry.start("r", keys="unique")
    assert again.lookup("a") == []


async def test_the_dead_write_no_complaint_when_their_registry_died_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = await Registry.start("r", keys="unique")
    survivor = await Survivor.options(name=registry.via("s")).start()
    await stop(registry)
    await stop(survivor)
    assert caplog.records == []
