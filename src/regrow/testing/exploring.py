"""Running a scenario under many schedules, and making the one that fails small enough to be understood.

A race is a bug that depends on the order of things that nobody promised an order. ``explore`` runs a scenario as the
plain loop would, then with all calls queued, then under schedules drawn from a seed. The first that fails is shrunk:
as few choices as possible that differ from what the plain loop does. What is left is raised as the scenario's own
error, with a note: the text that plays it again, and the steps.

Of ready tasks and processes it may run any, for as many steps as it likes: nobody promises that two of them proceed at
the same pace. A scenario that is right under this is right on a slow disk, too.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Literal

from regrow.testing.chosen_loop import Run, Scenario, UnexpectedCrash, run_schedule
from regrow.testing.reports import Kind
from regrow.testing.schedules import Chooser, Played, Preempted, Walk, from_text, to_text

__all__ = ["Explored", "FailingSchedule", "Strategy", "explore", "find_failing_schedule"]

Strategy = Literal["both", "random", "preemption"]
MAX_STEPS: Final = 100_000
SHRINKS: Final = 500
"""Runs that the shrinking may take ..."""
SHRINK_STEPS: Final = 1_000_000
"""... and their steps, all together."""
SHOWN: Final = 40
"""Steps that the note of a failure shows."""
NOT_AGAIN: Final = (
    "played again, the same schedule does not fail: the scenario depends on something else than the order, such as "
    "chance without a seed, the time of day, or what an earlier run has left behind"
)
_RUNNERS: Final = tuple(str(Path(each).parent) for each in (__file__, asyncio.__file__))
QUEUEING: Final = (0.0, 0.0, 0.5, 1.0)
"""The parts of the calls that queue, of which each schedule draws one."""
HOLDING: Final = (0.0, 0.05, 0.2)
"""The parts of the choices that hold somebody back, one after another for each walk."""


@dataclass(frozen=True, slots=True)
class Explored:
    """What ``explore`` did when nothing failed."""

    schedules: int
    """How many schedules were run; fewer than asked for if the scenario leaves nothing to choose."""
    distinct: int
    """How many of them differed."""


@dataclass(frozen=True, slots=True)
class FailingSchedule:
    """The first schedule under which a scenario failed, shrunk."""

    number: int
    """How many schedules it took to find it; 1 is the plain one."""
    replay: str
    """What plays it again: ``explore(scenario, replay=...)``."""
    error: BaseException
    trace: tuple[str, ...]
    """A line for each step: when, and who."""

    def __str__(self) -> str:
        last = self.trace[-SHOWN:]
        above = len(self.trace) - len(last)
        steps = "\n".join(
            [*([f"  ... {above} steps before"] if above else []), *(f"  {each}" for each in last)]
        )
        if not self.replay:
            return f"it fails in the plain order, simply run:\n{steps}"
        choices = len(self.replay.split(","))
        return (
            f"schedule {self.number} fails; explore(scenario, replay={self.replay!r}) plays it again, with "
            f"{choices} {'choice' if choices == 1 else 'choices'} that a plain loop would not make:\n{steps}"
        )


def explore(
    scenario: Scenario,
    *,
    schedules: int = 1000,
    seed: int | str = 0,
    strategy: Strategy = "both",
    preemptions: int = 3,
    allow: Sequence[Kind] | Kind = (),
    max_steps: int = MAX_STEPS,
    replay: str | None = None,
) -> Explored:
    """Run *scenario* under up to *schedules* different schedules. Raises what it raises under the first that fails.

    *scenario* is a coroutine function without arguments; each run has an event loop of its own, under virtual time. It
    fails if it raises, if it waits for what can't come, if it goes on for more than *max_steps*, or if a process
    crashes by something that *allow* does not name: exception classes, or functions of the ``CrashReport``. The error
    has a note with the schedule and the text that plays it again, by *replay*.

    The same *seed* gives the same schedules on every machine, as long as the scenario asks nothing else for chance;
    threads (``asyncio.to_thread``) are refused, since nobody can choose their pace.
    *strategy* is ``"random"`` (anyone who is ready, each time), ``"preemption"`` (at most *preemptions* times is
    somebody who would go on left waiting) or both in turn. Calls are made inline or queued, as the schedule says.
    Gives how many schedules there were. RuntimeError within a running loop. The BEAM has Concuerror.

    >>> from regrow import Agent
    >>> async def two_increments():
    ...     async with Agent.scope(int) as counter:
    ...         async def increment():
    ...             seen = await counter.get(lambda n: n)
    ...             await asyncio.sleep(0)
    ...             await counter.update(lambda n: seen + 1)
    ...         await asyncio.gather(increment(), increment())
    ...         assert await counter.get(lambda n: n) == 2
    >>> explore(two_increments)
    Traceback (most recent call last):
    ...
    AssertionError
    """
    found = find_failing_schedule(
        scenario,
        schedules=schedules,
        seed=seed,
        strategy=strategy,
        preemptions=preemptions,
        allow=allow,
        max_steps=max_steps,
        replay=replay,
    )
    if isinstance(found, FailingSchedule):
        __tracebackhide__ = True
        found.error.add_note(str(found))
        raise found.error.with_traceback(_of_the_scenario(found.error.__traceback__))
    return found


def find_failing_schedule(
    scenario: Scenario,
    *,
    schedules: int = 1000,
    seed: int | str = 0,
    strategy: Strategy = "both",
    preemptions: int = 3,
    allow: Sequence[Kind] | Kind = (),
    max_steps: int = MAX_STEPS,
    replay: str | None = None,
) -> FailingSchedule | Explored:
    """As ``explore``, and gives the failure instead of raising it.

    >>> async def first_come():
    ...     served = []
    ...     async def come(who):
    ...         served.append(who)
    ...     await asyncio.gather(come("early"), come("late"))
    ...     assert served[0] == "early"
    >>> find_failing_schedule(first_come).replay
    '0=1'
    """
    _check(scenario, schedules, strategy, preemptions, max_steps)
    allowed = tuple(allow) if isinstance(allow, Sequence) else (allow,)

    def play(chooser: Chooser, traced: bool = False) -> Run:
        return run_schedule(scenario, chooser, allow=allowed, max_steps=max_steps, traced=traced)

    if replay is not None:
        played = Played(from_text(replay))
        run = play(played, traced=True)
        if run.error is None and played.left:
            raise ValueError(
                f"replay={replay!r} no longer fits: the scenario was over before all of its choices were asked for, "
                "so it has changed since. Explore it afresh"
            )
        if run.error is None:
            return Explored(1, 1)
        return FailingSchedule(1, to_text(run.choices), run.error, tuple(run.trace))
    seen: set[tuple[int, ...]] = set()
    number = length = 0
    for number in range(1, schedules + 1):
        run = play(_chooser(number, seed, strategy, preemptions, length))
        if run.error is not None:
            choices = _shrunk(run, lambda choices: play(Played(choices)))
            last = play(Played(choices), traced=True)
            if _way(last.error) != _way(run.error):  # what fails once has to fail again
                run.error.add_note(NOT_AGAIN)
                return FailingSchedule(number, to_text(run.choices), run.error, ())
            assert last.error is not None
            return FailingSchedule(number, to_text(choices), last.error, tuple(last.trace))
        seen.add(tuple(run.choices))
        length = max(length, len(run.choices))
        if not length:
            break
    return Explored(number, len(seen))


def _check(scenario: Scenario, schedules: int, strategy: str, preemptions: int, max_steps: int) -> None:
    if not inspect.iscoroutinefunction(scenario):
        raise TypeError(
            f"explore takes a coroutine function without arguments, not {scenario!r}: write `async def scenario(): ...`"
        )
    try:
        inspect.signature(scenario).bind()
    except TypeError as error:
        raise TypeError(
            f"{scenario!r} can't be called without arguments ({error}): give explore functools.partial(scenario, ...)"
        ) from None
    if strategy not in ("both", "random", "preemption"):
        raise ValueError(f"strategy={strategy!r}: is 'both', 'random' or 'preemption'")
    for name, value, least in (
        ("schedules", schedules, 1),
        ("preemptions", preemptions, 0),
        ("max_steps", max_steps, 1),
    ):
        if type(value) is not int or value < least:
            raise ValueError(f"{name}={value!r}: must be a whole number, at least {least}")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "explore makes an event loop for each schedule, so it can't be called where one runs: call it from a plain "
        "`def test_...():`"
    )


def _chooser(number: int, seed: int | str, strategy: Strategy, preemptions: int, length: int) -> Chooser:
    """Who chooses in the run of that *number*, if one takes about *length* choices."""
    if number <= 2:
        return Played(queueing=number == 2)
    random = Random(f"{seed}:{number}")  # by a text: the same everywhere, whatever PYTHONHASHSEED is
    queueing = QUEUEING[int(random.random() * len(QUEUEING))]
    if strategy == "random" or (strategy == "both" and number % 2):
        return Walk(random, queueing, HOLDING[number // 2 % len(HOLDING)])
    return Preempted(random, queueing, number // 2 % preemptions + 1 if preemptions else 0, length)


def _shrunk(run: Run, play: Callable[[list[int]], Run]) -> list[int]:
    """As few choices as can be found that fail in the same way, and as small."""
    wanted = _way(run.error)
    best = _trimmed(run.choices)
    left, steps = SHRINKS, SHRINK_STEPS

    def better(choices: list[int]) -> bool:
        nonlocal best, left, steps
        left -= 1
        tried = play(choices)
        steps -= tried.steps
        if steps < 0:
            left = 0
        if _way(tried.error) != wanted:
            return False
        made = _trimmed(tried.choices)
        if _size(made) < _size(best):
            best = made
            return True
        return False

    shrinking = True
    while shrinking and left > 0:
        shrinking = False
        others = [place for place, choice in enumerate(best) if choice]
        at_once = len(others)
        while at_once and left > 0:
            if any(better(_without(best, some)) for some in _chunks(others, at_once) if left > 0):
                shrinking = True
                others = [place for place, choice in enumerate(best) if choice]
                at_once = min(at_once, len(others))
            else:
                at_once //= 2
        for place in others:  # once held back says more than again and again another one
            if any(better([*best[:place], hold]) for hold in (-1, -2, -3) if left > 0):
                shrinking = True
                break
        for place in [] if shrinking else others:
            for smaller in _nearer(best[place] if place < len(best) else 0):
                if left > 0 and better([*best[:place], smaller, *best[place + 1 :]]):
                    shrinking = True
                    break
    return best


def _nearer(choice: int) -> range:
    """The choices between 0 and *choice*, those next to 0 first."""
    return range(1, choice) if choice > 0 else range(-1, choice, -1)


def _way(error: BaseException | None) -> tuple[object, ...] | None:
    """How a run failed: two with the same type from the same line are taken for the same failure."""
    if error is None:
        return None
    if isinstance(error, UnexpectedCrash):
        first = error.crashes[0]
        frames = [line for line in first.trace.splitlines() if line.startswith("  File ")]
        return type(error), type(first.error), frames[-1:]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), None if trace is None else (trace.tb_frame.f_code, trace.tb_lineno)


def _of_the_scenario(trace: TracebackType | None) -> TracebackType | None:
    """*trace* without the frames that run the scenario."""
    users = trace
    while users is not None and users.tb_frame.f_code.co_filename.startswith(_RUNNERS):
        users = users.tb_next
    return users or trace


def _trimmed(choices: list[int]) -> list[int]:
    end = len(choices)
    while end and not choices[end - 1]:
        end -= 1
    return [int(each) for each in choices[:end]]


def _size(choices: list[int]) -> tuple[int, int, int]:
    return sum(map(bool, choices)), len(choices), sum(map(abs, choices))


def _without(choices: list[int], places: list[int]) -> list[int]:
    return [0 if place in places else choice for place, choice in enumerate(choices)]


def _chunks(places: list[int], size: int) -> Iterator[list[int]]:
    """*size* of them at a time, the last first: what comes before stays as it was."""
    for end in range(len(places), 0, -size):
        yield places[max(0, end - size) : end]
