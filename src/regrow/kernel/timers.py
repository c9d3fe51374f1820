"""Time: the time-outs of calls, and messages that are sent later.

Thousands of calls wait at any time, nearly all with the same time-out, and nearly none of them reaches it. So there
is one first-in-first-out table for each distinct time-out, and one loop timer for its head. Timers made with
``send_after`` are few; each is a loop timer, and dies with the process that it would have sent to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from regrow.kernel.errors import CallTimeout
from regrow.kernel.process import DEAD, Process, Request
from regrow.kernel.runtime import Runtime

__all__ = [
    "Expiries",
    "TimerRef",
    "checked_seconds",
    "expire_after",
    "expire_now",
    "forget_expiry",
    "start_interval",
    "start_timer",
    "stop_timer",
    "time_left",
]


def checked_seconds(seconds: float | None, said: str) -> float | None:
    """A time-out as the kernel takes it, with None for infinity. ValueError, which quotes what was *said*, for what
    is no time."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ValueError(f"{said}: must be seconds, 0 or more, or None for no limit")
    return None if seconds == float("inf") else seconds


class Expiries:
    """The calls that wait with one time-out, the oldest first, and whether a loop timer looks after them."""

    __slots__ = ("armed", "seconds", "waiting")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.waiting: dict[Request, float] = {}
        self.armed = False


def expire_after(rt: Runtime, request: Request, seconds: float) -> None:
    """Fail *request* with CallTimeout unless it is answered within *seconds*."""
    expiries = rt.expiries.get(seconds)
    if expiries is None:
        expiries = rt.expiries[seconds] = Expiries(seconds)
    deadline = rt.loop.time() + seconds
    request.expiry = expiries.waiting
    expiries.waiting[request] = deadline
    if not expiries.armed:
        expiries.armed = True
        rt.loop.call_at(deadline, _expire, rt, expiries)


def forget_expiry(request: Request) -> None:
    if request.expiry is not None:
        request.expiry.pop(request, None)
        request.expiry = None


def _expire(rt: Runtime, expiries: Expiries) -> None:
    now, seconds = rt.loop.time(), expiries.seconds
    while expiries.waiting:
        request, deadline = next(iter(expiries.waiting.items()))
        if deadline > now:
            rt.loop.call_at(deadline, _expire, rt, expiries)
            return
        del expiries.waiting[request]
        request.expiry = None
        expire_now(request, seconds)
    expiries.armed = False
    rt.expiries.pop(seconds, None)


def expire_now(request: Request, seconds: float) -> None:
    request.fail(CallTimeout(f"{request.label} got no answer from {request.target!r} within {seconds:g} s"))


@dataclass(frozen=True, slots=True)
class TimerRef:
    """A timer that ``send_after`` or ``send_interval`` has started."""

    number: int
    process: Process
    what: str

    def __repr__(self) -> str:
        return f"<timer {self.number}: {self.what}>"


_numbers = itertools.count(1)


def start_timer(process: Process, seconds: float, act: Callable[[], Any], what: str) -> TimerRef:
    """Call *act* in *seconds*, unless *process* ends before."""
    ref = TimerRef(next(_numbers), process, what)

    def fire() -> None:
        if process.extra is not None and process.extra.timers is not None:
            process.extra.timers.pop(ref.number, None)
        act()

    _timers(process)[ref.number] = process.runtime.loop.call_later(seconds, fire)
    return ref


def start_interval(process: Process, seconds: float, act: Callable[[], Any], what: str) -> TimerRef:
    """Call *act* every *seconds*, by the clock and so without drift, until *process* ends."""
    ref = TimerRef(next(_numbers), process, what)
    loop = process.runtime.loop
    due = loop.time()

    def fire() -> None:
        nonlocal due
        if process.status == DEAD:
            return
        due += seconds
        _timers(process)[ref.number] = loop.call_at(due + seconds, fire)
        act()

    _timers(process)[ref.number] = loop.call_at(due + seconds, fire)
    return ref


def stop_timer(ref: TimerRef) -> float | None:
    """Stop it. Gives the seconds that were left, or None if it is over or was stopped before."""
    left = time_left(ref)
    extra = ref.process.extra
    if extra is not None and extra.timers is not None:
        handle = extra.timers.pop(ref.number, None)
        if handle is not None:
            handle.cancel()
    return left


def time_left(ref: TimerRef) -> float | None:
    extra = ref.process.extra
    handle = extra.timers.get(ref.number) if extra is not None and extra.timers is not None else None
    if handle is None:
        return None
    return max(0.0, handle.when() - ref.process.runtime.loop.time())


def _timers(process: Process) -> dict[int, Any]:
    extra = process.more()
    if extra.timers is None:
        extra.timers = {}
    return extra.timers
