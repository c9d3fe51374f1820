"""Very many children: they start, answer, crash one by one and end in seconds, and nothing grows with their square."""

from __future__ import annotations

import logging
import sys
from types import FrameType
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


@pytest.mark.timeout(60)  # it takes some 3 s, 7 with REGROW_INLINE=off
async def test_100_000_children_live_crash_and_end() -> None:
    await lifecycle(100_000)


# --- linear: ten times the children are ten times the work, counted in lines of Python and not in seconds -----------


class Work:
    """Counts the lines that are run while it is entered."""

    def __init__(self) -> None:
        self.lines = 0

    def __enter__(self) -> Work:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, _frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line":
            self.lines += 1
        return self._trace


async def come_and_go(count: int) -> int:
    spec = Worker.child_spec().replace(restart="temporary")
    async with DynamicSupervisor.scope() as sup:
        with Work() as work:
            workers = [await sup.start_child(spec) for _ in range(count)]
            for worker in workers:
                await sup.terminate_child(worker)
        assert await sup.count_children() == Counts(0, 0, 0, 0)
    return work.lines


async def start_and_stop_static(count: int) -> int:
    made = Worker.child_spec()
    with Work() as work:
        sup = await Supervisor.start([made.replace(id=n) for n in range(count)])
        assert (await sup.count_children()).active == count
        await stop(sup)
    return work.lines


async def stop_dynamic(count: int) -> int:
    sup = await DynamicSupervisor.start()
    spec = Worker.child_spec()
    for _ in range(count):
        await sup.start_child(spec)
    with Work() as work:
        await stop(sup)
    return work.lines


@pytest.mark.behaviour("DS-54", "SUP-80")
@pytest.mark.parametrize("job", [come_and_go, start_and_stop_static, stop_dynamic])
async def test_the_work_grows_with_the_children_and_not_with_their_square(job: Any) -> None:
    small, large = await job(200), await job(2_000)
    assert large < 12 * small
