"""What supervisors write to the log, and with which fields."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import process
from regrow.kernel.errors import StartError
from regrow.kernel.reasons import KILLED, NORMAL, SHUTDOWN, Shutdown
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Answering, Boom, Gate, Moody, Slow, Worker, end, ended


def reports(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [each.__dict__["regrow"] for each in caplog.records if each.name == "regrow.supervisor"]


async def test_a_crash_of_a_child_is_reported_with_who_and_why(caplog: pytest.LogCaptureFixture) -> None:
    async with DynamicSupervisor.options(name="sup").scope(extra_arguments=["x"]) as sup:
        worker = await sup.start_child(Worker.child_spec(1, deep=True))
        pid = process.pid_of(worker)
        boom = Boom("crash")
        await end(worker, boom)
        await sup.count_children()
    (report,) = reports(caplog)
    assert report == {
        "event": "child_terminated",
        "supervisor": "sup",
        "supervisor_pid": report["supervisor_pid"],
        "reason": boom,
        "child": {
            "pid": pid,
            "id": None,
            "start": Worker,
            "args": "('x', 1)",
            "restart": "permanent",
            "shutdown": 5.0,
            "type": "worker",
            "significant": False,
        },
    }
    (record,) = [each for each in caplog.records if each.name == "regrow.supervisor"]
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith(
        f"child Worker (pid {pid}) of supervisor sup terminated: Boom('crash')"
    )


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("x")])
@pytest.mark.parametrize("restart", ["temporary", "transient", "permanent"])
async def test_a_clean_end_is_reported_of_permanent_children_only(
    restart: Any, reason: object, caplog: pytest.LogCaptureFixture
) -> None:
    made = Worker.child_spec().replace(restart=restart)
    async with DynamicSupervisor.scope() as dynamic, Supervisor.scope([]) as static:
        for sup in (dynamic, static):
            await end(await sup.start_child(made), reason)
            await sup.count_children()
    assert [report["event"] for report in reports(caplog)] == (
        ["child_terminated"] * 2 if restart == "permanent" else []
    )


@pytest.mark.behaviour("DS-49")
async def test_a_temporary_childs_arguments_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async with DynamicSupervisor.scope() as sup:
        await end(await sup.start_child(Worker.child_spec("secret").replace(restart="temporary")))
        await sup.count_children()
    (report,) = reports(caplog)
    assert report["child"]["args"] is None
    assert "secret" not in str(
        [each.getMessage() for each in caplog.records if each.name == "regrow.supervisor"]
    )


@pytest.mark.parametrize("static", [False, True])
async def test_giving_up_is_reported_after_what_led_to_it(
    static: bool, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    sup: Any = await (
        Supervisor.start([], max_restarts=1) if static else DynamicSupervisor.start(max_restarts=1)
    )
    child = await sup.start_child(Moody.child_spec(gate))
    pid = process.pid_of(child)
    gate.mood = "fail"
    process.monitor(sup)
    child.end(Boom("crash"))
    await process.receive(process.Down)
    told = reports(caplog)
    assert [report["event"] for report in told] == ["child_terminated", "start_error", "shutdown"]
    assert [report["child"]["pid"] for report in told] == [pid] * 3
    assert told[2]["reason"] == "reached_max_restart_intensity"
    assert told[2]["child"]["id"] is (Moody if static else None)


async def test_a_failed_first_start_is_reported_by_a_static_supervisor_without_a_pid(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(Exception, match="start failed"):
        await Supervisor.start_link([(Moody, Gate("fail"))])
    (report,) = reports(caplog)
    assert (report["event"], report["child"]["pid"], report["child"]["id"]) == ("start_error", None, Moody)


@pytest.mark.behaviour("SUP-91")
async def test_progress_is_told_at_debug_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "regrow.supervisor")
    async with Supervisor.scope([Worker]) as static, DynamicSupervisor.scope() as dynamic:
        await static.start_child(Worker.child_spec().replace(id="asked"))
        child = await dynamic.start_child(Worker)
        await end(child)
        (again,) = [row.child for row in await dynamic.which_children()]
        pid = process.pid_of(again)
    told = [
        record for record in caplog.records if record.__dict__.get("regrow", {}).get("event") == "progress"
    ]
    assert [record.levelname for record in told] == ["DEBUG"] * 4
    assert [record.__dict__["regrow"]["child"]["id"] for record in told] == [Worker, "asked", None, None]
    assert told[3].getMessage() == f"child Worker (pid {pid}) of supervisor {process_of(told[3])} started"


def process_of(record: Any) -> Any:
    return record.__dict__["regrow"]["supervisor"]


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_permanent_child_that_ends_normally_when_told_to_shut_down_is_reported(
    restart: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with DynamicSupervisor.scope() as sup:
        await sup.terminate_child(
            await sup.start_child(Answering.child_spec(NORMAL).replace(restart=restart))
        )
    assert [report["event"] for report in reports(caplog)] == ["shutdown_error"] * (restart == "permanent")


@pytest.mark.parametrize(
    ("shutdown", "restart", "reason", "told"),
    [
        (5.0, "permanent", "odd", True),
        (5.0, "permanent", NORMAL, True),
        (5.0, "transient", NORMAL, False),
        (5.0, "transient", SHUTDOWN, False),
        ("brutal_kill", "permanent", "odd", True),
        ("brutal_kill", "transient", NORMAL, False),
        ("brutal_kill", "transient", KILLED, False),
    ],
)
async def test_a_child_that_is_dead_when_its_turn_to_be_ended_comes_is_judged_by_its_reason(
    shutdown: Any, restart: Any, reason: object, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    release, ending = asyncio.Event(), asyncio.Event()
    children = [
        Worker.child_spec().replace(id="early", restart=restart, shutdown=shutdown),
        Slow.child_spec(release, ending),
        Worker.child_spec().replace(id="crashes"),
    ]
    async with Supervisor.scope(children, strategy="one_for_all") as sup:
        now = {row.id: row.child for row in await sup.which_children()}
        await end(now["crashes"])
        await ending.wait()
        await end(now["early"], reason)
        release.set()
        assert (await sup.count_children()).active == 3
    errors = [report for report in reports(caplog) if report["event"] == "shutdown_error"]
    assert [(report["child"]["id"], report["reason"]) for report in errors] == [("early", reason)] * told


@pytest.mark.parametrize("static", [False, True])
async def test_a_reason_that_cannot_be_shown_harms_nobody(
    static: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Shy(Exception):
        def __repr__(self) -> str:
            raise RuntimeError

        __str__ = __repr__

    async with Supervisor.scope([]) if static else DynamicSupervisor.scope() as sup:
        await end(await sup.start_child(Worker), Shy())
        assert (await sup.count_children()).active == 1
    (record,) = [each for each in caplog.records if each.name == "regrow.supervisor"]
    assert "terminated: <Shy whose repr raised RuntimeError>" in record.getMessage()


async def test_the_end_of_a_stranger_is_no_news_and_a_message_is(caplog: pytest.LogCaptureFixture) -> None:
    async with DynamicSupervisor.scope() as sup:

        async def stranger() -> None:
            process.link(sup)
            process.exit("odd")

        await ended(process.spawn(stranger))
        process.exit(sup, "a signal of the living")
        await sup.count_children()
        assert reports(caplog) == []
        process.send(sup, "hello")
        await sup.count_children()
    (report,) = reports(caplog)
    assert report["event"] == "unexpected_message"


async def test_a_handler_of_the_log_that_raises_is_told_of_on_stderr_and_stops_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the disk is full")

    handler = Full()
    logging.getLogger("regrow").addHandler(handler)
    try:
        async with DynamicSupervisor.scope() as sup:
            worker = await sup.start_child(Worker)
            await end(worker, Boom("crash"))
            (other,) = [row.child for row in await sup.which_children()]
            assert other != worker
            gate = Gate("fail")
            for _ in range(2):
                with pytest.raises(StartError):
                    await sup.start_child(Moody.child_spec(gate))
            gate.mood = "fine"
            await sup.start_child(Moody.child_spec(gate))
            assert (await sup.count_children()).active == 2
    finally:
        logging.getLogger("regrow").removeHandler(handler)
    said = capsys.readouterr().err
    assert "OSError: the disk is full" in said
    assert "terminating: " in said
