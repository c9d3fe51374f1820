"""Starting a process from a function: ``spawn`` and its two kin."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from types import CoroutineType
from typing import Any

from regrow.kernel import death
from regrow.kernel.adoption import current_process
from regrow.kernel.errors import ProcessExit
from regrow.kernel.events import emit
from regrow.kernel.process import BUSY, EXITING, RUNNING, STARTING, Behaviour, Process
from regrow.kernel.reasons import NORMAL
from regrow.kernel.runtime import Runtime, runtime
from regrow.kernel.signals import link
from regrow.kernel.steps import discard, run_as, start_steps

__all__ = ["born", "spawn_process"]

FUNCTION = Behaviour("process")


def born(rt: Runtime, behaviour: Behaviour, parent: Process | None, status: int) -> Process:
    """A new process in the table.

    A server's child has the server's context, not the one of whoever asked the server for it; the child of plain
    code has that code's, as a task would.
    """
    if parent is None:
        above, context = None, copy_context()
    else:
        above = parent.pid
        context = parent.context if parent.behaviour.handle_info is not None else copy_context()
    process = Process(rt, behaviour, above, context, status)
    rt.processes[process.pid] = process
    if rt.listeners:
        told_of(process)
    return process


def told_of(process: Process) -> None:
    """Tell the listeners that it has begun."""
    kind, parent = process.behaviour.name, process.parent
    emit(process.runtime, "process.started", pid=process.pid, kind=kind, name=None, parent=parent)


def spawn_process(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any, *, linked: bool
) -> Process:
    """A process that runs *function*; it takes its first step at the loop's next turn."""
    if not callable(function):
        raise TypeError(
            f"spawn takes a function and its arguments, not {function!r}: write spawn(work, 1, 2)"
        )
    rt = runtime()
    parent = current_process(rt) if linked else rt.current
    process = born(rt, FUNCTION, parent, STARTING)
    extra = process.more()
    extra.initial = getattr(function, "__qualname__", repr(function))
    if linked and parent is not None:
        link(parent, process)

    def begin() -> None:
        if process.status >= EXITING:
            death.left(process)
            return
        process.status = RUNNING
        try:
            result = run_as(process, function, *args, **kwargs)
        except BaseException as error:
            _ran(process, None, error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return
        if type(result) is CoroutineType and process.status >= EXITING:
            discard(result)
            death.left(process)
        elif type(result) is CoroutineType:
            process.status = BUSY
            start_steps(process, result, _ran)
        else:
            _ran(process, result, None)

    extra.boot = begin
    rt.schedule(process)
    return process


def _ran(process: Process, _result: Any, error: BaseException | None) -> None:
    if process.status >= EXITING:
        death.left(process)
    elif error is None:
        death.leave(process, NORMAL)
    elif isinstance(error, ProcessExit):
        death.leave(process, error.reason)
    else:
        death.leave(process, error, process.extra.initial if process.extra is not None else None)
