"""What supervisors write to the log, and with which fields."""

from __future__ import annotations

from typing import Any

import pytest

from regrow import process
from regrow.kernel.reasons import NORMAL, SHUTDOWN, Shutdown
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, Gate, Moody, Worker, end


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
