"""Starting a server: the name first, then `__init__` and `init` in the new process, then the acknowledgement."""

from __future__ import annotations

import abc
import asyncio
import dataclasses
import logging
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    GenServer,
    Ignore,
    NoCurrentProcess,
    ProcessExit,
    StartError,
    StartIgnored,
    Stop,
    call,
    process,
)
from regrow.kernel import signals
from regrow.kernel.runtime import runtime
from tests.waiting import forever, now, turns, until


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Moody(GenServer):
    """Starts as it is told to; plain, or in an async `init`."""

    def __init__(self, how: Any = "well", where: str = "plain") -> None:
        self.how, self.where = how, where
        self.name_in_init: Any = process.whereis("moody")
        if where == "plain":
            self.begin()

    def begin(self) -> None:
        if isinstance(self.how, BaseException):
            raise self.how

    async def init(self) -> None:
        if self.where == "async":
            await asyncio.sleep(0)
            self.begin()

    @call
    def ping(self) -> str:
        return "pong"

    @call
    def name_seen(self) -> Any:
        return self.name_in_init


@pytest.mark.behaviour("GS-04", "GS-20")
async def test_start_link_gives_a_handle_of_a_linked_server_that_had_its_name_from_the_first_moment() -> None:
    server = await Moody.options(name="moody").start_link()
    pid = process.pid_of(server)
    info = process.info(server)
    assert info is not None
    assert info.links == (process.current(),)
    assert info.parent == process.current()
    assert await server.name_seen() == pid
    assert process.whereis("moody") == pid


@pytest.mark.behaviour("GS-10", "GS-60")
async def test_start_does_not_link_and_still_knows_its_ancestors() -> None:
    server = await Moody.start()
    info = process.info(server)
    assert info is not None
    assert info.links == ()
    assert info.ancestors == (process.current(),)


WHERE = pytest.mark.parametrize("where", ["plain", "async"])
START = pytest.mark.parametrize("start", ["start", "start_link"])


@pytest.mark.behaviour("GS-15", "GS-18", "GS-24")
@pytest.mark.behaviour("GS-14", differs=True)
@WHERE
@START
@pytest.mark.parametrize(
    ("how", "error", "reason"),
    [
        (Ignore(), StartIgnored, "ignore"),
        (Stop("unwell"), StartError, "unwell"),
        (Stop(NORMAL), StartError, NORMAL),
        (ValueError("x"), StartError, ValueError),
        (asyncio.CancelledError(), StartError, asyncio.CancelledError),
        (RecursionError(), StartError, RecursionError),
        (GeneratorExit(), StartError, GeneratorExit),
    ],
    ids=repr,
)
async def test_a_start_that_fails_raises_frees_the_name_and_sends_no_exit_signal(
    how: BaseException, error: type[StartError], reason: Any, start: str, where: str
) -> None:
    process.trap_exits()
    before = set(process.processes())
    for _ in range(3):
        with pytest.raises(StartError) as caught:
            await getattr(Moody.options(name="moody"), start)(how, where)
        assert type(caught.value) is error
        if isinstance(reason, type):
            assert isinstance(caught.value.reason, reason)
            assert caught.value.__cause__ is caught.value.reason
            assert caught.value.reason.__traceback__ is None
            assert "test_start.py" in str(caught.value)
        else:
            assert caught.value.reason == reason
        assert process.whereis("moody") is None
        assert set(process.processes()) == before
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)


@pytest.mark.behaviour("GS-19")
@START
@pytest.mark.parametrize("trapping", [False, True])
async def test_a_start_that_takes_too_long_is_killed_and_says_timeout(start: str, trapping: bool) -> None:
    class Slow(GenServer):
        async def init(self) -> None:
            await forever()

    process.trap_exits(trapping)
    before = set(process.processes()) | {process.current()}
    with pytest.raises(StartError) as caught:
        await getattr(Slow.options(timeout=20, name="slow"), start)()
    assert now() == 20.0
    assert caught.value.reason == "timeout"
    await until(lambda: set(process.processes()) == before)
    assert process.whereis("slow") is None
    await turns()
    assert process.alive(process.current())
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)


@pytest.mark.parametrize("init", ["slow", "plain"])
@pytest.mark.parametrize("moment", [0, 5])
async def test_a_start_link_that_is_cancelled_kills_the_child_and_spares_the_caller(
    init: str, moment: float
) -> None:
    class Child(GenServer):
        async def init(self) -> None:
            if init == "slow":
                await forever()

    class Plain(GenServer):
        pass

    me = process.current()
    before = set(process.processes())
    try:
        async with asyncio.timeout(moment):
            await (Child if init == "slow" else Plain).start_link()
            await forever()
    except TimeoutError:
        pass
    await turns()
    assert process.alive(me)
    if init == "slow":
        assert set(process.processes()) == before


async def test_kill_during_init_is_a_start_error() -> None:
    class Slow(GenServer):
        async def init(self) -> None:
            process.register("in init")
            await forever()

    starting = asyncio.create_task(Slow.start_link())
    while (pid := process.whereis("in init")) is None:
        await asyncio.sleep(0)
    process.exit(pid, KILL)
    with pytest.raises(StartError) as caught:
        await starting
    assert caught.value.reason is KILLED


