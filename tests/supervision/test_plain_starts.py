"""The short way of a start is the usual way: whatever a child does in its start, it comes to the same by both."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import re
import weakref
from collections.abc import Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import pytest

from regrow import Registry, UnknownRegistry, process, sys
from regrow.kernel import runtime as runtimes
from regrow.kernel import scheduler
from regrow.kernel.errors import AlreadyStarted, Ignore, MaxChildren, StartError, Stop
from regrow.kernel.events import attach, detach
from regrow.kernel.names import Global
from regrow.kernel.process import Process, new_pid
from regrow.kernel.reasons import KILL
from regrow.kernel.runtime import runtime
from regrow.servers.calls import call, cast
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer
from regrow.supervision import dynamic_starts, starts
from regrow.supervision.children import Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from tests.supervision.servers import Boom, ended
from tests.waiting import turns

VALUE = ContextVar[str]("VALUE")
Act = Callable[..., Any]


class Child(GenServer):
    """Does in its start what it is given."""

    def __init__(self, act: Act = lambda _: None, *more: Any) -> None:
        self.done: list[str] = []
        self.more = more
        act(self)

    def handle_continue(self, term: object) -> None:
        self.done.append(f"continued with {term}")

    def handle_info(self, message: object) -> None:
        self.done.append(f"got {message}")

    @call
    def state(self) -> tuple[list[str], int]:
        return self.done, len(self.more)

    @cast
    def crash(self) -> None:
        raise Boom


class WithInit(Child):
    def init(self) -> Any:
        self.done.append("init")
        return self.more[0](self) if self.more else None


class Temporary(Child, restart="temporary"): ...


class Trapping(Child, trap_exits=True):
    def terminate(self, reason: object) -> None:
        pass


def fail(_: Any) -> None:
    raise Boom("in its start")


def ignore(_: Any) -> None:
    raise Ignore


def stop(_: Any) -> None:
    raise Stop("enough")


def kill_itself(_: Any) -> None:
    process.exit(process.current(), KILL)


def exit_itself(_: Any) -> None:
    process.exit("by itself")


def outlive_its_exit(_: Any) -> None:
    try:
        process.exit(process.current(), "soon")
    except BaseException:
        pass


def set_a_variable(_: Any) -> None:
    VALUE.set("its own")


def write_to_itself(_: Any) -> None:
    process.send(process.current(), "mail")


def link_another(_: Any) -> None:
    process.spawn_link(asyncio.sleep, 3600)


def nothing(_: Any) -> None:
    pass


def go_on(child: Any) -> None:
    child.continue_with("more")


def set_a_timeout(child: Any) -> None:
    child.set_timeout(3600)


async def wait(_: Any) -> None:
    await asyncio.sleep(0)


async def wait_for_ever(_: Any) -> None:
    await asyncio.Event().wait()


async def wait_and_fail(_: Any) -> None:
    await asyncio.sleep(0)
    raise Boom("in its init")


def return_something(_: Any) -> int:
    return 3


STARTS: dict[str, ChildSpec[Any]] = {
    "plain": Child.child_spec(),
    "with arguments": Child.child_spec(nothing, 2, 3),
    "with keywords": Child.child_spec(act=nothing),
    "with too many keywords": Child.child_spec(nonsense=1),  # type: ignore[call-arg]  # that is what it is for
    "temporary": Temporary.child_spec(nothing, 2),
    "trapping exits": Trapping.child_spec(nothing),
    "fails": Child.child_spec(fail),
    "ignores": Child.child_spec(ignore),
    "stops": Child.child_spec(stop),
    "kills itself": Child.child_spec(kill_itself),
    "exits": Child.child_spec(exit_itself),
    "swallows its exit": Child.child_spec(outlive_its_exit),
    "sets a variable": Child.child_spec(set_a_variable),
    "has mail": Child.child_spec(write_to_itself),
    "has a link": Child.child_spec(link_another),
    "has an init": WithInit.child_spec(nothing),
    "init goes on": WithInit.child_spec(nothing, go_on),
    "init waits": WithInit.child_spec(nothing, wait),
    "init waits and fails": WithInit.child_spec(nothing, wait_and_fail),
    "init fails": WithInit.child_spec(nothing, fail),
    "init ignores": WithInit.child_spec(nothing, ignore),
    "init returns something": WithInit.child_spec(nothing, return_something),
    "init sets a time-out": WithInit.child_spec(nothing, set_a_timeout),
    "under a name": Child.options(name="the one").child_spec(nothing, 2),
    "under a name, with keywords": Child.options(name="the one").child_spec(act=nothing),
    "under a name, temporary": Temporary.options(name=("the", 1)).child_spec(nothing, 2),
    "under a name, transient": Child.options(name="the one", restart="transient").child_spec(nothing),
    "under a name, fails": Child.options(name="the one").child_spec(fail),
    "under a name, has mail": Child.options(name=Child).child_spec(write_to_itself),
    "under a name, has a link": Child.options(name="the one").child_spec(link_another),
    "under a name, swallows its exit": Child.options(name="the one").child_spec(outlive_its_exit),
    "under a name, init goes on": WithInit.options(name="the one").child_spec(nothing, go_on),
    "under a name, init waits": WithInit.options(name="the one", timeout=5.0).child_spec(nothing, wait),
}


async def come_to(
    sup: DynamicSupervisor, spec: ChildSpec[Any], caplog: pytest.LogCaptureFixture, *, watched: bool
) -> list[Any]:
    """Start it, let it crash, and tell all that can be seen of it, by listeners too if it is *watched*. Processes are
    told by their order."""
    me = runtime().processes[process.pid_of(sup)]
    first = new_pid()
    told: list[Any] = []

    def note(event: str, fields: dict[str, Any]) -> None:
        who = {key: fields[key] - first for key in ("pid", "old_pid") if isinstance(fields.get(key), int)}
        acts = runtime().current
        if event == "process.started" and (found := process.info(fields["pid"])):
            told.append(("its links then", [other - first for other in found.links]))
        told.append(
            (
                event,
                who,
                str(fields.get("reason")),
                fields.get("id"),
                fields.get("kind"),
                acts and str(acts.behaviour.name),
                event == "child.started" and runtime().slice_armed,
            )
        )

    if watched:
        attach(note)
    caplog.clear()
    try:
        with caplog.at_level(logging.DEBUG, "regrow.supervisor"):
            try:
                child = await sup.start_child(spec)
            except StartError as error:
                told.append(("raised", type(error), str(error.reason), type(error.__cause__)))
            else:
                told += await _seen(me, child, first)
                child.crash()
                told.append(("ended with", str(await ended(child))))
            await turns()
            told.append(
                [
                    (record.name, record.levelname, re.sub(r"\d+", "N", record.getMessage()))
                    for record in caplog.records
                    if f"pid {first + 1})" in record.getMessage()
                ]
            )
    finally:
        if watched:
            detach(note)
    told.append(("children", (await sup.count_children()).active))
    return told


async def _seen(me: Process, child: Any, first: int) -> list[Any]:
    found = me.runtime.processes[process.pid_of(child)]
    server: Any = me.server
    return [
        ("status", found.status),  # before the first message
        ("state", await child.state()),
        ("is one", isinstance(child, Child), child == Child.of(process.pid_of(child)) or type(child)),
        ("pid", found.pid - first, found.parent == me.pid, found.linked, found.trapping, found.status),
        ("links", [pid - first if pid > first else "sup" for pid in process.info(child).links]),  # type: ignore[union-attr]  # it lives
        ("handle", child._timeout, child._target is found, type(child).__dict__["_server"]),
        ("context", found.context is me.context, VALUE in found.context),
        (
            "book",
            server._arguments.get(found.pid),
            server._table[found.pid].restart,
            server._table[found.pid].args,
        ),
        ("linked by", found.pid in me.more().links),  # type: ignore[operator]  # it has one
    ]


class Ways:
    """Counts the starts that took the usual way. At the beginning that is the only one known.

    No slice of time ends meanwhile, on however slow a machine: what is seen of a start would come in another order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.usual = 0
        monkeypatch.setattr(runtimes, "SLICE", math.inf)
        monkeypatch.setattr(scheduler, "run", partial(scheduler.run, seconds=math.inf))
        for kind in (Child, WithInit, Temporary, Trapping):
            if "_regrow_plain" in vars(kind):
                monkeypatch.delattr(kind, "_regrow_plain")
        begin = starts.begin_child

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.usual += 1
            return begin(*args, **kwargs)

        monkeypatch.setattr(dynamic_starts, "begin_child", counted)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


