"""Waiting for several tasks at once, and for the end of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from regrow.kernel import receiving, signals
from regrow.kernel.mailbox import Down
from regrow.kernel.process import DEAD, Process
from regrow.kernel.reasons import KILL, SHUTDOWN
from regrow.servers.tasks.outcome import TaskResult

__all__ = ["collect", "end"]


class Waited(Protocol):
    """What is waited for: it takes the message that decides it."""

    def _take(self, message: TaskResult[Any] | Down) -> None: ...


W = TypeVar("W", bound=Waited)


async def collect(waiting: dict[int, W], timeout: Any, enough: Callable[[W], bool]) -> None:
    """Take outcomes as they come and out of *waiting*, until there are *enough*, none waits, or time is over."""
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    while waiting:
        left = None if deadline is None else max(0.0, deadline - loop.time())
        try:
            message = await receiving.receive(
                lambda each: isinstance(each, TaskResult | Down) and each.ref in waiting, left
            )
        except TimeoutError:
            return
        task = waiting.pop(message.ref)
        task._take(message)
        if enough(task):
            return


async def end(owner: Process, process: Process, brutal: bool, patience: Any) -> tuple[object] | None:
    """End *process* and wait until it is gone; why it ended, or None if it was gone before."""
    if process.status == DEAD:
        return None
    gone = signals.end_of(process)
    signals.unlink(owner, process)
    signals.exit_signal(process, KILL if brutal else SHUTDOWN, owner.pid)
    if brutal or patience is None:
        return (await gone,)
    late = process.runtime.loop.call_later(patience, signals.kill, process)
    reason = await gone
    late.cancel()  # but not if the owner ends while it waits: the task has to go all the same
    return (reason,)
