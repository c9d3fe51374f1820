"""What all model machines are made of: a loop with a drawn schedule, calls made at the same time, and the verdict.

A hypothesis state machine draws what is done; a ``ChosenRunner`` runs it, by a schedule that is drawn too, under
virtual time; the model says whether what was seen can be. One example is one loop, and its rules are run on it one
after another. Each rule ends when nothing happens any more by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from contextlib import ExitStack
from random import Random
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from regrow import process
from regrow.kernel.process import Pid
from regrow.kernel.runtime import Runtime, runtime
from regrow.testing.chosen_loop import ChosenRunner, Quiet, Run
from regrow.testing.models.explaining import Event, Model, Seen, Step, Words, explain
from regrow.testing.reports import CrashReport, Kind, tolerate

__all__ = ["TICK", "Call", "Drawn", "ModelMachine", "drawn_schedules"]

T = TypeVar("T")
M = TypeVar("M", bound=Model)

MAX_STEPS: Final = 1_000_000
TICK: Final = 2.0**-20
"""Seconds: the shortest time to wait. Time only goes on when nothing is ready, so then all has been done that could."""
HOLDING: Final = 0.3
"""The part of these that hold somebody back."""
RATES: Final = {"now and then": 0.1, "walk": 1.0}
"""The part of the choices that are not those of a plain loop."""

DEFAULTS: Final = settings(
    RuleBasedStateMachine.TestCase.settings,  # no deadline, no health checks
    max_examples=50,
    stateful_step_count=25,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # it explains by lines of ours
    report_multiple_bugs=False,
)
"""The settings of a machine's ``TestCase``, if it has no others: a few seconds, and one failure at a time."""

ScheduleKind = Literal["plain", "now and then", "walk"]
KINDS: Final[tuple[ScheduleKind, ...]] = ("plain", "now and then", "walk", "now and then", "walk")


class Drawn:
    """Who decides what runs next, as hypothesis draws it: a plain loop's choices, but for some at random."""

    def __init__(self, kind: ScheduleKind, queueing: float, seed: int) -> None:
        self._shown = f"{kind}, {queueing:.0%} of the calls queue, seed {seed}"
        self._random = Random(seed)
        self._rate = RATES.get(kind, 0.0)
        self._queueing = queueing

    def lane(self, lanes: Sequence[Hashable]) -> int:
        if not self._rate or self._random.random() >= self._rate:
            return 0
        choice = int(self._random.random() * len(lanes))
        return -1 - choice if self._random.random() < HOLDING else choice

    def queued(self) -> bool:
        return self._random.random() < self._queueing

    def __repr__(self) -> str:
        return f"<{self._shown}>"


@st.composite
def drawn_schedules(draw: st.DrawFn) -> Drawn:
    """A schedule; the plain one comes first, and is what hypothesis shrinks to."""
    kind = draw(st.sampled_from(KINDS))
    return Drawn(kind, draw(st.sampled_from([0.0, 0.5, 1.0])), draw(st.integers(0, 2**16)))


class Call(NamedTuple):
    """One thing to do: to the model, and to the real thing, which both give the same."""

    step: Step
    act: Callable[[], Awaitable[object]]