class OwnVia:
    """A via of the user's own, of one name."""

    holder: int | None = None

    def register_name(self, pid: int) -> bool:
        if self.whereis_name() is not None:
            return False
        self.holder = pid
        return True

    def unregister_name(self) -> None:
        self.holder = None

    def whereis_name(self) -> int | None:
        return self.holder if self.holder in process.processes() else None

    def send(self, message: object) -> None:
        raise LookupError


@pytest.mark.parametrize("about", STARTS)
async def test_a_start_comes_to_the_same_by_both_ways(
    about: str, ways: Ways, caplog: pytest.LogCaptureFixture
) -> None:
    """One under a name has the short way only while nobody listens."""
    runtime().inline = "on"
    spec, watched = STARTS[about], "under a name" not in about
    kind: Any = spec.start
    async with DynamicSupervisor.scope(max_restarts=100) as sup:
        usual = await come_to(sup, spec, caplog, watched=watched)
    async with DynamicSupervisor.scope(max_restarts=100) as sup:
        sibling = await sup.start_child(kind)
        await sup.terminate_child(sibling)
        ways.usual = 0
        short = await come_to(sup, spec, caplog, watched=watched)
    assert short == usual
    assert ways.usual == ("keywords" in about)


async def test_each_class_has_its_short_way_and_specs_that_say_more_have_none(ways: Ways) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        for _ in range(3):
            await sup.start_child(Child)
            await sup.start_child(WithInit)
        assert ways.usual == 2
        for number in range(3):
            await sup.start_child(Child.options(name=f"child {number}").child_spec())
            await sup.start_child(Child.child_spec().replace(restart="transient"))
        assert ways.usual == 5
        await sup.start_child(Child.options(name="debugged", debug=["log"]).child_spec())
        assert ways.usual == 6
        await sup.start_child(Child)
        assert ways.usual == 6


