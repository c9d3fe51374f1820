"""Restart intensity: how often a supervisor may restart before it gives up.

Every attempt to restart asks ``admit()``. The last ``max_restarts`` admitted attempts are remembered
by their time; an attempt is refused when all of them still lie inside the last ``max_seconds``
(an attempt exactly ``max_seconds`` ago counts). One group restart is one attempt, a retry of a failed
restart is an attempt of its own.

Erlang counts whole seconds here, so its window is up to a second longer; this one is exact.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class RestartIntensity:
    """The restarts of the last ``max_seconds``, never more than ``max_restarts`` of them."""

    __slots__ = ("_clock", "_times", "max_restarts", "max_seconds")

    def __init__(
        self, max_restarts: int, max_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        self._clock = clock
        self._times: deque[float] = deque()

    def admit(self) -> bool:
        """Count one attempt to restart; False says that it is one too many and the supervisor must stop."""
        now = self._clock()
        self._forget_before(now)
        if len(self._times) >= self.max_restarts:
            return False
        self._times.append(now)
        return True

    def change(self, max_restarts: int, max_seconds: float) -> None:
        """Take new limits and keep the restarts already counted, the newest first."""
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        while len(self._times) > max_restarts:
            self._times.popleft()

    def __len__(self) -> int:
        """How many restarts lie inside the window now."""
        self._forget_before(self._clock())
        return len(self._times)

    def _forget_before(self, now: float) -> None:
        while self._times and now - self._times[0] > self.max_seconds:
            self._times.popleft()
