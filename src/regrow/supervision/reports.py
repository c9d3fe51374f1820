"""What a supervisor tells the log about its children.

Four kinds of trouble, as in OTP: ``start_error`` (a start or restart failed), ``child_terminated`` (a child
ended and that matters), ``shutdown_error`` (a child did not end as it was told to), ``shutdown`` (the
supervisor gives up). They go to the logger ``regrow.supervisor`` at error level. ``progress`` (a child has
started, or started again) goes there at debug level. The record's
``regrow`` attribute holds the same as a mapping:

``event`` the kind; ``supervisor`` its name, or its pid; ``supervisor_pid``; ``reason``; ``child`` with
``pid``, ``id``, ``start``, ``args`` (as text), ``restart``, ``shutdown``, ``type`` and ``significant``.

A temporary child's arguments are not kept, so its ``args`` are None.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, Literal

from regrow.kernel.process import Pid, Process
from regrow.kernel.reasons import describe
from regrow.kernel.reports import brief, write
from regrow.servers.child_spec import ChildSpec

Report = Literal["start_error", "child_terminated", "shutdown_error", "shutdown", "progress"]

MAX_RESTARTS: Final = "reached_max_restart_intensity"
"""The reason of a ``shutdown`` report."""

logger: Final = logging.getLogger("regrow.supervisor")

_HAPPENED: Final[dict[str, str]] = {
    "start_error": "failed to start",
    "child_terminated": "terminated",
    "shutdown_error": "shut down abnormally",
    "shutdown": "caused shutdown",
    "progress": "started",
}


def report(
    kind: Report,
    supervisor: Process,
    spec: ChildSpec[Any],
    pid: Pid | None,
    reason: object,
    *,
    child_id: object = None,
    extra_arguments: Sequence[Any] = (),
) -> None:
    """Write one report; ``child_id`` is the id to show, None under a supervisor that has no use for ids."""
    level = logging.DEBUG if kind == "progress" else logging.ERROR
    if not logger.isEnabledFor(level):
        return
    who = supervisor.name if supervisor.name is not None else supervisor.pid
    temporary = spec.restart == "temporary"
    fields = {
        "event": kind,
        "supervisor": who,
        "supervisor_pid": supervisor.pid,
        "reason": reason,
        "child": {
            "pid": pid,
            "id": child_id,
            "start": spec.start,
            "args": None if temporary else brief((*extra_arguments, *spec.args)),
            "restart": spec.restart,
            "shutdown": spec.shutdown,
            "type": spec.type,
            "significant": spec.significant,
        },
    }
    shown = getattr(spec.start, "__qualname__", spec.start) if child_id is None else brief(child_id)
    because = "" if kind == "progress" else f": {describe(reason)}"
    write(
        logger,
        level,
        "child %s (pid %s) of supervisor %s %s%s",
        shown,
        pid,
        who,
        _HAPPENED[kind],
        because,
        fields=fields,
    )
