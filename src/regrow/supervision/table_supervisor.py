"""A supervisor whose children have a fixed order: how it starts, what it does when a child ends, how it stops.

When a child has ended and must be restarted, the ``strategy`` says who is restarted with it (see
``strategies``). A child that is not restarted keeps its place and its spec, stopped, unless it is temporary.
``auto_shutdown`` lets the supervisor itself end when one of its significant children has ended for good, or the
last one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrow.kernel.errors import Stop
from regrow.kernel.process import Pid
from regrow.kernel.reasons import SHUTDOWN, Shutdown, is_clean
from regrow.servers.child_spec import ChildSpec
from regrow.supervision import events
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.errors import FailedToStartChild
from regrow.supervision.flags import Flags
from regrow.supervision.reports import MAX_RESTARTS
from regrow.supervision.stepwise import Stepwise, drive
from regrow.supervision.strategies import restart
from regrow.supervision.table import ChildTable, StaticChild


class TableSupervisor(BaseSupervisor):
    """What ``Supervisor`` and ``PartitionSupervisor`` have in common."""

    _table: ChildTable

    def _start_with(self, flags: Flags, specs: Iterable[ChildSpec[Any]]) -> Stepwise[None]:
        """Start all in order; if one fails, those before it are ended in reverse, and the start has failed."""
        self._table = ChildTable(self._me)
        self._keep(flags)
        for spec in specs:
            self._table.add(spec)
        failed = yield from self._table.start_all(self._table)
        if failed is not None:
            child, reason = failed
            yield from self._table.stop_all()
            cause = reason if isinstance(reason, BaseException) else None
            raise Stop(Shutdown(FailedToStartChild(child.spec.id, reason))) from cause

    def _exit_arrived(self, pid: Pid, reason: object) -> Any:
        child = self._table.by_pid(pid)
        if child is None:
            return None  # a stranger, or one that was ended on request
        events.child_terminated(self._me, child.spec, pid, reason)
        child.last_reason = reason
        self._table.set_stopped(child)
        restart_it = child.spec.restart == "permanent" or (
            child.spec.restart == "transient" and not is_clean(reason)
        )
        if restart_it or not is_clean(reason):
            self._table.report("child_terminated", child, reason)
        if restart_it:
            return self._restart(child, reason)
        self._table.drop(child)
        self._end_if_significant(child)
        return None

    def _restart(self, child: StaticChild, reason: object) -> Any:
        if not self._intensity.admit():
            self._table.report("shutdown", child, MAX_RESTARTS)
            raise self._give_up(child.spec, reason)
        return drive(self._restart_group(child, reason))

    def _restart_group(self, child: StaticChild, reason: object) -> Stepwise[None]:
        failed = yield from restart(self._table, self._flags.strategy, child)
        if failed is not None:
            self._later(TableSupervisor._retry, failed.spec.id, reason)

    def _retry(self, child_id: Any, reason: object) -> Any:
        """Try a failed restart again, unless somebody has terminated the child meanwhile."""
        child = self._table.get(child_id)
        return self._restart(child, reason) if child is not None and child.restarting else None

    def _end_if_significant(self, child: StaticChild) -> None:
        """Stop if ``child``, which has ended for good, was the one whose end ends the supervisor."""
        mode = self._flags.auto_shutdown
        if mode == "never" or not child.spec.significant:
            return
        if mode == "any_significant" or not any(
            other.spec.significant and (other.pid is not None or other.restarting) for other in self._table
        ):
            raise Stop(SHUTDOWN)

    def _stop_children(self) -> Stepwise[None]:
        yield from self._table.stop_all()

    def _child_pids(self) -> Iterable[Pid]:
        return self._table.pids() if hasattr(self, "_table") else ()