async def test_a_class_whose_children_all_have_names_has_its_short_way_too(ways: Ways) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        for number in range(3):
            await sup.start_child(Child.options(name=f"child {number}").child_spec())
        assert ways.usual == 1
        await sup.start_child(ChildSpec("a spec by hand, without a name", Child))
        assert ways.usual == 2
        transient = Child.options(restart="transient")
        for _ in range(2):
            await sup.start_child(transient.child_spec())
        assert ways.usual == 3
        for _ in range(2):
            await sup.start_child(Child)
        assert ways.usual == 4

        class Subclass(Child): ...

        await sup.start_child(Subclass.options(name="another class").child_spec())
        assert ways.usual == 5


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("about", ["a name", "a via", "a via of a registry", "a via of one's own"])
async def test_a_start_under_a_name_comes_to_the_same_by_both_ways(
    about: str, watched: bool, short: bool, ways: Ways
) -> None:
    runtime().inline = "on"
    events: list[str] = []

    def note(event: str, _fields: dict[str, Any]) -> None:
        events.append(event)

    async with (
        Registry.scope("names", keys="unique") as registry,
        DynamicSupervisor.scope() as sup,
        AsyncExitStack() as cleanup,
    ):
        vias = {"a name": "one", "a via": Global("one"), "a via of a registry": registry.via("one", "value")}
        name: Any = vias.get(about) or OwnVia()
        spec = Child.options(name=name).child_spec(nothing, 2)
        if short:
            await sup.start_child(Child)
        ways.usual = 0
        if watched:
            attach(note)
            cleanup.callback(detach, note)
        one = await sup.start_child(spec)
        pid = process.pid_of(one)
        assert ways.usual == (not short or watched or about == "a via of one's own")
        assert process.whereis(name) == pid
        assert registry.lookup("one") == ([(pid, "value")] if "registry" in about else [])
        if watched:
            assert events == ["process.started", "child.started"]
        before = process.processes()
        with pytest.raises(AlreadyStarted) as taken:
            await sup.start_child(spec)
        assert taken.value.pid == pid
        assert process.processes() == before
        if watched:
            assert events == ["process.started", "child.started", "child.start_failed"]
        one.crash()
        await ended(one)
        await turns()
        assert (await Child.named(name).state())[1] == 1
        again = process.whereis(name)
        assert again not in (pid, None)
        await sup.terminate_child(again)  # type: ignore[arg-type]  # it is up again
        assert process.whereis(name) is None
        await sup.start_child(spec)


