"""Who is the current process; and how an ordinary asyncio task becomes one.

Inside a process the answer is a variable of the kernel, set round each plain handler and round each step of a
coroutine. Outside, any asyncio task that uses regrow is *adopted*: it gets a pid, tied to the task. When the task
ends, so does the process: normally with ``NORMAL``, by an exception with that, by cancellation with ``SHUTDOWN``.
An exit signal cancels the task and comes out of it as ``LinkedExit``.
"""

from __future__ import annotations

import asyncio
import copy
from contextvars import copy_context

from regrow.kernel import death
from regrow.kernel.errors import LinkedExit, NoCurrentProcess, ProcessExit
from regrow.kernel.events import emit
from regrow.kernel.process import BUSY, DEAD, EXITING, Behaviour, Process
from regrow.kernel.reasons import NORMAL, SHUTDOWN, strip
from regrow.kernel.runtime import Runtime, runtime

__all__ = ["ASYNCIO_TASK", "current_process", "refuse_the_dead", "who_asks"]

ASYNCIO_TASK = Behaviour("asyncio task")


def current_process(rt: Runtime | None = None) -> Process:
    """The process that runs now; the running asyncio task is adopted if it is none yet."""
    rt = rt or runtime()
    process = rt.current or _adopted(rt, adopt=True)
    if process is None:
        raise NoCurrentProcess(
            "this code runs in a callback and not in a task, so there is no process that it could act as: "
            "call it from a coroutine"
        )
    if process.status >= EXITING:
        raise _exit_of(process)
    return process


def who_asks(rt: Runtime) -> Process | None:
    """The process that runs now, if it is one already; a task is not adopted for a mere message."""
    process = rt.current
    if process is None and rt.tasks:
        process = _adopted(rt, adopt=False)
    if process is not None and process.status >= EXITING:
        raise _exit_of(process)
    return process


def refuse_the_dead(rt: Runtime) -> None:
    """ProcessExit if the one that runs now is a process whose exit is decided."""
    who_asks(rt)


def _exit_of(process: Process) -> ProcessExit:
    reason = process.extra.exit_reason if process.extra is not None else SHUTDOWN
    if process.behaviour is ASYNCIO_TASK:
        sender = process.extra.exit_sender if process.extra is not None else None
        return LinkedExit(sender or 0, reason)
    return ProcessExit(reason)


def _adopted(rt: Runtime, adopt: bool) -> Process | None:
    try:
        task = asyncio.current_task(rt.loop)
    except RuntimeError:
        return None
    if task is None:
        return None
    process = rt.tasks.get(task)
    if process is None and adopt:
        process = Process(rt, ASYNCIO_TASK, None, copy_context(), BUSY)
        process.more().task = task
        rt.tasks[task] = process
        rt.processes[process.pid] = process
        task.add_done_callback(_task_done)
        if rt.listeners:
            emit(rt, "process.started", pid=process.pid, kind=ASYNCIO_TASK.name, name=None, parent=None)
    return process


def _task_done(task: asyncio.Task[object]) -> None:
    rt = runtime() if asyncio._get_running_loop() is not None else None
    process = rt.tasks.pop(task, None) if rt is not None else None
    if rt is None or process is None:
        return
    extra = process.extra
    if process.status >= EXITING:
        rt.dying -= 1
        rt.heed()
    if process.status == DEAD or extra is None:
        return
    if process.status == EXITING:
        reason = extra.exit_reason
    elif task.cancelled():
        reason = SHUTDOWN
    else:
        # Not task.exception(): that would tell asyncio that somebody has seen it, and silence its report.
        error: BaseException | None = getattr(task, "_exception", None)
        reason = NORMAL if error is None else _reason_of(error)
    death.finish(process, reason)


def _reason_of(error: BaseException) -> object:
    """The task's owner reports the exception and still needs its traceback, so a copy of the reason is stripped."""
    if isinstance(error, ProcessExit):
        return error.reason
    try:
        kept = copy.copy(error).with_traceback(error.__traceback__)
    except Exception:
        return error
    return strip(kept)
