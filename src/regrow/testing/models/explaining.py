"""Whether some order of a model's steps explains what was seen of the real thing.

Some strands of calls were gone through at the same time: the calls of one strand take effect in their order, those of
different strands in any. Between them things happen by themselves: a
child dies, a supervisor comes to hear of it. A model takes such steps one at a time. What was seen is right if there
is *an* order of steps in which each call gives what it gave, what could be watched came in the order in which it came,
and at rest all looks as it looked. There may be several, and they may leave the model in different states: then it is
in one of these, and what is seen later will tell.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

__all__ = ["Event", "Model", "Seen", "Step", "Unexplained", "Words", "explain"]

Step = tuple[Any, ...]
"""The name of a model's method, and the arguments."""
Event = tuple[Any, ...]
"""What could be watched from outside, such as ``("started", "attic", 2)``."""


class Model(Protocol):
    """What a small model offers. Its steps are its methods; each appends to ``log`` what could be watched of it."""

    log: list[Event]

    def copy(self) -> Self:
        """Another in the same state, with an empty log."""
        ...

    def set_time(self, earliest: float, latest: float) -> None:
        """What follows happens between these two times."""
        ...

    def key(self) -> Hashable:
        """The state as a value: two models with the same key behave the same."""
        ...

    def moves(self) -> Iterable[Step]:
        """What may happen next by itself. None: it is at rest until somebody asks something of it."""
        ...

    def ready_for(self, step: Step) -> bool:
        """Whether that call can take effect now."""
        ...

    def at_rest(self) -> object:
        """What it looks like when nothing moves: to be compared with the real thing."""
        ...


M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the real thing: strands of calls with their answers, events in order, and the looks at rest."""

    strands: Sequence[Sequence[tuple[Step, object]]]
    events: Sequence[Event]
    at_rest: object


class Words:
    """How a failure tells what was seen, and what the model would do."""

    def step(self, step: Step) -> str:
        """
        >>> Words().step(("lookup", "member 1", 1))
        "lookup('member 1', 1)"
        """
        return f"{step[0]}({', '.join(map(repr, step[1:]))})"

    def event(self, event: Event) -> str:
        """What could be watched."""
        return self.step(event)

    def answered(self, step: Step, answer: object) -> str:
        """What a call gave; nothing, if it gives nothing."""
        return f"gave {answer!r}"

    def looks(self, looks: Any) -> str:
        """What all looks like at rest."""
        return repr(looks)

    def is_told(self, step: Step) -> bool:
        """Whether it is worth a line: not of what only waits."""
        return True


class Unexplained(AssertionError):
    """What was seen is nothing that the rules allow."""


@dataclass(slots=True)
class _Point(Generic[M]):
    """Somewhere on the way: the model's state, how many calls of each strand and how many events are explained."""

    model: M
    calls: tuple[int, ...]
    events: int
    way: tuple[tuple[Step, list[Event]], ...]


def explain(models: Iterable[M], seen: Seen, words: Words) -> list[M]:
    """The states that *models* may have come to. Raises ``Unexplained``, in these *words*, if there is none.

    At least one of *models*, the states before, has to lead to what was *seen*.
    """
    waiting = [_Point(model, (0,) * len(seen.strands), 0, ()) for model in models]
    all_calls = tuple(map(len, seen.strands))
    known: set[Hashable] = set()
    ends: dict[Hashable, M] = {}
    furthest = waiting[0]
    while waiting:
        point = waiting.pop()
        key = (point.model.key(), point.calls, point.events)
        if key in known:
            continue
        known.add(key)
        if _progress(point) > _progress(furthest):
            furthest = point
        moves = list(point.model.moves())
        if not moves and point.calls == all_calls and point.events == len(seen.events):
            if point.model.at_rest() == seen.at_rest:
                ends[point.model.key()] = point.model
            continue
        waiting += _next_points(point, moves, seen)
    if not ends:
        raise Unexplained(_why(furthest, seen, words))
    return list(ends.values())


def _next_points(point: _Point[M], moves: Iterable[Step], seen: Seen) -> list[_Point[M]]:
    found = []
    for move in moves:
        after, _ = _after(point, move, seen)
        if after is not None:
            found.append(after)
    for number, step, answer in _next_calls(point, seen):
        if point.model.ready_for(step):
            after, given = _after(point, step, seen)
            if after is not None and given == answer:
                after.calls = (*point.calls[:number], point.calls[number] + 1, *point.calls[number + 1 :])
                found.append(after)
    return found


def _next_calls(point: _Point[Any], seen: Seen) -> list[tuple[int, Step, object]]:
    """The first call of each strand that has not taken effect, with the number of the strand."""
    return [
        (number, *strand[done])
        for number, (strand, done) in enumerate(zip(seen.strands, point.calls, strict=True))
        if done < len(strand)
    ]


def _after(point: _Point[M], step: Step, seen: Seen) -> tuple[_Point[M] | None, object]:
    """Where *step* leads, and what it gives; nowhere if its events are not those that were seen."""
    model = point.model.copy()
    given = getattr(model, step[0])(*step[1:])
    events = point.events + len(model.log)
    if list(seen.events[point.events : events]) != model.log:
        return None, given
    log, model.log = model.log, []
    return _Point(model, point.calls, events, (*point.way, (step, log))), given


def _progress(point: _Point[Any]) -> tuple[int, int, int]:
    return point.events, sum(point.calls), len(point.way)


def _why(point: _Point[Any], seen: Seen, words: Words) -> str:
    lines = ["no order of events that the rules allow explains what was seen:"]
    for number, strand in enumerate(seen.strands):
        mark = f"at the same time, {number + 1}: " if len(seen.strands) > 1 else ""
        lines += [
            f"  {mark}{words.step(step)} {words.answered(step, answer)}".rstrip()
            for step, answer in strand
            if words.is_told(step)
        ]
    lines += [f"  then was seen: {words.event(event)}" for event in seen.events]
    lines.append(f"  at rest: {words.looks(seen.at_rest)}")
    if way := [each for each in point.way if words.is_told(each[0])]:
        lines.append("the rules explain the beginning:")
        lines += [f"  {_with_events(words, step, log)}" for step, log in way]
    lines.append("by the rules, from there:")
    calls, moves = _next_calls(point, seen), list(point.model.moves())
    lines += [f"  {_would(point, step, answer, seen, words)}" for _, step, answer in calls]
    if point.events < len(seen.events):
        lines.append(f"  not explained: {words.event(seen.events[point.events])}")
    for move in moves:
        _, log = _given(point.model, move)
        lines.append(f"  it would go on with: {_with_events(words, move, log)}")
    if not calls and not moves:
        lines.append(f"  at rest: {words.looks(point.model.at_rest())}")
    return "\n".join(lines)


def _would(point: _Point[Any], step: Step, answer: object, seen: Seen, words: Words) -> str:
    """What the next call of a strand would do."""
    if not point.model.ready_for(step):
        return f"{words.step(step)} has to wait"
    given, log = _given(point.model, step)
    told = _with_events(words, step, log)
    if given != answer:
        return f"{told}; it would have {words.answered(step, given)}"
    fits = list(seen.events[point.events : point.events + len(log)]) == log
    return told if fits else f"{told}, which was not seen"


def _given(model: Any, step: Step) -> tuple[object, list[Event]]:
    """What *step* would give, and its events."""
    after = model.copy()
    return getattr(after, step[0])(*step[1:]), after.log


def _with_events(words: Words, step: Step, log: Iterable[Event]) -> str:
    return ": ".join(filter(None, (words.step(step), ", ".join(map(words.event, log)))))
