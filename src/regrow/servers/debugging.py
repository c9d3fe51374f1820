"""What ``sys`` can install in a server to watch its messages: a log of the last, statistics, a trace, functions."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from regrow.kernel.process import IDLE, WAITING, Envelope, Process
from regrow.kernel.reports import brief, brief_message

__all__ = [
    "LOG_LENGTH",
    "Debugging",
    "Watcher",
    "debugging_of",
    "install_by_name",
    "new_statistics",
    "release",
]

Watcher = Callable[[Any, tuple[str, Any], Any], Any]
"""``watcher(state, event, pid) -> new state``; returning ``"done"`` takes it off."""

LOG_LENGTH: Final = 10
"""Events that a log keeps if nothing is said."""

_log = logging.getLogger("regrow.trace")


class Debugging:
    """All that is installed in one process. A process that has one never runs a call inline."""

    def __init__(self) -> None:
        self.log: deque[tuple[str, str]] | None = None
        self.statistics: dict[str, Any] | None = None
        self.tracing = False
        self.watchers: dict[Any, tuple[Watcher, Any]] = {}

    @property
    def empty(self) -> bool:
        return self.log is None and self.statistics is None and not self.tracing and not self.watchers

    @property
    def names(self) -> tuple[str, ...]:
        """What is installed."""
        found = [
            word
            for word, there in (
                ("log", self.log is not None),
                ("statistics", self.statistics is not None),
                ("trace", self.tracing),
            )
            if there
        ]
        return (*found, *(getattr(key, "__qualname__", None) or str(key) for key in self.watchers))

    def received(self, process: Process, envelope: Envelope) -> None:
        if self.statistics is not None:
            self.statistics["messages_in"] += 1
        self._event(process, "in", brief_message(process, envelope))

    def handled(self, process: Process, envelope: Envelope, result: object) -> None:
        request = envelope[3]
        if request is not None and request.system:
            return
        if request is None:
            self._event(process, "noreply", brief_message(process, envelope))
        else:
            if self.statistics is not None:
                self.statistics["messages_out"] += 1
            self._event(process, "out", brief(result))

    def _event(self, process: Process, kind: str, text: str) -> None:
        if self.log is not None:
            self.log.append((kind, text))
        if self.tracing:
            _log.info("%r %s %s", process, kind, text, extra={"regrow": {"event": kind, "pid": process.pid}})
        for key, (watcher, state) in list(self.watchers.items()):
            try:
                state = watcher(state, (kind, text), process.pid)
            except Exception:
                _log.exception("the function %r installed in %r failed and was removed", key, process)
                state = "done"
            if state == "done":
                del self.watchers[key]
            else:
                self.watchers[key] = (watcher, state)


def debugging_of(process: Process) -> Debugging:
    """Its debugging, made now if there was none; the process keeps it until ``release``."""
    extra = process.more()
    if extra.debug is None:
        extra.debug = Debugging()
        if process.status == IDLE:
            process.status = WAITING
    assert isinstance(extra.debug, Debugging)
    return extra.debug


def release(process: Process) -> None:
    """Let go of a debugging in which nothing is installed any more."""
    extra = process.extra
    if extra is not None and isinstance(extra.debug, Debugging) and extra.debug.empty:
        extra.debug = None


def install_by_name(process: Process, name: str) -> None:
    debugging = debugging_of(process)
    if name == "log":
        debugging.log = deque(maxlen=LOG_LENGTH)
    elif name == "statistics":
        debugging.statistics = new_statistics()
    else:
        debugging.tracing = True


def new_statistics() -> dict[str, Any]:
    return {"started": time.time(), "messages_in": 0, "messages_out": 0}
