"""Loop lag: by how much a timer of the event loop comes late, which is what everything else on it suffers too."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Lag"]

EVERY: Final = 0.1
"""Seconds between two timers."""


class Lag:
    """Sets a timer ten times a second and keeps the worst delay since it was last asked."""

    __slots__ = ("_due", "_loop", "_timer", "_worst")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._worst = 0.0
        self._set()

    def take(self) -> float:
        """The worst delay since the last time, in seconds; also that of a timer that is late right now."""
        worst = max(self._worst, self._loop.time() - self._due, 0.0)
        self._worst = 0.0
        return worst

    def stop(self) -> None:
        self._timer.cancel()

    def _set(self) -> None:
        self._due = self._loop.time() + EVERY
        self._timer = self._loop.call_at(self._due, self._rang)

    def _rang(self) -> None:
        self._worst = max(self._worst, self._loop.time() - self._due)
        self._set()
