"""A storm: does the faults of its plan, each at its time, and sees what becomes of everybody.

It needs no task of its own, only timers of the loop; the census is its eyes. When it is over nothing of it is left:
delays are ended, and crashes and failing starts that have found nobody are called off. Then it waits until who is owed
a restart has had it, and reports.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Final

from regrow.kernel.errors import InvalidName, NoProcess, StartError
from regrow.kernel.events import attach, detach
from regrow.kernel.process import ENDING, Process
from regrow.kernel.reasons import KILLED, NOPROC, describe
from regrow.kernel.signals import watch
from regrow.kernel.targets import Target, resolve
from regrow.supervision.base import BaseSupervisor
from regrow.testing.reports import CrashReport, tolerate
from regrow.testing.storms.census import Census, Member
from regrow.testing.storms.errors import ChaosError, OverlappingStorm, may_follow_from_chaos
from regrow.testing.storms.faults import Crash, Delay, can_crash, can_delay, kill
from regrow.testing.storms.plan import Planned, Rates, draw
from regrow.testing.storms.report import ChaosReport, Fault
from regrow.testing.storms.targets import Aim

__all__ = ["SETTLE", "Storm"]

SETTLE: Final = 5.0
"""Seconds that those who are owed a restart have for it, when the storm is over."""
GLANCE: Final = 0.01
"""Seconds between two looks at whether they have had it."""
TURNS: Final = 5
CRASHES_KEPT: Final = 100
_on: Final[list[Census]] = []
"""The storms that are on, by what they know of their trees."""


class Storm:
    """What ``chaos`` gives: await it, or use it with ``async with``, once."""

    def __init__(
        self,
        sup: Target,
        seed: int,
        rates: Rates,
        aim: Aim,
        *,
        seconds: float | None,
        faults: int | None,
        settle: float,
        tell: Callable[[Fault], object] | None,
    ) -> None:
        self.seed = seed
        self.rates = rates
        self.plan: list[Fault] = []
        """The faults whose time has come so far."""
        self._sup = sup
        self._aim = aim
        self._seconds = seconds
        self._limit = faults
        self._settle = settle
        self._tell = tell
        self._untold: deque[Fault] = deque()
        self._drawn: Iterator[Planned] = draw(seed, rates)
        self._report: ChaosReport | None = None
        self._census: Census | None = None
        self._raging = False
        self._began = self._length = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Future[None]
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._undo: list[Callable[[], object]] = []
        self._targets: dict[Member, None] = {}  # whom it may hit, in the order of their starts
        self._spared: dict[Member, None] = {}
        self._armed: deque[Fault] = deque()  # the next starts fail
        self._under_way: dict[Member, Crash | Delay] = {}
        self._crashes: list[str] = []
        self._ended: str | None = None

    @property
    def report(self) -> ChaosReport:
        """The report, when the storm is over; RuntimeError before."""
        if self._report is None:
            raise RuntimeError("the storm is not over: its report is there after the `async with` block")
        return self._report

    def stop(self) -> None:
        """End it now: who awaits it gets the report as soon as those who are owed a restart have had it."""
        if not self._raging:
            return
        self._raging = False
        self._length = self._now()
        for timer in self._timers.values():
            timer.cancel()
        self._armed.clear()
        for action in list(self._under_way.values()):
            action.call_off()
        self._under_way.clear()
        if not self._over.done():
            self._over.set_result(None)

    def __await__(self) -> Generator[Any, None, ChaosReport]:
        return self._run().__await__()

    async def _run(self) -> ChaosReport:
        if self._seconds is None and self._limit is None:
            raise ValueError("a storm that is awaited must come to an end: say seconds=10 or faults=100")
        async with self:
            await self.wait()
        return self.report

    async def wait(self) -> None:
        """Wait until it has stopped, or was stopped."""
        await self._over

    async def __aenter__(self) -> Storm:
        if self._census is not None:
            raise RuntimeError("this storm has been run already: call chaos(...) for another one")
        try:
            process = resolve(self._sup)
        except InvalidName:
            raise TypeError(
                f"chaos(sup) takes a supervisor, as a handle, pid or name; {self._sup!r} is none"
            ) from None
        if process is None:
            raise NoProcess(NOPROC, self._sup, "chaos")
        if not isinstance(process.server, BaseSupervisor):
            raise TypeError(f"chaos(sup) takes a supervisor, as a handle, pid or name; {process!r} is none")
        self._begin(process)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        try:
            if error is None:
                await self._settled()
        finally:
            self._finish()

    # --- the beginning and the end --------------------------------------------------------------------------------

    def _begin(self, top: Process) -> None:
        self._loop = top.runtime.loop
        self._began = self._loop.time()
        self._over = self._loop.create_future()
        census = self._census = Census(top, self._now)
        census.begin()
        try:
            _check_alone(census)
            self._aim.know(census.living.values())
        except BaseException:
            census.end()
            raise
        _on.append(census)
        self._undo.append(census.end)
        self._undo.append(lambda: _on.remove(census))
        for member in census.living.values():
            self._look_at(member)
        census.changed, census.may_start = self._look_at, self._may_start
        attach(self._heard)
        self._undo += [lambda: detach(self._heard), tolerate(_may_be_ours), watch(top, self._top_ended)]
        self._raging = True
        if self._seconds is not None:
            self._timers["end"] = self._loop.call_at(self._began + self._seconds, self.stop)
        self._next()

    def _top_ended(self, _top: Process, reason: object) -> None:
        assert self._census is not None
        self._ended = str(self._census.top.last_words or describe(reason))
        self.stop()

    async def _settled(self) -> None:
        """Wait for the restarts that are owed, a while; and until all has been told."""
        deadline = self._loop.time() + self._settle
        turn = 0
        while self._untold or turn < TURNS or (self._is_owing() and self._loop.time() < deadline):
            turn += 1
            await asyncio.sleep(0 if turn <= TURNS else GLANCE)

    def _is_owing(self) -> bool:
        assert self._census is not None
        members = (*self._census.lost, *self._census.living.values())
        return self._ended is None and any(map(self._census.is_due, members))

    def _finish(self) -> None:
        for undo in self._undo:
            undo()
        self._undo.clear()
        self._report = self._reported()

    def _reported(self) -> ChaosReport:
        census = self._census
        assert census is not None
        fates: dict[str, list[str]] = {
            name: [] for name in ("survived", "healed", "finished", "waiting", "gone")
        }
        for member in census.first:
            process = member.process
            if census.is_due(member):
                fates["waiting"].append(member.label)
            elif process is None:
                fates["finished" if member.finished else "gone"].append(member.label)
            else:
                fates["survived" if process.pid == member.before else "healed"].append(member.label)
        return ChaosReport(
            supervisor=census.top.label,
            seed=self.seed,
            rates=self.rates,
            seconds=self._length,
            plan=tuple(self.plan),
            restarts=census.restarts,
            gave_up=tuple(census.gave_up),
            joined=census.joined,
            crashes=tuple(self._crashes),
            misfits=tuple(census.misfits()),
            ended=self._ended,
            unmet=tuple(self._aim.unmet),
            survived=tuple(fates["survived"]),
            healed=tuple(fates["healed"]),
            finished=tuple(fates["finished"]),
            waiting=tuple(fates["waiting"]),
            gone=tuple(fates["gone"]),
        )

    def _now(self) -> float:
        return round(self._loop.time() - self._began, 9)

    # --- the faults -----------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if not self._raging:
            return
        if self._limit is not None and len(self.plan) >= self._limit:
            self._stop_when_done()
            return
        planned = next(self._drawn)
        self._timers["fault"] = self._loop.call_at(self._began + planned.at, self._do, planned)

    def _stop_when_done(self) -> None:
        """The last fault of a limited number has come: over, as soon as those under way are through."""
        if not self._under_way:
            self.stop()
        elif "end" not in self._timers:
            self._timers["end"] = self._loop.call_later(self._settle, self.stop)

    def _do(self, planned: Planned) -> None:
        fault = Fault(planned.number, planned.kind, planned.at, planned.seconds)
        self.plan.append(fault)
        if fault.kind == "fail_start":
            self._armed.append(fault)
        elif (member := self._choose(planned)) is not None:
            assert member.process is not None
            if fault.kind == "kill":
                self._done(fault, member)
                kill(member.process)
            elif fault.kind == "crash":
                self._crash(fault, member, member.process)
            else:
                self._delay(fault, member, member.process)
        self._next()

    def _choose(self, planned: Planned) -> Member | None:
        """Who stands at that place in the row of those whom the fault could hit, or the next one whom it can."""
        first = int(planned.place * len(self._targets))
        for start, stop in ((first, None), (0, first)):
            for member in islice(self._targets, start, stop):
                if self._can_hit(planned, member):
                    return member
        return None

    def _can_hit(self, planned: Planned, member: Member) -> bool:
        process = member.process
        if process is None or not member.up or process.status >= ENDING:
            return False
        if member in self._under_way and planned.kind != "kill":  # which does not wait for anything
            return False
        if planned.kind == "delay":
            return can_delay(process)
        if planned.kind == "crash" and not can_crash(process):
            return False
        return member.server is None or not any(each.is_below(member) for each in self._spared)

    def _crash(self, fault: Fault, member: Member, process: Process) -> None:
        def begun() -> None:
            self._under_way.pop(member, None)
            self._done(fault, member)

        crash = Crash(process, ChaosError(fault.number, self.seed), begun)
        if fault.at is None:
            self._under_way[member] = crash

    def _delay(self, fault: Fault, member: Member, process: Process) -> None:
        def over() -> None:
            if self._under_way.pop(member, None) is not None and len(self.plan) == self._limit:
                self._stop_when_done()

        self._under_way[member] = Delay(process, fault.seconds, lambda: self._done(fault, member), over)

    def _done(self, fault: Fault, member: Member) -> None:
        fault.whom, fault.at = member.label, self._now()
        if fault.kind != "delay":
            fault.owed = member.expected if fault.kind == "fail_start" else member.is_restarted
            member.faults.append(fault)
        if self._tell is not None:
            self._untold.append(fault)
            self._loop.call_soon(self._tell_next)

    def _tell_next(self) -> None:
        """Alone on the loop: what the user's function raises is no error of the victim's, nor of the storm's."""
        assert self._tell is not None
        self._tell(self._untold.popleft())

    # --- what happens meanwhile -----------------------------------------------------------------------------------

    def _may_start(self, member: Member) -> None:
        """Somebody is about to be started; raises if that is to fail."""
        self._aim.meet(member)
        if self._armed and self._aim.includes(member):
            fault = self._armed.popleft()
            self._done(fault, member)
            raise StartError(ChaosError(fault.number, self.seed))

    def _look_at(self, member: Member) -> None:
        """A member has somebody new in it, or nobody."""
        if member.above is None:
            return
        self._targets.pop(member, None)
        self._spared.pop(member, None)
        if member.process is not None and member.up:
            self._aim.meet(member)
            if self._aim.spares(member):
                self._spared[member] = None
            elif self._aim.includes(member):
                self._targets[member] = None
        elif (action := self._under_way.get(member)) is not None:
            action.call_off()
            self._under_way.pop(member, None)
        if self._raging and self._limit == len(self.plan):
            self._stop_when_done()

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        if event != "process.crashed" or may_follow_from_chaos(fields["reason"]):
            return
        assert self._census is not None
        member = self._census.living.get(fields["pid"])
        if len(self._crashes) < CRASHES_KEPT:
            who = fields["kind"] if member is None else member.label
            self._crashes.append(f"{who}: {describe(fields['reason'])}")


def _check_alone(census: Census) -> None:
    for other in _on:
        if census.runtime is other.runtime and (census.pid in other.living or other.pid in census.living):
            raise OverlappingStorm(
                f"a storm is on already below {other.top.label}, whose tree overlaps that of {census.top.label}: each "
                "would take the other's faults for its own. Wait until it is over"
            )


def _may_be_ours(report: CrashReport) -> bool:
    if report.error is None:
        return report.reason == repr(KILLED)
    return may_follow_from_chaos(report.error)
