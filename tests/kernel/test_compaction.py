"""Tables give their memory back when what was in them has gone."""

from __future__ import annotations

from sys import getsizeof

from regrow import DynamicSupervisor, GenServer
from regrow.kernel.compaction import compact
from regrow.kernel.runtime import runtime


class Child(GenServer, restart="temporary"): ...


def test_a_table_is_made_as_small_as_what_is_left_and_keeps_its_order() -> None:
    table = {number: str(number) for number in range(100_000)}
    full = getsizeof(table)
    for number in range(0, 100_000):
        if number % 1000:
            del table[number]
    assert getsizeof(table) == full
    before = list(table.items())
    compact(table)
    assert getsizeof(table) < full / 50
    assert list(table.items()) == before


def test_a_table_that_is_well_filled_or_small_is_left_alone() -> None:
    filled = {number: number for number in range(100_000)}
    small = {number: number for number in range(100)}
    for table in (filled, small):
        before = getsizeof(table)
        compact(table)
        assert getsizeof(table) == before


async def test_children_that_have_gone_leave_no_table_behind() -> None:
    rt = runtime()
    async with DynamicSupervisor.scope() as sup:
        me = sup.__regrow_process__()  # type: ignore[attr-defined]  # a handle's way to its process
        spec = Child.child_spec()
        children = [await sup.start_child(spec) for _ in range(20_000)]
        tables = (rt.processes, me.more().links, me.server._table)
        full = [getsizeof(table) for table in tables]
        for child in children:
            await sup.terminate_child(child)
        assert [getsizeof(table) < size / 5 for table, size in zip(tables, full, strict=True)] == [True] * 3