async def test_a_name_whose_keeper_is_gone_is_refused_and_nothing_is_left(
    ways: Ways, caplog: pytest.LogCaptureFixture
) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        async with Registry.scope("names", keys="unique") as registry:
            spec = Child.options(name=registry.via("one")).child_spec()
        before = process.processes()
        with pytest.raises(StartError) as failed:
            await sup.start_child(spec)
        assert isinstance(failed.value.reason, UnknownRegistry)
        assert not caplog.records  # no child has crashed: there was none yet
        assert process.processes() == before
        assert (await sup.count_children()).active == 1


async def test_a_key_that_fails_half_way_leaves_nothing_in_the_registry(ways: Ways) -> None:
    class Key:
        fuse = 0

        def __hash__(self) -> int:
            self.fuse -= 1
            if self.fuse == 0:
                raise ValueError("no hash any more")
            return 1

    runtime().inline = "on"
    key = Key()
    async with Registry.scope("names", keys="unique") as registry, DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        spec = Child.options(name=registry.via(key), id="one").child_spec()
        before = process.processes()
        for fuse in range(1, 9):
            key.fuse = fuse
            with contextlib.suppress(StartError):
                await sup.terminate_child(await sup.start_child(spec))
            key.fuse = 0
            await registry.settled()
            assert registry.count() == 0
            assert process.processes() == before
            linked = [process.info(pid).links for pid in before]  # type: ignore[union-attr]  # they all live
            assert {pid for links in linked for pid in links} <= {*before}


async def test_where_nothing_runs_on_its_callers_stack_there_is_no_short_way(ways: Ways) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        runtime().inline = "off"
        await sup.start_child(Child)
        assert ways.usual == 2


async def test_a_child_that_is_started_the_short_way_is_restarted_with_its_arguments(ways: Ways) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        one = await sup.start_child(Child.child_spec(nothing, 1, 2, 3))
        assert ways.usual == 1
        one.crash()
        await ended(one)
        await turns()
        assert [(await row.child.state())[1] for row in await sup.which_children()] == [0, 3]  # type: ignore[union-attr]  # both run


class Pair(NamedTuple):
    one: int
    other: int


class Taking(GenServer):
    def __init__(self, *given: Any) -> None:
        self.given = given

    @call
    def read(self) -> tuple[Any, ...]:
        return self.given

    @cast
    def crash(self) -> None:
        raise Boom


@pytest.mark.parametrize(
    "args",
    [(), (None,), (0,), ((),), ((1,),), ((1, 2),), (Pair(1, 2),), ([],), (1, 2), ((1,), 2)],
    ids=repr,
)
async def test_whatever_its_arguments_were_a_restarted_child_gets_them(args: tuple[Any, ...]) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope(max_restarts=10) as sup:
        for _ in range(2):  # the second one in the short way
            child = await sup.start_child(Taking.child_spec(*args))
            assert await child.read() == args
            child.crash()
            await ended(child)
            await turns()
        for row in await sup.which_children():
            assert isinstance(row.child, Taking)
            given = await row.child.read()
            assert given == args
            assert [type(each) for each in given] == [type(each) for each in args]


@pytest.mark.behaviour("DS-49")
async def test_the_arguments_of_a_temporary_child_are_not_kept(ways: Ways) -> None:
    class Something:
        def __call__(self, child: Any) -> None: ...

    async def start_one(sup: DynamicSupervisor) -> weakref.ref[Something]:
        something = Something()
        await sup.start_child(Temporary.child_spec(something))
        return weakref.ref(something)

    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Temporary)
        kept = await start_one(sup)
        assert ways.usual == 1
        await turns()
        gc.collect()
        assert kept() is None  # it lives on, and its supervisor does not keep what it was started with
        assert (await sup.count_children()).active == 2


async def test_what_a_spec_or_a_class_says_more_holds_for_the_second_child_too() -> None:
    class Named(Child):
        @classmethod
        def name_for(cls, *_: Any) -> str:
            return "the only one"

    class Debugged(Child): ...

    class Hasty(WithInit): ...

    runtime().inline = "on"
    debugged = Debugged.options(debug=["statistics"])
    hasty = Hasty.options(timeout=0.0)
    async with DynamicSupervisor.scope(max_children=4) as sup:
        for _ in range(2):
            assert (await sys.statistics(await sup.start_child(debugged.child_spec()))) is not None
        await sup.start_child(hasty.child_spec())
        with pytest.raises(StartError, match="timeout"):
            await sup.start_child(hasty.child_spec(nothing, wait_for_ever))
        await sup.start_child(Named)
        with pytest.raises(MaxChildren):
            await sup.start_child(Named)
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Named)
        with pytest.raises(AlreadyStarted):
            await sup.start_child(Named)


