"""The steps of a coroutine that runs as a process, and the fence round a process that is dead.

Whatever a process does asynchronously runs in an asyncio task of the kernel's, hidden from ``asyncio.all_tasks()``
so that the end of ``asyncio.run`` does not cut down what the keeper stops in order. ``Steps`` wraps the coroutine:
during each step, and only then, the process is the current one, so that tasks which the coroutine starts do not
pose as it. And when the process must be gone, it refuses every further step: a coroutine that swallows its
cancellation for ever can't keep a dead process acting.
"""

from __future__ import annotations

import asyncio
import os
import sys
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from pathlib import Path
from types import CoroutineType, FrameType, TracebackType
from typing import Any, NoReturn, TypeVar

from regrow.kernel.process import EXITING, Process

__all__ = ["Conclude", "Prepared", "Steps", "begin", "discard", "frame_of", "run_as", "start_steps"]

_NOT_THE_USERS = tuple(str(Path(each).parent) + os.sep for each in (Path(__file__).parent, asyncio.__file__))

T = TypeVar("T")

Conclude = Callable[[Process, Any, BaseException | None], None]
"""Called once when the coroutine has come to its end: with its result, or with what it raised."""


class Steps(Coroutine[Any, Any, None]):
    """A coroutine whose every step runs as *process*; it ends without a result, which goes to ``conclude``."""

    __slots__ = ("__weakref__", "begun", "coroutine", "fenced", "process")

    def __init__(self, process: Process, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.process = process
        self.coroutine = coroutine
        self.begun = False
        self.fenced = False

    @abstractmethod
    def conclude(self, process: Process, result: Any, error: BaseException | None) -> None:
        """Called once when the coroutine has come to its end: with its result, or with what it raised."""

    def send(self, value: Any, error: Any = None) -> Any:
        """The next step: go on with *value*, or with *error* raised."""
        if self.fenced:
            raise asyncio.CancelledError
        process = self.process
        rt = process.runtime
        if not self.begun:
            self.begun = True
            process.more().task = asyncio.current_task(rt.loop)
            if process.status >= EXITING and error is None:  # it was told to end while the task was made
                self.fence()
                raise asyncio.CancelledError
        before, rt.current = rt.current, process
        try:
            return self.coroutine.send(value) if error is None else self._throw(error)
        except StopIteration as stop:
            result = stop.value
        except BaseException as raised:
            rt.current = before
            self._failed(raised)
        finally:
            rt.current = before
        self.conclude(process, result, None)
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None, /) -> Any:
        return self.send(None, kind if value is None else value)

    def _throw(self, error: Any) -> Any:
        if is_unbegun(self.coroutine):  # it never ran, and no traceback is to keep what it was called with
            discard(self.coroutine)
            raise error
        return self.coroutine.throw(error)

    def close(self) -> None:
        discard(self.coroutine)

    def _failed(self, error: BaseException) -> NoReturn:
        """The process's error is the process's business; only what wants to end the program goes on to the loop."""
        self.conclude(self.process, None, error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            if (task := asyncio.current_task()) is not None:
                task.add_done_callback(_look_at)
            raise error
        raise StopIteration

    def fence(self) -> None:
        """Never step it again, whatever it waits for: run what it has of ``finally`` as the dead process."""
        self.fenced = True
        process = self.process
        rt = process.runtime
        before, rt.current = rt.current, process
        try:
            discard(self.coroutine)
        except BaseException:  # it ignored GeneratorExit, or raised on its way out: it is gone either way
            pass
        finally:
            rt.current = before
        self.conclude(process, None, None)

    def where(self) -> str:
        """The line that it stands at."""
        frame = frame_of(self.coroutine)
        if frame is None:
            return "at an unknown line"
        return f"at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"

    # asyncio's debug tools look for these on whatever a task runs.
    def __await__(self) -> Any:
        return self.coroutine.__await__()

    @property
    def cr_frame(self) -> Any:
        return getattr(self.coroutine, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        return getattr(self.coroutine, "cr_code", None)

    @property
    def cr_running(self) -> Any:
        return getattr(self.coroutine, "cr_running", False)

    @property
    def cr_await(self) -> Any:
        return getattr(self.coroutine, "cr_await", None)


class _Concluded(Steps):
    """Steps whose end is the business of whoever started them."""

    __slots__ = ("_conclude",)

    def __init__(self, process: Process, coroutine: Coroutine[Any, Any, Any], conclude: Conclude) -> None:
        super().__init__(process, coroutine)
        self._conclude = conclude

    def conclude(self, process: Process, result: Any, error: BaseException | None) -> None:
        self._conclude(process, result, error)


class Prepared(Awaitable[T]):
    """What another coroutine is going to await. If that is cut before its first step, nobody does, and all is well:
    it is closed without a complaint, and *dropped* is called."""

    __slots__ = ("_awaited", "_dropped")

    def __init__(self, awaited: Awaitable[T], dropped: Callable[[], object] | None = None) -> None:
        self._awaited: Awaitable[T] | None = awaited
        self._dropped = dropped

    def __await__(self) -> Generator[Any, Any, T]:
        awaited, self._awaited, self._dropped = self._awaited, None, None
        assert awaited is not None
        return awaited.__await__()

    def drop(self) -> None:
        """It will not be awaited."""
        awaited, self._awaited = self._awaited, None
        dropped, self._dropped = self._dropped, None
        if dropped is not None:
            try:
                dropped()
            except Exception:  # nobody waits for it any more, so nobody is there to be told
                pass
        if isinstance(awaited, Prepared):
            awaited.drop()
        elif awaited is not None:
            discard(awaited)

    def __del__(self) -> None:
        self.drop()


def is_unbegun(coroutine: Any) -> bool:
    """Whether *coroutine* has not taken its first step."""
    return coroutine.cr_frame is not None and not coroutine.cr_suspended and not coroutine.cr_running


def discard(coroutine: Any) -> None:
    """Close *coroutine*, which is not to run, and drop what it would have awaited.

    To close one that has not begun is not enough: newer Pythons let it keep its arguments until it is garbage itself.
    """
    if type(coroutine) is not CoroutineType:
        return
    if is_unbegun(coroutine):
        frame: Any = coroutine.cr_frame
        for argument in frame.f_locals.values():
            if isinstance(argument, Prepared):
                argument.drop()
    coroutine.close()


def frame_of(coroutine: Any) -> FrameType | None:
    """Where *coroutine* stands: the innermost frame that is neither regrow's nor asyncio's own, if there is one."""
    frame = None
    while coroutine is not None and (here := getattr(coroutine, "cr_frame", None)) is not None:
        if frame is None or not here.f_code.co_filename.startswith(_NOT_THE_USERS):
            frame = here
        coroutine = coroutine.cr_await
    return frame


def _look_at(task: asyncio.Task[Any]) -> None:
    """The loop has raised the task's exception already: asyncio need not complain that nobody looked at it."""
    if not task.cancelled():
        task.exception()


def start_steps(process: Process, coroutine: Coroutine[Any, Any, Any], conclude: Conclude) -> None:
    """Run *coroutine* as *process*, in a task of its own; *conclude* is told of its end."""
    begin(_Concluded(process, coroutine, conclude))


def begin(steps: Steps) -> None:
    """Take *steps* in a task of their own.

    The first is taken here and now, if the loop can do that, else at the loop's next turn. So it may have been the
    last, and ``conclude`` been called, when this returns.
    """
    process = steps.process
    rt = process.runtime
    extra = process.extra or process.more()
    extra.steps = steps
    make = _begun_task if rt.begins_at_once() else asyncio.Task
    task = make(steps, loop=rt.loop, name=process.behaviour.name, context=process.context.copy())
    asyncio.tasks._unregister_task(task)
    if not steps.begun:
        extra.task = task


if sys.version_info >= (3, 12):
    _begun_task = partial(asyncio.Task, eager_start=True)

else:

    def _begun_task(
        steps: Steps, *, loop: asyncio.AbstractEventLoop, name: str, context: Context
    ) -> asyncio.Task[None]:
        """What newer Pythons can do by themselves: take the task's first step out of asyncio's queue, and do it now."""
        task: asyncio.Task[None] = asyncio.Task(steps, loop=loop, name=name, context=context)
        ready = getattr(loop, "_ready", None)
        step: Any = ready[-1]._callback if ready else None
        owner: object = getattr(step, "__self__", None)
        if ready is None or owner is not task:
            return task  # the loop is of another make, and it begins at its next turn
        ready.pop()
        current = asyncio.current_task(loop)
        if current is None:
            context.run(step)
            return task
        asyncio.tasks._leave_task(loop, current)
        try:
            context.run(step)
        finally:
            asyncio.tasks._enter_task(loop, current)
        return task


def run_as(process: Process, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call *function* here and now as *process*: it is the current one, in its own context."""
    rt = process.runtime
    before, rt.current = rt.current, process
    try:
        return process.context.copy().run(function, *args, **kwargs)
    finally:
        rt.current = before
