"""Ending children: all told at once, and waited for under one clock.

``stop_together`` is what a DynamicSupervisor does when it stops, and what any supervisor does to one
child. Everybody is told first, and only then waited for, so the time it takes is the longest of the
children's times and not their sum. There is one timer for each *distinct* shutdown time; when it
fires, those of that time who still live are killed. A static Supervisor ends one child after another by
it, each one gone before the next is told.

Nobody can make the supervisor wait for ever: a child that unlinked itself, or does so while it ends,
is counted all the same, because whoever does not end on the spot is watched from then on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Any

from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.reasons import KILLED, NORMAL, SHUTDOWN, is_clean
from regrow.kernel.signals import exit_signal, kill, watch
from regrow.servers.child_spec import BRUTAL_KILL, ChildSpec
from regrow.supervision.events import child_terminated
from regrow.supervision.exits import queued_exits
from regrow.supervision.stepwise import Stepwise

Complain = Callable[[object, ChildSpec[Any], Pid], None]
"""Is told the reason, the spec and the pid of a child that did not end as it was told to."""


def stop_together(
    supervisor: Process, children: Iterable[tuple[Pid, ChildSpec[Any]]], complain: Complain
) -> Stepwise[None]:
    """End all ``children`` at once; done when the last one is gone."""
    ending = _Ending(supervisor, children, complain)
    if not ending.done:
        yield ending.wait()


class _Ending:
    """Children on their way out, and who of them is still there."""

    def __init__(
        self, supervisor: Process, children: Iterable[tuple[Pid, ChildSpec[Any]]], complain: Complain
    ) -> None:
        self._supervisor = supervisor
        self._complain = complain
        self._waiting: dict[Pid, ChildSpec[Any]] = dict(children)
        self._over: asyncio.Future[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._dismiss_the_dead()
        self._usual_sink = supervisor.more().exit_sink
        supervisor.more().exit_sink = self._took_exit
        self._tell()
        if self.done:
            supervisor.more().exit_sink = self._usual_sink

    @property
    def done(self) -> bool:
        return not self._waiting

    async def wait(self) -> None:
        """Until all of them are gone."""
        try:
            if not self.done:
                self._over = self._supervisor.runtime.loop.create_future()
                await self._over
        finally:
            self._supervisor.more().exit_sink = self._usual_sink
            for timer in self._timers:
                timer.cancel()

    def _dismiss_the_dead(self) -> None:
        """Those who died before they were told: why, says the exit that waits in the supervisor's queue."""
        processes = self._supervisor.runtime.processes
        dead = [pid for pid in self._waiting if pid not in processes]
        if not dead:
            return
        reasons = queued_exits(self._supervisor)
        for pid in dead:
            spec = self._waiting.pop(pid)
            if pid in reasons and not (reasons[pid] is NORMAL and spec.restart != "permanent"):
                self._judge(pid, spec, reasons[pid])
            else:
                child_terminated(self._supervisor, spec, pid, reasons.get(pid))

    def _tell(self) -> None:
        processes = self._supervisor.runtime.processes
        me = self._supervisor.pid
        groups: dict[float, list[Process]] = {}
        for pid, spec in list(self._waiting.items()):
            process = processes.get(pid)
            if process is None:  # went down with one that was told before
                self._gone(pid, SHUTDOWN)
                continue
            if spec.shutdown == BRUTAL_KILL:
                kill(process)
            else:
                exit_signal(process, SHUTDOWN, me)
            if pid not in self._waiting:
                continue
            if process.status == DEAD:  # and had unlinked itself, or we had heard of it
                self._gone(pid, SHUTDOWN)
                continue
            watch(process, self._saw_end)
            if isinstance(spec.shutdown, (int, float)) and spec.shutdown != math.inf:
                groups.setdefault(spec.shutdown, []).append(process)
        for seconds, group in groups.items():
            self._timers.append(self._supervisor.runtime.loop.call_later(seconds, self._kill, group))

    def _kill(self, group: list[Process]) -> None:
        for process in group:
            if process.pid in self._waiting:
                kill(process)

    def _took_exit(self, pid: Pid, reason: object) -> bool:
        """The kernel offers an exit signal: take it if it is the end of one we wait for."""
        if pid in self._waiting and pid not in self._supervisor.runtime.processes:
            self._gone(pid, reason)
            return True
        return self._usual_sink is not None and self._usual_sink(pid, reason)

    def _saw_end(self, process: Process, reason: object) -> None:
        self._gone(process.pid, reason)

    def _gone(self, pid: Pid, reason: object) -> None:
        spec = self._waiting.pop(pid, None)
        if spec is None:
            return
        self._judge(pid, spec, reason)
        if not self._waiting and self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _judge(self, pid: Pid, spec: ChildSpec[Any], reason: object) -> None:
        """Tell of it, and complain if that is not how it should have ended. Nothing follows from it."""
        child_terminated(self._supervisor, spec, pid, reason)
        if spec.shutdown == BRUTAL_KILL:
            well = reason is KILLED
        elif reason is NORMAL:
            well = spec.restart != "permanent"
        else:
            well = is_clean(reason)
        if not well:
            self._complain(reason, spec, pid)
