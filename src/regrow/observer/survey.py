"""One look at all processes, which everybody shares who asks at about the same time.

A table of 100,000 processes is sorted here, and a page of it given away. Nothing is made for a process that is not on
the page: what is sorted are plain lists of numbers and texts, a *column* each, in runs of a thousand, which are
merged as far as somebody has turned the pages. All of it is work in stretches (``pace``).

A survey lasts half a second, and longer if it was much work: twenty times as long as that took, up to twenty seconds.
So however many look, at most about a twentieth of the time goes into looking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final

from regrow.kernel.process import DEAD, STATE_NAMES, Process
from regrow.kernel.runtime import Runtime
from regrow.observer.model import ProcessSort
from regrow.observer.pace import PORTION, Pace, Shared
from regrow.observer.recording import Recording
from regrow.observer.texts import label_of, name_text

__all__ = ["Order", "Survey", "Surveys"]

LIFE: Final = 0.5
"""Seconds that a survey lasts at least."""
LONGEST: Final = 20.0
SHARE: Final = 0.05
"""The part of the time that may go into surveys."""

RUN: Final = 1000
"""Processes that are sorted at a time."""

Cell = Callable[[Process], Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which processes, in which order."""

    sort: ProcessSort
    descending: bool
    query: str
    parent: int | None


class Order:
    """The processes that were wanted, in their order, by their places in the survey. Merged as far as it was read."""

    def __init__(self, runs: list[Sequence[int]], merged: Iterator[int] | None) -> None:
        self.total = sum(map(len, runs))
        self._known: list[int] = []
        self._whole: Sequence[int] | None = runs[0] if len(runs) == 1 else None
        self._rest = merged

    async def reach(self, count: int, pace: Pace) -> Sequence[int]:
        """The first *count* of them at least, if there are so many."""
        if self._whole is not None:
            return self._whole
        known, rest = self._known, self._rest
        while rest is not None and len(known) < count:
            for place in rest:
                known.append(place)
                if len(known) % PORTION == 0:
                    break
            else:
                break
            await pace.go_on(PORTION)
        return known