class ModelMachine(RuleBasedStateMachine, Generic[M]):
    """The base of the machines. Each example has a loop of its own, on which ``run`` runs a coroutine."""

    patience: ClassVar[float] = 60.0
    """Seconds of virtual time in which what was begun has to come to rest."""
    allow: ClassVar[tuple[Kind, ...]] = ()
    """Further crashes that may be reported: exception classes, or functions of the ``CrashReport``."""
    _words: ClassVar[Words] = Words()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.TestCase.settings = DEFAULTS

    def __init__(self) -> None:
        super().__init__()
        self._check()
        self.models: list[M] = []
        """The states in which the model may be: more than one if what was seen so far left it open."""
        self._planned: set[Pid] = set()
        self._last = 0.0
        self._failed = False
        self._close: Callable[[], None] | None = None

    # --- for machines -------------------------------------------------------------------------------------------------

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run *main* on the machine's loop, by its schedule, and give its result."""
        try:
            return self._runner.run(main)
        except BaseException:
            self._failed = True
            raise

    def make(self, *strands: Sequence[Call]) -> None:
        """Go through these strands of calls at the same time, wait until all is at rest, and compare with the model."""
        try:
            answers, times, looks = self.run(self._made(strands))
            self._refuse_crashes(strands)
            for model in self.models:
                model.set_time(*times)
            answered = [
                [(call.step, self._in_words(call.step, answer)) for call, answer in zip(*each, strict=True)]
                for each in zip(strands, answers, strict=True)
            ]
            self.models = explain(self.models, Seen(answered, self._seen(), looks), self._words)
        except BaseException:
            self._failed = True
            raise

    async def _made(
        self, strands: Sequence[Sequence[Call]]
    ) -> tuple[list[list[object]], tuple[float, float], object]:
        begin = self._last = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*map(_go_through, strands))
        await self._come_to_rest()
        return answers, (begin, self._last), await self._looks()

    async def _see_end(self, target: Pid, override: str) -> None:
        ref = process.monitor(target)
        down = await process.receive(
            lambda message: isinstance(message, process.Down) and message.ref == ref, timeout=self.patience
        )
        assert isinstance(down, process.Down), (
            f"{self._rt.processes[target]!r} was told to end, and lives {self.patience:g} s later: {override}"
        )

    async def _come_to_rest(self) -> None:
        pause, waited = TICK, 0.0
        while waited <= self.patience:
            await asyncio.sleep(pause)
            if await self._is_at_rest():
                return
            waited += pause
            pause *= 4

    def _check(self) -> None:
        """Refuse what the machine was told that can't be, before anything is drawn."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Start what is to be tested."""
        raise NotImplementedError

    def _finish(self) -> None:
        """End what was tested."""
        raise NotImplementedError

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        """Hear of an event of the loop's processes."""
        raise NotImplementedError

    async def _is_at_rest(self) -> bool:
        """Whether nothing happens any more by itself."""
        raise NotImplementedError

    async def _looks(self) -> object:
        """What it looks like, to be compared with the model's ``at_rest``."""
        raise NotImplementedError

    def _in_words(self, step: Step, answer: Any) -> object:
        """What a call gave, as the model says it."""
        return answer

    def _seen(self) -> list[Event]:
        """What has been watched since this was asked last."""
        raise NotImplementedError

    # --- one example --------------------------------------------------------------------------------------------------

    @initialize(schedule=drawn_schedules())
    def begin(self, schedule: Drawn) -> None:
        """A loop with that schedule, and the start of what is tested."""
        with ExitStack() as stack:
            self._reports = stack.enter_context(Quiet())
            self._reports.allow(*self.allow, self._is_planned)
            stack.callback(tolerate(self._is_planned))
            self._runner = stack.enter_context(ChosenRunner(schedule, Run(), max_steps=MAX_STEPS))
            self._rt = self.run(self._opened())
            self._close = stack.pop_all().close
        self._begin()

    async def _opened(self) -> Runtime:
        rt = runtime()
        rt.listeners.append(self._heard)
        return rt

    def teardown(self) -> None:
        """The end of an example: all is stopped, and nothing may be left."""
        if self._close is None:
            return
        try:
            if not self._failed:
                self._finish()
        finally:
            self._close()

    def _is_planned(self, report: CrashReport) -> bool:
        return report.pid in self._planned

    def _refuse_crashes(self, strands: Sequence[Sequence[Call]]) -> None:
        if crashes := self._reports.unexpected():
            done = [self._words.step(call.step) for strand in strands for call in strand]
            raise AssertionError(
                f"{'; '.join(map(str, crashes))}\n"
                f"  what was done: {', '.join(done)}\n"
                "Crashes that may happen are named by the machine's allow = (SomeError,)"
            )


async def _go_through(calls: Sequence[Call]) -> list[object]:
    return [await call.act() for call in calls]
