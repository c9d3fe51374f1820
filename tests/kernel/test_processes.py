"""Processes on their own: spawn, names, labels, info, timers, receive."""

from __future__ import annotations

import asyncio
import enum
import logging
import math
import threading
from typing import Any

import pytest

from regrow import (
    NORMAL,
    Down,
    GenServer,
    Global,
    InvalidName,
    NameTaken,
    NoCurrentProcess,
    NotAllowed,
    Pid,
    ProcessExit,
    process,
)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Colour(enum.Enum):
    RED = 1


async def idle() -> None:
    await asyncio.Event().wait()


async def end_of(pid: Pid) -> object:
    process.monitor(pid)
    return (await process.receive(lambda each: isinstance(each, Down) and each.target == pid)).reason


@pytest.mark.behaviour("PROC-13")
async def test_what_a_function_raises_is_its_reason_and_its_return_is_normal() -> None:
    error = ValueError("x")

    async def fails() -> None:
        raise error

    def plain_fails() -> None:
        raise error

    async def exits() -> None:
        process.exit(("any", "value"))

    async def returns() -> int:
        return 3

    assert await end_of(process.spawn(fails)) is error
    assert await end_of(process.spawn(plain_fails)) is error
    assert await end_of(process.spawn(exits)) == ("any", "value")
    assert await end_of(process.spawn(returns)) is NORMAL


async def test_a_plain_function_that_ends_itself_ends_there_and_then() -> None:
    steps: list[str] = []

    def work() -> None:
        steps.append("begun")
        try:
            process.exit(process.current(), "told itself")
        finally:
            steps.append("left")
        steps.append("went on")

    assert await end_of(process.spawn(work)) == "told itself"
    assert steps == ["begun", "left"]


async def test_a_plain_function_that_is_told_to_end_does_so_when_it_returns() -> None:
    order: list[str] = []

    def work() -> Any:
        try:
            process.exit(process.current(), "boom")
        except ProcessExit:
            order.append("refused")
        with pytest.raises(ProcessExit):
            process.send(1, "x")
        return never()

    async def never() -> None:
        order.append("never")

    assert await end_of(process.spawn(work)) == "boom"
    assert order == ["refused"]


async def test_exit_takes_one_or_two_arguments() -> None:
    with pytest.raises(TypeError, match="not 0 arguments"):
        process.exit()  # type: ignore[call-overload]


async def test_spawn_refuses_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="not 3"):
        process.spawn(3)  # type: ignore[arg-type]


async def test_background_tasks_of_a_process_do_not_pose_as_it() -> None:
    found: list[Pid] = []

    async def background() -> None:
        found.append(process.current())

    async def work() -> None:
        found.append(process.current())
        await asyncio.create_task(background())
        await asyncio.gather(background())
        found.append(process.current())

    await end_of(process.spawn(work))
    assert found[0] == found[-1]
    assert len(set(found)) == 3


def test_outside_of_an_event_loop_there_is_no_process() -> None:
    with pytest.raises(NoCurrentProcess, match="no running event loop"):
        process.current()


async def test_a_bare_callback_is_no_process() -> None:
    caught: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def callback() -> None:
        try:
            process.current()
        except NoCurrentProcess as error:
            caught.set_result(error)

    asyncio.get_running_loop().call_soon(callback)
    assert "in a callback" in str(await caught)


# --- names ---------------------------------------------------------------------------------------------------------

NAMES = [
    "a string",
    Colour,
    Colour.RED,
    GenServer,
    ("room", 1),
    ("room", ("x", Colour.RED), 1.5),
    Global("g"),
]


@pytest.mark.behaviour("PROC-24")
@pytest.mark.parametrize("name", NAMES, ids=repr)
async def test_a_name_finds_its_process_until_it_is_given_up(name: Any) -> None:
    pid = process.spawn(idle)
    process.register(name, pid)
    assert process.whereis(name) == pid
    info = process.info(name)
    assert info is not None
    assert info.name == name
    with pytest.raises(NameTaken) as caught:
        process.register(name, process.spawn(idle))
    assert caught.value.pid == pid
    process.unregister(name) if not isinstance(name, Global) else process.exit(pid, "x")
    await asyncio.sleep(0)
    assert process.whereis(name) is None
    if not isinstance(name, Global):
        with pytest.raises(ValueError, match="no process is registered"):
            process.unregister(name)