class Survey:
    """The processes of one moment. ``list(...)`` of a dict is one step of the interpreter, and quick."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.at = recording.now()
        self.processes: list[Process] = list(recording.runtime.processes.values())
        self.spent = 0.0
        self._columns: Shared[list[Any]] = Shared()
        self._orders: Shared[Order] = Shared()
        self._kinds: Shared[list[Process]] = Shared()

    async def page(self, wanted: Wanted, offset: int, limit: int, pace: Pace) -> tuple[list[Process], int]:
        """*limit* living processes from the place *offset* on, and how many were wanted in all."""
        order = await self._orders.get(wanted, lambda: self._order(wanted))
        found: list[Process] = []
        end = offset + limit
        while len(found) < limit:
            places = await order.reach(end, pace)
            found += [
                self.processes[place] for place in places[offset:end] if self.processes[place].status != DEAD
            ]
            if end >= order.total:
                break
            offset, end = end, end + limit - len(found)  # in the place of those who have died since
        self.charge(pace)
        return found, order.total

    async def supervising(self) -> list[Process]:
        """Those that have children to show."""
        return await self._kinds.get("supervising", self._supervising)

    async def _supervising(self) -> list[Process]:
        pace = Pace()
        found: list[Process] = []
        for start in range(0, len(self.processes), PORTION):
            found += [
                each
                for each in self.processes[start : start + PORTION]
                if each.behaviour.children is not None
            ]
            await pace.go_on(PORTION)
        self.charge(pace)
        return found

    # --- sorting ----------------------------------------------------------------------------------------------------

    async def _order(self, wanted: Wanted) -> Order:
        pace = Pace()
        sort, descending = wanted.sort, wanted.descending
        if sort == "age":  # the older, the smaller the pid
            sort, descending = "pid", not descending
        places = await self._matching(wanted, pace)
        if sort == "pid":
            self.charge(pace)
            return Order([places[::-1] if descending else places], None)
        column = await self._columns.get(sort, lambda: self._column(sort))
        runs: list[Sequence[int]] = []
        for start in range(0, len(places), RUN):
            runs.append(sorted(places[start : start + RUN], key=column.__getitem__, reverse=descending))
            await pace.go_on(RUN)
        self.charge(pace)
        return Order(
            runs, merge(*runs, key=column.__getitem__, reverse=descending) if len(runs) > 1 else None
        )

    async def _column(self, sort: ProcessSort) -> list[Any]:
        """What they are sorted by, for all."""
        pace = Pace()
        cell = _cell(sort, self.recording)
        column: list[Any] = []
        for start in range(0, len(self.processes), PORTION):
            column += map(cell, self.processes[start : start + PORTION])
            await pace.go_on(PORTION)
        self.charge(pace)
        return column

    async def _matching(self, wanted: Wanted, pace: Pace) -> Sequence[int]:
        """The places of those that pass the filters, in the order of their pids."""
        if not wanted.query and wanted.parent is None:
            return range(len(self.processes))
        matches = _matcher(wanted.query)
        parent = wanted.parent
        found: list[int] = []
        for start in range(0, len(self.processes), PORTION):
            found += [
                place
                for place, each in enumerate(self.processes[start : start + PORTION], start)
                if (parent is None or each.parent == parent) and matches(each)
            ]
            await pace.go_on(PORTION)
        return found

    def charge(self, pace: Pace) -> None:
        """Work was done for it."""
        pace.stop()
        self.spent += pace.spent
        pace.spent = 0.0


class Surveys:
    """The survey of now: the last one while it lasts, else a new one. None is kept when nobody asks."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._last: Survey | None = None
        self._made = 0.0
        self._dropping: asyncio.TimerHandle | None = None

    def now(self) -> Survey:
        loop = self._recording.runtime.loop
        last = self._last
        if last is not None and loop.time() - self._made < self._life(last):
            return last
        made = self._last = Survey(self._recording)
        self._made = loop.time()
        if self._dropping is None:
            self._dropping = loop.call_later(LIFE, self._drop)
        return made

    def _life(self, survey: Survey) -> float:
        return min(max(LIFE, survey.spent / SHARE), LONGEST)

    def _drop(self) -> None:
        """Let go of a survey that has had its time, and of all the dead in it."""
        self._dropping = None
        if self._last is None:
            return
        loop = self._recording.runtime.loop
        left = self._made + self._life(self._last) - loop.time()
        if left > 0:
            self._dropping = loop.call_later(left, self._drop)
        else:
            self._last = None


# --- columns and filters --------------------------------------------------------------------------------------------


def _cell(sort: ProcessSort, recording: Recording) -> Cell:
    """What a process is sorted by; unknown is less than anything."""
    of, on = recording.meters.of, recording.meters.on
    cells: dict[str, Cell] = {
        "name": lambda each: (name_text(each.name) or "").casefold() if each.extra is not None else "",
        "kind": lambda each: each.behaviour.name,
        "status": lambda each: STATE_NAMES[each.status],
        "parent": lambda each: each.parent or 0,
        "mailbox": lambda each: len(each.mailbox) if each.mailbox else 0,
        "messages": lambda each: of(each.pid).handled if on else 0,
        "busy": lambda each: of(each.pid).busy if on else 0.0,
        "links": links,
        "monitors": lambda each: len(each.extra.monitors) if each.extra and each.extra.monitors else 0,
    }
    return cells[sort]


def links(process: Process) -> int:
    """How many links it has."""
    extra = process.extra
    others = 0 if extra is None or extra.links is None else len(extra.links)
    return others + (process.linked and process.parent is not None)


def _matcher(query: str) -> Callable[[Process], bool]:
    """Whether *query* is in the pid, the name, the kind or the label of a process, great or small."""
    if not query:
        return lambda process: True
    words = query.casefold()
    kinds: dict[str, bool] = {}
    number = words.isdigit()

    def matches(process: Process) -> bool:
        kind = process.behaviour.name
        found = kinds.get(kind)
        if found is None:
            found = kinds[kind] = words in kind.casefold()
        if found or (number and words in str(process.pid)):
            return True
        if process.extra is None:
            return False
        return (
            words in (name_text(process.name) or "").casefold()
            or words in (label_of(process) or "").casefold()
        )

    return matches


def surveys_of(rt: Runtime, recording: Recording) -> Surveys:
    """The surveys of *rt*."""
    found: Surveys | None = rt.parts.get("observer.surveys")
    if found is None:
        found = rt.parts["observer.surveys"] = Surveys(recording)
    return found
