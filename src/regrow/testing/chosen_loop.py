"""An event loop on which a schedule chooses what runs next, and the run of one scenario on it.

Whatever is ready stands in a *lane*, and a lane keeps its order: each asyncio task is one, each process with
messages, each timer that is due, and all other callbacks together. The schedule chooses the lane; then one step of a
task runs, or one message of one process is handled. Time is virtual: timers with equal deadlines are due together,
and nobody gets further by being quick. And where a call may run inline, the schedule says whether it does.

All that is left to chance elsewhere is fixed here: the slice of time, which the scheduler measures by the real clock,
does not exist, and tasks that a TaskGroup cancels, in the order of a set, wake up in the order of their making.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from regrow.kernel import scheduler
from regrow.kernel.process import Process, new_pid
from regrow.kernel.runtime import STACK_SHARE, Runtime, open_runtime
from regrow.kernel.steps import Steps, frame_of
from regrow.testing.clock import VirtualClock
from regrow.testing.reports import CrashReport, Kind, Reports
from regrow.testing.schedules import Chooser, Schedule

__all__ = ["ChosenRunner", "EndlessSchedule", "Run", "Scenario", "UnexpectedCrash", "run_schedule"]

Scenario = Callable[[], Coroutine[Any, Any, object]]
T = TypeVar("T")

NO_TIME: Final = -1.0
"""Seconds for the scheduler in which it handles one message."""
OTHERS: Final = "callbacks"
"""The lane of all that is neither a task, nor a process, nor a timer."""


class EndlessSchedule(RuntimeError):
    """The scenario did not come to its end within the steps that it was given."""


class UnexpectedCrash(AssertionError):
    """A process crashed in the scenario, although perhaps nobody noticed. ``crashes`` has the reports."""

    def __init__(self, told: str, crashes: list[CrashReport]) -> None:
        super().__init__(told)
        self.crashes = crashes


@dataclass(slots=True)
class Run:
    """One run of a scenario: the choices that were made, and what came of it."""

    choices: list[int] = field(default_factory=list)
    error: BaseException | None = None
    steps: int = 0
    trace: list[str] = field(default_factory=list)
    """A line for each step, if it was asked for: who ran, with a mark where another one was chosen than usual."""


def run_schedule(
    scenario: Scenario,
    chooser: Chooser,
    *,
    allow: tuple[Kind, ...] = (),
    max_steps: int,
    traced: bool = False,
) -> Run:
    """Run *scenario* by what *chooser* chooses, on a loop of its own."""
    run = Run()
    with Quiet() as reports:
        if allow:
            reports.allow(*allow)
        try:
            with ChosenRunner(chooser, run, max_steps=max_steps, traced=traced) as runner:
                runner.run(scenario())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            run.error = error
        if run.error is None and (crashes := reports.unexpected()):
            run.error = _unexpected(crashes)
    return run


class ChosenRunner:
    """An ``asyncio.Runner`` on whose loop *chooser* chooses, and which notes what it does in *run*.

    Several coroutines may be run, one after another, on the one loop. Its closing is nobody's choice.
    """

    def __init__(self, chooser: Chooser, run: Run, *, max_steps: int, traced: bool = False) -> None:
        schedule = Schedule(chooser)
        run.choices = schedule.made
        self._ready = Ready(schedule, run, max_steps, traced)
        self._runner = asyncio.Runner(loop_factory=self._new_loop, debug=False)

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        clock = VirtualClock(loop, 0.0)
        clock.alone = True
        clock.start()
        setattr(loop, "run_in_executor", _no_threads)  # noqa: B010  # a method, for this one loop
        loop._ready = self._ready  # type: ignore[attr-defined]  # asyncio's own, as the virtual clock's are
        return loop

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run *main* to its end."""

        async def chosen() -> T:
            if self._ready.runtime is None:
                self._ready.runtime = open_runtime(ChosenRuntime(asyncio.get_running_loop(), self._ready))
            self._ready.open = True
            try:
                return await main
            finally:
                self._ready.open = False

        chosen.__qualname__ = getattr(main, "__qualname__", "main")
        return self._runner.run(chosen())

    def __enter__(self) -> ChosenRunner:
        self._runner.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._runner.__exit__(*raised)


