"""Very many children: they start, answer, crash one by one and end in seconds, and nothing grows with their square."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from regrow import process
from regrow.kernel.reasons import SHUTDOWN
from regrow.servers.gen_server import stop
from regrow.supervision.children import Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Boom, Worker


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """A report for each of 100,000 crashes is right, and not what is looked at here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def lifecycle(count: int) -> None:
    """Start ``count`` children, ask each, crash each, and stop them all."""
    sup = await DynamicSupervisor.start(max_restarts=count)
    spec = Worker.child_spec("x")
    workers = [await sup.start_child(spec) for _ in range(count)]
    for worker in workers:
        assert await worker.arguments() == ("x",)
    assert await sup.count_children() == Counts(specs=count, active=count, supervisors=0, workers=count)

    boom = Boom("crash")
    for worker in workers:
        worker.end(boom)
    last = process.monitor(workers[-1])
    assert (await process.receive(process.Down)).ref == last
    assert await sup.count_children() == Counts(specs=count, active=count, supervisors=0, workers=count)
    again = {row.child async for row in sup.iter_children()}
    assert len(again) == count
    assert not again & set(workers)

    ref = process.monitor(sup)
    await stop(sup, SHUTDOWN)
    assert (await process.receive(process.Down)).ref == ref
    assert not any(process.alive(worker) for worker in again)


@pytest.mark.timeout(60)
async def test_100_000_children_live_crash_and_end_in_seconds() -> None:
    before = time.perf_counter()
    await lifecycle(100_000)
    assert time.perf_counter() - before < 20  # about 3 s here, 7 with REGROW_INLINE=off


@pytest.mark.behaviour("DS-54")
async def test_temporary_children_come_and_go_in_linear_time() -> None:
    spec = Worker.child_spec().replace(restart="temporary")

    async def come_and_go(count: int) -> float:
        async with DynamicSupervisor.scope() as sup:
            before = time.perf_counter()
            workers = [await sup.start_child(spec) for _ in range(count)]
            for worker in workers:
                await sup.terminate_child(worker)
            took = time.perf_counter() - before
            assert await sup.count_children() == Counts(0, 0, 0, 0)
            return took

    await come_and_go(1_000)
    small = min([await come_and_go(1_000) for _ in range(3)])
    large = await come_and_go(10_000)
    assert large < 10 * small * 5  # a square would be 100 times


@pytest.mark.behaviour("SUP-80")
async def test_static_children_start_and_stop_in_linear_time() -> None:
    async def start_and_stop(count: int) -> float:
        before = time.perf_counter()
        made = Worker.child_spec()
        sup = await Supervisor.start([made.replace(id=n) for n in range(count)])
        assert (await sup.count_children()).active == count
        await stop(sup)
        return time.perf_counter() - before

    small = min([await start_and_stop(2_000) for _ in range(3)])
    assert await start_and_stop(20_000) < 10 * small * 5


async def test_a_dynamic_supervisor_told_to_stop_ends_its_children_in_linear_time() -> None:
    async def one(count: int) -> float:
        sup = await DynamicSupervisor.start()
        spec = Worker.child_spec()
        for _ in range(count):
            await sup.start_child(spec)
        before = time.perf_counter()
        await stop(sup)
        return time.perf_counter() - before

    small = min([await one(2_000) for _ in range(3)])
    assert await one(20_000) < 10 * small * 5
