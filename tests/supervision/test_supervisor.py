"""Supervisor: its start, its order, and what clients may ask of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import Registry, process
from regrow.kernel.errors import (
    AlreadyStarted,
    Ignore,
    InvalidFlags,
    InvalidName,
    InvalidSpec,
    NoProcess,
    StartError,
    StartIgnored,
)
from regrow.kernel.names import Global
from regrow.kernel.reasons import NORMAL, SHUTDOWN, Shutdown
from regrow.servers.child_spec import ChildSpec, spec
from regrow.servers.gen_server import stop
from regrow.supervision.children import RESTARTING, ChildInfo, Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import (
    AlreadyPresent,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    FailedToStartChild,
)
from regrow.supervision.supervisor import Plan, Supervisor
from tests.supervision.servers import Boom, Gate, Moody, Obedient, Worker, children_of, end


def worker(child_id: object, **keys: Any) -> ChildSpec[Worker]:
    return Worker.child_spec(child_id).replace(id=child_id, **keys)


async def by_id(sup: Any) -> dict[Any, Any]:
    return {row.id: row.child for row in await sup.which_children()}


# --- the start -------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("SUP-05", "SUP-07", "SUP-30")
async def test_children_start_in_order_and_are_listed_last_first() -> None:
    async def start(*args: Any) -> Worker:
        return await Worker.start_link(*args)

    async with Supervisor.scope([Worker, worker("b"), spec(start, 3), (Moody, Gate())]) as sup:
        rows = await sup.which_children()
        assert [row.id for row in rows] == [Moody, start, "b", Worker]
        pids = [process.pid_of(row.child) for row in rows]
        assert pids == sorted(pids, reverse=True)
        assert await sup.count_children() == Counts(specs=4, active=4, supervisors=0, workers=4)


@pytest.mark.behaviour("SUP-06")
@pytest.mark.parametrize("name", ["sup", Global("sup"), ("sup", 1), Registry.named("sups").via("sup")])
async def test_it_is_reached_by_its_name(name: Any) -> None:
    await Registry.start_link("sups", keys="unique")
    async with Supervisor.options(name=name).scope([Worker]):
        assert len(await Supervisor.named(name).which_children()) == 1


@pytest.mark.behaviour("SUP-08")
@pytest.mark.parametrize("name", [3, None, object(), ["a"], ("a", object())])
def test_a_name_of_a_wrong_kind_is_refused_in_the_caller(name: Any) -> None:
    if name is not None:
        with pytest.raises(InvalidName):
            Supervisor.options(name=name)
    with pytest.raises(InvalidName):
        Supervisor.named(name)


@pytest.mark.behaviour("SUP-07")
async def test_a_permanent_child_that_ends_is_back_under_its_name_with_its_first_state() -> None:
    async with Supervisor.scope([Worker.options(name="w").child_spec("first")]) as sup:
        await end(Worker.named("w"), NORMAL)
        await sup.count_children()
        assert await Worker.named("w").arguments() == ("first",)


@pytest.mark.behaviour("SUP-09", "SUP-04")
async def test_init_gives_the_children_or_a_plan_from_the_arguments_of_the_start() -> None:
    class Tree(Supervisor, strategy="one_for_all", max_restarts=9):
        def init(self, *names: str) -> Plan:
            return self.plan([worker(name) for name in names], max_restarts=1)

    class Shrub(Supervisor):
        def __init__(self, name: str) -> None:
            self.name = name

        async def init(self) -> list[Any]:
            await asyncio.sleep(0)
            return [worker(self.name)]

    async with Tree.scope("a", "b") as tree, Shrub.scope("c") as shrub:
        before = await by_id(tree)
        assert list(before) == ["b", "a"]
        await end(before["a"])
        after = await by_id(tree)
        assert after["a"] != before["a"]
        assert after["b"] != before["b"]
        assert list(await by_id(shrub)) == ["c"]


@pytest.mark.behaviour("SUP-13", "SUP-14")
@pytest.mark.parametrize("nonsense", [42, None])
async def test_init_may_ignore_and_nonsense_is_a_failed_start(nonsense: Any) -> None:
    class Shy(Supervisor):
        def init(self) -> Any:
            raise Ignore

    class Wrong(Supervisor):
        def init(self) -> Any:
            return nonsense

    with pytest.raises(StartIgnored):
        await Shy.start_link()
    with pytest.raises(StartError, match=rf"Wrong.init returned {nonsense}: must be a list of children"):
        await Wrong.start_link()


@pytest.mark.behaviour("SUP-24")
@pytest.mark.parametrize(
    "bad",
    [{"strategy": "x"}, {"max_restarts": -1}, {"max_seconds": 0}, {"auto_shutdown": 1}, {"max_children": 3}],
)
async def test_bad_flags_are_a_failed_start(bad: dict[str, Any]) -> None:
    with pytest.raises(StartError) as failed:
        await Supervisor.start_link([], **bad)
    assert isinstance(failed.value.reason, InvalidFlags)


@pytest.mark.behaviour("SUP-21", "SUP-22")
@pytest.mark.parametrize(
    ("children", "text"),
    [
        ([3], "3 is not a child"),
        ([Worker, Worker], "two children have the id"),
        (7, "7 is no list of children"),
        ("abc", "'abc' is no list of children"),
        (Worker, "is no list of children"),
        ([lambda: 1], "is a plain function"),
        ([int], "the class int has no child_spec"),
        ([()], "empty tuple"),
    ],
)
async def test_bad_children_are_a_failed_start_that_starts_nobody(children: Any, text: str) -> None:
    gate = Gate()
    if isinstance(children, list):
        children = [(Moody, gate), *children]
    with pytest.raises(StartError) as failed:
        await Supervisor.start_link(children)
    assert isinstance(failed.value.reason, InvalidSpec)
    assert text in str(failed.value)
    assert gate.starts == 0


@pytest.mark.behaviour("SUP-26", "SUP-27")
@pytest.mark.behaviour("SUP-28", differs=True)
async def test_a_child_that_fails_to_start_ends_those_before_it_in_reverse_and_the_start() -> None:
    diary: list[Any] = []
    late = Gate()
    children = [
        Obedient.child_spec(diary, "a").replace(id="a"),
        Obedient.child_spec(diary, "b").replace(id="b"),
        Moody.child_spec(Gate("fail")),
        (Moody, late),
    ]
    children[3] = Moody.child_spec(late).replace(id="late")
    with pytest.raises(StartError) as failed:
        await Supervisor.start_link(children)
    reason = failed.value.reason
    assert isinstance(reason, Shutdown)
    assert isinstance(reason.detail, FailedToStartChild)
    assert reason.detail.id is Moody
    assert isinstance(reason.detail.reason, Boom)
    assert diary == [("b", SHUTDOWN), ("a", SHUTDOWN)]
    assert late.starts == 0
    # OTP would have ended this process by the link, since it does not trap exits.
    assert process.alive(process.current())


@pytest.mark.behaviour("SUP-15")
async def test_a_child_that_ignores_its_start_keeps_its_place_without_a_process() -> None:
    async with Supervisor.scope([worker("a"), Moody.child_spec(Gate("ignore")), worker("b")]) as sup:
        assert [row.id for row in await sup.which_children()] == ["b", Moody, "a"]
        assert (await by_id(sup))[Moody] is None
        assert await sup.count_children() == Counts(specs=3, active=2, supervisors=0, workers=3)
        assert await sup.start_child(Moody.child_spec(Gate("ignore")).replace(id="late")) is None
        assert (await by_id(sup))["late"] is None


async def test_a_temporary_child_that_ignores_its_start_is_forgotten() -> None:
    made = Moody.child_spec(Gate("ignore")).replace(restart="temporary")
    async with Supervisor.scope([made]) as sup:
        assert await sup.which_children() == []
        assert await sup.start_child(made) is None
        assert await sup.which_children() == []


# --- adding, stopping, restarting, deleting --------------------------------------------------------------------------


@pytest.mark.behaviour("SUP-10", "SUP-11", "SUP-12", "SUP-20")
async def test_children_can_be_added_and_their_completed_specs_read() -> None:
    async with Supervisor.scope([]) as sup:
        for child in (
            Worker,
            (Moody, Gate()),
            worker("c", shutdown=0),
            worker("d", shutdown=1),
            DynamicSupervisor,
        ):
            await sup.start_child(child)
        made = await sup.get_childspec(Worker)
        assert (made.restart, made.shutdown, made.type, made.significant) == (
            "permanent",
            5.0,
            "worker",
            False,
        )
        assert made.modules == (Worker,)
        made = await sup.get_childspec(DynamicSupervisor)
        assert (made.shutdown, made.type) == (float("inf"), "supervisor")
        with pytest.raises(ChildNotFound):
            await sup.get_childspec("nobody")
        with pytest.raises(InvalidSpec):
            await sup.start_child(3)
        assert await sup.count_children() == Counts(specs=5, active=5, supervisors=1, workers=4)


@pytest.mark.behaviour("SUP-37")
@pytest.mark.parametrize("child_id", ["nobody", 3, None, ["not hashable"]])
async def test_an_unknown_id_is_not_found(child_id: Any) -> None:
    async with Supervisor.scope([Worker]) as sup:
        for ask in (sup.terminate_child, sup.restart_child, sup.delete_child, sup.get_childspec):
            with pytest.raises(ChildNotFound):
                await ask(child_id)
        assert len(await children_of(sup)) == 1


@pytest.mark.behaviour("SUP-42")
async def test_a_pid_is_no_id() -> None:
    async with Supervisor.scope([Worker]) as sup:
        (child,) = await children_of(sup)
        with pytest.raises(ChildNotFound):
            await sup.terminate_child(process.pid_of(child))
        assert process.alive(child)


@pytest.mark.behaviour("SUP-38", "SUP-39", "SUP-40", "SUP-31", "SUP-78")
async def test_the_life_of_a_child_that_is_managed_by_hand() -> None:
    async with Supervisor.scope([worker("a"), worker("b"), worker("c")]) as sup:
        first = (await by_id(sup))["b"]
        for ask in (sup.restart_child, sup.delete_child):
            with pytest.raises(ChildRunning, match="terminate_child"):
                await ask("b")
        with pytest.raises(AlreadyStarted) as taken:
            await sup.start_child(worker("b"))
        assert taken.value.pid == process.pid_of(first)

        assert await sup.terminate_child("b") is None
        assert await sup.terminate_child("b") is None
        assert not process.alive(first)
        assert await sup.count_children() == Counts(specs=3, active=2, supervisors=0, workers=3)
        with pytest.raises(AlreadyPresent, match="restart_child"):
            await sup.start_child(worker("b"))

        again = await sup.restart_child("b")
        assert await again.arguments() == ("b",)
        assert list(await by_id(sup)) == ["c", "b", "a"]

        await sup.terminate_child("b")
        assert await sup.delete_child("b") is None
        assert list(await by_id(sup)) == ["c", "a"]
        await sup.start_child(worker("b"))
        assert list(await by_id(sup)) == ["b", "c", "a"]


@pytest.mark.behaviour("SUP-41")
async def test_terminating_a_temporary_child_forgets_it() -> None:
    async with Supervisor.scope([worker("t", restart="temporary")]) as sup:
        await sup.terminate_child("t")
        for ask in (sup.restart_child, sup.delete_child):
            with pytest.raises(ChildNotFound):
                await ask("t")


@pytest.mark.behaviour("SUP-17", "SUP-64")
async def test_restart_child_may_fail_or_be_ignored_and_the_spec_stays() -> None:
    gate = Gate()
    async with Supervisor.scope([(Moody, gate)]) as sup:
        await sup.terminate_child(Moody)
        gate.mood = "fail"
        with pytest.raises(StartError) as failed:
            await sup.restart_child(Moody)
        assert isinstance(failed.value.reason, Boom)
        assert await by_id(sup) == {Moody: None}
        gate.mood = "ignore"
        assert await sup.restart_child(Moody) is None
        gate.mood = "fine"
        assert await (await sup.restart_child(Moody)).who()


@pytest.mark.behaviour("SUP-19")
async def test_a_name_taken_by_an_outsider_is_a_failed_start_with_its_pid() -> None:
    async with Worker.options(name="taken").scope() as outsider, Supervisor.scope([]) as sup:
        with pytest.raises(AlreadyStarted) as failed:
            await sup.start_child(Worker.options(name="taken").child_spec())
        assert failed.value.pid == process.pid_of(outsider)
        assert await sup.which_children() == []


@pytest.mark.behaviour("SUP-65", "SUP-66")
async def test_a_child_that_is_restarting_can_only_be_terminated() -> None:
    gate = Gate()
    made = Moody.child_spec(gate)
    async with Supervisor.scope([made], max_restarts=10**9) as sup:
        (child,) = await children_of(sup)
        gate.mood = "fail"
        await end(child)
        assert await sup.which_children() == [ChildInfo(Moody, RESTARTING, "worker", (Moody,))]
        assert await sup.count_children() == Counts(specs=1, active=0, supervisors=0, workers=1)
        with pytest.raises(AlreadyPresent):
            await sup.start_child(made)
        for ask in (sup.restart_child, sup.delete_child):
            with pytest.raises(ChildRestarting):
                await ask(Moody)
        await sup.terminate_child(Moody)
        assert await by_id(sup) == {Moody: None}
        starts = gate.starts
        for _ in range(10):
            await sup.count_children()
            await asyncio.sleep(0)
        assert gate.starts == starts
        gate.mood = "fine"
        assert await (await sup.restart_child(Moody)).who()


@pytest.mark.behaviour("SUP-43", "SUP-77")
async def test_a_supervisor_that_is_gone_cannot_be_asked_or_stopped() -> None:
    sup = await Supervisor.start_link([])
    await stop(sup)
    for ask in (sup.which_children, sup.count_children):
        with pytest.raises(NoProcess):
            await ask()
    with pytest.raises(NoProcess):
        await sup.start_child(Worker)
    with pytest.raises(NoProcess):
        await stop(sup)


@pytest.mark.behaviour("SUP-01", "SUP-02")
def test_the_spec_of_a_supervisor_class_comes_from_its_header_options_and_replace() -> None:
    class Plain(Supervisor): ...

    class Tree(Supervisor, id="tree", restart="transient"): ...

    made = Plain.child_spec([Worker], strategy="one_for_all")
    assert (made.id, made.start, made.type, made.restart) == (Plain, Plain, "supervisor", "permanent")
    assert (made.args, dict(made.kwargs)) == (([Worker],), {"strategy": "one_for_all"})

    made = Tree.child_spec([Worker])
    assert (made.id, made.restart, made.type, made.shutdown) == (
        "tree",
        "transient",
        "supervisor",
        float("inf"),
    )
    assert made.replace(restart="temporary", shutdown=3).shutdown == 3
    made = Tree.options(restart="permanent", id="other").child_spec([Worker])
    assert (made.id, made.restart) == ("other", "permanent")


@pytest.mark.behaviour("SUP-61", "SUP-62")
async def test_a_nested_supervisor_is_restarted_with_its_static_children_only() -> None:
    inner_spec = Supervisor.options(id="inner").child_spec([worker("static")], max_restarts=0)
    async with Supervisor.scope([inner_spec], max_restarts=1) as outer:
        (inner,) = await children_of(outer)
        await inner.start_child(worker("added"))
        ref = process.monitor(inner)
        (await by_id(inner))["static"].end(Boom("crash"))
        assert (await process.receive(process.Down)).ref == ref
        (again,) = await children_of(outer)
        assert again != inner
        assert list(await by_id(again)) == ["static"]
    outer = await Supervisor.start([inner_spec], max_restarts=0)
    (inner,) = await children_of(outer)
    process.monitor(outer)
    (await by_id(inner))["static"].end(Boom("crash"))
    assert (await process.receive(process.Down)).reason is SHUTDOWN