@pytest.mark.behaviour("PROC-24")
@pytest.mark.parametrize(
    "name",
    [None, 1, 1.0, True, b"x", (), [], {}, ("a", None), ("a", [1]), 3j, math.pi, ("x", b"y")],
    ids=repr,
)
async def test_what_is_no_name_is_refused_with_the_list_of_what_is(name: Any) -> None:
    with pytest.raises(InvalidName, match="use a string, a class") as caught:
        process.register(name)
    assert repr(name) in str(caught.value)
    with pytest.raises(InvalidName):
        process.whereis(name) if not isinstance(name, int) or name is True else process.register(name)


async def test_names_are_compared_by_type_and_value() -> None:
    names = [("n", 1), ("n", 1.0), ("n", True)]
    for name in names:
        process.register(name, process.spawn(idle))
    assert len({process.whereis(name) for name in names}) == 3
    assert set(map(repr, process.registered())) == set(map(repr, names))


async def test_a_class_counts_by_its_module_and_qualified_name() -> None:
    one, again = type("Reloaded", (), {}), type("Reloaded", (), {})
    pid = process.spawn(idle)
    process.register(one, pid)
    assert process.whereis(again) == pid
    process.unregister(again)
    assert process.whereis(one) is None


async def test_a_class_that_is_called_otherwise_meanwhile_gives_its_name_back_all_the_same() -> None:
    renamed = type("Renamed", (), {})
    pid = process.spawn(idle)
    process.register(renamed, pid)
    renamed.__qualname__ = "Otherwise"
    process.exit(pid, "enough")
    await end_of(pid)
    renamed.__qualname__ = "Renamed"
    assert process.whereis(renamed) is None
    assert process.registered() == []


@pytest.mark.behaviour("PROC-24")
async def test_register_refuses_the_dead_and_a_second_name() -> None:
    async def nothing() -> None: ...

    dead = process.spawn(nothing)
    await end_of(dead)
    with pytest.raises(ValueError, match="no living process"):
        process.register("x", dead)
    process.register("one")
    with pytest.raises(ValueError, match="has a name already"):
        process.register("two")
    process.unregister("one")
    process.register("two")


async def test_a_process_may_have_vias_beside_its_local_name_and_gives_each_up_by_itself() -> None:
    pid = process.spawn(idle)
    for name in (Global("first"), Global("second"), Global("third"), "local"):
        process.register(name, pid)
    info = process.info(pid)
    assert info is not None
    assert info.names == (Global("first"), Global("second"), Global("third"), "local")
    assert info.name == Global("first")
    assert process.registered() == ["local"]
    process.unregister(Global("first"))
    process.unregister(Global("third"))
    info = process.info(pid)
    assert info is not None
    assert (info.name, info.names) == (Global("second"), (Global("second"), "local"))
    assert process.whereis(Global("first")) is process.whereis(Global("third")) is None
    process.exit(pid, "enough")
    await end_of(pid)
    assert process.whereis("local") is process.whereis(Global("second")) is None
    assert process.registered() == []


async def test_a_via_that_equals_anything_is_not_taken_for_a_local_name() -> None:
    class Anything(Global):
        def __eq__(self, _: object) -> bool:
            return True

    pid = process.spawn(idle)
    process.register(Anything("g"), pid)
    process.register("local", pid)
    process.unregister("local")
    assert process.whereis(Global("g")) == pid
    assert process.registered() == []


# --- labels and info -----------------------------------------------------------------------------------------------


