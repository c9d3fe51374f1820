"""What the observer remembers: samples of the last minutes, crashes, restarts, and how old processes are.

A recording belongs to a runtime, and runs while somebody holds it. With the first holder it begins: it listens to the
kernel's events, has telemetry's meters count messages, and takes a sample a second. With the last one it lets go of
all that, and what it had gathered is gone.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from regrow.kernel.runtime import Runtime
from regrow.observer.ages import Ages
from regrow.observer.crashes import history_of
from regrow.observer.errors import NotObserved
from regrow.observer.model import CrashRow, Sample, Series, TreeChange
from regrow.observer.subscriptions import Subscriptions
from regrow.telemetry.lag import LoopLag
from regrow.telemetry.meters import Meters, meters

__all__ = ["Recording", "Settings", "memory_of_program", "recording_of"]

SOON: Final = 0.25
"""Seconds for which changes of the tree are gathered before they are told."""
MANY: Final = 100
"""Supervisors that are named in one such change."""
PART: Final = "observer.recording"


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is remembered. A value that can't work is refused with a ``ValueError`` that names it.

    ``interval`` is the seconds between two samples, ``samples`` how many are kept; ``crashes`` how many crashes are,
    and ``restarts`` how many restarts. ``max_subscriptions`` is how many readers may follow events at a time.
    """

    interval: float = 1.0
    samples: int = 300
    crashes: int = 200
    restarts: int = 2000
    max_subscriptions: int = 100

    def __post_init__(self) -> None:
        if isinstance(self.interval, bool) or not isinstance(self.interval, (int, float)):
            raise ValueError(f"interval={self.interval!r}: must be a number of seconds")
        if not 0.05 <= self.interval <= 3600:
            raise ValueError(f"interval={self.interval!r}: must be from 0.05 to 3600 seconds")
        for name in ("samples", "crashes", "restarts", "max_subscriptions"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 1_000_000:
                raise ValueError(f"{name}={value!r}: must be a whole number from 1 to 1,000,000")


class Recording:
    """What is gathered of one runtime while it is held, by ``acquire`` and ``release``."""

    def __init__(self, rt: Runtime) -> None:
        self.runtime = rt
        self.settings = Settings()
        self.meters: Meters = meters(rt)
        self._lag = LoopLag(rt)
        self.history = history_of(rt)
        self._holders = 0
        self._begin()

    def _begin(self) -> None:
        """With nothing gathered."""
        settings = self.settings
        self.samples = 0
        """How many were taken."""
        self.ages = Ages()
        self.subscriptions = Subscriptions(settings.max_subscriptions)
        self.series: deque[Sample] = deque(maxlen=settings.samples)
        self.began = 0.0
        self._first_message = 0
        self._before = (0.0, 0, 0, 0)  # when the last sample was taken, and what was counted then
        self._changed: dict[int, None] = {}
        self._more = False
        self._telling: asyncio.TimerHandle | None = None
        self._sampling: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[None]] = []

    # --- on and off -------------------------------------------------------------------------------------------------

    @property
    def on(self) -> bool:
        """Whether somebody holds it."""
        return self._holders > 0

    def acquire(self, settings: Settings | None = None) -> None:
        """Hold it. The *settings* of the first holder stand."""
        self._holders += 1
        if self._holders > 1:
            return
        self.settings = settings or Settings()
        self.meters.acquire()
        self.history.acquire()
        self.history.most_crashes, self.history.most_restarts = self.settings.crashes, self.settings.restarts
        self.history.told = self._crash
        self._begin()
        self.began = self.runtime.loop.time()
        self._first_message = self.meters.handled
        self._lag.acquire()
        self.runtime.listeners.append(self._heard)
        self._before = (self.began, self.meters.handled, self.history.restarted, self.history.crashed)
        self._sample()

    def release(self) -> None:
        """Hold it no more; with the last holder it ends, and so do all subscriptions."""
        self._holders -= 1
        if self._holders > 0:
            return
        if self._heard in self.runtime.listeners:
            self.runtime.listeners.remove(self._heard)
        for timer in (self._telling, self._sampling):
            if timer is not None:
                timer.cancel()
        self._lag.release()
        self.subscriptions.close()
        self._wake()
        self.history.told = None
        self.history.release()
        self.meters.release()
        self._begin()

    def now(self) -> float:
        """Seconds since 1970, by the loop's clock: it never jumps."""
        return self.history.now()

    # --- samples ----------------------------------------------------------------------------------------------------

    @property
    def messages(self) -> int:
        """How many were handled since it began."""
        return self.meters.handled - self._first_message

    def charts(self) -> Series:
        return Series(self.settings.interval, tuple(self.series))

    def _sample(self) -> None:
        rt, history = self.runtime, self.history
        now = rt.loop.time()
        self._sampling = rt.loop.call_at(now + self.settings.interval, self._sample)
        before, messages, restarts, crashes = self._before
        passed = now - before
        self._before = (now, self.meters.handled, history.restarted, history.crashed)
        self.ages.note(now, next(reversed(rt.processes), 0))
        self.samples += 1
        made = Sample(
            at=self.now(),
            processes=len(rt.processes),
            run_queue=len(rt.run_queue),
            messages=_rate(self.meters.handled - messages, passed),
            restarts=_rate(history.restarted - restarts, passed),
            crashes=_rate(history.crashed - crashes, passed),
            loop_lag=self._lag.take(),
            memory=memory_of_program(),
        )
        self.series.append(made)
        self.subscriptions.publish("sample", made)
        self._wake()

    async def next_sample(self, after: int, timeout: float | None) -> int:
        """Wait until more than *after* samples were taken; how many they are then."""
        async with asyncio.timeout(timeout):
            while self.samples <= after:
                if not self.on:
                    raise NotObserved("next_sample()")
                turn: asyncio.Future[None] = self.runtime.loop.create_future()
                self._waiting.append(turn)
                try:
                    await turn
                finally:
                    if turn in self._waiting:
                        self._waiting.remove(turn)
        return self.samples

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    # --- events -----------------------------------------------------------------------------------------------------

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        hear = _HEARD.get(event)
        if hear is not None:
            hear(self, fields)

    def _crash(self, row: CrashRow | None) -> None:
        if row is None:
            self.subscriptions.skip("crash")
        else:
            self.subscriptions.publish("crash", row)

    def _restart(self, fields: dict[str, Any]) -> None:
        made = self.history.restart(fields)
        if made is None:
            self.subscriptions.skip("restart")
        else:
            self.subscriptions.publish("restart", made)
        self._change(fields)

    def _change(self, fields: dict[str, Any]) -> None:
        """The children of a supervisor have changed."""
        if self._more:
            return
        supervisor = fields["supervisor"]
        if self._tells():
            if len(self._changed) < MANY:
                self._changed[supervisor] = None
            elif supervisor not in self._changed:
                self._more = True

    def _change_all(self, fields: dict[str, Any]) -> None:
        """Something else than the children of one supervisor, or of one that has gone."""
        if self._tells():
            self._more = True

    def _tells(self) -> bool:
        """Whether anybody wants to hear of changes; if so, he will."""
        if self._telling is None:
            if not self.subscriptions.wanted("tree"):
                return False
            self._telling = self.runtime.loop.call_later(SOON, self._tell)
        return True

    def _tell(self) -> None:
        change = TreeChange(self.now(), tuple(self._changed), self._more)
        self._telling, self._more = None, False
        self._changed.clear()
        self.subscriptions.publish("tree", change)


_HEARD: Final[dict[str, Callable[[Recording, dict[str, Any]], None]]] = {
    "child.restarted": Recording._restart,
    "child.started": Recording._change,
    "child.terminated": Recording._change,
    "child.start_failed": Recording._change_all,
    "supervisor.gave_up": Recording._change_all,
    "application.started": Recording._change_all,
    "application.stopped": Recording._change_all,
}


def recording_of(rt: Runtime) -> Recording:
    """The recording of *rt*, on or off."""
    found: Recording | None = rt.parts.get(PART)
    if found is None:
        found = rt.parts[PART] = Recording(rt)
    return found


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def memory_of_program() -> int | None:
    """The bytes that this OS process has in memory; None where the system has no ``/proc``."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_SIZE
    except (OSError, ValueError, IndexError):
        return None


_PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
