"""What a storm did, and what the tree made of it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from regrow.testing.storms.plan import FaultKind, Rates

__all__ = ["ChaosReport", "Fault"]

SHOWN: Final = 40
"""Faults that a report prints; all of them are in its fields."""
REPR: Final = 200
"""Characters of its ``repr``: pytest cuts a longer one in the middle."""
LISTED: Final = 10
"""Children in a line of it."""


@dataclass(slots=True)
class Fault:
    """One fault of the plan, and what came of it. Times are seconds since the storm began."""

    number: int
    kind: FaultKind
    planned: float
    """When it was to happen."""
    seconds: float = 0.0
    """How long a delay was to last."""
    whom: str | None = None
    """Whom it hit: the child's path below the supervisor. None if there was nobody to hit, or no time left to."""
    at: float | None = None
    """When it did happen: a crash or a delay waits for the process to come to it, a failing start for a start."""
    healed_after: float | None = None
    """Seconds until the child was up again, started by its supervisor. None if it never was."""
    owed: bool = False
    """Whether the child has to be started again, by its spec. A temporary one has not, and a new one neither."""

    @property
    def when(self) -> float:
        """When it happened, or was to happen."""
        return self.planned if self.at is None else self.at

    @property
    def news(self) -> str:
        """The text without what came of it, which is not known when it happens."""
        what = f"{self.kind} for {_seconds(self.seconds)}" if self.kind == "delay" else self.kind
        whom = "nobody" if self.whom is None else self.whom
        return f"{self.when:9.3f} s  {what:<16}  {whom}"

    def __str__(self) -> str:
        return f"{self.news}{self._healed()}"

    def _healed(self) -> str:
        if self.healed_after is not None:
            return f", healed after {_seconds(self.healed_after)}"
        return ", NOT healed" if self.owed else ""


