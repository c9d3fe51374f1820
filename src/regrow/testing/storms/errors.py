"""``ChaosError``, and which crashes a test has to put up with while a storm is on.

A crash on purpose must not fail the test that asked for it. Nor what follows from one as a matter of course: a process
that called a victim and did not handle the end of it crashes too, and is restarted in its turn; that is how a tree
works. So these are *tolerated*: whatever has a ``ChaosError`` in its chain of reasons, at any time; and while the storm
lasts, ``ServerExited`` (``NoProcess`` is one), ``CallTimeout``, and the exits of those who were killed. Any other crash
is the program's own, a ``KeyError`` for want of what a restart forgot, say, or a mistake in an ``except ServerExited``:
to find it is what chaos is for.
"""

from __future__ import annotations

from collections.abc import Iterator

from regrow.kernel.errors import CallTimeout, ServerExited
from regrow.kernel.reasons import KILLED
from regrow.testing.reports import CrashReport, tolerate

__all__ = ["ChaosError", "OverlappingStorm", "follows_from_chaos", "may_follow_from_chaos"]


class ChaosError(Exception):
    """What a process crashes with, and a start fails with, because a storm says so. *fault* is its number there."""

    def __init__(self, fault: int, seed: int) -> None:
        super().__init__(fault, seed)
        self.fault = fault
        self.seed = seed

    def __str__(self) -> str:
        return f"fault {self.fault} of the storm with seed {self.seed}"


class OverlappingStorm(RuntimeError):
    """A storm is on already in that tree, and neither could tell its faults from the other's."""


def follows_from_chaos(reason: object) -> bool:
    """Whether *reason* is a ``ChaosError`` or has one in its causes, its group or its own reason."""
    return any(isinstance(each, ChaosError) for each in _chain(reason))


def may_follow_from_chaos(reason: object) -> bool:
    """The same, or an error that callers of a victim meet: whether it is one's doing can't be told from it."""
    return any(
        each is KILLED or isinstance(each, ChaosError | ServerExited | CallTimeout) for each in _chain(reason)
    )


def _chain(reason: object) -> Iterator[object]:
    seen: set[int] = set()
    waiting = [reason]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(
            each, BaseException
        ):  # not its context: who fails at handling an error fails by himself
            waiting += (each.__cause__, getattr(each, "reason", None))
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        detail = getattr(each, "detail", None)  # Shutdown(FailedToStartChild(id, reason)) and its like
        waiting += (getattr(detail, "reason", None),)


def _is_ours(report: CrashReport) -> bool:
    return report.error is not None and follows_from_chaos(report.error)


tolerate(_is_ours)  # for good: it may take a while until somebody looks at the future that holds the error
