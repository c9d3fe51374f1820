"""How a supervisor hears that a child has ended.

A supervisor takes the exit signals of the dead before they become ``Exit`` messages, and puts them
into its own queue as work for itself: in their turn, but out of the way of a ``handle_info`` that the
user's class may define. Signals of the living are no news of an end, whatever they say: a child that
calls ``process.exit(supervisor, reason)`` does not make its supervisor forget it.
"""

from __future__ import annotations

from typing import Any

from regrow.kernel.mailbox import put
from regrow.kernel.process import Pid, Process


def hear_exits(supervisor: Process) -> None:
    """From now on ``supervisor``'s server gets ``_exit_arrived(pid, reason)`` for each linked process that ended."""
    supervisor.more().exit_sink = _Sink(supervisor)


def queued_exits(supervisor: Process) -> dict[Pid, object]:
    """Who has ended, and why, of those the supervisor has not come to yet."""
    envelopes = supervisor.mailbox or ()
    return {args[0]: args[1] for function, args, _, _ in envelopes if function is _exit_arrived}


class _Sink:
    """Is offered every exit signal that reaches the supervisor."""

    __slots__ = ("_supervisor",)

    def __init__(self, supervisor: Process) -> None:
        self._supervisor = supervisor

    def __call__(self, pid: Pid, reason: object) -> bool:
        supervisor = self._supervisor
        if pid == supervisor.parent or pid in supervisor.runtime.processes:
            return False
        put(supervisor, (_exit_arrived, (pid, reason), {}, None))
        return True


def _exit_arrived(server: Any, pid: Pid, reason: object) -> Any:
    return server._exit_arrived(pid, reason)
