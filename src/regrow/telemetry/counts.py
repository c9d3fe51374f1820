"""Figures for whoever scrapes: kept by the loop's thread as things happen, to be read from any thread.

An exporter serves from a thread of its own, where the tables of living processes must not be looked at: they change
meanwhile. So what it shows is counted here, one small step at each event, and a reader takes a copy. Kinds of processes
become labels, and labels are for ever in a time series: the first ``max_kinds`` of them are told apart, and all others
are ``"other"``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from regrow.kernel.probes import Kind, install, remove
from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import Runtime
from regrow.telemetry.held import Held

__all__ = ["BUCKETS", "OTHER", "Bounded", "CallTimes", "Counts"]

OTHER: Final = "other"
BUCKETS: Final = (0.00001, 0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper ends of the buckets for durations of calls, in seconds: inline calls take microseconds."""


class Bounded:
    """The first *limit* different values are themselves, all later ones are *rest*."""

    __slots__ = ("_known", "_limit", "_rest")

    def __init__(self, limit: int, rest: Any = OTHER) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"a bound of {limit!r} labels: must be a whole number, 1 or more")
        self._limit = limit
        self._rest = rest
        self._known: set[Any] = set()

    def __call__(self, value: Any) -> Any:
        if value in self._known:
            return value
        if len(self._known) < self._limit:
            self._known.add(value)
            return value
        return self._rest


class Counts(Held):
    """What has happened in one runtime since it was first held. It may be read from any thread."""

    def __init__(self, rt: Runtime, max_kinds: int = 50) -> None:
        self.runtime = rt
        self._kinds = Bounded(max_kinds)
        self._processes: dict[str, int] = {}
        self._crashes: dict[str, int] = {}
        self._restarts: dict[str, int] = {}
        self._alarms: dict[str, int] = {}
        self._failures: dict[str, int] = {"start_failed": 0, "gave_up": 0}

    def processes(self) -> dict[str, int]:
        """Living processes by kind."""
        return self._processes.copy()  # one step of the interpreter, as all copies here

    def crashes(self) -> dict[str, int]:
        """Crashes by the kind of process."""
        return self._crashes.copy()

    def restarts(self) -> dict[str, int]:
        """Restarts by the kind of child."""
        return self._restarts.copy()

    def mailbox_alarms(self) -> dict[str, int]:
        """Mailboxes that grew over their limit, by the kind of process."""
        return self._alarms.copy()

    @property
    def start_failures(self) -> int:
        """Starts and restarts of children that failed."""
        return self._failures["start_failed"]

    @property
    def gave_up(self) -> int:
        """Supervisors that reached their restart intensity."""
        return self._failures["gave_up"]

    def run_queue(self) -> int:
        """How many processes wait for their turn, now."""
        return len(self.runtime.run_queue)

    # --- in the loop's thread -------------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        self._processes = {}
        living = Counter([process.behaviour.name for process in self.runtime.processes.values()])
        for kind, number in living.items():
            self._add(self._processes, kind, number)
        self.runtime.listeners.append(self._heard)

    def _switch_off(self) -> None:
        if self._heard in self.runtime.listeners:
            self.runtime.listeners.remove(self._heard)
        self._processes = {}

    def _add(self, table: dict[str, int], kind: str, number: int = 1) -> None:
        label = self._kinds(kind)
        table[label] = table.get(label, 0) + number

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        if event == "process.started":
            self._add(self._processes, fields["kind"])
        elif event == "process.exited":
            self._add(self._processes, fields["kind"], -1)
        elif event == "process.crashed":
            self._add(self._crashes, fields["kind"])
        elif event == "child.restarted":
            self._add(self._restarts, self._kind_of(fields["pid"]))
        elif event == "mailbox.alarm":
            self._add(self._alarms, self._kind_of(fields["pid"]))
        elif event == "child.start_failed":
            self._failures["start_failed"] += 1
        elif event == "supervisor.gave_up":
            self._failures["gave_up"] += 1

    def _kind_of(self, pid: Pid) -> str:
        process = self.runtime.processes.get(pid)
        return OTHER if process is None else process.behaviour.name


class CallTimes(Held):
    """Tells *observe* of each call that has ended, in the caller: the server's kind, the call, seconds, the error."""

    def __init__(self, rt: Runtime, observe: Callable[[str, str, float, BaseException | None], None]) -> None:
        self._runtime = rt
        self._observe = observe

    def _switch_on(self) -> None:
        install(self._runtime, self)

    def _switch_off(self) -> None:
        remove(self._runtime, self)

    def sending(
        self, process: Process, function: Callable[..., Any], label: str, kind: Kind
    ) -> Callable[..., Any]:
        return function

    def asking(self, process: Process, label: str) -> Callable[[BaseException | None], None]:
        began = perf_counter()
        observe, kind = self._observe, process.behaviour.name
        return lambda error: observe(kind, label, perf_counter() - began, error)
