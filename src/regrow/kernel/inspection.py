"""Looking at processes from outside, without disturbing them."""

from __future__ import annotations

from dataclasses import dataclass

from regrow.kernel.names import names_of
from regrow.kernel.process import EXITING, STATE_NAMES, Pid, Process
from regrow.kernel.reports import ancestors
from regrow.kernel.signals import linked_to

__all__ = ["ProcessInfo", "is_alive", "look_at"]


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What ``process.info`` tells of a living process."""

    pid: Pid
    kind: str
    """The class of a server; "process" for a spawned function, "asyncio task" for an adopted task."""
    name: object
    names: tuple[object, ...]
    label: object
    status: str
    """idle, queued, running, busy (its coroutine is under way), starting, suspended, terminating, exiting."""
    parent: Pid | None
    ancestors: tuple[object, ...]
    mailbox_length: int
    links: tuple[Pid, ...]
    monitors: int
    """How many monitors watch it."""
    monitoring: int
    """How many monitors it has on others."""
    trapping_exits: bool
    timers: int
    waiting_for: Pid | None
    """Whose answer it waits for, in a call."""
    where: str | None
    """The line that its coroutine stands at, while it is busy."""


def look_at(process: Process) -> ProcessInfo:
    extra = process.extra
    waiting = extra.waiting_on if extra is not None else None
    return ProcessInfo(
        pid=process.pid,
        kind=process.behaviour.name,
        name=process.name,
        names=tuple(names_of(process)),
        label=extra.label if extra is not None else None,
        status=STATE_NAMES[process.status],
        parent=process.parent,
        ancestors=tuple(ancestors(process)),
        mailbox_length=len(process.mailbox or ()),
        links=tuple(linked_to(process)),
        monitors=len(extra.monitors or ()) if extra is not None else 0,
        monitoring=len(extra.monitoring or ()) if extra is not None else 0,
        trapping_exits=process.trapping,
        timers=len(extra.timers or ()) if extra is not None else 0,
        waiting_for=waiting.target.pid if waiting is not None else None,
        where=extra.steps.where() if extra is not None and extra.steps is not None else None,
    )


def is_alive(process: Process | None) -> bool:
    """A process is dead to others from the moment its exit is decided; one that is to run ``terminate`` lives."""
    if process is None or process.status < EXITING:
        return process is not None
    extra = process.extra
    to_terminate = process.behaviour.terminate is not None and process.server is not None
    return to_terminate and extra is not None and extra.starter is None and not extra.killed
