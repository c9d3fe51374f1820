"""Watching over one test: what it found, what it leaves, and putting right what it left.

A watch begins and ends inside the test's own coroutine, so in its own task and on its own loop, whoever runs them.
At the end it stops the test's supervisor; then nothing may be there that was not there before: no process, no name,
no asyncio task. What is, is named, with the line that started it, and taken away: the next test shall not suffer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from regrow.kernel import names, receiving, signals
from regrow.kernel.inspection import ProcessInfo
from regrow.kernel.process import Pid
from regrow.kernel.runtime import Runtime, runtime
from regrow.testing.reports import Reports
from regrow.testing.snapshots import Snapshot, key_of, roots, snapshot
from regrow.testing.supervised import RefusedToStop, Supervised

__all__ = ["Watch"]

TURNS: Final = 20
"""Turns of the loop that what is about to end has to do so."""
_INSIDE: Final = (str(Path(__file__).parents[1]), str(Path(asyncio.__file__).parent))


class Watch:
    """One test's reports, its supervisor, and the problems that were found at its end."""

    def __init__(self) -> None:
        self.reports = Reports()
        self.supervised = Supervised(self.reports)
        self.problems: list[str] = []
        self._before = Snapshot({}, {}, frozenset())
        self._lines: dict[Pid, str] = {}

    async def over(self, test: Coroutine[Any, Any, Any]) -> Any:
        """Run *test* here and now, under this watch."""
        __tracebackhide__ = True
        try:
            self._before = snapshot()
            rt = runtime()
        except BaseException:
            test.close()
            raise
        rt.listeners.append(self._listen)
        try:
            return await test
        finally:
            await self._finish(rt)

    async def stop_supervised(self) -> None:
        """Stop the test's supervisor."""
        supervised, self.supervised = self.supervised, Supervised(self.reports)
        try:
            await supervised.stop_all()
        except RefusedToStop as error:
            self.problems.append(str(error))

    def check_crashes(self) -> None:
        """Note the unexpected crashes as problems."""
        unexpected = self.reports.unexpected()
        self.reports.forget_unexpected()
        if unexpected:
            told = "".join(f"\n  {each}{_last_lines(each.trace)}" for each in unexpected)
            self.problems.append(
                f"{len(unexpected)} unexpected {'crash' if len(unexpected) == 1 else 'crashes'} "
                f"(expected ones go into `async with capture_reports.expect(...)`):{told}"
            )

    # --- the end --------------------------------------------------------------------------------------------------

    async def _finish(self, rt: Runtime) -> None:
        try:
            await self.stop_supervised()
            left = await self._left()
        finally:
            if self._listen in rt.listeners:
                rt.listeners.remove(self._listen)
        self.check_crashes()
        if left:
            self.problems.append(self._told(left))
            await _take_away(rt, left)
        _reset_the_tests_own(rt)

    async def _left(self) -> Snapshot:
        """What the test leaves, when all that is about to end has had its time to."""
        for _ in range(TURNS):
            if not (left := self._now()):
                return left
            await asyncio.sleep(0)
        return self._now()

    def _now(self) -> Snapshot:
        left = snapshot().since(self._before)
        current = asyncio.current_task()
        taken = {name: pid for name, pid in left.names.items() if pid not in left.processes}
        return Snapshot(left.processes, taken, left.tasks - {current} if current is not None else left.tasks)

    def _told(self, left: Snapshot) -> str:
        lines = [self._process_told(each, left) for each in roots(left.processes)]
        lines += [f"the name {name!r}, of process {pid}" for name, pid in left.names.items()]
        lines += [f"the asyncio task {_task_told(each)}" for each in left.tasks]
        return "the test has left behind:" + "".join(f"\n  {each}" for each in lines)

    def _process_told(self, info: ProcessInfo, left: Snapshot) -> str:
        name = "" if info.name is None else f" {info.name!r}"
        below = sum(1 for each in left.processes.values() if info.pid in _above(each, left))
        line = self._lines.get(info.pid)
        return (
            f"the process {info.kind} {info.pid}{name}, {info.status}"
            + (f", and {below} below it" if below else "")
            + (f", started at {line}" if line else "")
            + "; start it with start_supervised, or in a scope"
        )

    def _listen(self, event: str, fields: dict[str, Any]) -> None:
        if event == "process.started":
            line = _users_line()
            if line is not None:
                self._lines[fields["pid"]] = line
        elif event == "process.exited":
            self._lines.pop(fields["pid"], None)


def _above(info: ProcessInfo, left: Snapshot) -> set[Pid]:
    found: set[Pid] = set()
    parent = info.parent
    while parent is not None and parent not in found and (above := left.processes.get(parent)) is not None:
        found.add(parent)
        parent = above.parent
    return found


def _users_line() -> str | None:
    """The innermost line on the stack that is neither regrow's nor asyncio's."""
    frame = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_INSIDE):
            return (
                None
                if "_pytest" in frame.f_code.co_filename
                else f"{frame.f_code.co_filename}:{frame.f_lineno}"
            )
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


def _task_told(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    frame = getattr(coroutine, "cr_frame", None)
    where = "" if frame is None else f" at {frame.f_code.co_filename}:{frame.f_lineno}"
    return f"{task.get_name()}: {getattr(coroutine, '__qualname__', coroutine)}{where}"


def _last_lines(trace: str) -> str:
    lines = trace.rstrip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    begin = frames[-2] if len(frames) > 1 else 0
    return "".join(f"\n    {line}" for line in lines[begin:])


async def _take_away(rt: Runtime, left: Snapshot) -> None:
    """Kill the processes, cancel the tasks, free the names. The test's own links are cut: it has its own verdict."""
    task = asyncio.current_task()
    me = rt.tasks.get(task) if task is not None else None
    for pid in left.processes:
        process = rt.processes.get(pid)
        if process is not None:
            if me is not None:
                signals.unlink(me, process)
            signals.kill(process)
    for task in left.tasks:
        task.cancel()
    for process in list(rt.processes.values()):
        for name in names.names_of(process):
            if left.names.get(key_of(name)) == process.pid:
                names.give_up(process, name)
    for _ in range(TURNS):
        if all(task.done() for task in left.tasks) and not any(pid in rt.processes for pid in left.processes):
            return
        await asyncio.sleep(0)


def _reset_the_tests_own(rt: Runtime) -> None:
    """The task may be used for the next test, as anyio does: it starts that with an empty mailbox."""
    task = asyncio.current_task()
    process = rt.tasks.get(task) if task is not None else None
    if process is not None:
        process.trapping = False
        while receiving.take(process, lambda _message: True) is not None:
            pass
