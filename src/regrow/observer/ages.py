"""How old a process is, without a clock in each process.

Pids count up. Somebody who notes now and then what the highest pid is can say later, of any process, between which
two notes it was born. That costs two numbers a note; of old notes every other is dropped now and then, so what is
known of an old process is less exact, in proportion.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

__all__ = ["Ages"]

MOST: Final = 4096
"""Notes that are kept."""


class Ages:
    """The notes: at which time which pid was the highest."""

    __slots__ = ("_pids", "_times")

    def __init__(self) -> None:
        self._times = array("d")
        self._pids = array("q")

    def note(self, now: float, highest: int) -> None:
        """All processes that live at *now* have a pid of *highest* or less."""
        pids = self._pids
        if pids and highest <= pids[-1]:
            return  # nobody was born, or who was has died already
        if len(pids) >= MOST:  # the first note stays: it tells who was there before
            del pids[1 : MOST // 2 : 2]
            del self._times[1 : MOST // 2 : 2]
        self._times.append(now)
        pids.append(highest)

    def of(self, pid: int, now: float) -> tuple[float | None, bool]:
        """For how many seconds the process has lived at least, and whether it was there before the first note.

        >>> ages = Ages()
        >>> ages.note(10.0, highest=7)
        >>> ages.note(11.0, highest=9)
        >>> ages.of(7, now=12.5), ages.of(8, now=12.5), ages.of(10, now=12.5)
        ((2.5, True), (1.5, False), (0.0, False))
        """
        if not self._pids:
            return None, False
        place = bisect_left(self._pids, pid)
        if place == len(self._pids):
            return 0.0, False
        return now - self._times[place], place == 0
