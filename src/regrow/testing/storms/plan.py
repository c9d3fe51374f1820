"""The plan of a storm: which fault comes when, drawn from a seed and from nothing else.

A plan has no end: it is drawn fault by fault, and whoever runs it stops. It does not know the tree. *Whom* a fault hits
is a number from 0 to 1, the place in the row of those whom it could hit, the first started first; so the same seed
finds the same children again in a program that starts them in the same order.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["FaultKind", "Planned", "Rates", "draw", "is_number", "new_seed"]

FaultKind = Literal["kill", "crash", "delay", "fail_start"]
"""kill: ``KILL``, which nobody can refuse. crash: it raises ``ChaosError``. delay: its messages have to wait.
fail_start: the next start of a child fails."""

DIGITS: Final = 6  # microseconds: the last bit of a logarithm differs from one machine to another


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a plan."""

    number: int
    """1 for the first one."""
    at: float
    """Seconds since the storm began."""
    kind: FaultKind
    place: float
    """Whom it hits: the place in the row, from 0 to 1."""
    seconds: float = 0.0
    """How long a delay lasts."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How many faults of each sort there are in a second, on average, and how long a delay lasts at least and at most.

    Raises ValueError for what is no rate, and if there would be no faults at all.
    """

    kill: float = 0.0
    """Half of them are kills, half of them crashes."""
    delay: float = 0.0
    fail_starts: float = 0.0
    delay_seconds: tuple[float, float] = (0.01, 0.5)

    def __post_init__(self) -> None:
        for name in ("kill", "delay", "fail_starts"):
            value = getattr(self, name)
            if not (is_number(value) and 0 <= value < math.inf):
                raise ValueError(
                    f"{name}={value!r}: must be a number of faults a second, 0 or more: {name}=1.0, say"
                )
        if not self.total:
            raise ValueError("kill=0, delay=0, fail_starts=0: there would be no faults; say kill=1.0")
        least, most = self.delay_seconds
        if not (is_number(least) and is_number(most) and 0 < least < math.inf and 0 < most < math.inf):
            raise ValueError(
                f"delay_seconds={self.delay_seconds!r}: must be seconds, more than 0: a number, or (least, most)"
            )
        if least > most:
            raise ValueError(
                f"delay_seconds={self.delay_seconds!r}: least is above most; say delay_seconds=({most!r}, {least!r})"
            )

    @property
    def total(self) -> float:
        return self.kill + self.delay + self.fail_starts

    def __str__(self) -> str:
        least, most = self.delay_seconds
        each = {
            "kill": f"kill {self.kill:g}/s",
            "delay": f"delay {self.delay:g}/s of {least:g} to {most:g} s",
            "fail_starts": f"fail_starts {self.fail_starts:g}/s",
        }
        return ", ".join(text for name, text in each.items() if getattr(self, name))


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def draw(seed: int, rates: Rates) -> Iterator[Planned]:
    """The plan of *seed*, without an end. The gaps are those of events that know nothing of each other.

    >>> from itertools import islice
    >>> for each in islice(draw(7, Rates(kill=2.0)), 3):
    ...     print(each.at, each.kind)
    0.195657 crash
    0.423265 crash
    0.459473 kill
    """
    numbers = random.Random(seed)
    number, at = 0, 0.0
    least, most = rates.delay_seconds
    while True:
        number += 1
        at = round(at - math.log(1.0 - numbers.random()) / rates.total, DIGITS)
        sort, way, place, length = (numbers.random() for _ in range(4))
        sort *= rates.total
        kind: FaultKind
        if sort < rates.kill:
            kind = "kill" if way < 0.5 else "crash"
        elif sort < rates.kill + rates.delay:
            kind = "delay"
        else:
            kind = "fail_start"
        seconds = round(least + length * (most - least), DIGITS) if kind == "delay" else 0.0
        yield Planned(number, at, kind, place, seconds)


def new_seed() -> int:
    """A seed that nobody has chosen, short enough to be typed again."""
    return random.SystemRandom().randrange(1_000_000)
