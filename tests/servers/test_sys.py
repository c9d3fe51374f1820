"""System messages: look into a living server, change it, stop it and let it go on."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import (
    TIMEOUT,
    CallingSelf,
    CallTimeout,
    Deadlock,
    DynamicSupervisor,
    Flags,
    GenServer,
    InvalidFlags,
    MaxChildren,
    NoProcess,
    NotAllowed,
    ServerExited,
    call,
    cast,
    process,
    stop,
    sys,
    within,
)
from regrow.kernel.runtime import runtime
from tests.waiting import now


class Till(GenServer):
    def __init__(self, coins: int = 0) -> None:
        self.coins = coins
        self.seen: list[Any] = []

    @call
    def put(self, coins: int) -> int:
        self.coins += coins
        return self.coins

    @cast
    def note(self, what: object) -> None:
        self.seen.append(what)

    @call
    def noted(self) -> list[Any]:
        return self.seen

    @call
    async def ask(self, function: Any) -> Any:
        return await function()

    @call
    def wait_for_more(self, seconds: float | None) -> None:
        self.set_timeout(seconds)

    @cast
    def crash(self) -> None:
        raise ValueError("empty")

    @call
    def crash_now(self) -> None:
        raise ValueError("empty")

    def handle_info(self, message: object) -> None:
        self.seen.append(message)

    def code_change(self, old_version: Any, extra: Any) -> Any:
        self.coins = -1
        if extra == "boom":
            raise ValueError("boom")
        self.coins = extra
        return None


class Slotted(GenServer):
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 1


class Secretive(Till):
    def terminate(self, reason: object) -> None:
        raise AssertionError("it does not come to that")

    def format_status(self, status: Any) -> Any:
        return {**status, "state": "hidden"}


# --- get_state, replace_state -------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-53")
async def test_get_state_gives_the_server_object_suspended_or_not() -> None:
    till = await Till.start(3)
    state = await sys.get_state(till)
    assert type(state) is Till
    assert state.coins == 3
    await sys.suspend(till)
    assert await sys.get_state(till) is state


@pytest.mark.behaviour("GS-54")
@pytest.mark.parametrize("suspended", [False, True])
async def test_replace_state_changes_the_object_or_puts_another_in_its_place(suspended: bool) -> None:
    till = await Till.start(3)
    if suspended:
        await sys.suspend(till)
    changed = await sys.replace_state(till, lambda state: setattr(state, "coins", 4))
    assert changed.coins == 4
    new = Till(9)
    assert await sys.replace_state(till, lambda state: new) is new
    await sys.resume(till)
    assert await till.put(1) == 10


@pytest.mark.behaviour("GS-54")
async def test_a_new_state_holds_for_the_message_that_waits_behind_it() -> None:
    till = await Till.start(3)
    waiting = asyncio.ensure_future(sys.replace_state(till, lambda state: Till(9)))
    await asyncio.sleep(0)
    till.note("next")
    assert (await waiting).coins == 9
    assert await till.noted() == ["next"]
    assert (await sys.get_state(till)).coins == 9


@pytest.mark.behaviour("GS-54")
@pytest.mark.parametrize("suspended", [False, True])
async def test_a_function_that_fails_fails_its_caller_and_leaves_the_state(suspended: bool) -> None:
    till = await Till.start(3)
    if suspended:
        await sys.suspend(till)

    def spoil(state: Till) -> None:
        state.coins = 0
        state.more = 1  # type: ignore[attr-defined]
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await sys.replace_state(till, spoil)
    state = await sys.get_state(till)
    assert state.coins == 3
    assert not hasattr(state, "more")


async def test_a_state_in_slots_is_restored_too() -> None:
    server = await Slotted.start()

    def spoil(state: Slotted) -> None:
        state.value = 0
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await sys.replace_state(server, spoil)
    assert (await sys.get_state(server)).value == 1


@pytest.mark.parametrize("bad", [7, Slotted(), "x"])
async def test_the_new_state_must_be_of_the_same_class(bad: object) -> None:
    till = await Till.start(3)
    with pytest.raises(TypeError, match="must be another Till"):
        await sys.replace_state(till, lambda state: bad)

    async def later(_state: Till) -> None: ...

    with pytest.raises(TypeError, match="must be another Till"):
        await sys.replace_state(till, later)
    assert await till.put(0) == 3


# --- suspend, resume ----------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-55")
async def test_a_suspended_server_lets_all_wait_and_resume_takes_it_in_order() -> None:
    till = await Till.start()
    await sys.suspend(till)
    assert process.info(till).status == "suspended"  # type: ignore[union-attr]
    till.note(1)
    with pytest.raises(CallTimeout):
        await within(till, 3).put(5)
    assert now() == 3.0
    process.send(till, 2)
    till.note(3)
    assert (await sys.get_state(till)).seen == []
    await sys.resume(till)
    assert await till.noted() == [1, 2, 3]
    assert await till.put(0) == 5


async def test_resume_without_suspend_and_suspend_twice_change_nothing() -> None:
    till = await Till.start()
    await sys.resume(till)
    await sys.suspend(till)
    await sys.suspend(till)
    await sys.resume(till)
    assert await till.put(1) == 1


async def test_a_suspended_server_still_ends() -> None:
    first, second = await Till.start(), await Till.start()
    await sys.suspend(first)
    await stop(first)
    assert not process.alive(first)
    await sys.suspend(second)
    process.exit(second, "away")
    assert not process.alive(second)


# --- receive time-outs --------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-37")
async def test_a_system_message_lets_a_receive_timeout_start_afresh() -> None:
    till = await Till.start()
    await till.wait_for_more(6)
    for _ in range(3):
        await asyncio.sleep(5)
        assert (await sys.get_state(till)).seen == []
    await asyncio.sleep(5.9)
    assert _seen_without_a_message(till) == []
    await asyncio.sleep(0.2)
    assert _seen_without_a_message(till) == [TIMEOUT]


def _seen_without_a_message(till: Till) -> list[Any]:
    """What it has seen, without a system message, that would let the time-out start afresh."""
    seen: list[Any] = runtime().processes[process.pid_of(till)].server.seen
    return seen


@pytest.mark.behaviour("GS-37")
async def test_a_suspended_server_gets_no_timeout_before_it_goes_on() -> None:
    till = await Till.start()
    await till.wait_for_more(5)
    await sys.suspend(till)
    await asyncio.sleep(30)
    assert _seen_without_a_message(till) == []
    await sys.resume(till)
    await asyncio.sleep(5.1)
    assert _seen_without_a_message(till) == [TIMEOUT]


# --- get_status ---------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-56")
async def test_get_status_tells_what_the_server_is_about() -> None:
    till = await Till.options(name="till").start_link(3)
    status = await sys.get_status("till")
    assert (status.server, status.name, status.status) == (Till, "till", "running")
    assert (status.pid, status.parent) == (process.pid_of(till), process.current())
    assert status.state.coins == 3
    assert status.debug == ()
    await sys.trace(till, True)
    await sys.log(till, 3)
    await sys.suspend(till)
    status = await sys.get_status(till)
    assert (status.status, status.debug) == ("suspended", ("log", "trace"))


@pytest.mark.behaviour("GS-56")
async def test_format_status_decides_what_is_shown() -> None:
    assert (await sys.get_status(await Secretive.start(3))).state == "hidden"


@pytest.mark.behaviour("GS-56")
async def test_a_format_status_that_fails_is_replaced_by_a_notice() -> None:
    class Clumsy(Till):
        def format_status(self, status: Any) -> Any:
            raise KeyError("no")

    clumsy = await Clumsy.start(3)
    assert (await sys.get_status(clumsy)).state == "<format_status raised KeyError>"
    assert await clumsy.put(1) == 4


# --- reports ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-57")
async def test_the_crash_report_says_who_and_why_and_what_came_last(caplog: pytest.LogCaptureFixture) -> None:
    till = await Till.options(name="till").start(3)
    with pytest.raises(ServerExited):
        await till.crash_now()
    [record] = [each for each in caplog.records if each.name == "regrow"]
    fields: dict[str, Any] = record.regrow  # type: ignore[attr-defined]
    assert (fields["name"], fields["kind"], fields["message"]) == ("'till'", "Till", "crash_now()")
    assert "'coins': 3" in fields["state"]
    assert "ValueError('empty')" in fields["reason"]
    assert record.exc_info is not None
    assert record.exc_info[1].args == ("empty",)  # type: ignore[union-attr]


@pytest.mark.behaviour("GS-57")
async def test_the_crash_report_names_the_caller_only_where_there_is_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crash_it(till: Till) -> None:
        process.current()
        with pytest.raises(ServerExited):
            await till.crash_now()

    client = process.spawn(crash_it, await Till.start())
    ref = process.monitor(client)
    await process.receive(lambda message: message.ref == ref)
    till = await Till.start()
    ref = process.monitor(till)
    till.crash()
    await process.receive(lambda message: message.ref == ref)
    clients = [each.regrow["client"] for each in caplog.records if hasattr(each, "regrow")]
    assert clients == [client, None]


@pytest.mark.behaviour("GS-58")
async def test_format_status_hides_state_message_and_reason_in_the_report(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Private(Till):
        def format_status(self, status: Any) -> Any:
            return {key: f"no {key}" for key in status}

        @cast
        def take(self, password: str) -> None:
            raise ValueError(password)

    private = await Private.options(debug=["log"]).start(3)
    ref = process.monitor(private)
    private.take("sesame")
    await process.receive(lambda message: message.ref == ref)
    [record] = [each for each in caplog.records if each.name == "regrow"]
    text = logging.Formatter("%(message)s").format(record) + repr(record.regrow)  # type: ignore[attr-defined]
    assert "sesame" not in text
    for hidden in ("no state", "no message", "no reason"):
        assert hidden in text


# --- terminate ----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-59")
@pytest.mark.parametrize("suspended", [False, True])
async def test_terminate_runs_terminate_and_ends_with_that_reason(suspended: bool) -> None:
    ended: list[object] = []

    class Tidy(Till):
        def terminate(self, reason: object) -> None:
            ended.append(reason)

    tidy = await Tidy.start()
    ref = process.monitor(tidy)
    if suspended:
        await sys.suspend(tidy)
    assert await sys.terminate(tidy, "enough") is None
    assert ended == ["enough"]
    assert (await process.receive(lambda message: message.ref == ref)).reason == "enough"


# --- change_code --------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-54")
@pytest.mark.parametrize("suspended", [False, True])
async def test_change_code_calls_code_change_and_a_failing_one_changes_nothing(suspended: bool) -> None:
    till = await Till.start(3)
    if suspended:
        await sys.suspend(till)
    await sys.change_code(till, None, 8)
    with pytest.raises(ValueError, match="boom"):
        await sys.change_code(till, None, "boom")
    assert (await sys.get_state(till)).coins == 8


@pytest.mark.parametrize("suspended", [False, True])
async def test_code_change_may_be_async(suspended: bool) -> None:
    class Slow(Till):
        async def code_change(self, old_version: Any, extra: Any) -> None:
            await asyncio.sleep(0)
            if extra is None:
                raise ValueError("nothing given")
            self.coins = extra

    slow = await Slow.start(3)
    if suspended:
        await sys.suspend(slow)
    await sys.change_code(slow, extra=5)
    with pytest.raises(ValueError, match="nothing given"):
        await sys.change_code(slow)
    assert process.info(slow).status == ("suspended" if suspended else "idle")  # type: ignore[union-attr]
    await sys.resume(slow)
    assert await slow.put(0) == 5


@pytest.mark.behaviour("DS-09", "DS-10")
async def test_change_code_of_a_supervisor_runs_its_init_again_and_keeps_its_children() -> None:
    limits: list[Any] = [5]

    class Tills(DynamicSupervisor):
        def init(self) -> Flags:
            return self.flags(max_children=limits[-1])

    async with Tills.scope() as tills:
        till = await tills.start_child(Till)
        limits.append(1)
        await sys.change_code(tills)
        with pytest.raises(MaxChildren):
            await tills.start_child(Till)
        limits.append(-1)
        with pytest.raises(InvalidFlags):
            await sys.change_code(tills)
        with pytest.raises(MaxChildren):
            await tills.start_child(Till)
        assert await till.put(1) == 1


# --- statistics, log, trace, installed functions ------------------------------------------------------------------


async def test_statistics_count_messages_while_they_are_on() -> None:
    till = await Till.start()
    assert await sys.statistics(till) is None
    await sys.statistics(till, True)
    await till.put(1)
    till.note("x")
    process.send(till, "y")
    counted = await sys.statistics(till)
    assert counted is not None
    assert (counted.messages_in, counted.messages_out) == (3, 1)
    assert counted.started <= counted.now
    await sys.statistics(till, False)
    assert await sys.statistics(till) is None


async def test_the_log_keeps_the_last_events() -> None:
    till = await Till.start()
    assert await sys.log(till) == []
    await sys.log(till, 3)
    till.note("first")
    await till.put(2)
    assert await sys.log(till) == [("noreply", "note('first')"), ("in", "put(2)"), ("out", "2")]
    await sys.log(till, 1)
    assert await sys.log(till) == [("out", "2")]
    await sys.log(till, False)
    assert await sys.log(till) == []
    with pytest.raises(ValueError, match="a number of events"):
        await sys.log(till, 0)


async def test_a_trace_writes_every_event_to_its_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "regrow.trace")
    till = await Till.start()
    await sys.trace(till, True)
    await till.put(2)
    await sys.trace(till, False)
    await till.put(2)
    assert [each.regrow["event"] for each in caplog.records] == ["in", "out"]  # type: ignore[attr-defined]


async def test_an_installed_function_sees_events_until_it_is_done() -> None:
    till = await Till.start()
    seen: list[Any] = []

    def watch(left: int, event: tuple[str, Any], pid: int) -> Any:
        seen.append((left, *event, pid))
        return left - 1 if left > 1 else "done"

    await sys.install(till, watch, 2)
    assert (await sys.get_status(till)).debug == (watch.__qualname__,)
    await till.put(7)
    await till.put(8)
    pid = process.pid_of(till)
    assert seen == [(2, "in", "put(7)", pid), (1, "out", "7", pid)]


async def test_installed_functions_are_removed_by_key_or_all_at_once() -> None:
    till = await Till.start()
    seen: list[str] = []
    await sys.install(till, lambda _state, event, _pid: seen.append(event[0]), key="mine")
    await till.put(1)
    await sys.remove(till, "mine")
    await sys.remove(till, "mine")
    await till.put(1)
    assert seen == ["in", "out"]
    await sys.install(till, lambda *_: seen.append("again"))
    await sys.statistics(till, True)
    await sys.no_debug(till)
    await till.put(1)
    assert seen == ["in", "out"]
    assert (await sys.get_status(till)).debug == ()


async def test_an_installed_function_that_fails_is_taken_off_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    till = await Till.start()
    await sys.install(till, lambda *_: 1 / 0, key="bad")
    assert await till.put(1) == 1
    assert (await sys.get_status(till)).debug == ()
    assert "'bad'" in caplog.text


# --- who can be asked ---------------------------------------------------------------------------------------------


async def test_only_living_servers_can_be_asked() -> None:
    till = await Till.start()
    await stop(till)
    for target in (till, "nobody", process.Pid(10**9)):
        with pytest.raises(NoProcess):
            await sys.get_state(target)
    pid = process.spawn(asyncio.Event().wait)
    with pytest.raises(NotAllowed, match="no server"):
        await sys.get_state(pid)
    process.exit(pid, "over")


async def test_a_busy_server_is_not_waited_for_longer_than_said() -> None:
    till = await Till.start()
    free = asyncio.Event()
    asking = asyncio.ensure_future(till.ask(free.wait))
    await asyncio.sleep(0)
    with pytest.raises(CallTimeout, match=r"sys\.get_state"):
        await sys.get_state(till, timeout=4)
    assert now() == 4.0
    with pytest.raises(ValueError, match="must be seconds"):
        await sys.get_state(till, timeout=-1)
    free.set()
    assert await asking is True


async def test_a_server_that_asks_itself_or_in_a_circle_is_refused() -> None:
    one, two = await Till.start(), await Till.start()

    async def itself() -> Any:
        with pytest.raises(CallingSelf):
            await sys.get_state(one)
        return "refused"

    async def round_about() -> Any:
        with pytest.raises(Deadlock):
            await sys.get_state(one)
        return "refused"

    assert await one.ask(itself) == "refused"
    assert await one.ask(lambda: two.ask(round_about)) == "refused"
