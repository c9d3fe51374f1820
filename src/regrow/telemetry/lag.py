"""Loop lag: by how much a timer of the event loop comes late, which is what everything else on it suffers too."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import Final

from regrow.kernel.runtime import Runtime
from regrow.telemetry.held import Held

__all__ = ["LoopLag"]


class LoopLag(Held):
    """While it is held, it sets a timer ten times a second and notes how late each comes."""

    EVERY: Final = 0.1
    KEPT: Final = 150
    """Delays that are remembered: those of 15 seconds."""

    def __init__(self, rt: Runtime) -> None:
        self._loop = rt.loop
        self._lags: deque[float] = deque(maxlen=self.KEPT)
        self._worst = self._new = 0.0
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def worst(self) -> float:
        """The longest delay of the last 15 seconds, and of a timer that is overdue: a loop that hangs shows at once.

        From any thread.
        """
        return max(self._worst, self._overdue())

    def take(self) -> float:
        """The same of the time since it was last taken: for one reader, in the loop's thread."""
        worst, self._new = max(self._new, self._overdue()), 0.0
        return worst

    def _overdue(self) -> float:
        due = self._due
        return 0.0 if due is None else monotonic() - due

    def _switch_on(self) -> None:
        self._wait()

    def _switch_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = None
        self._lags.clear()
        self._worst = self._new = 0.0

    def _wait(self) -> None:
        self._due = monotonic() + self.EVERY  # a loop's own time may stand still while it hangs
        self._timer = self._loop.call_later(self.EVERY, self._rang)

    def _rang(self) -> None:
        late = max(0.0, self._overdue())
        self._lags.append(late)
        self._worst = max(self._lags)
        self._new = max(self._new, late)
        self._wait()
