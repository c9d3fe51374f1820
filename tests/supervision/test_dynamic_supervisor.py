"""DynamicSupervisor: how it starts, what start_child takes and gives, what it tells about its children."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import process, sys
from regrow.kernel.errors import (
    AlreadyStarted,
    Ignore,
    InvalidFlags,
    InvalidSpec,
    MaxChildren,
    NoProcess,
    ServerExited,
    StartError,
    StartIgnored,
)
from regrow.kernel.names import Global
from regrow.kernel.reasons import NORMAL, SHUTDOWN
from regrow.servers.child_spec import ChildSpec, spec
from regrow.servers.gen_server import stop
from regrow.supervision.children import RESTARTING, ChildInfo, Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import ChildNotFound
from regrow.supervision.flags import Flags
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, Gate, Moody, Slow, SlowStart, Worker, children_of, end, ended


class Games(DynamicSupervisor, max_children=2): ...


# --- the start of the supervisor -------------------------------------------------------------------------------------


async def test_it_starts_without_children() -> None:
    async with DynamicSupervisor.scope() as sup:
        assert await sup.count_children() == Counts(0, 0, 0, 0)
        assert await sup.which_children() == []


@pytest.mark.behaviour("DS-07")
async def test_start_link_registers_the_name_and_stop_frees_it() -> None:
    sup = await DynamicSupervisor.options(name="sup").start_link()
    assert process.whereis("sup") == process.pid_of(sup)
    info = process.info(sup)
    assert info is not None
    assert (info.parent, info.links) == (process.current(), (process.current(),))
    assert (await DynamicSupervisor.named("sup").count_children()).specs == 0
    with pytest.raises(AlreadyStarted) as taken:
        await DynamicSupervisor.options(name="sup").start_link()
    assert taken.value.pid == process.pid_of(sup)
    assert await stop(sup) is None
    assert process.whereis("sup") is None


@pytest.mark.behaviour("DS-01")
def test_the_id_of_its_spec_is_its_name_or_its_class() -> None:
    assert DynamicSupervisor.child_spec().id is DynamicSupervisor
    assert DynamicSupervisor.options(name="a").child_spec().id == "a"
    assert DynamicSupervisor.options(name=Global("a")).child_spec().id == Global("a")
    made = Games.child_spec()
    assert (made.id, made.type, made.restart, made.shutdown) == (
        Games,
        "supervisor",
        "permanent",
        float("inf"),
    )


@pytest.mark.behaviour("DS-04", "DS-05", "DS-06")
@pytest.mark.parametrize(
    "bad",
    [
        {"strategy": "one_for_all"},
        {"strategy": "nonsense"},
        {"max_restarts": -1},
        {"max_seconds": 0},
        {"max_children": -1},
        {"extra_arguments": "abc"},
        {"auto_shutdown": "any_significant"},
        {"max_childs": 3},
    ],
)
async def test_bad_flags_are_a_failed_start_that_says_what_is_wrong(bad: dict[str, Any]) -> None:
    with pytest.raises(StartError) as failed:
        await DynamicSupervisor.start_link(**bad)
    assert isinstance(failed.value.reason, InvalidFlags)
    name, value = next(iter(bad.items()))
    assert f"{name}={value!r}" in str(failed.value)


def test_bad_flags_in_a_class_header_fail_where_the_class_is_written() -> None:
    with pytest.raises(InvalidFlags, match="max_children=-1"):

        class Wrong(DynamicSupervisor, max_children=-1): ...

    with pytest.raises(InvalidFlags, match="strategy='one_for_all'"):

        class AlsoWrong(DynamicSupervisor, strategy="one_for_all"): ...


def test_spec_keys_and_flags_share_the_class_header() -> None:
    class Both(DynamicSupervisor, max_children=7, restart="temporary", id="both"): ...

    made = Both.child_spec()
    assert (made.id, made.restart) == ("both", "temporary")
    with pytest.raises(TypeError, match="max_childs"):

        class Wrong(DynamicSupervisor, max_childs=7): ...


def test_a_supervisor_class_may_not_define_terminate() -> None:
    with pytest.raises(TypeError, match="no terminate of its own"):

        class Wrong(DynamicSupervisor):
            def terminate(self, reason: object) -> None: ...


async def test_arguments_without_an_init_to_take_them_are_refused() -> None:
    with pytest.raises(StartError, match="takes flags only"):
        await DynamicSupervisor.start_link(3)


async def test_the_call_site_wins_over_the_class_header() -> None:
    async with Games.scope(max_children=1) as games:
        await games.start_child(Worker)
        with pytest.raises(MaxChildren, match="max_children=1"):
            await games.start_child(Worker)


async def test_init_makes_the_flags_from_the_arguments() -> None:
    class Rooms(DynamicSupervisor, max_restarts=7):
        def init(self, tenant: str, limit: int) -> Flags:
            return self.flags(max_children=limit, extra_arguments=[tenant])

    async with Rooms.scope("acme", 1) as rooms:
        room = await rooms.start_child(Worker.child_spec("r1"))
        assert await room.arguments() == ("acme", "r1")
        with pytest.raises(MaxChildren):
            await rooms.start_child(Worker)


async def test_a_class_with_its_own_constructor_has_an_init_without_arguments_which_may_be_async() -> None:
    class Rooms(DynamicSupervisor):
        def __init__(self, tenant: str) -> None:
            self.tenant = tenant

        async def init(self) -> Flags:
            await asyncio.sleep(0)
            return self.flags(extra_arguments=[self.tenant])

    async with Rooms.scope("acme") as rooms:
        assert await (await rooms.start_child(Worker)).arguments() == ("acme",)


async def test_init_may_ignore_the_start() -> None:
    class Shy(DynamicSupervisor):
        def init(self) -> Flags:
            raise Ignore

    with pytest.raises(StartIgnored):
        await Shy.start_link()


async def test_an_init_that_returns_nonsense_is_a_failed_start() -> None:
    class Wrong(DynamicSupervisor):
        def init(self) -> Any:
            return 42

    with pytest.raises(StartError, match=r"Wrong.init returned 42: must be self.flags"):
        await Wrong.start_link()


@pytest.mark.behaviour("DS-53")
async def test_it_ends_with_its_parent_even_if_that_ends_normally() -> None:
    async def parent() -> None:
        sup = await DynamicSupervisor.start_link()
        worker = await sup.start_child(Worker)
        process.send(owner, (sup, worker))
        await process.receive(lambda message: message == "you may end")

    owner = process.current()
    pid = process.spawn(parent)
    sup, worker = await process.receive(tuple)
    sup_ref, worker_ref = process.monitor(sup), process.monitor(worker)
    process.send(pid, "you may end")
    reasons = {down.ref: down.reason for down in [await process.receive(process.Down) for _ in range(2)]}
    assert reasons == {sup_ref: NORMAL, worker_ref: SHUTDOWN}


# --- what start_child takes ------------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-11")
async def test_start_child_takes_a_spec_a_class_a_tuple_and_a_spec_round_a_function() -> None:
    async def start(*args: Any) -> Worker:
        return await Worker.start_link(*args)

    async with DynamicSupervisor.scope() as sup:
        assert await (await sup.start_child(Worker.child_spec(1))).arguments() == (1,)
        assert await (await sup.start_child(Worker)).arguments() == ()
        assert await (await sup.start_child((Worker, 2, 3))).arguments() == (2, 3)
        assert await (await sup.start_child(spec(start, 4))).arguments() == (4,)
        assert await (await sup.start_child(ChildSpec("x", start, (5,)))).arguments() == (5,)
        assert (await sup.count_children()).active == 5


@pytest.mark.behaviour("DS-14", "SUP-03")
async def test_a_bad_spec_is_refused_in_the_caller_before_any_message() -> None:
    nobody = DynamicSupervisor.named("nobody")
    with pytest.raises(InvalidSpec, match="'nonsense' is not a child"):
        await nobody.start_child("nonsense")  # type: ignore[call-overload]
    with pytest.raises(NoProcess):
        await nobody.start_child(Worker)


@pytest.mark.behaviour("DS-15", "DS-16", "DS-18")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shutdown", -1),
        ("shutdown", "later"),
        ("restart", "always"),
        ("type", "boss"),
        ("modules", 3),
        ("modules", [3]),
        ("significant", 1),
        ("timeout", -2),
    ],
)
def test_a_spec_with_a_bad_value_cannot_be_made(key: str, value: Any) -> None:
    with pytest.raises(InvalidSpec, match=f"{key}="):
        ChildSpec("x", Worker, **{key: value})


def test_a_start_that_cannot_be_called_makes_no_spec() -> None:
    with pytest.raises(InvalidSpec, match="start=3"):
        ChildSpec("x", 3)  # type: ignore[arg-type]


@pytest.mark.behaviour("DS-16")
async def test_zero_and_one_are_shutdown_times() -> None:
    async with DynamicSupervisor.scope() as sup:
        for seconds in (0, 1):
            await sup.start_child(Worker.child_spec().replace(shutdown=seconds))


@pytest.mark.behaviour("DS-17")
async def test_a_significant_child_is_refused() -> None:
    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(InvalidSpec, match="significant=True"):
            await sup.start_child(Worker.child_spec().replace(restart="transient", significant=True))


@pytest.mark.behaviour("DS-46")
async def test_ids_need_not_differ_but_names_must() -> None:
    async with DynamicSupervisor.scope() as sup:
        one = await sup.start_child(Worker.child_spec().replace(id="same"))
        two = await sup.start_child(Worker.child_spec().replace(id="same"))
        assert one != two
        first = await sup.start_child(Worker.options(name="n").child_spec())
        with pytest.raises(AlreadyStarted) as taken:
            await sup.start_child(Worker.options(name="n").child_spec())
        assert taken.value.pid == process.pid_of(first)
        assert (await sup.count_children()).specs == 3


@pytest.mark.behaviour("DS-12", "DS-13")
async def test_extra_arguments_come_first_at_every_start_and_only_once() -> None:
    async with DynamicSupervisor.scope(extra_arguments=["a", "b"]) as sup:
        worker = await sup.start_child(Worker.child_spec("c"))
        assert await worker.arguments() == ("a", "b", "c")
        for _ in range(2):
            await end(worker)
            (worker,) = await children_of(sup)
            assert await worker.arguments() == ("a", "b", "c")


async def test_the_started_child_belongs_to_the_supervisor_and_not_to_who_asked() -> None:
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Worker)
        info = process.info(worker)
        assert info is not None
        assert info.parent == process.pid_of(sup)
        assert process.pid_of(sup) in info.links


async def test_who_asks_may_die_and_the_child_lives_on() -> None:
    async with DynamicSupervisor.scope() as sup:
        children: list[Any] = []

        async def ask() -> None:
            children.append(await sup.start_child(Worker))
            raise Boom

        process.spawn_monitor(ask)
        await process.receive(process.Down)
        assert await children[0].who() == process.pid_of(children[0])


async def test_a_child_starts_under_the_name_its_class_makes_and_with_the_debug_options_of_its_spec() -> None:
    class Named(Worker):
        @classmethod
        def name_for(cls, *key: object) -> tuple[object, ...]:
            return ("named", *key)

    async with DynamicSupervisor.scope(extra_arguments=["x"]) as sup:
        named = await sup.start_child((Named, "y"))
        assert process.whereis(("named", "x", "y")) == process.pid_of(named)
        counted = await sup.start_child(Worker.options(debug=("statistics",)).child_spec())
        assert await sys.statistics(counted) is not None


async def test_a_name_that_leads_nowhere_is_not_found_and_named_in_the_error() -> None:
    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(ChildNotFound, match="nobody of that name") as missing:
            await sup.terminate_child(Worker.named("nobody of that name"))
        assert missing.value.child == Worker.named("nobody of that name")


# --- max_children ----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-22")
async def test_a_slot_is_free_as_soon_as_a_child_is_terminated() -> None:
    async with DynamicSupervisor.scope(max_children=1) as sup:
        for _ in range(3):
            worker = await sup.start_child(Worker)
            with pytest.raises(MaxChildren):
                await sup.start_child(Worker)
            await sup.terminate_child(worker)


async def test_no_child_at_all_is_a_limit_too() -> None:
    async with DynamicSupervisor.scope(max_children=0) as sup:
        with pytest.raises(MaxChildren, match="max_children=0"):
            await sup.start_child(Worker)


@pytest.mark.behaviour("DS-30")
async def test_a_child_whose_restart_fails_keeps_its_slot() -> None:
    gate = Gate()
    async with DynamicSupervisor.scope(max_children=1, max_restarts=10**9) as sup:
        worker = await sup.start_child(Moody.child_spec(gate))
        gate.mood = "fail"
        await end(worker)
        assert await children_of(sup) == [RESTARTING]
        with pytest.raises(MaxChildren):
            await sup.start_child(Worker)


@pytest.mark.behaviour("DS-31")
async def test_a_restarted_child_takes_one_slot() -> None:
    async with DynamicSupervisor.scope(max_children=2) as sup:
        await end(await sup.start_child(Worker))
        await sup.start_child(Worker)
        with pytest.raises(MaxChildren):
            await sup.start_child(Worker)


# --- what it tells ---------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-29", "DS-52")
async def test_rows_have_no_id_and_counts_are_by_type() -> None:
    async with DynamicSupervisor.scope() as sup:
        worker = await sup.start_child(Worker.child_spec().replace(id="mine"))
        inner = await sup.start_child(Games)
        assert await sup.which_children() == [
            ChildInfo(None, worker, "worker", (Worker,)),
            ChildInfo(None, inner, "supervisor", (Games,)),
        ]
        assert await sup.count_children() == Counts(specs=2, active=2, supervisors=1, workers=1)


async def test_iter_children_pages_and_leaves_out_who_ended_meanwhile() -> None:
    async with DynamicSupervisor.scope() as sup:
        workers = [await sup.start_child(Worker.child_spec(n)) for n in range(5)]
        assert [row.child async for row in sup.iter_children(page=2)] == workers
        pages = sup.iter_children(page=2)
        assert (await anext(pages)).child == workers[0]
        await sup.terminate_child(workers[3])
        assert [row.child async for row in pages] == [workers[1], workers[2], workers[4]]
        with pytest.raises(ValueError, match="page=0"):
            sup.iter_children(page=0)


@pytest.mark.behaviour("DS-51", "SUP-76")
async def test_a_slow_start_makes_others_wait_and_loses_none_of_them() -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    async with DynamicSupervisor.scope() as sup:
        starting = asyncio.create_task(sup.start_child(SlowStart.child_spec(release, entered)))
        await entered.wait()
        counting = asyncio.create_task(sup.count_children())
        await asyncio.sleep(0)
        assert not counting.done()
        release.set()
        assert (await counting).active == 1
        assert await (await starting).who()


# --- terminate_child -------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("DS-42", "DS-43")
@pytest.mark.parametrize("shutdown", ["brutal_kill", 5, float("inf"), 0])
async def test_terminate_child_ends_it_by_handle_or_pid_and_forgets_it(shutdown: Any) -> None:
    async with DynamicSupervisor.scope() as sup:
        made = Worker.child_spec().replace(shutdown=shutdown)
        by_handle, by_pid = await sup.start_child(made), await sup.start_child(made)
        pid = process.pid_of(by_pid)
        ref = process.monitor(by_handle)
        assert await sup.terminate_child(by_handle) is None
        down = await process.receive(process.Down)
        expected = "KILLED" if shutdown == "brutal_kill" else "SHUTDOWN"
        assert (down.ref, repr(down.reason)) == (ref, expected)
        await sup.terminate_child(pid)
        for gone in (by_handle, by_pid, pid):
            with pytest.raises(ChildNotFound):
                await sup.terminate_child(gone)
        assert await sup.count_children() == Counts(0, 0, 0, 0)


async def test_terminate_child_refuses_who_is_no_child() -> None:
    async with DynamicSupervisor.scope() as sup, Worker.scope() as stranger:
        for wrong in (stranger, process.current(), 10**9, Worker.named("nobody"), sup):
            with pytest.raises(ChildNotFound):
                await sup.terminate_child(wrong)
        assert process.alive(stranger)


@pytest.mark.behaviour("DS-44")
async def test_terminate_child_waits_until_the_child_is_gone() -> None:
    release, told = asyncio.Event(), asyncio.Event()
    async with DynamicSupervisor.scope() as sup:
        slow = await sup.start_child(Slow.child_spec(release, told))
        stopping = asyncio.create_task(sup.terminate_child(slow))
        await told.wait()
        assert process.alive(slow) or not stopping.done()
        assert not stopping.done()
        release.set()
        await stopping
        assert (await sup.count_children()).specs == 0


async def test_a_child_may_ask_for_its_own_end() -> None:
    class Suicidal(Worker):
        async def handle_info(self, message: Any) -> None:
            await message.terminate_child(process.current())

    async with DynamicSupervisor.scope() as sup:
        child = await sup.start_child(Suicidal)
        process.send(child, sup)
        assert await ended(child) is SHUTDOWN
        assert (await sup.count_children()).specs == 0


@pytest.mark.behaviour("DS-45")
async def test_terminating_a_restarting_child_by_its_last_pid_cancels_the_retries() -> None:
    gate = Gate()
    async with DynamicSupervisor.scope(max_restarts=10**9) as sup:
        worker = await sup.start_child(Moody.child_spec(gate))
        pid = process.pid_of(worker)
        gate.mood = "fail"
        await end(worker)
        assert await children_of(sup) == [RESTARTING]
        await sup.terminate_child(pid)
        assert await children_of(sup) == []
        starts = gate.starts
        for _ in range(10):
            await sup.count_children()
            await asyncio.sleep(0)
        assert gate.starts == starts


# --- strangers, unexpected messages, the dead ----------------------------------------------------------------------


@pytest.mark.behaviour("DS-47", "SUP-71")
@pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])
async def test_exit_signals_of_strangers_do_not_stop_it(kind: Any) -> None:
    async with kind.scope() as sup:
        worker = await sup.start_child(Worker)

        async def shoot() -> None:
            for reason in (SHUTDOWN, "odd", NORMAL):
                process.exit(sup, reason)

        async def linked_crash() -> None:
            process.link(sup)
            raise RuntimeError("a linked stranger dies")

        for stranger in (shoot, linked_crash):
            process.spawn_monitor(stranger)
            await process.receive(process.Down)
        assert await children_of(sup) == [worker]


async def test_a_child_that_signals_its_supervisor_is_not_taken_for_dead() -> None:
    class Rude(Worker):
        def handle_info(self, message: Any) -> None:
            process.exit(message, "go away")

    async with DynamicSupervisor.scope() as sup:
        rude = await sup.start_child(Rude)
        process.send(rude, sup)
        assert await rude.who()
        assert await children_of(sup) == [rude]


@pytest.mark.behaviour("DS-48", "SUP-75")
@pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])
async def test_an_unexpected_message_is_logged_and_ignored(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with kind.scope() as sup:
        process.send(sup, "what?")
        assert (await sup.count_children()).specs == 0
    (record,) = [each for each in caplog.records if each.name == "regrow.supervisor"]
    assert "unexpected message: 'what?'" in record.getMessage()


async def test_a_class_may_take_messages_of_its_own_and_loses_no_child_by_it() -> None:
    seen: list[Any] = []

    class Listening(DynamicSupervisor):
        def handle_info(self, message: Any) -> None:
            seen.append(message)

    async with Listening.scope() as sup:
        process.send(sup, "hello")
        worker = await sup.start_child(Worker)
        await end(worker)
        (again,) = await children_of(sup)
        assert again != worker
        assert seen == ["hello"]


@pytest.mark.behaviour("SUP-43")
async def test_asking_a_supervisor_that_is_gone_raises_no_process() -> None:
    sup = await DynamicSupervisor.start_link()
    await stop(sup)
    with pytest.raises(NoProcess):
        await sup.count_children()
    with pytest.raises(ServerExited):
        await sup.start_child(Worker)
