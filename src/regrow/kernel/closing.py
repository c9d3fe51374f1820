"""The end of a runtime: the roots are stopped in reverse order, and nothing is dropped in silence."""

from __future__ import annotations

import asyncio

from regrow.kernel import reports, signals
from regrow.kernel.adoption import ASYNCIO_TASK
from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.reasons import SHUTDOWN
from regrow.kernel.runtime import Runtime, on_new_runtime

__all__ = ["stop_all"]

PATIENCE = 5.0
"""Seconds that a root which is no server has to end by itself; a server has its shutdown time."""


async def stop_all(rt: Runtime) -> None:
    """Stop every process: the roots one after another, the last started first, then whoever is still there."""
    while roots := _roots(rt):
        for process in reversed(roots):
            await _stop(process)
    left = [each for each in rt.processes.values() if each.behaviour is not ASYNCIO_TASK]
    if left:
        reports.left_over(rt, left)
    rt.close()


def _roots(rt: Runtime) -> list[Process]:
    def rooted(process: Process) -> bool:
        parent = rt.processes.get(process.parent or Pid(0))
        return parent is None or parent.behaviour is ASYNCIO_TASK

    return [each for each in rt.processes.values() if each.behaviour is not ASYNCIO_TASK and rooted(each)]


async def _stop(process: Process) -> None:
    if process.status == DEAD:
        return
    behaviour = process.behaviour
    # As its parent would: a process that traps exits ends by that too.
    signals.stop_signal(process, SHUTDOWN)
    if not await _gone(process, PATIENCE if behaviour.handle_info is None else behaviour.shutdown):
        signals.kill(process)
        await _gone(process, PATIENCE)


async def _gone(process: Process, seconds: float) -> bool:
    """Wait until it has ended; False if it takes longer than that."""
    if process.status == DEAD:
        return True
    try:
        await asyncio.wait_for(signals.end_of(process), None if seconds == float("inf") else seconds)
    except TimeoutError:
        return False
    return True


on_new_runtime(lambda rt: setattr(rt, "on_close", stop_all))