class Quiet:
    """Reports are taken, and not written: a thousand schedules would write a thousand of each."""

    def __enter__(self) -> Reports:
        self._logger = logging.getLogger("regrow")
        self._before = self._logger.propagate
        self._logger.propagate = False
        self._reports = Reports()
        return self._reports.__enter__()

    def __exit__(self, *args: Any) -> None:
        self._reports.__exit__(None, None, None)
        self._logger.propagate = self._before


def _unexpected(crashes: list[CrashReport]) -> UnexpectedCrash:
    told = "; ".join(f"{each.kind} crashed: {each.reason}" for each in crashes)
    error = UnexpectedCrash(
        f"{told}. Crashes that may happen are named by explore(..., allow=SomeError)", crashes
    )
    error.__cause__ = crashes[0].error
    for each in crashes:
        error.add_note(each.trace.rstrip())
    return error


class ChosenRuntime(Runtime):
    """A runtime whose processes are chosen one by one, for one message each."""

    __slots__ = ("ready",)

    def __init__(self, loop: asyncio.AbstractEventLoop, ready: Ready) -> None:
        super().__init__(loop, "on")
        self.ready = ready
        self.ready.first_pid = new_pid()

    def begins_at_once(self) -> bool:
        return False  # each first step is chosen, as any other

    def may_inline(self, frame: FrameType) -> bool:
        if sys.exception() is not None:
            return False
        try:
            sys._getframe(sys.getrecursionlimit() // STACK_SHARE)
        except ValueError:
            return not self.ready.must_queue(frame)
        return False

    def arm_slice(self) -> None:
        pass  # there is no slice


def _no_threads(_executor: object, function: Callable[..., object], *_args: object) -> NoReturn:
    raise RuntimeError(
        f"{function!r} can't run in a thread under a chosen schedule: nobody can choose a thread's pace. Let the "
        "scenario put something in its place that does the work at once"
    )


def _handle_one(rt: Runtime) -> None:
    scheduler.run(rt, NO_TIME)


class _First(NamedTuple):
    """The first of a lane: its place in the queue, and the process if it is the turn of one."""

    lane: Hashable
    place: int
    process: Process | None


class Ready(deque[Any]):
    """asyncio's queue of what is ready; what it gives next is the schedule's choice."""

    def __init__(self, schedule: Schedule, run: Run, max_steps: int, traced: bool) -> None:
        super().__init__()
        self.open = False
        self.first_pid = 0
        self._schedule = schedule
        self._run = run
        self._max_steps = max_steps
        self._traced = traced
        self._runtime: Runtime | None = None
        self._tasks: dict[asyncio.Task[Any], int] = {}
        self._timers: dict[int, int] = {}  # by the id of a handle that is in here
        self._timers_seen = 0
        self._closing = 0  # steps since the scenario was over
        self._new = 0  # handles that were added since one was taken

    @property
    def runtime(self) -> Runtime | None:
        return self._runtime

    @runtime.setter
    def runtime(self, rt: Runtime) -> None:
        rt.scheduler = _handle_one
        self._runtime = rt

    def append(self, handle: Any) -> None:
        task = _task_of(handle)
        place = len(self)
        if task is not None:
            number = self._tasks.setdefault(task, len(self._tasks) + 1)
            if _is_cancellation(handle):
                while place > len(self) - self._new and self._comes_later(self[place - 1], number):
                    place -= 1
        elif isinstance(handle, asyncio.TimerHandle):
            self._timers_seen += 1
            self._timers[id(handle)] = self._timers_seen
        self._new += 1
        self.insert(place, handle)

    def _comes_later(self, handle: Any, number: int) -> bool:
        task = _task_of(handle)
        return task is not None and _is_cancellation(handle) and self._tasks[task] > number

    def popleft(self) -> Any:
        self._new = 0
        if not self.open:
            self._closing += 1
            if self._closing > self._max_steps:
                self._closing = 0
                raise EndlessSchedule(
                    f"the scenario left something that was cancelled and did not end within {self._max_steps} steps"
                )
        if not self.open or self[0]._cancelled:
            return self._took(0)
        self._closing = 0
        self._run.steps += 1
        if self._run.steps > self._max_steps:
            self.open = False
            raise EndlessSchedule(
                f"the scenario was not over after {self._max_steps} steps: it waits for something by asking again and "
                "again, or it needs explore(..., max_steps=...)"
            )
        lanes = self._lanes()
        before = len(self._schedule.made)
        chosen = lanes[self._schedule.lane([each.lane for each in lanes])]
        process = chosen.process
        if self._traced:
            self._note(self._told(self[chosen.place], process), before)
        if process is not None and self._runtime is not None:
            self._runtime.run_queue.remove(process)
            self._runtime.run_queue.appendleft(process)
        return self._took(chosen.place)

    def _took(self, place: int) -> Any:
        handle = self[place]
        del self[place]
        self._timers.pop(id(handle), None)
        return handle

    def _lanes(self) -> list[_First]:
        found: dict[Hashable, _First] = {}
        for place, handle in enumerate(self):
            if handle._cancelled:
                continue
            callback = handle._callback
            task = _task_of(handle)
            if task is not None:
                lane: Hashable = ("task", self._tasks[task])
            elif isinstance(handle, asyncio.TimerHandle):
                lane = ("timer", self._timers[id(handle)])
            elif callback is _handle_one and self._runtime is not None and self._runtime.run_queue:
                for process in self._runtime.run_queue:
                    lane = ("process", process.pid - self.first_pid)
                    found.setdefault(lane, _First(lane, place, process))
                continue
            else:
                lane = OTHERS
            found.setdefault(lane, _First(lane, place, None))
        return list(found.values())

    def must_queue(self, frame: FrameType) -> bool:
        """Whether a call that may run inline, made in *frame*, has to queue."""
        if not self.open:
            return False
        queued = self._schedule.queued()
        if self._traced and queued:
            self._note(
                f"a call{_line_of(frame)} that could run inline is queued", len(self._schedule.made) - 1
            )
        return queued

    # --- what happened, for people --------------------------------------------------------------------------------

    def _note(self, told: str, before: int) -> None:
        rt = self._runtime
        now = 0.0 if rt is None else rt.loop.time()
        unusual = [
            f"{number}={int(choice)}"
            for number, choice in enumerate(self._schedule.made[before:], before)
            if choice
        ]
        mark = f"   <- {','.join(unusual)}" if unusual else ""
        self._run.trace.append(f"{now:10.3f} s  {told}{mark}")

    def _told(self, handle: Any, process: Process | None) -> str:
        if process is not None:
            mailbox = process.mailbox
            function = mailbox[0][0] if mailbox else None
            what = (
                "takes its turn" if not mailbox else f"handles {getattr(function, '__name__', 'a message')}"
            )
            return f"{self._name(process)} {what}"
        task = _task_of(handle)
        if task is None:
            kind = "timer" if isinstance(handle, asyncio.TimerHandle) else "callback"
            return f"{kind} {getattr(handle._callback, '__qualname__', type(handle._callback).__name__)}"
        coroutine: Any = task.get_coro()
        if isinstance(coroutine, Steps):
            return f"{self._name(coroutine.process)} goes on{_line_of(frame_of(coroutine.coroutine))}"
        name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
        return f"task {self._tasks[task]} {name} goes on{_line_of(frame_of(coroutine))}"

    def _name(self, process: Process) -> str:
        name = "" if process.name is None else f" {process.name!r}"
        return f"{process.behaviour.name} {process.pid - self.first_pid}{name}"


def _line_of(frame: FrameType | None) -> str:
    if frame is None:
        return ""
    file = Path(frame.f_code.co_filename).name  # its name only: the same on every machine
    return f" at {file}:{frame.f_lineno} in {frame.f_code.co_name}"


def _task_of(handle: Any) -> asyncio.Task[Any] | None:
    if isinstance(handle, asyncio.TimerHandle):
        return None
    task = getattr(handle._callback, "__self__", None)
    return task if isinstance(task, asyncio.Task) else None


def _is_cancellation(handle: Any) -> bool:
    """Whether the handle wakes a task up because what it waited for was cancelled."""
    future = handle._args[0] if handle._args else None
    return isinstance(future, asyncio.Future) and future.cancelled()
