"""A code change runs ``init`` of a living supervisor again, and its children notice nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from regrow import process
from regrow.kernel.errors import Ignore, InvalidFlags, InvalidSpec, MaxChildren
from regrow.kernel.reasons import NORMAL, SHUTDOWN
from regrow.servers import sys
from regrow.supervision.children import Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.flags import Flags
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Worker, children_of, end


class Pool(DynamicSupervisor):
    """Its flags are what the test puts in ``plan``: the values, an exception, or anything else as it is."""

    def init(self, plan: list[Any]) -> Any:
        (what,) = plan
        if isinstance(what, Exception):
            raise what
        return self.flags(**what) if isinstance(what, dict) else what


class Tree(Supervisor):
    """The same; in a dict, ``children`` are the children."""

    def init(self, plan: list[Any]) -> Any:
        (what,) = plan
        if isinstance(what, Exception):
            raise what
        if not isinstance(what, dict):
            return what
        flags = dict(what)
        return self.plan(flags.pop("children"), **flags)


async def change(sup: Any) -> None:
    await sys.suspend(sup)
    try:
        await sys.change_code(sup, None, None)
    finally:
        await sys.resume(sup)


def worker(child_id: str, *args: Any, **keys: Any) -> Any:
    return Worker.child_spec(*args).replace(id=child_id, **keys)


@pytest.mark.behaviour("DS-10")
async def test_new_flags_hold_at_once_and_running_children_stay() -> None:
    plan: list[Any] = [{"max_children": math.inf}]
    async with Pool.scope(plan) as sup:
        workers = [await sup.start_child(Worker) for _ in range(2)]
        plan[0] = {"max_children": 2}
        await change(sup)
        assert await children_of(sup) == workers
        with pytest.raises(MaxChildren, match="max_children=2"):
            await sup.start_child(Worker)


async def test_new_limits_of_restarts_count_those_that_were() -> None:
    plan: list[Any] = [{"max_restarts": 3}]
    sup = await Pool.start(plan)
    for _ in range(2):
        await end(await sup.start_child(Worker))
    plan[0] = {"max_restarts": 2}
    await change(sup)
    process.monitor(sup)
    (await sup.start_child(Worker)).end(NORMAL)
    assert (await process.receive(process.Down)).reason is SHUTDOWN


@pytest.mark.behaviour("DS-09", "SUP-90")
@pytest.mark.parametrize("kind", [Pool, Tree])
@pytest.mark.parametrize(
    "wrong",
    [
        InvalidFlags("max_restarts=-1"),
        ValueError("no"),
        42,
        {"max_restarts": -1, "children": []},
        Flags(strategy="rest_for_one"),  # flags in themselves, but not for a Pool, and no plan of a Tree
    ],
)
async def test_what_is_wrong_is_an_error_and_changes_nothing(kind: Any, wrong: Any) -> None:
    good = {"max_restarts": 0} if kind is Pool else {"max_restarts": 0, "children": []}
    plan: list[Any] = [good]
    sup = await kind.start(plan)
    child = await sup.start_child(Worker)
    plan[0] = wrong
    with pytest.raises((ValueError, InvalidFlags, InvalidSpec)):
        await change(sup)
    assert await children_of(sup) == [child]
    process.monitor(sup)
    child.end(NORMAL)
    assert (await process.receive(process.Down)).reason is SHUTDOWN


@pytest.mark.behaviour("DS-09", "SUP-90")
@pytest.mark.parametrize("kind", [Pool, Tree])
async def test_an_init_that_ignores_changes_nothing_and_is_no_error(kind: Any) -> None:
    plan: list[Any] = [{} if kind is Pool else {"children": []}]
    async with kind.scope(plan) as sup:
        child = await sup.start_child(Worker)
        plan[0] = Ignore()
        await change(sup)
        assert await children_of(sup) == [child]


@pytest.mark.behaviour("SUP-90")
@pytest.mark.parametrize("faulty", [3, [3], [worker("a"), worker("a")]], ids=["no list", "no child", "twice"])
async def test_a_faulty_child_is_an_error_and_no_other_is_changed(faulty: Any) -> None:
    plan: list[Any] = [{"children": [worker("a", "old")]}]
    async with Tree.scope(plan) as sup:
        plan[0] = {"children": [worker("a", "new"), *faulty] if isinstance(faulty, list) else faulty}
        with pytest.raises(InvalidSpec):
            await change(sup)
        (before,) = await children_of(sup)
        await end(before)
        (again,) = await children_of(sup)
        assert await again.arguments() == ("old",)


@pytest.mark.behaviour("SUP-89")
async def test_specs_are_replaced_new_ones_wait_and_vanished_ones_stay() -> None:
    plan: list[Any] = [{"children": [worker("a", "old"), worker("b")]}]
    async with Tree.scope(plan) as sup:
        before = {row.id: row.child for row in await sup.which_children()}
        plan[0] = {"children": [worker("a", "new"), worker("c")]}
        await change(sup)
        after = {row.id: row.child for row in await sup.which_children()}
        assert after == {**before, "c": None}
        assert await sup.count_children() == Counts(specs=3, active=2, supervisors=0, workers=3)
        assert await before["a"].arguments() == ("old",)
        await end(before["a"])
        again = {row.id: row.child for row in await sup.which_children()}["a"]
        assert await again.arguments() == ("new",)
        assert await (await sup.restart_child("c")).who()


@pytest.mark.behaviour("SUP-89")
async def test_the_order_is_that_of_the_new_plan_and_vanished_ones_come_after_it() -> None:
    plan: list[Any] = [{"children": [worker("a"), worker("b"), worker("c")]}]
    async with Tree.scope(plan) as sup:
        plan[0] = {"children": [worker("d"), worker("c"), worker("a")]}
        await change(sup)
        assert [row.id for row in await sup.which_children()] == ["b", "a", "c", "d"]


@pytest.mark.behaviour("SUP-88")
async def test_auto_shutdown_may_change_and_governs_later_ends() -> None:
    children = [worker("s", restart="transient", significant=True), worker("w")]
    plan: list[Any] = [{"children": children, "auto_shutdown": "all_significant"}]
    sup = await Tree.start(plan)
    plan[0] = {"children": [worker("w")], "auto_shutdown": "never"}
    await change(sup)
    with pytest.raises(InvalidSpec, match="auto_shutdown"):
        await sup.start_child(worker("t", restart="transient", significant=True))
    await end({row.id: row.child for row in await sup.which_children()}["s"], NORMAL)
    assert (await sup.count_children()).active == 1
    plan[0] = {"children": children, "auto_shutdown": "any_significant"}
    await change(sup)
    child = await sup.restart_child("s")
    process.monitor(sup)
    child.end(NORMAL)
    assert (await process.receive(process.Down)).reason is SHUTDOWN


async def test_a_supervisor_without_an_init_has_nothing_to_run_again() -> None:
    async with DynamicSupervisor.scope(max_children=1) as sup:
        child = await sup.start_child(Worker)
        await change(sup)
        assert await children_of(sup) == [child]
