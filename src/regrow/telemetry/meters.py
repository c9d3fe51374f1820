"""Meters: how many messages each process has handled, and for how long it was busy with them.

They count only while somebody holds them; the first to hold them begins at nought, and with the last all is forgotten.

>>> import asyncio
>>> from regrow import GenServer, call
>>> class Game(GenServer):
...     @call
...     def play(self, cell: int) -> int:
...         return cell
>>> async def main():
...     with meters() as measured:
...         game = await Game.start_link()
...         for cell in range(9):
...             await game.play(cell)
...         (row,) = measured
...         return measured.handled, measured.of(row).handled, 0 < measured.busy < 1
>>> asyncio.run(main())
(9, 9, True)

Seconds are busy ones: while a coroutine waits, its process is not, and what a handler calls inline is counted for the
server that handles it. System messages, ``sys.get_state`` say, are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

from regrow.kernel.probes import Kind, install, remove
from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import Runtime, runtime
from regrow.telemetry.handling import Handling
from regrow.telemetry.held import Held

__all__ = ["Metered", "Meters", "meters"]


class Metered(NamedTuple):
    """What one process has done since the meters were switched on."""

    handled: int
    """Messages: calls, casts, and plain ones."""
    busy: float
    """Seconds."""


NOTHING = Metered(0, 0.0)


class Meters(Held):
    """The meters of one runtime; ``meters()`` gives them. Hold them by ``with``, or ``acquire`` and ``release``.

    All figures count since the first of the present holders came; who joins later takes differences.
    """

    def __init__(self, rt: Runtime) -> None:
        self._runtime = rt
        self._rows: dict[Pid, list[Any]] = {}  # handled and busy, of the living
        self._nested = 0.0  # seconds of other servers within the step that is under way
        self.inline = 0
        """Messages that were handled on their caller's stack."""
        self.queued = 0
        """Messages that were handled from a mailbox."""
        self.calls = 0
        """How many of the messages were calls: only these can be handled inline."""
        self.busy = 0.0
        """Seconds that handlers were under way, of all processes, the dead too."""

    @property
    def handled(self) -> int:
        """All messages that were handled, inline and queued, the dead's too."""
        return self.inline + self.queued

    @property
    def inline_share(self) -> float:
        """The part of the calls that was handled inline, from 0 to 1; 0 if there was none."""
        return self.inline / self.calls if self.calls else 0.0

    def of(self, pid: int) -> Metered:
        """The messages that this process has handled, and its busy seconds; nought for the dead and unknown."""
        row = self._rows.get(Pid(pid))
        return NOTHING if row is None else Metered(*row)

    def __iter__(self) -> Iterator[Pid]:
        """The pids of the living that have handled something."""
        return iter(tuple(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    # --- on and off -----------------------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        install(self._runtime, self)
        self._runtime.listeners.append(self._heard)

    def _switch_off(self) -> None:
        remove(self._runtime, self)
        if self._heard in self._runtime.listeners:
            self._runtime.listeners.remove(self._heard)
        self._rows.clear()
        self.inline = self.queued = self.calls = 0
        self.busy = 0.0

    # --- what the kernel tells --------------------------------------------------------------------------------------

    def sending(
        self, process: Process, function: Callable[..., Any], label: str, kind: Kind
    ) -> Callable[..., Any]:
        return _Timed(self, process, function, kind)

    def asking(self, process: Process, label: str) -> None:
        return None

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        if event == "process.exited":
            self._rows.pop(fields["pid"], None)


class _Timed(Handling):
    """A handler whose steps are timed."""

    __slots__ = ("_before", "_began", "_busy", "_call", "_meters")

    def __init__(self, meters: Meters, process: Process, function: Callable[..., Any], kind: Kind) -> None:
        super().__init__(process, function)
        self._meters = meters
        self._call = kind == "call"
        self._busy = 0.0

    def begin(self) -> None:
        self._before, self._meters._nested = self._meters._nested, 0.0
        self._began = perf_counter()

    resume = begin

    def pause(self) -> None:
        meters = self._meters
        took = perf_counter() - self._began
        self._busy += took - meters._nested
        meters._nested = self._before + took

    def end(self, error: BaseException | None) -> None:
        self.pause()
        meters, process = self._meters, self.process
        if not meters._holders:
            return  # the message was on its way when they were switched off
        meters.busy += self._busy
        if self.inline:
            meters.inline += 1
        else:
            meters.queued += 1
        if self._call:
            meters.calls += 1
        row = meters._rows.get(process.pid)
        if row is None:
            meters._rows[process.pid] = [1, self._busy]
        else:
            row[0] += 1
            row[1] += self._busy


def meters(rt: Runtime | None = None) -> Meters:
    """The meters of *rt*, or of the running event loop's runtime; they are on only while somebody holds them."""
    rt = rt or runtime()
    found: Meters | None = rt.parts.get("telemetry.meters")
    if found is None:
        found = rt.parts["telemetry.meters"] = Meters(rt)
    return found