async def test_who_attends_starts_attends_the_second_one_too() -> None:
    runtime().inline = "on"
    attended: list[Any] = []
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        leave = starts.attend_starts(lambda _me, spec, steps: attended.append(spec.start) or steps)  # type: ignore[func-returns-value]  # it is short
        try:
            await sup.start_child(Child)
        finally:
            leave()
        assert attended == [Child]


async def test_a_start_is_told_to_listeners_and_to_the_log_each_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime().inline = "on"
    told: list[str] = []

    def note(event: str, _fields: dict[str, Any]) -> None:
        told.append(event)

    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        attach(note)
        try:
            await sup.start_child(Child)
        finally:
            detach(note)
        assert told == ["process.started", "child.started"]
        assert not caplog.records
        with caplog.at_level(logging.DEBUG, "regrow.supervisor"):
            await sup.start_child(Child)
        assert [record.regrow["event"] for record in caplog.records] == ["progress"]  # type: ignore[attr-defined]  # regrow's have it


async def test_a_listener_that_raises_what_ends_tasks_ends_the_start_alone() -> None:
    def refuse(event: str, _fields: dict[str, Any]) -> None:
        if event == "process.started":
            raise asyncio.CancelledError

    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(Child)
        attach(refuse)
        try:
            with pytest.raises(StartError) as failed:
                await sup.start_child(Child)
        finally:
            detach(refuse)
        assert isinstance(failed.value.reason, asyncio.CancelledError)
        assert await sup.count_children() == Counts(1, 1, 0, 1)


async def test_a_class_goes_when_its_children_have_gone() -> None:
    async def start_one(sup: DynamicSupervisor) -> weakref.ref[type]:
        class Local(Child): ...

        for _ in range(3):
            await sup.terminate_child(await sup.start_child(Local))
        return weakref.ref(Local)

    async with DynamicSupervisor.scope() as sup:
        local = await start_one(sup)
        await turns()
        gc.collect()
        assert local() is None


async def test_a_class_need_not_be_hashable() -> None:
    class Meta(type):
        __eq__ = object.__eq__

    class Odd(Child, metaclass=Meta, id="odd"): ...

    async with DynamicSupervisor.scope() as sup:
        for _ in range(3):
            await sup.start_child(Odd)
        assert (await sup.count_children()).active == 3


async def test_the_classs_own_spec_has_the_short_way_before_those_of_options(ways: Ways) -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope() as sup:
        for _ in range(3):
            await sup.start_child(Child.options(restart="transient").child_spec())
        assert ways.usual == 3
        for _ in range(3):
            await sup.start_child(Child)
            await sup.start_child(Child.options(restart="transient").child_spec())
        assert ways.usual == 7


async def test_extra_arguments_hold_for_every_child() -> None:
    runtime().inline = "on"
    async with DynamicSupervisor.scope(extra_arguments=[nothing, "extra"]) as sup:
        for _ in range(2):
            child = await sup.start_child(Child.child_spec("own"))  # type: ignore[arg-type]  # it comes second
            assert (await child.state())[1] == 2


async def test_who_wants_to_end_the_program_in_a_start_ends_it() -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    told: list[Any] = []
    loop = asyncio.get_running_loop()
    call_soon: Any = loop.call_soon
    loop.call_soon = lambda function, *args, **more: (  # type: ignore[method-assign, assignment]  # what goes on to the loop
        told.append(args[0])
        if args and isinstance(args[0], KeyboardInterrupt)
        else call_soon(function, *args, **more)
    )
    try:
        async with DynamicSupervisor.scope() as sup:
            await sup.start_child(Child)
            with pytest.raises(StartError) as failed:
                await sup.start_child(Child.child_spec(interrupt))
            assert isinstance(failed.value.reason, KeyboardInterrupt)
            assert (await sup.count_children()).active == 1
    finally:
        loop.call_soon = call_soon  # type: ignore[method-assign]  # as it was
    assert len(told) == 1
