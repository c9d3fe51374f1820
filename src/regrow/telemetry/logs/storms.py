"""A handler that stands before another one, and sums up what comes over and over again.

The first few equal reports go on at once. What comes then, within some seconds, is counted, and told at their end: "the
same crash 9,998 more times in 5.0 s, last from pid 10041". A storm that goes on has such a line every so many seconds;
when they have passed without another report, it is over, and the next one is written in full again. The first report
of its kind is never held back, nor is one that is different: see ``same_report``.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Protocol

from regrow.kernel.reasons import trace_of
from regrow.kernel.reports import brief

__all__ = ["Clock", "StormHandler", "same_report"]

MOST: Final = 1000
"""Kinds of reports that are watched at a time; with one more, the oldest has its summary at once."""

_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")


class Timer(Protocol):
    """What can be called off."""

    def cancel(self) -> object: ...


class Clock(Protocol):
    """Whose time it is, and who wakes the handler: an event loop is one."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer: ...


class _Threads:
    """The machine's clock, with a thread to wake by: it works without an event loop, and while one is stuck."""

    def time(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        timer = threading.Timer(delay, callback)
        timer.daemon = True
        timer.start()
        return timer


class _Storm:
    """What has come of one kind since *began*. Of a report only texts and numbers stay."""

    __slots__ = ("began", "held", "level", "logger", "pid", "seen", "told")

    def __init__(self, began: float, record: logging.LogRecord) -> None:
        fields: Mapping[str, Any] = record.__dict__["regrow"]
        reason = fields.get("reason")
        self.began = began
        self.seen = 0
        self.held = 0
        self.pid: object = None
        self.logger = record.name
        self.level = record.levelno
        self.told = {
            "of": str(fields.get("event")),
            "kind": fields.get("kind"),
            "reason": reason if reason is None or isinstance(reason, str) else brief(reason),
        }

    def hold(self, record: logging.LogRecord) -> None:
        fields: Mapping[str, Any] = record.__dict__["regrow"]
        child = fields.get("child")
        self.pid = child.get("pid") if isinstance(child, Mapping) else fields.get("pid")
        self.held += 1

    def again(self, now: float) -> None:
        """Look on from here: nothing of this kind is written in full until a window has passed without any."""
        self.began, self.held = now, 0

    def summary(self, now: float) -> logging.LogRecord:
        told, seconds = self.told, now - self.began
        what = "crash" if told["of"] == "crash" else f"report ({told['of']})"
        who = "" if told["kind"] is None else f" of {told['kind']}"
        why = "" if told["reason"] is None else f": {told['reason']}"
        fields = {"event": "storm", **told, "count": self.held, "seconds": round(seconds, 3), "pid": self.pid}
        return logging.getLogger(self.logger).makeRecord(
            self.logger,
            self.level,
            __file__,
            0,
            "the same %s%s %s more time%s in %.1f s, last from pid %s%s",
            (what, who, f"{self.held:,}", "" if self.held == 1 else "s", seconds, self.pid, why),
            None,
            extra={"regrow": fields},
        )


class StormHandler(logging.Handler):
    """Hands records on to *target*, and sums up the reports of regrow that repeat.

    Within *seconds* the first *burst* of equal reports go on, the others are counted. *same* gives equal keys for equal
    reports, and None for one that goes on in any case. Records that are no reports of regrow go on as they are.
    ``flush`` tells at once what is held; ``logging.shutdown`` calls it at the end of the program.

    Raises ``ValueError`` for a time that is not above 0, and for a burst of less than 1.
    """

    def __init__(
        self,
        target: logging.Handler,
        *,
        seconds: float = 5.0,
        burst: int = 3,
        same: Callable[[logging.LogRecord], Hashable | None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        if not seconds > 0:
            raise ValueError(f"seconds={seconds!r}: a storm is looked at for a time above 0")
        if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
            raise ValueError(f"burst={burst!r}: must be 1 or more, since the first report is always written")
        self.target = target
        self.seconds = seconds
        self.burst = burst
        self._same = same or same_report
        self._clock: Clock = clock or _Threads()
        self._storms: dict[Hashable, _Storm] = {}  # the oldest first
        self._timer: Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        key = self._same(record)
        if key is None:
            self._hand_on(record)
            return
        now = self._clock.time()
        self._end_until(now)
        storm = self._storms.get(key)
        if storm is None:
            if len(self._storms) >= MOST:
                self._tell(self._storms.pop(next(iter(self._storms))), now)
            storm = self._storms[key] = _Storm(now, record)
        storm.seen += 1
        if storm.seen <= self.burst:
            self._hand_on(record)
        else:
            storm.hold(record)
        self._watch(now)

    def flush(self) -> None:
        """Tell of all that is held, and begin anew; then flush the target."""
        self.acquire()
        try:
            now = self._clock.time()
            storms, self._storms = self._storms, {}
            for storm in storms.values():
                self._tell(storm, now)
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            self.target.flush()
        finally:
            self.release()

    def close(self) -> None:
        self.flush()
        self.target.close()
        super().close()

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """The format is the target's."""
        self.target.setFormatter(fmt)

    # --- windows ----------------------------------------------------------------------------------------------------

    def _end_until(self, now: float) -> None:
        """End the windows that are over. They stand in the order in which they began."""
        while self._storms:
            key, storm = next(iter(self._storms.items()))
            if now - storm.began < self.seconds:
                return
            del self._storms[key]
            if storm.held:
                self._tell(storm, now)
                storm.again(now)
                self._storms[key] = storm

    def _watch(self, now: float) -> None:
        """Come back when the first window is over."""
        if self._timer is None and self._storms:
            first = next(iter(self._storms.values()))
            try:
                self._timer = self._clock.call_later(max(0.0, first.began + self.seconds - now), self._wake)
            except RuntimeError:  # no thread and no loop any more: the program ends, and flush will come
                pass

    def _wake(self) -> None:
        self.acquire()
        try:
            self._timer = None
            now = self._clock.time()
            self._end_until(now)
            self._watch(now)
        finally:
            self.release()

    def _tell(self, storm: _Storm, now: float) -> None:
        if storm.held:
            self._hand_on(storm.summary(now))

    def _hand_on(self, record: logging.LogRecord) -> None:
        if record.levelno >= self.target.level:
            self.target.handle(record)


# --- which reports are the same -------------------------------------------------------------------------------------


def same_report(record: logging.LogRecord) -> Hashable | None:
    """A key that is equal for equal reports; None for what is no report of regrow, or below a warning.

    Crashes are equal if the class of the process is, the type and text of the exception, and the line that raised it;
    a supervisor's reports if the supervisor, the child's id and start, and the reason are. Numbers in a text are not
    looked at: "seat 4 is taken" and "seat 5 is taken", raised by the same line, are the same.
    """
    fields = getattr(record, "regrow", None)
    if not isinstance(fields, Mapping) or record.levelno < logging.WARNING:
        return None
    event = fields.get("event")
    base = (record.name, record.levelno, event)
    reason = _shape(fields.get("reason"))
    if event == "crash":
        error = record.exc_info[1] if record.exc_info else None
        place = () if error is None else trace_of(error)[-1:]
        return (*base, fields.get("kind"), type(error).__qualname__, place, reason)
    child = fields.get("child")
    if isinstance(child, Mapping):
        start = getattr(child.get("start"), "__qualname__", None)
        return (*base, _shape(fields.get("supervisor")), start, _shape(child.get("id")), reason)
    return (*base, record.msg, _NUMBER.sub("#", record.getMessage()))


def _shape(value: object) -> str:
    return _NUMBER.sub("#", value if isinstance(value, str) else brief(value))