@pytest.mark.behaviour("PROC-03", "PROC-09", "PROC-25")
async def test_a_process_can_be_looked_at() -> None:
    async def work(told: Pid) -> None:
        process.set_label({"room": 1})
        assert process.trap_exits() is False
        assert process.trap_exits(False) is True
        process.send(told, "ready")
        await process.receive()  # here it stands

    pid = process.spawn(work, process.current())
    assert process.label(pid) is None
    await process.receive()
    info = process.info(pid)
    assert info is not None
    assert (info.kind, info.status, info.name, info.names, info.label) == (
        "process",
        "busy",
        None,
        (),
        {"room": 1},
    )
    assert process.label(pid) == {"room": 1}
    assert "test_processes.py" in (info.where or "")
    process.send(pid, "end")
    await end_of(pid)
    assert process.info(pid) is None
    assert process.label(pid) is None
    assert pid not in process.processes()


# --- timers --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("PROC-04")
async def test_send_after_sends_once_and_can_be_read_and_cancelled() -> None:
    me = process.current()
    timer, other = process.send_after(me, "ring", 0.01), process.send_after(me, "never", 60)
    left = process.read_timer(other)
    assert left is not None
    assert 59 < left <= 60
    assert 59 < (process.cancel_timer(other) or 0) <= 60
    assert process.cancel_timer(other) is None
    assert await process.receive() == "ring"
    assert process.read_timer(timer) is None
    assert process.cancel_timer(timer) is None


@pytest.mark.behaviour("PROC-04")
async def test_an_interval_sends_until_it_is_cancelled() -> None:
    timer = process.send_interval(process.current(), "tick", 0.002)
    for _ in range(3):
        assert await process.receive() == "tick"
    assert process.cancel_timer(timer) is not None
    with pytest.raises(ValueError, match="more than 0"):
        process.send_interval(process.current(), "tick", 0)


async def test_a_timer_to_the_dead_is_no_error_and_dies_with_its_process() -> None:
    async def nothing() -> None: ...

    pid = process.spawn(nothing)
    timer = process.send_after(pid, "x", 60)
    await end_of(pid)
    assert process.read_timer(timer) is None
    process.send_after(pid, "x", 0)
    process.send(pid, "x")
    process.exit(pid, "x")
    with pytest.raises(ValueError, match="-1"):
        process.send_after(process.current(), "x", -1)


async def test_a_timer_to_a_name_looks_it_up_when_it_is_due() -> None:
    process.send_after("later", "hello", 0.005)
    process.register("later")
    assert await process.receive() == "hello"


# --- receive -------------------------------------------------------------------------------------------------------


async def test_receive_takes_what_matches_and_leaves_the_others_in_order() -> None:
    me = process.current()
    for message in (1, "a", 2, "b", 3.0):
        process.send(me, message)
    assert await process.receive(str) == "a"
    assert await process.receive(lambda each: each == 3.0) == 3.0
    assert await process.receive((str, float)) == "b"
    assert [await process.receive(), await process.receive()] == [1, 2]
    with pytest.raises(TimeoutError, match="within 0 s"):
        await process.receive(timeout=0)
    with pytest.raises(TypeError, match="can't match by 5"):
        await process.receive(5)


async def test_a_pattern_that_fails_is_the_receivers_error() -> None:
    waiting = asyncio.create_task(process.receive(lambda each: each.no_such))
    await asyncio.sleep(0)
    process.send(process.processes()[-1], "message")
    with pytest.raises(AttributeError):
        await waiting


async def test_a_message_that_comes_as_receive_is_cancelled_is_not_lost() -> None:
    async def work() -> object:
        try:
            await process.receive()
        except asyncio.CancelledError:
            return await process.receive(timeout=0)
        return None

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    process.send(process.processes()[-1], "kept")
    task.cancel()
    assert await task == "kept"


async def test_two_tasks_cannot_receive_as_one_process() -> None:
    class Server(GenServer):
        async def init(self) -> None:
            waiting = process.receive()
            waiting.send(None)
            with pytest.raises(NotAllowed, match="waits in receive already"):
                await process.receive()
            waiting.close()

    await Server.start()


@pytest.mark.real_time("a thread works beside the loop")
async def test_another_thread_is_told_that_processes_live_in_an_event_loop() -> None:
    me = process.current()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            process.send(me, "x")
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "no running event loop" in str(errors[0])
