"""The figures of a run of the benchmarks: medians over the rounds, and ratios between the systems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.workloads import WORKLOADS, Workload

__all__ = ["STAGES", "Cell", "Figures", "Row", "shown"]

STAGES = ("start", "call", "crash", "shutdown")
"""What the growth workload times one by one."""


@dataclass
class Cell:
    """What one system made of one workload at one size, over the rounds."""

    values: list[float] = field(default_factory=list)
    details: list[Mapping[str, Any]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    problem: str = ""
    failed: bool = False
    note: str = ""

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values and not self.problem else None

    @property
    def spread(self) -> float:
        """Half of what lies between the least and the most, over the median."""
        return (max(self.values) - min(self.values)) / 2 / median(self.values) if self.value else 0.0

    def detail(self, key: str) -> float | None:
        """The median of a figure that was measured beside."""
        found = [each[key] for each in self.details if key in each]
        return median(found) if found else None


@dataclass(frozen=True)
class Row:
    """A workload at one size."""

    workload: Workload
    n: int

    @property
    def name(self) -> str:
        return f"{self.workload.name}, {self.n:,}"


class Figures:
    """All cells of a run, by row and system."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self.rounds: int = results["rounds"]
        self.clock: str = results["clock"]
        self.records: list[dict[str, Any]] = results["records"]
        self.cells: dict[tuple[str, int, str], Cell] = defaultdict(Cell)
        for record in self.records:
            self._add(record)

    def _add(self, record: Mapping[str, Any]) -> None:
        cell = self.cells[record["workload"], record["n"], record["system"]]
        cell.problem = cell.problem or record.get("why") or record.get("error") or ""
        cell.failed = cell.failed or "error" in record
        if "value" in record:
            cell.values.append(self._by_the_clock(record))
            cell.rounds.append(record["round"])
            cell.details.append(record["detail"])
            cell.note = record["detail"].get("note", "")

    def _by_the_clock(self, record: Mapping[str, Any]) -> float:
        """A rate by processor time, where that was asked for and the record has it."""
        workload = by_name(record["workload"])
        value, wall, cpu = (float(record[key]) for key in ("value", "wall", "cpu"))
        if self.clock == "cpu" and wall and cpu:
            if workload.unit == "/s":
                return value * wall / cpu
            if workload.kind == "growth":
                return value * cpu / wall
        return value

    def rows(self, *kinds: str) -> list[Row]:
        """The rows that regrow, or else anybody, was measured in."""
        names = {(name, n) for name, n, system in self.cells if system == "regrow"}
        names = names or {(name, n) for name, n, _ in self.cells}
        return [
            Row(workload, n)
            for workload in WORKLOADS
            if workload.kind in kinds
            for n in sorted(n for name, n in names if name == workload.name)
        ]

    def systems(self) -> set[str]:
        return {system for _, _, system in self.cells}

    def cell(self, row: Row, system: str) -> Cell:
        """That system's cell, at this row's size, or at the largest below it that it was measured at."""
        exact = self.cells.get((row.workload.name, row.n, system))
        return exact if exact is not None else self.smaller(row, system)[1]

    def stage(self, row: Row, system: str, stage: str) -> float:
        """Microseconds a child of one stage of the growth workload."""
        return self.cell(row, system).detail(self._key(stage)) or 0.0

    def growth(self, row: Row, system: str, stages: Sequence[str]) -> float:
        """What these *stages* take a child at this size over what they take at the best one: the median of the rounds'
        ratios."""
        keys = [self._key(stage) for stage in stages]
        taken = {
            n: by_round(cell.rounds, [sum(each[key] for key in keys) for each in cell.details])
            for (name, n, of), cell in self.cells.items()
            if name == row.workload.name and of == system and cell.value is not None
        }
        best = {
            each: min(rounds[each] for rounds in taken.values() if each in rounds) for each in taken[row.n]
        }
        return median(took / best[each] for each, took in taken[row.n].items())

    def _key(self, stage: str) -> str:
        return f"{stage}_cpu" if self.clock == "cpu" else stage

    def smaller(self, row: Row, system: str) -> tuple[int, Cell]:
        sizes = [n for name, n, of in self.cells if name == row.workload.name and of == system and n < row.n]
        return (max(sizes), self.cells[row.workload.name, max(sizes), system]) if sizes else (0, Cell())

    def ratio(self, row: Row, system: str, of: str = "regrow") -> float | None:
        """regrow's figure over that of *system*: the median of what it is in each round.

        A round does a workload on one system right after the other, so a slow minute of the machine falls on both.
        """
        mine, other = self.cell(row, of), self.cell(row, system)
        if mine.value is None or not other.value:
            return None
        ours, theirs = by_round(mine.rounds, mine.values), by_round(other.rounds, other.values)
        ratios = [ours[each] / theirs[each] for each in ours.keys() & theirs.keys()]
        return median(ratios) if ratios else mine.value / other.value

    def starved(self) -> tuple[int, int]:
        """How many of the runs on one core had less than nine tenths of it, and of how many."""
        timed = [each for each in self.records if each.get("wall", 0) > 0.02 and each.get("cpu", 0) > 0]
        timed = [each for each in timed if not each["system"].endswith("-free")]
        return sum(each["cpu"] < 0.9 * each["wall"] for each in timed), len(timed)

    def loads(self) -> list[float]:
        return sorted(each["load"] for each in self.records if "load" in each)

    def versions(self, systems: Iterable[str]) -> list[tuple[str, str]]:
        found = {each["system"]: each["version"] for each in self.records if "version" in each}
        return [(system, found[system]) for system in systems if system in found]


def by_round(rounds: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """The median of the *values* of each round."""
    found: dict[int, list[float]] = defaultdict(list)
    for each, value in zip(rounds, values, strict=True):
        found[each].append(value)
    return {each: median(values) for each, values in found.items()}


def by_name(name: str) -> Workload:
    return next(each for each in WORKLOADS if each.name == name)


def shown(value: float | None, unit: str = "") -> str:
    """A figure as people read it: three digits, and k or M."""
    if value is None:
        return "–"
    if unit == "B":
        return f"{value:,.0f} B" if value < 1e5 else f"{value / 1e6:.1f} MB"
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            text = f"{value / size:.3g}{letter}"
            break
    else:
        text = f"{value:.3g}"
    return text if unit == "/s" else f"{text} {unit}".strip()