@dataclass(frozen=True, slots=True, repr=False)
class ChaosReport:
    """What ``chaos`` reports; ``str(report)`` is for reading. Children are told by their paths below the supervisor.

    In a test, ``assert report.ok, str(report)``: of what is not a text pytest shows the ``repr`` only, which is a line.
    """

    supervisor: str
    seed: int
    rates: Rates
    seconds: float
    """How long the storm lasted."""
    plan: tuple[Fault, ...]
    """Every fault that the seed has drawn for this time, in order, also those that hit nobody."""
    restarts: int
    """Restarts by supervisors, those included that a strategy or the restart of a supervisor made of it."""
    gave_up: tuple[str, ...]
    """Supervisors that reached their ``max_restarts``, once for each time."""
    survived: tuple[str, ...]
    """Children who were there before and are the same process still."""
    healed: tuple[str, ...]
    """Children who were there before and are up again as another process."""
    finished: tuple[str, ...]
    """Children who were there before and have ended cleanly: by themselves, or as the program wanted it."""
    gone: tuple[str, ...]
    """Children who were there before and are lost: temporary ones that were hit, and those of a dynamic supervisor that
    has ended, which alone knew of them."""
    waiting: tuple[str, ...]
    """Children whose restart is owed to them, and did not come in time."""
    joined: int
    """Children whom the program has started meanwhile."""
    crashes: tuple[str, ...]
    """Crashes that no fault accounts for: nothing in their reasons is a ``ChaosError``, a ``ServerExited`` or a
    ``CallTimeout``."""
    misfits: tuple[str, ...]
    """Where the living children of a supervisor are not those in its table. There should be none, ever."""
    ended: str | None = field(default=None)
    """Why the supervisor itself has ended, if it has."""
    unmet: tuple[str, ...] = ()
    """What was said in ``only=`` and ``spare=`` that nobody below the supervisor has been: mostly a slip."""
    cut_short: str | None = None
    """What ended the storm before its time, if that was the end of the program."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that were done."""
        return tuple(each for each in self.plan if each.whom is not None)

    @property
    def healing(self) -> tuple[float, ...]:
        """How long each healing took, in seconds, in the order of the faults."""
        return tuple(each.healed_after for each in self.plan if each.healed_after is not None)

    @property
    def median(self) -> float | None:
        """The median of ``healing``; None if there was none."""
        return statistics.median(self.healing) if self.healing else None

    @property
    def ok(self) -> bool:
        """Whether the tree stood it: no supervisor gave up, who had to come back is back, and the books are right.

        Not, if that is not known: if the faults hit nobody, if there is something in ``unmet``, or the program ended.
        """
        return self._stood and not self._doubts()

    @property
    def hit_nobody(self) -> bool:
        """Whether kills, crashes or delays were to come, and no fault was done. A failing start has to wait for one."""
        return not self.faults and any(each.kind != "fail_start" for each in self.plan)

    @property
    def _stood(self) -> bool:
        return not (self.gave_up or self.waiting or self.misfits or self.ended)

    def _doubts(self) -> list[str]:
        """Why the storm tells little of the tree."""
        return [
            *((f"the program ended: {self.cut_short}",) if self.cut_short else ()),
            *(("the storm hit nobody",) if self.hit_nobody else ()),
            *((f"there was nobody for {_listed(self.unmet)}",) if self.unmet else ()),
        ]

    def _verdict(self) -> str:
        stood = "the tree stood it" if self._stood else "the tree did NOT stand it"
        if doubts := self._doubts():
            return f"NOT ok: {'; '.join(doubts if self._stood else [stood, *doubts])}"
        return stood

    def __repr__(self) -> str:
        troubles = {"gave up": self.gave_up, "waiting": self.waiting, "books": self.misfits}
        told = [f"{title}: {_listed(labels)}" for title, labels in troubles.items() if labels]
        text = f"below {self.supervisor}, seed {self.seed}, {len(self.faults)} faults: " + "; ".join(
            [self._verdict(), *told]
        )
        return f"<ChaosReport {text if len(text) <= REPR else text[: REPR - 3] + '...'}>"

    def __str__(self) -> str:
        faults = [str(each) for each in sorted(self.plan, key=_order)[:SHOWN]]
        if len(self.plan) > SHOWN:
            faults.append(f"    ... and {len(self.plan) - SHOWN} more, in report.plan")
        return "\n".join([self.summary(), *faults])

    def summary(self) -> str:
        """The report without its faults."""
        lines = [
            f"chaos below {self.supervisor}: seed {self.seed}, {self.rates}, for {self.seconds:.4g} s",
            f"  faults    {self._faults()}",
            f"  restarts  {self.restarts}",
            f"  healing   {self._healing()}",
            f"  gave up   {_listed(self.gave_up) or 'nobody'}",
            f"  children  {self._children()}",
        ]
        for title, labels in (("gone", self.gone), ("waiting", self.waiting), ("crashes", self._crashes())):
            if labels:
                lines.append(f"  {title:<8}  {_listed(labels)}")
        lines.append(
            f"  books     {'; '.join(self.misfits) or 'right: who lives is in the tables, and nobody else'}"
        )
        if self.ended is not None:
            lines.append(f"  ended     {self.supervisor} itself: {self.ended}")
        if self.unmet:
            known = sorted({*self.survived, *self.healed, *self.finished, *self.gone, *self.waiting})
            lines.append(f"  unknown   {_listed(self.unmet)}; there were: {_listed(known) or 'no children'}")
        lines.append(self._verdict())
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        short = {
            "seconds": self.seconds,
            "restarts": self.restarts,
            "joined": self.joined,
            "ended": self.ended,
            "cut_short": self.cut_short,
            "hit_nobody": self.hit_nobody,
        }
        names = ("gave_up", "gone", "waiting", "crashes", "misfits", "unmet")
        return {
            "supervisor": self.supervisor,
            "seed": self.seed,
            "rates": {
                name: getattr(self.rates, name) for name in ("kill", "delay", "fail_starts", "delay_seconds")
            },
            **short,
            "faults": [{name: getattr(each, name) for name in Fault.__slots__} for each in self.plan],
            "healing": {
                "count": len(self.healing),
                "median": self.median,
                "max": max(self.healing, default=None),
            },
            **{name: list(getattr(self, name)) for name in names},
            "survived": len(self.survived),
            "healed": len(self.healed),
            "finished": len(self.finished),
            "ok": self.ok,
        }

    def _faults(self) -> str:
        kinds = {kind: 0 for kind in ("kill", "crash", "delay", "fail_start")}
        for each in self.faults:
            kinds[each.kind] += 1
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        missed = len(self.plan) - len(self.faults)
        return (
            f"{len(self.faults)}"
            + (f": {told}" if told else "")
            + (f"; {missed} hit nobody" if missed else "")
        )

    def _healing(self) -> str:
        owed = sum(each.owed for each in self.faults)
        if not owed:
            return "nothing to heal"
        told = f"{len(self.healing)} of {owed}"
        if self.median is None:
            return told
        return f"{told}, median {_seconds(self.median)}, max {_seconds(max(self.healing))}"

    def _children(self) -> str:
        fates = {
            "untouched": self.survived,
            "restarted": self.healed,
            "finished": self.finished,
            "gone": self.gone,
            "not back yet": self.waiting,
        }
        told = ", ".join(f"{len(those)} {fate}" for fate, those in fates.items() if those)
        before = sum(map(len, fates.values()))
        return (
            f"{before} before"
            + (f": {told}" if told else "")
            + (f"; {self.joined} new" if self.joined else "")
        )

    def _crashes(self) -> list[str]:
        """Equal ones together: their places differ, and they are told by the reason."""
        reasons = Counter(each.partition(": ")[2] for each in self.crashes)
        return [f"{count} of their own by {reason}" for reason, count in reasons.most_common()]


def _order(fault: Fault) -> tuple[float, bool]:
    """By time; a start that fails comes after what has made it necessary."""
    return fault.when, fault.kind == "fail_start"


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - LISTED} more" if len(labels) > LISTED else ""
    return ", ".join(labels[:LISTED]) + more


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
