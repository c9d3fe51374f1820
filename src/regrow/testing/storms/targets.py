"""Whom a storm may hit: what ``only``, ``spare`` and ``depth`` say, asked of a member of the tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from regrow.kernel.errors import InvalidName
from regrow.kernel.names import check_name
from regrow.kernel.process import Process
from regrow.kernel.targets import is_handle, resolve
from regrow.testing.storms.census import Member

__all__ = ["Aim", "Who"]

Who = Any
"""A class (of servers), a pid or handle, or a text: a name, the id of a child, its path, or the name of a class."""


class Aim:
    """*only* those are hit, all if it is empty; those to *spare* never; and nobody deeper than *depth*, 1 being the
    supervisor's own children. A pid or handle stands for the child, also when it has been restarted."""

    def __init__(self, only: Who | Iterable[Who], spare: Who | Iterable[Who], depth: int | None) -> None:
        if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
            raise ValueError(f"depth={depth!r}: must be a whole number, 1 or more, or None for any depth")
        self._only = _several("only", only)
        self._spare = _several("spare", spare)
        self._depth = depth
        self._members: dict[int, Member] = {}
        self._unmet = [("only", who) for who in self._only] + [("spare", who) for who in self._spare]

    @property
    def unmet(self) -> list[str]:
        """Those in *only* and *spare* whom no member that was met has been, as they were given: ``only='attic'``."""
        return [
            f"{option}={who.__qualname__ if isinstance(who, type) else repr(who)}"
            for option, who in self._unmet
        ]

    def know(self, living: Iterable[Member]) -> None:
        """Find the members that pids and handles stand for now."""
        by_process = {id(each.process): each for each in living}
        for who in (*self._only, *self._spare):
            if type(who) is int or is_handle(who):
                process = resolve(who)
                if process is None or id(process) not in by_process:
                    raise ValueError(f"{who!r} is no process below the supervisor")
                self._members[id(who)] = by_process[id(process)]

    def meet(self, member: Member) -> None:
        """Note that there is such a member."""
        self._unmet = [(option, who) for option, who in self._unmet if not self._is(member, who)]

    def includes(self, member: Member) -> bool:
        """Whether the storm is meant for this member; ``spares`` has the last word."""
        if self._depth is not None and member.depth > self._depth:
            return False
        return (not self._only or self._is_any(member, self._only)) and not self.spares(member)

    def spares(self, member: Member) -> bool:
        return self._is_any(member, self._spare)

    def _is_any(self, member: Member, those: Sequence[Who]) -> bool:
        return any(self._is(member, each) for each in those)

    def _is(self, member: Member, who: Who) -> bool:
        if id(who) in self._members:
            return self._members[id(who)] is member
        kind = _kind(member)
        if isinstance(who, type):
            return (isinstance(kind, type) and issubclass(kind, who)) or _name(member.process) is who
        known = [_name(member.process), getattr(kind, "__name__", None)]
        if member.spec is not None:
            known += [member.spec.name, member.spec.id, getattr(member.spec.id, "__qualname__", None)]
        return any(type(each) is type(who) and each == who for each in known) or who == member.label


def _several(option: str, given: Who | Iterable[Who]) -> tuple[Who, ...]:
    if given is None:
        return ()
    several = tuple(given) if isinstance(given, (list, tuple, set, frozenset)) else (given,)
    for who in several:
        if not _can_be_meant(who):
            raise TypeError(
                f"{option}={given!r}: {who!r} is nobody; must be a class of servers, a pid or handle, or a text (a "
                f"name, an id, a path, the name of a class), one or a list: {option}='cellar', say"
            )
    return several


def _can_be_meant(who: Who) -> bool:
    if type(who) is int or is_handle(who) or callable(who):  # the id of a task may be its function
        return True
    try:
        check_name(who)
    except InvalidName:
        return False
    return True


def _kind(member: Member) -> object:
    if member.process is not None and member.process.behaviour.kind is not None:
        return member.process.behaviour.kind
    return None if member.spec is None else member.spec.start


def _name(process: Process | None) -> object:
    return None if process is None else process.name
