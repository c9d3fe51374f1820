"""What supervisors tell whoever listens: each child's start, restart and end, and their own giving up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from regrow import SHUTDOWN, DynamicSupervisor, GenServer, StartError, Stop, Supervisor, cast, process
from regrow.kernel.events import attach, detach
from tests.waiting import turns

Told = list[tuple[str, dict[str, Any]]]


class Worker(GenServer):
    @cast
    def crash(self) -> None:
        raise ValueError("as asked")

    @cast
    def leave(self) -> None:
        raise Stop(SHUTDOWN)


class Broken(GenServer):
    def __init__(self) -> None:
        raise ValueError("cannot start")


@contextmanager
def listening() -> Iterator[Told]:
    told: Told = []

    def note(event: str, fields: dict[str, Any]) -> None:
        if event.startswith(("child.", "supervisor.")):
            told.append((event, fields))

    attach(note)
    try:
        yield told
    finally:
        detach(note)


def names(told: Told) -> list[str]:
    return [event for event, _ in told]


async def test_a_dynamic_supervisor_tells_of_its_children() -> None:
    with listening() as told:
        async with DynamicSupervisor.scope(max_restarts=5) as sup:
            me = process.pid_of(sup)
            one = await sup.start_child(Worker)
            first = process.pid_of(one)
            one.crash()
            await turns()
            ((_, _, second),) = [
                (each["restarts"], each["old_pid"], each["pid"])
                for event, each in told
                if event == "child.restarted"
            ]
            with pytest.raises(StartError):
                await sup.start_child(Broken)
            await sup.terminate_child(second)
    assert names(told) == [
        "child.started",
        "child.terminated",
        "child.restarted",
        "child.start_failed",
        "child.terminated",
    ]
    started, ended, restarted, failed, terminated = (fields for _, fields in told)
    assert started == {"supervisor": me, "pid": first, "id": Worker}
    assert (ended["pid"], repr(ended["reason"])) == (first, "ValueError('as asked')")
    assert (restarted["old_pid"], restarted["restarts"]) == (first, 1)
    assert repr(restarted["reason"]) == "ValueError('as asked')"
    assert (failed["pid"], repr(failed["reason"])) == (None, "ValueError('cannot start')")
    assert (terminated["pid"], terminated["reason"]) == (second, SHUTDOWN)


async def test_a_supervisor_tells_of_its_children_and_of_the_siblings_that_go_along() -> None:
    with listening() as told:
        specs = [Worker.options(name=each, id=each).child_spec() for each in ("a", "b")]
        async with Supervisor.scope(specs, strategy="one_for_all"):
            Worker.named("b").crash()
            await turns()
    assert [(event, fields["id"]) for event, fields in told] == [
        ("child.started", "a"),
        ("child.started", "b"),
        ("child.terminated", "b"),
        ("child.terminated", "a"),
        ("child.restarted", "a"),
        ("child.restarted", "b"),
        ("child.terminated", "b"),
        ("child.terminated", "a"),
    ]
    again = [fields for event, fields in told if event == "child.restarted"]
    assert [each["restarts"] for each in again] == [1, 1]
    assert [repr(each["reason"]) for each in again] == ["None", "ValueError('as asked')"]


async def test_giving_up_is_told_with_the_end_that_was_one_too_many() -> None:
    with listening() as told:
        sup = await DynamicSupervisor.start(max_restarts=0)
        one = await sup.start_child(Worker)
        me = process.pid_of(sup)
        one.crash()
        await turns()
    assert names(told) == ["child.started", "child.terminated", "supervisor.gave_up"]
    assert (told[-1][1]["pid"], repr(told[-1][1]["reason"])) == (me, "ValueError('as asked')")


async def test_what_is_known_of_restarts_goes_with_the_child() -> None:
    async with DynamicSupervisor.scope(max_restarts=100) as sup:
        server: Any = sup.__regrow_process__().server  # type: ignore[attr-defined]  # a handle's way to its process
        await sup.start_child(Worker)
        for restarts in range(1, 4):
            ((pid, _),) = server._table.items()
            Worker.of(pid).crash()
            await turns()
            ((pid, (count, reason)),) = server._history.items()
            assert (count, repr(reason), pid in server._table) == (restarts, "ValueError('as asked')", True)
        await sup.terminate_child(pid)
        assert server._history == {}
        one = await sup.start_child(Worker)
        one.leave()  # permanent: it comes back after a clean end, too
        await turns()
        ((pid, _),) = server._table.items()
        assert server._history == {pid: (1, SHUTDOWN)}
