"""eventually, assert_receive, Reports and snapshots, outside of the plugin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import regrow.testing
from regrow import DynamicSupervisor, GenServer, Global, Stop, Supervisor, Task, cast, process
from regrow.testing import (
    CrashReport,
    Reports,
    SupervisorReport,
    assert_receive,
    eventually,
    refute_receive,
    run_virtual,
    snapshot,
    virtual_time,
)


class Boom(Exception): ...


class Worker(GenServer, restart="temporary"):
    @cast
    def end(self, reason: object) -> None:
        raise reason if isinstance(reason, Exception) else Stop(reason)


def test_every_public_name_is_there() -> None:
    for name in regrow.testing.__all__:
        assert getattr(regrow.testing, name).__module__.startswith("regrow.testing.")
        assert name in dir(regrow.testing)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        regrow.testing.nonsense  # noqa: B018


# --- eventually ---------------------------------------------------------------------------------------------------


def test_eventually_asks_until_it_is_so_and_exactly_as_long_as_it_may() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await eventually(lambda: loop.time() >= 0.5 and "yes") == "yes"

        async def later() -> bool:
            return loop.time() >= 1.0

        assert await eventually(later)

        def checked() -> str:
            assert loop.time() >= 1.5, "not so late yet"
            return "so"

        assert await eventually(checked) == "so"
        begin = loop.time()
        with pytest.raises(
            AssertionError, match=r"<lambda> did not come true within 2 s; its last answer was \[\]"
        ):
            await eventually(lambda: [], timeout=2)
        assert loop.time() == begin + 2
        with pytest.raises(AssertionError, match="at last it said: never"):
            await eventually(_never, timeout=0)
        with pytest.raises(KeyError):  # any other error goes through
            await eventually(lambda: {}["x"])

    run_virtual(main())


def _never() -> bool:
    raise AssertionError("never")


# --- messages -----------------------------------------------------------------------------------------------------


async def test_a_message_is_matched_by_class_function_or_value() -> None:
    me = process.current()
    for message in ("a", ("b", 1), 3, [4]):
        process.send(me, message)
    assert await assert_receive(int) == 3
    assert await assert_receive(lambda message: message[0] == "b") == ("b", 1)
    assert await assert_receive([4]) == [4]
    with pytest.raises(
        AssertionError, match=r"no message that matches \('b', 1\) came within 0 s; the mailbox\n  'a'"
    ):
        await assert_receive(("b", 1), timeout=0)
    with pytest.raises(AssertionError, match="that matches str came, and none should: 'a'"):
        await refute_receive(str)
    with pytest.raises(AssertionError, match="no message at all came within 0 s; the mailbox is empty"):
        await assert_receive(timeout=0)


async def test_a_refutation_waits_as_long_as_it_says() -> None:
    with virtual_time() as clock:
        process.send_after(process.current(), "late", 0.2)
        await refute_receive(timeout=0.15)
        with pytest.raises(AssertionError, match="'late'"):
            await refute_receive("late")
        assert clock.elapsed == 0.2


# --- reports ------------------------------------------------------------------------------------------------------


async def test_reports_are_typed_and_whole() -> None:
    with Reports() as reports:
        async with DynamicSupervisor.options(name="sup").scope() as sup:
            worker = await sup.start_child(Worker.options(name="w").child_spec())
            worker.end(Boom("x"))
            await eventually(lambda: reports.supervisors)
    crash, told = reports.all
    assert isinstance(crash, CrashReport)
    assert (crash.kind, crash.name, crash.reason) == ("Worker", "'w'", "Boom('x')")
    assert isinstance(crash.error, Boom)
    assert str(crash.message).startswith("end(")
    assert "raise reason" in crash.trace
    assert crash.ancestors[0] == "'sup'"
    assert isinstance(told, SupervisorReport)
    assert (told.event, told.supervisor, told.child["pid"]) == ("child_terminated", "sup", crash.pid)
    assert reports.unexpected() == [crash]
    (await Worker.start()).end(Boom("nobody listens any more"))
    await asyncio.sleep(0)
    assert len(reports.all) == 2


async def test_what_is_expected_is_told_by_class_function_and_text() -> None:
    with Reports() as reports:

        async def crash(reason: Any) -> None:
            worker = await Worker.start()
            worker.end(reason)
            await eventually(lambda: not process.alive(worker))

        with reports.expect(Boom, match="x+y") as one:
            await crash(Boom("xxy"))
        with reports.expect(lambda report: report.kind == "Worker"):
            await crash(ValueError())
        with reports.expect(match="odd"):
            await crash("odd reason")
        reports.allow(KeyError)
        await crash(KeyError())
        assert len(one.found) == 1
        assert reports.unexpected() == []
        with (
            pytest.raises(AssertionError, match="expected a crash by Boom matching 'z'"),
            reports.expect(Boom, match="z"),
        ):
            await crash(Boom("y"))
        assert [each.reason for each in reports.unexpected()] == ["Boom('y')"]
        with (
            pytest.raises(LookupError),
            reports.expect(Boom),
        ):  # the block's own error is the one that is seen
            raise LookupError
        for wrong in (str, "Boom", 3):
            with pytest.raises(TypeError, match="expect takes exception classes"):
                reports.expect(wrong)  # type: ignore[arg-type]


async def test_a_tasks_crash_is_a_crash_too() -> None:
    async def work() -> None:
        raise Boom

    with Reports() as reports:
        async with reports.expect(Boom) as crash:
            Task.start(work)
    assert crash.found[0].kind == "task"


async def test_an_expected_crash_is_waited_for_as_long_as_it_says() -> None:
    with virtual_time() as clock, Reports() as reports:
        with pytest.raises(AssertionError, match="expected a crash by Boom, and none came"):
            async with reports.expect(Boom, timeout=30):
                pass
        assert clock.elapsed == 30


# --- snapshots ----------------------------------------------------------------------------------------------------


async def test_a_snapshot_shows_what_has_come() -> None:
    before = snapshot()
    assert not snapshot().since(before)
    async with Supervisor.scope([Worker.options(name=Global("w")).child_spec()]):
        new = snapshot().since(before)
        assert [each.kind for each in new.processes.values()] == ["Supervisor", "Worker"]
        assert list(new.names) == [Global("w")]
        assert not new.tasks
        task = asyncio.create_task(asyncio.sleep(0))
        assert snapshot().since(before).tasks == {task}
        await task
    assert not snapshot().since(before)
