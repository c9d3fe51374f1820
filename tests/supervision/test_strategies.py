"""Supervisor: who is restarted with whom, what counts as one attempt, and when the supervisor ends by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import process
from regrow.kernel.errors import InvalidSpec, StartError
from regrow.kernel.reasons import KILL, NORMAL, SHUTDOWN, Shutdown
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.children import RESTARTING, Counts
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, Gate, Moody, Obedient, Worker, end, ended

CLEAN = [NORMAL, SHUTDOWN, Shutdown("detail")]


def worker(child_id: object, **keys: Any) -> ChildSpec[Worker]:
    return Worker.child_spec(child_id).replace(id=child_id, **keys)


def moody(child_id: object, gate: Gate, **keys: Any) -> ChildSpec[Moody]:
    return Moody.child_spec(gate).replace(id=child_id, **keys)


async def by_id(sup: Any) -> dict[Any, Any]:
    """Who runs under which id, in start order."""
    return {row.id: row.child for row in reversed(await sup.which_children())}


async def changed(sup: Any, crash: str) -> set[Any]:
    """The ids of those who are other processes after one of them has crashed."""
    before = await by_id(sup)
    await end(before[crash])
    after = await by_id(sup)
    assert list(after) == list(before)
    assert all(after.values())
    return {child_id for child_id in before if before[child_id] != after[child_id]}


@pytest.mark.behaviour("SUP-53", "SUP-56", "SUP-31")
@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [("one_for_one", {"b"}), ("rest_for_one", {"b", "c"}), ("one_for_all", {"a", "b", "c"})],
)
async def test_the_strategy_says_who_is_restarted_with_a_crashed_child(
    strategy: Any, restarted: set[str]
) -> None:
    async with Supervisor.scope([worker("a"), worker("b"), worker("c")], strategy=strategy) as sup:
        assert await changed(sup, "b") == restarted


@pytest.mark.behaviour("SUP-56")
async def test_a_group_is_ended_in_reverse_and_started_in_order_and_is_one_attempt() -> None:
    diary: list[Any] = []
    children = [Obedient.child_spec(diary, name).replace(id=name) for name in "abc"]
    async with Supervisor.scope(children, strategy="one_for_all", max_restarts=1) as sup:
        before = await by_id(sup)
        await end(before["b"])
        after = await by_id(sup)
        assert [label for label, reason in diary if reason is SHUTDOWN] == ["c", "a"]
        pids = [process.pid_of(child) for child in after.values()]
        assert pids == sorted(pids)
        diary.clear()


@pytest.mark.behaviour("SUP-53", "SUP-60")
async def test_one_crash_too_many_ends_the_rest_in_reverse_and_the_supervisor() -> None:
    diary: list[Any] = []
    children = [*(Obedient.child_spec(diary, name).replace(id=name) for name in "ab"), worker("w")]
    sup = await Supervisor.start(children, max_restarts=2)
    for _ in range(2):
        await end((await by_id(sup))["w"])
    ref = process.monitor(sup)
    (await by_id(sup))["w"].end(Boom("crash"))
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    assert diary == [("b", SHUTDOWN), ("a", SHUTDOWN)]


@pytest.mark.behaviour("SUP-54", "SUP-55")
async def test_a_restart_that_always_fails_is_tried_max_restarts_times() -> None:
    gate = Gate()
    sup = await Supervisor.start([moody("m", gate), worker("w")], max_restarts=5)
    other = (await by_id(sup))["w"]
    gate.mood = "fail"
    refs = [process.monitor(other), process.monitor(sup)]
    (await by_id(sup))["m"].end(Boom("crash"))
    downs = [await process.receive(process.Down) for _ in refs]
    assert [(down.ref, down.reason) for down in downs] == [(ref, SHUTDOWN) for ref in refs]
    assert gate.starts == 1 + 5


@pytest.mark.behaviour("SUP-57")
async def test_one_for_all_begins_again_with_all_when_a_sibling_fails_to_start() -> None:
    gate = Gate()
    diary: list[Any] = []
    first = Obedient.child_spec(diary, "first").replace(id="first")
    sup = await Supervisor.start(
        [first, moody("m", gate), worker("last")], strategy="one_for_all", max_restarts=4
    )
    children = await by_id(sup)
    gate.mood = "fail"
    ref = process.monitor(sup)
    children["last"].end(Boom("crash"))
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    # The crash is one attempt, three more follow; each starts "first" and ends it again.
    assert gate.starts == 1 + 4
    assert diary == [("first", SHUTDOWN)] * 5


@pytest.mark.behaviour("SUP-58", "SUP-67")
async def test_rest_for_one_goes_on_from_the_child_that_fails_to_start() -> None:
    gate = Gate()
    children = [worker("a"), worker("b"), moody("m", gate), worker("z")]
    async with Supervisor.scope(children, strategy="rest_for_one", max_restarts=10**9) as sup:
        before = await by_id(sup)
        gate.mood = "fail"
        await end(before["b"])
        stuck = await by_id(sup)
        assert stuck["a"] == before["a"]
        assert stuck["b"] != before["b"]
        assert stuck["m"] is RESTARTING
        assert stuck["z"] is None
        for _ in range(5):
            assert (await by_id(sup))["b"] == stuck["b"]
        gate.mood = "fine"
        while (await by_id(sup))["m"] is RESTARTING:
            pass
        healed = await by_id(sup)
        assert (healed["a"], healed["b"]) == (before["a"], stuck["b"])
        assert process.alive(healed["z"])


@pytest.mark.behaviour("SUP-59")
async def test_rest_for_one_gives_up_when_a_restart_fails_too_often_and_ends_the_rest() -> None:
    gate = Gate()
    diary: list[Any] = []
    children = [Obedient.child_spec(diary, name).replace(id=name) for name in "ab"]
    sup = await Supervisor.start(
        [*children, moody("m", gate), worker("z")], strategy="rest_for_one", max_restarts=4
    )
    gate.mood = "fail"
    ref = process.monitor(sup)
    (await by_id(sup))["m"].end(Boom("crash"))
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    assert gate.starts == 1 + 4
    assert diary == [("b", SHUTDOWN), ("a", SHUTDOWN)]


@pytest.mark.behaviour("SUP-63")
async def test_a_restart_that_ignores_keeps_the_spec_without_a_process() -> None:
    gate = Gate()
    async with Supervisor.scope([moody("m", gate)]) as sup:
        gate.mood = "ignore"
        await end((await by_id(sup))["m"])
        assert await by_id(sup) == {"m": None}
        assert gate.starts == 2


@pytest.mark.behaviour("SUP-44", "SUP-47", "SUP-50")
@pytest.mark.parametrize("reason", CLEAN)
@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
async def test_a_transient_child_that_ends_cleanly_keeps_its_place_and_disturbs_nobody(
    reason: Any, strategy: Any
) -> None:
    async with Supervisor.scope(
        [worker("a"), worker("t", restart="transient"), worker("z")], strategy=strategy
    ) as sup:
        before = await by_id(sup)
        await end(before["t"], reason)
        assert await by_id(sup) == {**before, "t": None}
        assert (await sup.count_children()) == Counts(specs=3, active=2, supervisors=0, workers=3)
        assert await (await sup.restart_child("t")).arguments() == ("t",)


@pytest.mark.behaviour("SUP-45", "SUP-48", "SUP-49", "SUP-50")
@pytest.mark.parametrize("reason", [*CLEAN, Boom("crash"), "odd"])
@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
async def test_a_temporary_child_that_ends_is_forgotten_and_disturbs_nobody(
    reason: Any, strategy: Any
) -> None:
    children = [worker("a"), worker("t", restart="temporary"), worker("z")]
    async with Supervisor.scope(children, strategy=strategy) as sup:
        before = await by_id(sup)
        await end(before["t"], reason)
        assert await by_id(sup) == {"a": before["a"], "z": before["z"]}
        assert (await sup.count_children()) == Counts(specs=2, active=2, supervisors=0, workers=2)


@pytest.mark.behaviour("SUP-46", "SUP-49")
@pytest.mark.parametrize(
    ("restart", "reason"),
    [
        *(("permanent", reason) for reason in [*CLEAN, "odd"]),
        ("transient", "odd"),
        ("transient", Boom("crash")),
    ],
)
async def test_who_is_to_be_restarted_is(restart: Any, reason: Any) -> None:
    async with Supervisor.scope([worker("w", restart=restart)]) as sup:
        before = await by_id(sup)
        await end(before["w"], reason)
        after = await by_id(sup)
        assert process.alive(after["w"])
        assert after != before


@pytest.mark.behaviour("SUP-51")
@pytest.mark.parametrize(("strategy", "crashes"), [("one_for_all", "z"), ("rest_for_one", "a")])
async def test_a_temporary_sibling_ended_in_a_group_is_forgotten(strategy: Any, crashes: str) -> None:
    children = [worker("a"), worker("t", restart="temporary"), worker("z")]
    async with Supervisor.scope(children, strategy=strategy) as sup:
        before = await by_id(sup)
        await end(before[crashes])
        after = await by_id(sup)
        assert list(after) == ["a", "z"]
        assert not process.alive(before["t"])


async def test_siblings_that_crash_together_are_all_healed() -> None:
    for strategy in ("one_for_one", "rest_for_one", "one_for_all"):
        children = [worker(n) for n in range(5)]
        async with Supervisor.scope(children, strategy=strategy, max_restarts=5) as sup:  # type: ignore[misc]
            before = await by_id(sup)
            for child in before.values():
                child.end(Boom("crash"))
            for child in before.values():
                await ended(child)
            after = await by_id(sup)
            assert list(after) == list(before)
            assert not set(after.values()) & set(before.values())
            assert all(process.alive(child) for child in after.values())


async def test_a_child_that_dies_while_its_siblings_are_ended_is_not_counted_again() -> None:
    class Avenger(Worker, trap_exits=True):
        """Takes another along when it is told to end."""

        def __init__(self, victims: list[Any]) -> None:
            super().__init__()
            self.victims = victims

        async def terminate(self, reason: object) -> None:
            for victim in self.victims:
                process.exit(victim, KILL)
            await asyncio.sleep(0)

    victims: list[Any] = []
    children = [worker("a"), worker("b"), Avenger.child_spec(victims)]
    async with Supervisor.scope(children, strategy="one_for_all", max_restarts=1) as sup:
        before = await by_id(sup)
        victims.append(before["a"])
        await end(before["b"])
        after = await by_id(sup)
        assert all(process.alive(child) for child in after.values())
        victims.clear()


# --- auto_shutdown ---------------------------------------------------------------------------------------------------


def significant(child_id: object, **keys: Any) -> ChildSpec[Worker]:
    return worker(child_id, **{"restart": "transient", **keys}, significant=True)


async def end_of(sup: Any) -> object:
    return (await process.receive(lambda message: isinstance(message, process.Down))).reason


@pytest.mark.behaviour("SUP-81")
@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_any_significant_child_that_ends_ends_the_supervisor_in_order(restart: Any) -> None:
    diary: list[Any] = []
    children = [
        Obedient.child_spec(diary, "a").replace(id="a"),
        significant("s", restart=restart),
        significant("other"),
        Obedient.child_spec(diary, "b").replace(id="b"),
    ]
    sup = await Supervisor.start(children, auto_shutdown="any_significant")
    process.monitor(sup)
    (await by_id(sup))["s"].end(NORMAL)
    assert await end_of(sup) is SHUTDOWN
    assert diary == [("b", SHUTDOWN), ("a", SHUTDOWN)]


@pytest.mark.behaviour("SUP-82")
async def test_a_significant_transient_child_that_crashes_is_restarted() -> None:
    async with Supervisor.scope([significant("s")], auto_shutdown="any_significant") as sup:
        before = await by_id(sup)
        await end(before["s"])
        process.exit((await by_id(sup))["s"], KILL)
        assert process.alive((await by_id(sup))["s"])


@pytest.mark.behaviour("SUP-83")
async def test_all_significant_waits_for_the_last_of_them() -> None:
    children = [significant("a"), significant("b"), significant("c"), worker("w")]
    sup = await Supervisor.start(children, auto_shutdown="all_significant")
    await sup.terminate_child("a")
    await end((await by_id(sup))["b"], NORMAL)
    assert (await sup.count_children()).active == 2
    process.monitor(sup)
    (await by_id(sup))["c"].end(NORMAL)
    assert await end_of(sup) is SHUTDOWN


@pytest.mark.behaviour("SUP-83")
async def test_a_significant_child_that_is_restarting_has_not_ended() -> None:
    gate = Gate()
    children = [moody("a", gate, restart="transient", significant=True), significant("b")]
    async with Supervisor.scope(children, auto_shutdown="all_significant", max_restarts=10**9) as sup:
        now = await by_id(sup)
        gate.mood = "fail"
        await end(now["a"])
        await end(now["b"], NORMAL)
        assert await by_id(sup) == {"a": RESTARTING, "b": None}
        gate.mood = "fine"
        while (await sup.count_children()).active < 1:
            await asyncio.sleep(0)


@pytest.mark.behaviour("SUP-83")
async def test_terminating_significant_children_by_hand_ends_nothing() -> None:
    for mode in ("any_significant", "all_significant"):
        async with Supervisor.scope([significant("a"), worker("w")], auto_shutdown=mode) as sup:  # type: ignore[misc]
            await sup.terminate_child("a")
            assert (await sup.count_children()).active == 1


@pytest.mark.behaviour("SUP-84")
async def test_children_that_are_not_significant_end_nothing() -> None:
    for mode in ("any_significant", "all_significant", "never"):
        for restart in ("transient", "temporary"):
            children = [worker("w", restart=restart)]
            async with Supervisor.scope(children, auto_shutdown=mode) as sup:  # type: ignore[misc]
                await end((await by_id(sup))["w"], NORMAL)
                assert (await sup.count_children()).active == 0


@pytest.mark.behaviour("SUP-85")
async def test_significant_children_ended_by_a_siblings_crash_end_nothing() -> None:
    children = [significant("s", restart="temporary"), significant("t"), worker("w")]
    async with Supervisor.scope(children, strategy="one_for_all", auto_shutdown="any_significant") as sup:
        await end((await by_id(sup))["w"])
        assert list(await by_id(sup)) == ["t", "w"]


@pytest.mark.behaviour("SUP-86")
async def test_a_significant_child_where_nothing_ends_by_itself_is_refused() -> None:
    with pytest.raises(StartError, match="auto_shutdown"):
        await Supervisor.start_link([significant("s")])
    async with Supervisor.scope([]) as sup:
        with pytest.raises(InvalidSpec, match="auto_shutdown"):
            await sup.start_child(significant("s"))
        assert await sup.which_children() == []


@pytest.mark.behaviour("SUP-87", "SUP-23")
@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"significant": True}, "significant=True"),
        ({"restart": "always"}, "restart='always'"),
        ({"type": "boss"}, "type='boss'"),
        ({"modules": 3}, "modules=3"),
    ],
)
def test_what_does_not_go_together_is_refused_when_the_spec_is_made(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidSpec, match=text):
        worker("s", **keys)
