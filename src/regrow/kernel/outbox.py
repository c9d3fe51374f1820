"""The outbox: what a death sends out, delivered one after another and never by recursion.

Ten thousand linked processes that die together take a loop and not a stack: who dies while a signal is delivered
puts its own signals at the end of the queue. The outbox stands between the two halves of an end: ``death`` sends exit
signals, and ``exits``, which stands on it, says what one does where it arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import Runtime

__all__ = ["on_arrival", "post", "post_exit"]


def post(rt: Runtime, action: Callable[..., object], *args: Any) -> None:
    """Do ``action(*args)`` after what is on its way already."""
    rt.outbox.append((action, args))
    if not rt.delivering:
        rt.delivering = True
        try:
            while rt.outbox:
                action, args = rt.outbox.popleft()
                action(*args)
        finally:
            rt.delivering = False


def post_exit(target: Process, reason: object, sender: Pid | None, *, by_link: bool) -> None:
    """Send an exit signal; it has taken effect when this returns, unless signals are under way."""
    post(target.runtime, _arrive, target, reason, sender, by_link)


def _nowhere(*_: object) -> None:
    raise AssertionError("regrow.kernel.exits is not imported")


_arrive: Callable[[Process, object, Pid | None, bool], None] = _nowhere


def on_arrival(arrive: Callable[[Process, object, Pid | None, bool], None]) -> None:
    """``exits`` says once what a signal does."""
    global _arrive
    _arrive = arrive
