"""The process that runs a task: its function once, its result to whoever waits, its crash reported once.

A task takes its first step at the loop's next turn, so whoever starts it can link and monitor it before anything
happens. What it returns goes to the owner first, and only then it ends, ``NORMAL``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import Any, Final

from regrow.kernel import death, signals
from regrow.kernel.errors import ProcessExit, Stop
from regrow.kernel.events import emit
from regrow.kernel.process import BUSY, EXITING, STARTING, Behaviour, Pid, Process
from regrow.kernel.reasons import NORMAL, is_clean, strip
from regrow.kernel.reports import ancestors, brief, tell
from regrow.kernel.spawning import born
from regrow.kernel.steps import run_as, start_steps

__all__ = ["Work", "callers_of", "spawn_task"]

TASK: Final = Behaviour("task")
logger = logging.getLogger("regrow")


class Work:
    """What a task does: the function with its arguments, for whom, and who takes the result."""

    __slots__ = ("args", "callers", "function", "kwargs", "take")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        callers: tuple[Pid, ...],
        take: Callable[[Any], None] | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(
                f"a task takes a function and its arguments, not {function!r}: write Task.async_(work, 1, 2)"
            )
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.callers = callers
        self.take = take

    @property
    def name(self) -> str:
        return getattr(self.function, "__qualname__", None) or repr(self.function)


def callers_of(process: Process) -> tuple[Pid, ...]:
    """The callers of a task that *process* starts: itself, and before that those for whom it works itself."""
    return (process.pid, *(process.extra.callers if process.extra is not None else ()))


def spawn_task(work: Work, parent: Process, *, linked: bool) -> Process:
    """A process that does *work*, under *parent*."""
    process = born(parent.runtime, TASK, parent, STARTING)
    extra = process.more()
    extra.initial = work.name
    extra.callers = work.callers
    if linked:
        signals.link(parent, process)
    else:
        extra.free = True
    extra.boot = lambda: _begin(process, work)
    parent.runtime.schedule(process)
    return process


def _begin(process: Process, work: Work) -> None:
    if process.status >= EXITING:
        death.left(process)
        return
    process.status = BUSY
    try:
        result = run_as(process, work.function, *work.args, **work.kwargs)
    except BaseException as error:
        _ended(process, work, None, error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return
    if type(result) is CoroutineType:
        start_steps(process, result, lambda _process, value, error: _ended(process, work, value, error))
    else:
        _ended(process, work, result, None)


def _ended(process: Process, work: Work, value: Any, error: BaseException | None) -> None:
    if process.status >= EXITING:
        death.left(process)
        return
    extra = process.more()
    extra.task = extra.steps = None
    reason: object = error.reason if isinstance(error, ProcessExit | Stop) else error
    if error is None:
        if work.take is not None:
            work.take(value)
        reason = NORMAL
    elif not is_clean(reason):
        _report(process, work, reason)
    death.end(process, strip(death.shortened(reason)) if isinstance(reason, BaseException) else reason)


def _report(process: Process, work: Work, reason: object) -> None:
    """The one report of a task's crash: who, started from where, doing what, and why."""
    rt = process.runtime
    if rt.listeners:
        name, kind = process.name, process.behaviour.name
        emit(rt, "process.crashed", pid=process.pid, name=name, kind=kind, reason=reason)
    tell(process, reason, f"{work.name}{brief(work.args)}")
    starter = _shown(process, work.callers[0]) if work.callers else None
    fields = {
        "event": "crash",
        "pid": process.pid,
        "name": None if process.name is None else brief(process.name),
        "kind": process.behaviour.name,
        "ancestors": [brief(each) for each in ancestors(process)],
        "callers": list(work.callers),
        "starter": starter,
        "function": work.name,
        "args": brief(work.args),
        "kwargs": brief(dict(work.kwargs)),
        "reason": brief(reason),
    }
    error = reason if isinstance(reason, BaseException) else None
    logger.error(
        "%s started from %s terminating: %s\n  function: %s\n  args: %s",
        repr(process),
        starter,
        fields["reason"],
        fields["function"],
        fields["args"] if not work.kwargs else f"{fields['args']}, {fields['kwargs']}",
        exc_info=None if error is None else (type(error), error, error.__traceback__),
        extra={"regrow": fields},
    )


def _shown(process: Process, pid: Pid) -> object:
    starter = process.runtime.processes.get(pid)
    return pid if starter is None or starter.name is None else starter.name
