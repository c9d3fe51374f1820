"""PartitionSupervisor: one child many times, found by a key."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from regrow import Registry, process
from regrow.kernel.errors import AlreadyStarted, InvalidSpec, NameTaken, NoProcess, StartError
from regrow.kernel.names import Global
from regrow.servers.gen_server import stop
from regrow.supervision.children import Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.partition_supervisor import PartitionSupervisor
from tests.supervision.servers import Gate, Moody, Slow, Worker, end

named = PartitionSupervisor.options(name="parts")


@pytest.mark.behaviour("PART-01")
async def test_there_are_as_many_partitions_as_processors_and_keys_of_any_kind_reach_them() -> None:
    async with named.scope(DynamicSupervisor):
        parts = PartitionSupervisor.named("parts")
        assert await parts.partitions() == (os.cpu_count() or 1)
        for key in (0, -7, "a", ("b", 2), 1.5, None, True, Worker):
            shard = DynamicSupervisor.named(parts.via(key))
            child = await shard.start_child(Worker.child_spec(key))
            assert await child.arguments() == (key,)
            assert process.whereis(parts.via(key)) == process.pid_of(shard)


@pytest.mark.behaviour("PART-01")
async def test_keys_are_spread_over_all_partitions() -> None:
    async with named.scope(Worker, partitions=4) as parts:
        for kind in (int, str, lambda n: ("key", n)):
            assert len({process.whereis(parts.via(kind(n))) for n in range(500)}) == 4


@pytest.mark.behaviour("PART-02", "PART-07")
@pytest.mark.parametrize("name", ["parts", Global("parts"), Registry.named("sups").via("parts")])
async def test_its_name_may_be_a_via_and_is_free_when_it_has_stopped(name: Any) -> None:
    await Registry.start_link("sups", keys="unique")
    sup = await PartitionSupervisor.options(name=name).start_link(Worker, partitions=2)
    parts = PartitionSupervisor.named(name)
    assert await Worker.named(parts.via(1)).who() == process.whereis(parts.via(1))
    await stop(sup)
    assert process.whereis(name) is None
    with pytest.raises(NoProcess):
        await Worker.named(parts.via(1)).who()


@pytest.mark.behaviour("PART-03", "PART-04")
async def test_integers_go_by_the_remainder_of_their_absolute_value() -> None:
    def with_partition(arguments: list[Any], partition: int) -> list[Any]:
        return [*arguments, partition]

    async with named.scope((Worker, "x"), partitions=3, with_arguments=with_partition) as parts:
        for key, partition in [(0, 0), (1, 1), (2, 2), (3, 0), (-1, 1), (-5, 2)]:
            assert await Worker.named(parts.via(key)).arguments() == ("x", partition)


@pytest.mark.behaviour("PART-05", "PART-06")
@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"partitions": 0}, "partitions=0"),
        ({"partitions": -1}, "partitions=-1"),
        ({"partitions": "two"}, "partitions='two'"),
        ({"with_arguments": lambda one: [one]}, "with_arguments="),
        ({"with_arguments": 3}, "with_arguments=3"),
        ({"with_arguments": lambda args, n: n}, "with_arguments returned 0"),
        ({"auto_shutdown": "any_significant"}, "auto_shutdown='any_significant'"),
        ({"strategy": "odd"}, "strategy='odd'"),
    ],
)
async def test_bad_options_are_a_failed_start_that_names_them(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(StartError) as failed:
        await named.start_link(Worker, **keys)
    assert text in str(failed.value)
    assert process.whereis("parts") is None


@pytest.mark.behaviour("PART-05")
async def test_it_must_have_a_name_and_its_child_none() -> None:
    with pytest.raises(StartError, match="name=None"):
        await PartitionSupervisor.start_link(Worker)
    with pytest.raises(StartError, match="via"):
        await named.start_link(Worker.options(name="one").child_spec())
    with pytest.raises(StartError, match="'child'"):
        await named.start_link()  # type: ignore[call-arg]
    with pytest.raises(StartError) as failed:
        await named.start_link(3)  # type: ignore[arg-type]
    assert isinstance(failed.value.reason, InvalidSpec)


@pytest.mark.behaviour("PART-08", "PART-09", "PART-12")
async def test_resizing_ends_the_higher_partitions_keeps_their_specs_and_starts_them_again() -> None:
    async with named.scope(Worker, partitions=8) as parts:
        before = {row.id: row.child for row in await parts.which_children()}
        assert sorted(before) == list(range(8))
        assert await parts.resize(3) == 8
        assert await parts.partitions() == 3
        assert await parts.count_children() == Counts(specs=8, active=3, supervisors=0, workers=8)
        assert {process.whereis(parts.via(key)) for key in range(100)} == {
            process.pid_of(before[number]) for number in range(3)
        }
        left = {row.id: row.child for row in await parts.which_children()}
        assert left == {number: before[number] if number < 3 else None for number in range(8)}
        assert await parts.resize(8) == 3
        rows = {row.id: row for row in await parts.which_children()}
        assert [rows[n].child == before[n] for n in range(8)] == [True] * 3 + [False] * 5
        assert rows[7].modules == (Worker,)
        assert await parts.resize(8) == 8


async def test_no_key_leads_to_a_partition_that_is_being_ended() -> None:
    release, told = asyncio.Event(), asyncio.Event()
    async with named.scope((Slow, release, told), partitions=2) as parts:
        resizing = asyncio.create_task(parts.resize(1))
        await told.wait()
        assert process.whereis(parts.via(1)) == process.whereis(parts.via(0))
        release.set()
        assert await resizing == 2


@pytest.mark.behaviour("PART-10", "PART-11")
async def test_zero_partitions_have_no_keys_and_more_than_at_the_start_there_cannot_be() -> None:
    async with named.scope(Worker, partitions=2) as parts:
        assert await parts.resize(0) == 2
        with pytest.raises(ValueError, match="zero partitions"):
            process.whereis(parts.via("key"))
        for wrong in (3, -1, 1.5, True, None):
            with pytest.raises(ValueError, match=f"partitions={wrong!r}: must be from 0 to 2"):
                await parts.resize(wrong)  # type: ignore[arg-type]
        assert await parts.resize(1) == 0


@pytest.mark.behaviour("PART-13")
async def test_nobody_else_can_take_the_name_of_a_partition() -> None:
    async with named.scope(Worker, partitions=1) as parts:
        with pytest.raises(AlreadyStarted) as taken:
            await Worker.options(name=parts.via(0)).start_link()
        assert taken.value.pid == process.whereis(parts.via(0))
        with pytest.raises(NameTaken):
            process.register(parts.via(0))
    with pytest.raises(Exception, match="can't be registered"):
        await Worker.options(name=PartitionSupervisor.named("parts").via(0)).start_link()


@pytest.mark.behaviour("PART-14")
async def test_a_restarted_partition_is_found_under_the_same_key() -> None:
    async with named.scope(Worker, partitions=2) as parts:
        first = process.whereis(parts.via("k"))
        await end(Worker.of(first))
        await parts.count_children()
        assert process.whereis(parts.via("k")) not in (first, None)


async def test_messages_reach_a_partition_by_its_via() -> None:
    seen: list[Any] = []

    class Listener(Worker):
        def handle_info(self, message: Any) -> None:
            seen.append(message)

    async with named.scope(Listener, partitions=2) as parts:
        process.send(parts.via(1), "hello")
        await Listener.named(parts.via(1)).who()
        assert seen == ["hello"]
    with pytest.raises(LookupError):
        process.send(parts.via(1), "nobody")


async def test_a_partition_that_does_not_start_again_leaves_the_size_where_it_is() -> None:
    gate = Gate()
    async with named.scope((Moody, gate), partitions=2) as parts:
        await parts.resize(1)
        gate.mood = "fail"
        with pytest.raises(StartError):
            await parts.resize(2)
        assert await parts.partitions() == 1
        assert await Moody.named(parts.via(1)).who() == process.whereis(parts.via(0))
