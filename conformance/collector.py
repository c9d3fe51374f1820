"""Whom the processes of a scenario report to.

It calls them by label in the order of their starts (``a#1``, ``a#2``), writes down what happens in their lives, and
knows who can't answer now because a scenario made him wait. ``elixir/collector.exs`` is its other self, and has to be
a process for that; here only its ``Watcher`` is one, which hears of the deaths.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

from conformance.reasons import word
from regrow import Down, GenServer, process
from regrow.kernel import signals
from regrow.kernel.process import Process
from regrow.kernel.runtime import runtime

__all__ = ["Collector"]


class Collector:
    """One for each scenario that is played."""

    def __init__(self) -> None:
        self.version = 0
        self.events: list[str] = []
        self.asides: list[str] = []
        self.labels: dict[int, str] = {}
        self.handles: dict[str, Any] = {}
        self.pids: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.gates: set[str] = set()
        """Labels whose starts fail for now, uncounted and untold."""
        self.overrides: dict[str, dict[str, Any]] = {}
        self.living: list[int] = []
        self.busy: dict[int, list[int]] = {}
        self.changed = asyncio.Event()
        """Set whenever somebody begins to wait."""
        self.releases: dict[int, asyncio.Event] = {}
        self.client = 0
        self._watcher: Process

    async def watch(self) -> None:
        """Begin, in the client's task."""
        self.client = process.current()
        self.labels[self.client] = "client"
        watcher = await Watcher.start(self)
        self._watcher = runtime().processes[process.pid_of(watcher)]

    # --- what processes say of themselves ---------------------------------------------------------------------------

    def started(self, label: str, kind: type[GenServer]) -> tuple[str, str, int]:
        """The current process is in its init: ``("new", its label, which start this is)``.

        ``("gated", "", 0)`` if a gate is shut before it, and ``("again", label, 0)`` if it has been here before, since
        its code is changed.
        """
        pid = process.current()
        if pid in self.labels:
            return "again", self.labels[pid], 0
        if label in self.gates:
            return "gated", "", 0
        self.counts[label] += 1
        number = self.counts[label]
        me = f"{label}#{number}"
        self.labels[pid] = me
        self.pids[label] = self.pids[me] = pid
        self.handles[label] = self.handles[me] = kind.of(pid)
        self.living.append(pid)
        signals.monitor(self._watcher, runtime().processes[pid], pid)
        return "new", me, number

    def attempt(self, label: str) -> int:
        self.attempts[label] += 1
        return self.attempts[label]

    def event(self, text: str) -> None:
        """What happened in its turn."""
        self.events.append(text)
        self.version += 1

    def aside(self, text: str) -> None:
        """What happened, and nothing promises when."""
        self.asides.append(text)
        self.version += 1

    async def hold(self, others: list[int]) -> None:
        """Let the current process wait for its release; *others* can't answer meanwhile either."""
        pid = process.current()
        self._waits(pid, others)
        release = self.releases[pid] = asyncio.Event()
        await release.wait()
        self.busy.pop(pid, None)

    def release(self, label: str) -> None:
        """Let it go on, if it waits."""
        pid = self.pids.get(label, 0)
        if pid in self.busy and pid in self.releases:
            self.releases[pid].set()

    async def refuse(self) -> None:
        """Let the current process wait for ever."""
        pid = process.current()
        self._waits(pid, [])
        await asyncio.Event().wait()

    def _waits(self, pid: int, others: list[int]) -> None:
        self.busy[pid] = [pid, *others]
        self.changed.set()
        self.changed = asyncio.Event()

    def down(self, pid: int, reason: object) -> None:
        self.living.remove(pid)
        self.busy.pop(pid, None)
        self.aside(f"{self.labels[pid]} down {word(reason, self.label_of)}")

    # --- for the player ---------------------------------------------------------------------------------------------

    def label_of(self, pid: int) -> str:
        """Its label. A name is registered before init runs, so a process may be heard of before: see ``take``."""
        return self.labels.get(pid, f"#PID<{pid}>")

    def name(self, pid: int, label: str) -> None:
        """Call a process that is no script's by that label."""
        self.labels[pid], self.pids[label] = label, pid

    def asked(self) -> list[int]:
        """Who lives and is able to answer."""
        waiting = {pid for each in self.busy.values() for pid in each}
        return [pid for pid in self.living if pid not in waiting]

    def take(self) -> tuple[list[str], list[str]]:
        """What has been told since the last time; whoever had no label then has one now."""
        taken = [self._named(text) for text in self.events], [self._named(text) for text in self.asides]
        self.events, self.asides = [], []
        return taken

    def _named(self, text: str) -> str:
        return re.sub(r"#PID<(\d+)>", lambda found: self.labels.get(int(found[1]), "stranger"), text)


class Watcher(GenServer):
    """Hears of the deaths."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def handle_info(self, message: Down) -> None:
        pid = message.target
        assert isinstance(pid, int)
        self.collector.down(pid, message.reason)
