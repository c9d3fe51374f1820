"""Whatever happens in whatever order, a supervisor's books are right.

After each step, as the supervisor itself sees it: the processes alive with this parent are those in its table,
nobody is counted twice, and no child is lost that should have been restarted.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow import process
from regrow.kernel.errors import MaxChildren, StartError, StartIgnored
from regrow.kernel.process import DEAD, IDLE
from regrow.kernel.reasons import KILL, NORMAL, SHUTDOWN
from regrow.kernel.runtime import runtime
from regrow.servers.child_spec import spec
from regrow.servers.gen_server import stop
from regrow.supervision.children import RESTARTING
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import ChildNotFound
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, Gate, Moody, Worker


@pytest.fixture(autouse=True)
def quiet() -> Any:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def later(*args: Any) -> Worker:
    """A start function that takes its time."""
    return await Worker.start_link(*args)


async def settled(sup: Any) -> list[Any]:
    """The children when nothing is under way any more: no exit is waiting, and no restart."""
    while True:
        rows = await sup.which_children()
        children = [row.child for row in rows if row.child is not None]
        if RESTARTING not in children and all(process.alive(child) for child in children):
            pid = process.pid_of(sup)
            mine = {
                each for each in process.processes() if (info := process.info(each)) and info.parent == pid
            }
            assert {process.pid_of(child) for child in children} == mine
            return children


async def audited(sup: Any) -> None:
    """At every turn of the loop: a supervisor at rest has its living children in its table, and nobody else."""
    me = runtime().processes[process.pid_of(sup)]
    while me.status != DEAD:
        if me.status == IDLE and not me.mailbox:
            living = {each.pid for each in me.runtime.processes.values() if each.parent == me.pid}
            assert set(me.server._child_pids()) == living
        await asyncio.sleep(0)


steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "start",
                "start later",
                "start moody",
                "crash",
                "end",
                "kill",
                "terminate",
                "mood",
                "count",
                "settle",
            ]
        ),
        st.integers(0, 20),
        st.sampled_from(["permanent", "transient", "temporary"]),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(steps)
async def test_the_books_of_a_dynamic_supervisor(script: list[tuple[str, int, Any]]) -> None:
    gate = Gate()
    sup = await DynamicSupervisor.start(max_restarts=10**9, max_children=8)
    audit = asyncio.create_task(audited(sup))
    known: list[Any] = []
    for step, number, restart in script:
        target = known[number % len(known)] if known else None
        try:
            if step.startswith("start"):
                make = {
                    "start": Worker.child_spec(1),
                    "start later": spec(later, 2),
                    "start moody": Moody.child_spec(gate),
                }
                known.append(await sup.start_child(make[step].replace(restart=restart)))
            elif step == "mood":
                gate.mood = ("fine", "fail", "ignore")[number % 3]
            elif step == "settle":
                gate.mood = "fine"
                await settled(sup)
            elif step == "count":
                counts = await sup.count_children()
                assert counts.specs <= 8
            elif target is not None:
                if step == "terminate":
                    await sup.terminate_child(target)
                elif step == "kill":
                    process.exit(target, KILL)
                else:
                    target.end(Boom("crash") if step == "crash" else NORMAL)
        except (MaxChildren, StartIgnored, ChildNotFound):
            pass
        except StartError as error:
            if not isinstance(error.reason, Boom):
                raise
    gate.mood = "fine"
    living = await settled(sup)
    assert len(living) == (await sup.count_children()).active
    await stop(sup, SHUTDOWN)
    assert not any(process.alive(child) for child in [*living, *known])
    await audit


@settings(max_examples=60)
@given(steps, st.sampled_from(["one_for_one", "rest_for_one", "one_for_all"]))
async def test_the_books_of_a_static_supervisor(script: list[tuple[str, int, Any]], strategy: Any) -> None:
    gate = Gate()
    children = [
        Worker.child_spec().replace(id=0),
        Moody.child_spec(gate).replace(id=1, restart="transient"),
        spec(later).replace(id=2),
        Worker.child_spec().replace(id=3, restart="temporary"),
        Moody.child_spec(gate).replace(id=4),
    ]
    sup = await Supervisor.start(children, strategy=strategy, max_restarts=10**9)
    audit = asyncio.create_task(audited(sup))
    seen: set[Any] = set()
    for step, number, restart in script:
        rows = await sup.which_children()
        running = [row.child for row in rows if row.child is not None and row.child is not RESTARTING]
        seen.update(running)
        target = running[number % len(running)] if running else None
        try:
            if step == "start":
                await sup.start_child(Worker.child_spec().replace(id=number, restart=restart))
            elif step == "start later":
                await sup.restart_child(number % 5)
            elif step == "start moody":
                await sup.delete_child(number % 5)
            elif step == "terminate":
                await sup.terminate_child(number % 5)
            elif step == "mood":
                gate.mood = ("fine", "fail", "ignore")[number % 3]
            elif step == "settle":
                gate.mood = "fine"
                await settled(sup)
            elif step == "kill" and target is not None:
                process.exit(target, KILL)
            elif step in ("crash", "end") and target is not None:
                target.end(Boom("crash") if step == "crash" else NORMAL)
        except (StartError, LookupError, RuntimeError):
            pass
        ids = [row.id for row in await sup.which_children()]
        assert len(ids) == len(set(ids))
    gate.mood = "fine"
    living = await settled(sup)
    await stop(sup, SHUTDOWN)
    assert not any(process.alive(child) for child in [*living, *seen])
    await audit
