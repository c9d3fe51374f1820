"""The checker of the invariants sees what it is for: each of them is broken here by hand, and found at once."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regrow import KILL, DynamicSupervisor, GenServer, Registry, Supervisor, call, cast, process
from regrow.kernel import death
from regrow.kernel.process import EXITING, IDLE, Behaviour, Process, Request
from regrow.kernel.runtime import runtime
from regrow.kernel.settling import Handling
from regrow.servers import rendezvous
from regrow.testing import run_virtual
from tests.invariants import BOOKS, CALLERS, DEAD_HANDS, ENDS, INTENSITY, NAMES, ORPHANS, planted
from tests.supervision.servers import Boom, Stubborn, Worker, end
from tests.waiting import forever, turns


class Server(GenServer):
    """Waits as it is told to."""

    @call(timeout=None)
    async def wait(self) -> None:
        await forever()

    @call(timeout=7)
    async def wait_a_while(self) -> None:
        await forever()

    @cast
    def touch(self) -> None:
        """Something to handle."""

    @cast
    async def go_on(self, gate: asyncio.Event) -> None:
        await gate.wait()


def inside(handle: Any) -> Process:
    """The process of that handle."""
    return runtime().processes[process.pid_of(handle)]


# --- what breaks each of them ---------------------------------------------------------------------------------------


async def a_child_that_is_not_in_the_table() -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Worker)
    del inside(sup).server._table[process.pid_of(child)]


async def a_child_that_a_static_table_has_lost() -> None:
    sup = await Supervisor.start([Worker])
    table = inside(sup).server._table
    table._by_pid.clear()


async def a_dead_child_in_the_table() -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Worker.child_spec().replace(restart="temporary"))
    table = inside(sup).server._table
    spec = table[process.pid_of(child)]
    pid = process.pid_of(child)
    await end(child)
    await sup.count_children()
    table[pid] = spec


async def an_exit_that_nobody_takes() -> None:
    sup = await DynamicSupervisor.start()
    child = await sup.start_child(Worker)
    inside(sup).server._me.extra.exit_sink = lambda pid, reason: True
    await end(child)


async def a_child_whose_supervisor_is_gone() -> None:
    sup = await DynamicSupervisor.start()
    await sup.start_child(Stubborn)
    await turns()
    behaviour = inside(sup).behaviour
    inside(sup).behaviour = Behaviour(
        "of a kind that leaves its children behind", handle_info=behaviour.handle_info
    )
    process.exit(sup, KILL)
    await asyncio.sleep(60)


async def more_restarts_than_allowed() -> None:
    sup = await DynamicSupervisor.start(max_restarts=2)
    inside(sup).server._intensity._times.extend([0.0, 0.0, 0.0])


async def restarts_that_are_never_forgotten() -> None:
    sup = await DynamicSupervisor.start(max_restarts=3, max_seconds=5)
    inside(sup).server._intensity._times.extend([0.0, 5.5])


async def a_name_at_a_dead_process() -> None:
    server = inside(await Server.options(name="late").start())
    process.exit(server.pid, Boom("gone"))
    runtime().names["late"] = server


async def a_global_name_at_a_dead_process() -> None:
    server = inside(await Server.start())
    process.exit(server.pid, Boom("gone"))
    runtime().globals["late"] = server


async def a_key_of_a_dead_process() -> None:
    registry = await Registry.start("r", keys="unique")
    server = await Server.options(name=registry.via("key")).start()
    partition = inside(registry).server._partitions[0]
    book = dict(partition.book)
    process.exit(server, Boom("gone"))
    await turns()
    partition.book.update(book)


async def a_caller_of_a_dead_process() -> None:
    server = await Server.start()
    answer = asyncio.get_running_loop().create_future()
    Request(inside(server), answer, None, "ask")
    process.exit(server, KILL)
    await turns()
    answer.cancel()


async def a_call_that_its_server_has_forgotten() -> None:
    server = await Server.start()
    waiting = asyncio.create_task(server.wait())
    await turns()
    inside(server).request = None
    await turns()
    waiting.cancel()


async def a_time_out_without_a_timer() -> None:
    server = await Server.start()
    waiting = asyncio.create_task(server.wait_a_while())
    await turns()
    loop: Any = asyncio.get_running_loop()
    for handle in loop._scheduled:
        handle.cancel()
    await turns()
    waiting.cancel()


async def a_message_for_the_dying() -> None:
    server = await Server.start()
    server.touch()
    target = inside(server)
    mailbox, target.status = target.mailbox, EXITING
    assert mailbox is not None
    runtime().current = target
    mailbox.popleft()
    runtime().current, target.status, target.mailbox = None, IDLE, None


async def a_call_on_the_stack_for_the_dying() -> None:
    server = inside(await Server.start())
    server.status = EXITING
    rendezvous.run_inline(server, Server.touch, (), {})
    server.status = IDLE


class WithoutAnEnd(Handling):
    __slots__ = ()

    def conclude(self, *_: Any) -> None:
        pass


async def a_coroutine_of_the_dead_that_goes_on() -> None:
    server = await Server.start()
    gate = asyncio.Event()
    server.go_on(gate)
    await turns()
    target = inside(server)
    steps, task = target.more().steps, target.more().task
    assert steps is not None
    assert task is not None
    target.more().steps = target.more().task = None
    death.finish(target, KILL)
    steps.__class__ = WithoutAnEnd
    gate.set()
    await task


async def an_end_that_does_not_come() -> None:
    server = inside(await Server.start())
    server.status = EXITING
    await turns()
    server.status = IDLE


PLANTS: list[tuple[str, Any, str]] = [
    (BOOKS, a_child_that_is_not_in_the_table, "<Worker"),
    (BOOKS, a_child_that_a_static_table_has_lost, "<Worker"),
    (BOOKS, a_dead_child_in_the_table, "is dead"),
    (BOOKS, an_exit_that_nobody_takes, "no exit waits"),
    (ORPHANS, a_child_whose_supervisor_is_gone, "<Stubborn"),
    (INTENSITY, more_restarts_than_allowed, "may restart 2 times"),
    (INTENSITY, restarts_that_are_never_forgotten, "counts 5"),
    (NAMES, a_name_at_a_dead_process, "'late' is at <Server"),
    (NAMES, a_global_name_at_a_dead_process, "'late' is at <Server"),
    (NAMES, a_key_of_a_dead_process, "<RegistryPartition"),
    (CALLERS, a_caller_of_a_dead_process, "which is dead"),
    (CALLERS, a_call_that_its_server_has_forgotten, "knows nothing of it"),
    (CALLERS, a_time_out_without_a_timer, "['wait_a_while']"),
    (DEAD_HANDS, a_message_for_the_dying, "<Server"),
    (DEAD_HANDS, a_call_on_the_stack_for_the_dying, "<Server"),
    (DEAD_HANDS, a_coroutine_of_the_dead_that_goes_on, "its coroutine goes on"),
    (ENDS, an_end_that_does_not_come, "<Server"),
]


@pytest.mark.parametrize(
    ("invariant", "plant", "names"), PLANTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_breaks_an_invariant_is_found(invariant: str, plant: Any, names: str) -> None:
    async def main() -> None:
        await plant()
        await turns(2)

    with planted() as found:
        run_virtual(main())
    assert len(found) == 1  # the first breach is told, and what follows from it is not
    assert f"broken: {invariant}" in found[0]
    assert names in found[0]
    assert "the last step: " in found[0]


@pytest.mark.real_time("another pytest runs")
def test_the_test_that_runs_fails_by_it_and_the_next_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "test_planted.py"
    file.write_text(PLANTED)
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-c", "pyproject.toml", str(file)], cwd=root, capture_output=True, text=True, check=False
    )
    assert "2 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert len(re.findall(f"^E .*broken: {NAMES}", ran.stdout, re.MULTILINE)) == 2
    assert "'late' is at <Server" in ran.stdout


PLANTED = """
import asyncio
from tests.test_invariants import a_name_at_a_dead_process


async def test_a_coroutine():
    await a_name_at_a_dead_process()


def test_a_plain_one():
    asyncio.run(a_name_at_a_dead_process())


async def test_nothing():
    pass
"""
