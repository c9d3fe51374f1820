"""A schedule: the choices that are made wherever a program leaves open what runs next, and who makes them.

Each choice is a number. 0 is what a plain event loop would do: whoever has waited longest goes on, a call is made
inline. Above 0 it is another one of those who wait, or that a call queues. Below 0 somebody is *held back*: -1 the
first, -2 the second, until all others wait for something, too. So a schedule is told by its other choices alone, and
the fewer of them the easier it is to understand. Its text, such as ``"12=1,40=-2"``, plays it again exactly.

Who chooses: ``Played`` what a text says; ``Walk`` anyone, by chance, each time; ``Preempted`` as a plain loop, but for
a few interventions. A walk mixes everything with everything. But most races need one that is far behind or
far ahead at one or two moments, which a walk hardly ever makes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from random import Random
from typing import Final, Protocol

__all__ = ["Chooser", "Played", "Preempted", "Schedule", "Walk", "from_text", "to_text"]

PATIENCE: Final = 100
"""Steps that others may take while one is held back: who only asks again and again lets it through by that."""


class Chooser(Protocol):
    """Decides what runs next."""

    def lane(self, lanes: Sequence[Hashable]) -> int:
        """A choice among *lanes*, at least two, in the order of their waiting; below 0 to hold one back."""
        ...

    def queued(self) -> bool:
        """Whether a call that may run inline has to queue."""
        ...


class Played:
    """What *choices* say, and from there on what a plain loop does; *queueing* says that all calls queue."""

    def __init__(self, choices: Sequence[int] = (), *, queueing: bool = False) -> None:
        self._left = deque(choices)
        self._queueing = queueing

    @property
    def left(self) -> bool:
        """Whether there is a choice that nobody has asked for."""
        return bool(self._left)

    def lane(self, lanes: Sequence[Hashable]) -> int:
        return self._left.popleft() if self._left else 0

    def queued(self) -> bool:
        return bool(self._left.popleft() if self._left else self._queueing)


class Walk:
    """Anyone, by chance. *queueing* is the part of the calls that queue, *holding* of the choices that hold back."""

    def __init__(self, random: Random, queueing: float, holding: float) -> None:
        self._random = random
        self._queueing = queueing
        self._holding = holding

    def lane(self, lanes: Sequence[Hashable]) -> int:
        choice = _one_of(self._random, len(lanes))
        return -1 - choice if self._holding and self._random.random() < self._holding else choice

    def queued(self) -> bool:
        return self._random.random() < self._queueing


class Preempted:
    """What a plain loop does, but for *bound* of about *length* choices, which go to another or hold one back."""

    def __init__(self, random: Random, queueing: float, bound: int, length: int) -> None:
        self._random = random
        self._queueing = queueing
        self._points = {_one_of(random, length) for _ in range(bound)} if length else set()
        self._made = -1

    def lane(self, lanes: Sequence[Hashable]) -> int:
        self._made += 1
        if self._made not in self._points:
            return 0
        choice = _one_of(self._random, len(lanes))
        return choice if choice and self._random.random() < 0.5 else -1 - choice

    def queued(self) -> bool:
        self._made += 1
        return self._random.random() < self._queueing


def _one_of(random: Random, count: int) -> int:
    return int(random.random() * count)  # as random() itself, the same in every version of Python


class Schedule:
    """The choices of one run, as they are made."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._held: dict[Hashable, int] = {}
        self._steps = 0
        self.made: list[int] = []

    def lane(self, lanes: Sequence[Hashable]) -> int:
        """Which of *lanes* goes on."""
        self._steps += 1
        while True:
            free = [each for each in lanes if self._is_free(each)]
            if len(free) > 1:
                choice = min(max(self._chooser.lane(free), -len(free)), len(free) - 1)
                self.made.append(choice)
                if choice < 0:
                    self._held[free[-1 - choice]] = self._steps
                    continue
                return lanes.index(free[choice])
            if free:
                return lanes.index(free[0])
            del self._held[next(each for each in self._held if each in lanes)]

    def _is_free(self, lane: Hashable) -> bool:
        since = self._held.get(lane)
        if since is not None and self._steps - since > PATIENCE:
            del self._held[lane]
            return True
        return since is None

    def queued(self) -> bool:
        """Whether a call that may run inline has to queue."""
        choice = bool(self._chooser.queued())
        self.made.append(choice)
        return choice


def to_text(choices: Sequence[int]) -> str:
    """*choices* as a short text.

    >>> to_text([0, 0, 1, 0, 2, 0])
    '2=1,4=2'
    """
    return ",".join(f"{number}={int(choice)}" for number, choice in enumerate(choices) if choice)


def from_text(text: str) -> list[int]:
    """The choices that ``to_text`` wrote down. ValueError for another text.

    >>> from_text("2=1,4=2")
    [0, 0, 1, 0, 2]
    """
    try:
        pairs = [tuple(map(int, each.split("="))) for each in text.split(",") if each]
        choices = [0] * (max((number for number, _ in pairs), default=-1) + 1)
        for number, choice in pairs:
            choices[number] = choice
            if number < 0:
                raise ValueError
    except (ValueError, IndexError):
        raise ValueError(
            f"{text!r} is no schedule: explore(...) writes one as '12=1,40=-2', or '' for the plain one"
        ) from None
    return choices
