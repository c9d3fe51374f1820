"""The restart window of a living supervisor, to the moment: restarts outside of it count no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import process
from regrow.kernel.reasons import SHUTDOWN
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Worker, children_of, end
from tests.waiting import now

KINDS = pytest.mark.parametrize("kind", ["dynamic", "static"])


async def started(kind: str, allowed: int = 2) -> Any:
    """A supervisor with one child, and so many restarts allowed in five seconds."""
    if kind == "static":
        return await Supervisor.start([Worker], max_restarts=allowed, max_seconds=5)
    sup = await DynamicSupervisor.start(max_restarts=allowed, max_seconds=5)
    await sup.start_child(Worker)
    return sup


async def crashes_at(sup: Any, *moments: float) -> None:
    """The child that runs crashes at each of these moments."""
    for moment in moments:
        await asyncio.sleep(moment - now())
        [child] = await children_of(sup)
        await end(child)


@pytest.mark.behaviour("DS-34")
@KINDS
async def test_the_restart_after_too_many_comes_when_the_first_of_them_is_just_out_of_the_window(
    kind: str,
) -> None:
    sup = await started(kind)
    await crashes_at(sup, 0.0, 4.0, 5.001, 9.002)
    assert len(await children_of(sup)) == 1


@pytest.mark.behaviour("DS-34")
@KINDS
async def test_a_restart_at_the_end_of_the_window_still_counts(kind: str) -> None:
    sup = await started(kind)
    watching = process.monitor(sup)
    await crashes_at(sup, 0.0, 4.0, 5.0)
    down = await process.receive(process.Down)
    assert (down.ref, down.reason, now()) == (watching, SHUTDOWN, 5.0)


@KINDS
async def test_a_crash_now_and_then_never_ends_it(kind: str) -> None:
    sup = await started(kind, 3)
    await crashes_at(sup, *(2.501 * n for n in range(1, 200)))
    assert now() > 490
    assert len(await children_of(sup)) == 1
