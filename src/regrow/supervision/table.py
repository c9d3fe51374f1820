"""The children of a static supervisor: a list in start order, and how they are started and ended.

A child keeps its place for as long as its spec is kept, however often it is restarted. It runs, or is
stopped, or is *restarting*: its restart failed and another attempt is on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from regrow.kernel.errors import StartError, StartIgnored
from regrow.kernel.process import Pid, Process
from regrow.servers.child_spec import ChildSpec
from regrow.supervision import events
from regrow.supervision.children import RESTARTING, ChildInfo, Counts
from regrow.supervision.reports import Report, report
from regrow.supervision.shutdown import stop_together
from regrow.supervision.starts import start_child
from regrow.supervision.stepwise import Stepwise


class StaticChild:
    """One child: its spec, and its process while there is one.

    ``last_pid`` is for the reports; so are ``restarts``, how often it was started again, and ``last_reason``, why it
    ended last by itself.
    """

    __slots__ = ("child", "last_pid", "last_reason", "pid", "restarting", "restarts", "spec")

    def __init__(self, spec: ChildSpec[Any]) -> None:
        self.spec = spec
        self.pid: Pid | None = None
        self.last_pid: Pid | None = None
        self.child: Any = None
        self.restarting = False
        self.restarts = 0
        self.last_reason: object = None

    @property
    def temporary(self) -> bool:
        return self.spec.restart == "temporary"

    def info(self) -> ChildInfo:
        shown = RESTARTING if self.restarting else self.child
        return ChildInfo(self.spec.id, shown, self.spec.type, self.spec.modules)


class ChildTable:
    """The children of the supervisor ``me``, in start order."""

    __slots__ = ("_by_id", "_by_pid", "_me")

    def __init__(self, me: Process) -> None:
        self._me = me
        self._by_id: dict[Any, StaticChild] = {}
        self._by_pid: dict[Pid, StaticChild] = {}

    # --- the book -----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[StaticChild]:
        """In start order; children may be dropped meanwhile."""
        return iter(list(self._by_id.values()))

    def __reversed__(self) -> Iterator[StaticChild]:
        return reversed(list(self._by_id.values()))

    def add(self, spec: ChildSpec[Any]) -> StaticChild:
        """A new child, stopped, at the end of the order."""
        child = self._by_id[spec.id] = StaticChild(spec)
        return child

    def put_first(self, ids: Iterable[Any]) -> None:
        """Begin the start order with these children, in this order; the others follow in theirs."""
        first = {child_id: self._by_id[child_id] for child_id in ids}
        self._by_id = first | {key: child for key, child in self._by_id.items() if key not in first}

    def get(self, child_id: Any) -> StaticChild | None:
        return self._by_id.get(child_id)

    def by_pid(self, pid: Pid) -> StaticChild | None:
        """The child whose process this is."""
        return self._by_pid.get(pid)

    def pids(self) -> list[Pid]:
        return list(self._by_pid)

    def count(self) -> Counts:
        specs = len(self._by_id)
        living = self._me.runtime.processes  # an exit may still wait in the own queue
        active = sum(pid in living for pid in self._by_pid)
        supervisors = sum(child.spec.type == "supervisor" for child in self._by_id.values())
        return Counts(specs, active, supervisors, specs - supervisors)

    def from_here(self, child: StaticChild) -> list[StaticChild]:
        """This child and those started after it, in start order."""
        children = list(self._by_id.values())
        return children[children.index(child) :]

    def set_stopped(self, child: StaticChild) -> None:
        """It has no process, and nobody is trying to make one."""
        if child.pid is not None:
            del self._by_pid[child.pid]
        child.pid, child.child, child.restarting = None, None, False

    def set_restarting(self, child: StaticChild) -> None:
        """Its process is gone and could not be replaced yet."""
        self.set_stopped(child)
        child.restarting = True

    def remove(self, child: StaticChild) -> None:
        """Forget the child and its spec."""
        self.set_stopped(child)
        del self._by_id[child.spec.id]

    def drop(self, child: StaticChild) -> None:
        """It has ended for good: a temporary child is forgotten, another keeps its place, stopped."""
        if child.temporary:
            self.remove(child)
        else:
            self.set_stopped(child)

    # --- starting and ending ------------------------------------------------------------------------------------------

    def start(self, child: StaticChild) -> Stepwise[Any]:
        """Start it; what its starter gets, or None if it chose not to start. Raises ``StartError``, and reports it."""
        try:
            started = yield from start_child(self._me, child.spec, known=self._by_pid)
        except StartIgnored:
            self.drop(child)
            return None
        except StartError as error:
            self.report("start_error", child, error.reason)
            events.child_start_failed(self._me, child.spec, child.last_pid, error.reason)
            raise
        old = child.last_pid
        child.pid = child.last_pid = started.pid
        child.child, child.restarting = started.child, False
        self._by_pid[started.pid] = child
        self.report("progress", child, None)
        if old is None:
            events.child_started(self._me, child.spec, started.pid)
        else:
            child.restarts += 1
            events.child_restarted(self._me, child.spec, started.pid, old, child.restarts, child.last_reason)
        return started.answer

    def start_all(self, children: Iterable[StaticChild]) -> Stepwise[tuple[StaticChild, object] | None]:
        """Start them in order; the first that failed, and why, or None."""
        for child in children:
            try:
                yield from self.start(child)
            except StartError as error:
                return child, error.reason
        return None

    def stop(self, child: StaticChild) -> Stepwise[None]:
        """End its process, or give up restarting it. Its place is kept."""
        if child.pid is not None:
            yield from stop_together(self._me, [(child.pid, child.spec)], self._complain)
        self.set_stopped(child)

    def stop_all(self) -> Stepwise[None]:
        """End all, the last started first, each one gone before the next is told."""
        for child in reversed(self):
            yield from self.stop(child)

    def report(self, kind: Report, child: StaticChild, reason: object) -> None:
        report(kind, self._me, child.spec, child.last_pid, reason, child_id=child.spec.id)

    def _complain(self, reason: object, spec: ChildSpec[Any], pid: Pid) -> None:
        report("shutdown_error", self._me, spec, pid, reason, child_id=spec.id)
