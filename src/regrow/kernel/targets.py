"""Whom do you mean: a pid, a handle, a name or a via, turned into the process."""

from __future__ import annotations

from typing import Any

from regrow.kernel.names import find
from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.runtime import Runtime, runtime

__all__ = ["Target", "is_handle", "resolve", "shown"]

Target = Any
"""A Pid, a handle, a name (see ``kernel.names``) or a via."""


def is_handle(target: object) -> bool:
    """Handles are known by the one thing the kernel asks of them: the process that they stand for."""
    return hasattr(type(target), "__regrow_process__")


def resolve(target: Target, rt: Runtime | None = None) -> Process | None:
    """The living process, or None. InvalidName if *target* can't mean one."""
    if type(target) is int:
        process = (rt or runtime()).processes.get(Pid(target))
    elif is_handle(target):
        process = target.__regrow_process__()
    else:
        process = find(rt or runtime(), target)
    return None if process is None or process.status == DEAD else process


def shown(target: Target) -> Any:
    """What a Down calls its target: the pid, unless a name was given."""
    if is_handle(target):
        process = target.__regrow_process__()
        return process.pid if process is not None else target
    return target
