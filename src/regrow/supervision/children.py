"""What a supervisor tells about its children: the answers of ``which_children`` and ``count_children``."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple


class ChildState(enum.Enum):
    """Where ``ChildInfo.child`` holds no process."""

    RESTARTING = "restarting"

    def __repr__(self) -> str:
        return self.name


RESTARTING: Final = ChildState.RESTARTING
"""The child crashed, its restart failed, and another attempt is on its way."""


class ChildInfo(NamedTuple):
    """One row of ``which_children``: a handle (or a pid, for a child that is no server), or why there is none.

    ``id`` is None under a ``DynamicSupervisor``, where ids mean nothing. ``child`` is None for a child of a
    static supervisor that does not run.
    """

    id: Any
    child: Any | Literal[ChildState.RESTARTING] | None
    type: Literal["worker", "supervisor"]
    modules: Any


@dataclass(frozen=True, slots=True)
class Counts:
    """How many specs are kept and how many of their processes run; of the specs, how many say which type."""

    specs: int
    active: int
    supervisors: int
    workers: int
