"""What supervisors tell whoever listens to the lifecycle: children started, restarted, ended; and giving up.

Each function costs one look while nobody does.
"""

from __future__ import annotations

from typing import Any

from regrow.kernel.events import emit
from regrow.kernel.process import Pid, Process
from regrow.servers.child_spec import ChildSpec


def child_started(supervisor: Process, spec: ChildSpec[Any], pid: Pid) -> None:
    """For the first time."""
    if supervisor.runtime.listeners:
        _tell(supervisor, "child.started", spec, pid)


def child_restarted(
    supervisor: Process, spec: ChildSpec[Any], pid: Pid, old: Pid | None, restarts: int, reason: object
) -> None:
    """In the place of *old*, which ended with *reason*."""
    if supervisor.runtime.listeners:
        _tell(supervisor, "child.restarted", spec, pid, old_pid=old, restarts=restarts, reason=reason)


def child_terminated(supervisor: Process, spec: ChildSpec[Any], pid: Pid, reason: object) -> None:
    """By itself or by its supervisor."""
    if supervisor.runtime.listeners:
        _tell(supervisor, "child.terminated", spec, pid, reason=reason)


def child_start_failed(supervisor: Process, spec: ChildSpec[Any], old: Pid | None, reason: object) -> None:
    """*old* is who it was before, None at a first start."""
    if supervisor.runtime.listeners:
        _tell(supervisor, "child.start_failed", spec, old, reason=reason)


def gave_up(supervisor: Process, reason: object) -> None:
    """*reason* is that of the end that was one too many."""
    if supervisor.runtime.listeners:
        emit(supervisor.runtime, "supervisor.gave_up", pid=supervisor.pid, reason=reason)


def _tell(supervisor: Process, event: str, spec: ChildSpec[Any], pid: Pid | None, **more: object) -> None:
    emit(supervisor.runtime, event, supervisor=supervisor.pid, pid=pid, id=spec.id, **more)