@pytest.mark.parametrize("trapping", [False, True])
@pytest.mark.parametrize("how", ["it is told to", "it ends well"])
async def test_a_starter_that_dies_while_its_child_is_in_init_takes_it_along(
    trapping: bool, how: str
) -> None:
    gate, ended = asyncio.Event(), []

    class Child(GenServer):
        async def init(self) -> None:
            process.trap_exits(trapping)
            process.register("child")
            await gate.wait()

        def terminate(self, reason: object) -> None:
            ended.append(reason)

    class Parent(GenServer):
        def handle_info(self, message: Any) -> Any:
            if how == "it ends well":  # the signal that Elixir's exit(self(), :normal) is
                asyncio.get_running_loop().call_later(1, signals.exit_signal, me(), NORMAL, process.current())
            return Child.start_link()

    def me() -> Any:
        return runtime().processes[process.pid_of(parent)]

    parent = await Parent.start()
    process.send(parent, "go")
    await until(lambda: process.whereis("child"))
    pid = process.whereis("child")
    assert pid is not None
    process.monitor(pid)
    if how == "it is told to":
        process.exit(parent, "parent died")
    reason = (await process.receive(Down)).reason
    # Who gives up on a start kills it, so a parent that died in the middle of one leaves nobody behind.
    assert reason == (KILLED if trapping or how == "it ends well" else "parent died")


# --- what can't be started -----------------------------------------------------------------------------------------


class Abstract(GenServer, abc.ABC):
    @call
    @abc.abstractmethod
    def ask(self) -> str: ...


async def test_an_abstract_class_is_refused_by_name() -> None:
    for start in (Abstract.start, Abstract.start_link):
        with pytest.raises(TypeError, match=r"Abstract can't be started: ask is abstract"):
            await start()
    with pytest.raises(TypeError, match="Abstract can't be a child"):
        Abstract.child_spec()


def test_a_start_outside_of_an_event_loop_says_where_processes_live() -> None:
    starting = Moody.start()
    with pytest.raises(NoCurrentProcess, match="no running event loop"):
        starting.send(None)


@pytest.mark.parametrize("timeout", [-1, "5", True, float("nan")], ids=repr)
def test_a_start_time_out_that_is_none_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match="must be seconds"):
        Moody.options(timeout=timeout)


def test_words_that_are_not_known_are_refused_with_those_that_are() -> None:
    with pytest.raises(TypeError, match=r"restrat=.* is not known here; known are .*restart"):
        Moody.options(restrat="permanent")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="is not known here"):

        class Wrong(GenServer, restrat="permanent"):  # type: ignore[call-arg]
            pass

    with pytest.raises(ValueError, match="trap_exits='yes'"):

        class Wrong2(GenServer, trap_exits="yes"):  # type: ignore[arg-type]
            pass


@pytest.mark.behaviour("GS-01")
async def test_a_dataclass_keeps_the_keywords_of_its_header() -> None:
    @dataclasses.dataclass(slots=True)
    class Point(GenServer, restart="transient", shutdown=2.0, id="point"):
        x: int
        y: int = 0

        @call
        def sum(self) -> int:
            return self.x + self.y

    spec = Point.child_spec(1, y=2)
    assert (spec.id, spec.restart, spec.shutdown) == ("point", "transient", 2.0)
    assert await (await Point.start(1, 2)).sum() == 3


@pytest.mark.behaviour("GS-46")
@pytest.mark.parametrize("reason", ["boom", NORMAL, SHUTDOWN], ids=repr)
async def test_a_trapping_server_ends_with_its_parent_without_handle_info(reason: object) -> None:
    ended: list[object] = []

    class Child(GenServer, trap_exits=True):
        def terminate(self, why: object) -> None:
            ended.append(why)

        def handle_info(self, message: Any) -> None:
            ended.append(message)

    async def parent() -> None:
        child = await Child.start_link()
        process.send(me, process.pid_of(child))
        await process.receive()
        process.exit(reason)

    me = process.current()
    pid = process.spawn(parent)
    process.monitor(await process.receive(int))
    process.send(pid, "end")
    assert (await process.receive(Down)).reason == reason
    assert ended == [reason]


@pytest.mark.behaviour("GS-47")
async def test_a_trapping_server_started_without_a_link_takes_its_starters_signal_as_a_message() -> None:
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    class Free(GenServer, trap_exits=True):
        def handle_info(self, message: Any) -> None:
            told.set_result(message)

    server = await Free.start()
    process.exit(server, "a word")
    assert await told == Exit(process.current(), "a word")
    assert process.alive(server)


async def test_a_start_that_is_told_to_end_and_does_not_listen_fails_with_that_reason() -> None:
    class Deaf(GenServer):
        def __init__(self) -> None:
            try:
                process.exit(process.current(), "told")
            except ProcessExit:
                pass

    with pytest.raises(StartError) as caught:
        await Deaf.start_link()
    assert caught.value.reason == "told"
    assert process.alive(process.current())


async def test_stopping_with_a_reply_makes_no_sense_in_init() -> None:
    class Early(GenServer):
        def init(self) -> None:
            self.stopping(None, "early")

    with pytest.raises(StartError, match=r"raise Stop\('early'\)"):
        await Early.start()
