"""``Snapshot``: a typed picture of the running system, as fine as one asks for it. Elixir and Erlang: ``observer``.

>>> import asyncio
>>> from regrow import Agent, Supervisor
>>> from regrow.observer import snapshot
>>> async def main():
...     async with Supervisor.scope([Agent.options(name="stock").child_spec(dict)]):
...         page = await snapshot().processes(query="stock")
...         return [(row.name, row.kind, row.mailbox) for row in page.rows]
>>> asyncio.run(main())
[('stock', 'Agent', 0)]

It reads the books of the runtime as they are: no process is sent a message (but for ``state``), and the task that reads
becomes no process. What is much work is done in stretches of two milliseconds, between which the loop goes on; so a
process may have ended between two of them, and is left out. All of it is for the event loop that it was made on.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any, Final, get_args

from regrow.kernel.process import DEAD, Process
from regrow.kernel.runtime import QUEUE_SLICE, Runtime, runtime
from regrow.observer import memory as memories
from regrow.observer import processes as process_rows
from regrow.observer import registries as registry_rows
from regrow.observer import tree as trees
from regrow.observer.errors import NotObserved
from regrow.observer.model import (
    Crash,
    CrashRow,
    EventKind,
    Forest,
    Memory,
    Overview,
    Page,
    ProcessDetail,
    ProcessRow,
    ProcessSort,
    RegistryEntry,
    RegistryRow,
    Restart,
    Scheduler,
    Series,
    StateText,
    TreeNode,
)
from regrow.observer.pace import Pace
from regrow.observer.recording import memory_of_program, recording_of
from regrow.observer.subscriptions import Subscription
from regrow.observer.survey import Survey, Wanted, surveys_of

__all__ = ["LIMIT", "Snapshot", "snapshot"]

LIMIT: Final = 1000
"""Rows of a page at most."""
SORTS: Final[tuple[str, ...]] = get_args(ProcessSort)


class Snapshot:
    """See the text of the module; ``snapshot()`` makes one. Every page takes ``offset`` and ``limit`` (up to 1000).

    A number or word that it can't use raises ``ValueError``, with what is allowed.
    """

    def __init__(self, rt: Runtime) -> None:
        self.runtime = rt
        self._recording = recording_of(rt)

    # --- the whole --------------------------------------------------------------------------------------------------

    @property
    def observed(self) -> bool:
        """Whether somebody records: an ``Observer`` that runs, or ``observing()``.

        Without, there are no samples, no events, no ages, and messages are not counted.
        """
        return self._recording.on

    @property
    def samples(self) -> int:
        """How many samples were taken so far."""
        return self._recording.samples

    async def overview(self) -> Overview:
        """The whole in numbers, and the series for charts."""
        rt, recording = self.runtime, self._recording
        known: Any = rt.parts.get("application.controller")
        return Overview(
            at=recording.now(),
            os_pid=os.getpid(),
            python=platform.python_version(),
            regrow=_version(),
            uptime=rt.loop.time() - recording.began if recording.on else None,
            processes=len(rt.processes),
            names=len(rt.names) + len(rt.globals),
            applications=0 if known is None else len(known.running),
            messages=recording.messages if recording.on else None,
            restarts=recording.history.restarted,
            crashes=recording.history.crashed,
            memory=memory_of_program(),
            scheduler=self.scheduler(),
            series=self.series(),
        )

    def scheduler(self) -> Scheduler:
        """How busy the loop is."""
        rt, recording = self.runtime, self._recording
        lags = [each.loop_lag for each in recording.series]
        counted = recording.meters.on and recording.meters.calls
        return Scheduler(
            run_queue=len(rt.run_queue),
            slice=QUEUE_SLICE,
            inline=rt.inline,
            inline_share=recording.meters.inline_share if counted else None,
            loop_lag=lags[-1] if lags else None,
            loop_lag_max=max(lags, default=None),
            adopted=len(rt.tasks),
        )

    def series(self) -> Series:
        """The samples of the last minutes; without an observer there are none."""
        return self._recording.charts()

    async def next_sample(self, after: int = 0, timeout: float | None = None) -> int:
        """Wait until more than *after* samples were taken, and give how many they are.

        Raises ``NotObserved`` where nobody records, or no more; ``TimeoutError`` after *timeout* seconds.
        """
        return await self._recording.next_sample(after, timeout)

    def subscribe(self, *kinds: EventKind, size: int = 64) -> Subscription:
        """A stream of what happens from now on: samples, crashes, restarts, changes of the tree; all, if none is named.

        At most *size* events wait for its reader; of more, the oldest are dropped, and ``Event.missed`` says how many.
        Raises ``NotObserved`` where nobody records, ``TooManySubscriptions`` beyond ``max_subscriptions``.

        >>> import asyncio
        >>> from regrow.observer import observing
        >>> async def main():
        ...     async with observing() as look:
        ...         with look.subscribe("sample") as events:
        ...             async for event in events:
        ...                 return event.value.processes
        >>> asyncio.run(main())
        0
        """
        if not self._recording.on:
            raise NotObserved("subscribe()")
        return self._recording.subscriptions.add(kinds, size)

    # --- processes --------------------------------------------------------------------------------------------------

    async def processes(
        self,
        *,
        sort: ProcessSort = "pid",
        descending: bool = False,
        query: str = "",
        parent: int | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[ProcessRow]:
        """A page of the process table: of all, or of the children of *parent*, or of those that *query* is found in.

        *query* is looked for in pid, name, kind and label, great or small. Rows that are equal in what they are sorted
        by are in the order of their births. The order may be seconds old where there are very many processes (several
        readers share one look); the rows themselves are of now.
        """
        if sort not in SORTS:
            raise ValueError(f"sort={sort!r}: must be one of {', '.join(SORTS)}")
        check_page(offset, limit)
        survey = self._survey()
        wanted, pace = Wanted(sort, bool(descending), str(query), parent), Pace()
        found, total = await survey.page(wanted, offset, limit, pace)
        now = self.runtime.loop.time()
        rows = [
            process_rows.row_of(each, self._recording, now)
            async for each in pace.through(found)
            if each.status != DEAD  # it has ended while others were looked at
        ]
        return Page(tuple(rows), total, offset, limit, survey.at)

    async def process(self, pid: int, *, messages: bool = False) -> ProcessDetail:
        """All about one process, but for its state. Raises ``UnknownProcess``.

        Of the messages in its mailbox one sees what is asked for, as ``play(…)``; what they hold, which can be secret,
        only with *messages*.
        """
        return await process_rows.detail_of(
            self._living(pid), self._recording, self._survey(), messages=bool(messages)
        )

    async def state(self, pid: int, timeout: float = 1.0) -> StateText:
        """The state of a server as its ``format_status`` shows it; it comes to that in its turn.

        State can hold secrets: show it to nobody who has not been allowed to see it. Raises ``UnknownProcess``, also if
        it ends before it has come to it, ``NoState`` for what is no server, and ``TimeoutError`` if the server has not
        come to it in *timeout* seconds. Several who ask at the same time get one answer.
        """
        return await process_rows.state_of(self._living(pid), self._recording.now(), timeout)

    async def memory(self, pid: int, objects: int = 10_000) -> Memory:
        """An estimate of its memory, by looking at so many *objects* at most. Raises ``UnknownProcess``."""
        if type(objects) is not int or not 1 <= objects <= 1_000_000:
            raise ValueError(f"objects={objects!r}: must be a whole number from 1 to 1,000,000")
        return await memories.estimate(self._living(pid), objects)

    # --- the tree ---------------------------------------------------------------------------------------------------

    async def tree(
        self, root: int | None = None, *, depth: int = 3, offset: int = 0, limit: int = 50, nodes: int = 500
    ) -> Forest:
        """All trees, or the one below the process *root*: *depth* levels of children, *limit* of each supervisor.

        There are at most *nodes* in all, those near the top first. With a *root* its children begin at *offset*.
        Raises ``UnknownProcess``.
        """
        check_page(offset, limit)
        if type(depth) is not int or not 0 <= depth <= 50:
            raise ValueError(f"depth={depth!r}: must be a whole number from 0 to 50")
        if type(nodes) is not int or not 1 <= nodes <= 10_000:
            raise ValueError(f"nodes={nodes!r}: must be a whole number from 1 to 10,000")
        if root is None:
            return await trees.forest(self.runtime, self._survey(), depth, limit, nodes)
        process, now = self._living(root), self._recording.now()
        return await trees.subtree(self.runtime, process, now, depth, offset, limit, nodes)

    async def children(self, pid: int, *, offset: int = 0, limit: int = 50) -> Page[TreeNode]:
        """A page of the children of one supervisor, in the order of their starts. Raises ``UnknownProcess``."""
        check_page(offset, limit)
        rows, total = await trees.page_of_children(self._living(pid), offset, limit)
        return Page(rows, total, offset, limit, self._recording.now())

    # --- registries -------------------------------------------------------------------------------------------------

    async def registries(self) -> tuple[RegistryRow, ...]:
        """All registries that run."""
        return await registry_rows.rows(self._survey())

    async def entries(
        self, pid: int, *, query: str = "", values: bool = False, offset: int = 0, limit: int = 50
    ) -> Page[RegistryEntry]:
        """A page of what stands in the registry with that *pid*: all, or the keys that *query* is found in.

        Values come along only if asked for, since they can hold secrets. Raises ``UnknownProcess``.
        """
        check_page(offset, limit)
        rows, total = await registry_rows.page_of_entries(
            self.runtime, self._living(pid), str(query), bool(values), offset, limit
        )
        return Page(rows, total, offset, limit, self._recording.now())

    # --- crashes ----------------------------------------------------------------------------------------------------

    def crashes(
        self, *, pid: int | None = None, query: str = "", offset: int = 0, limit: int = 50
    ) -> Page[CrashRow]:
        """A page of the crashes that are remembered, the newest first.

        With a *pid*, those in the place of the tree where that process is, or was: its own, those of who was there
        before, and of who came after. *query* is looked for in pid, name, kind, label and reason.
        """
        check_page(offset, limit)
        return self._recording.history.crashes(pid, str(query), offset, limit)

    def crash(self, id: int, *, state: bool = False, message: bool = False) -> Crash:
        """One crash in full. Raises ``UnknownCrash``.

        The state that the process had then, and what its last *message* held, can be secret and come only if asked for.
        """
        return self._recording.history.full(id, state=bool(state), message=bool(message))

    def restarts(self, *, pid: int | None = None, offset: int = 0, limit: int = 50) -> Page[Restart]:
        """A page of the restarts that are remembered, the newest first; with a *pid*, those in its place."""
        check_page(offset, limit)
        return self._recording.history.restarts(pid, offset, limit)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _survey(self) -> Survey:
        return surveys_of(self.runtime, self._recording).now()

    def _living(self, pid: int) -> Process:
        return process_rows.living(self.runtime, pid)


def snapshot() -> Snapshot:
    """What there is to see of the processes of the running event loop.

    An ``Observer`` that runs, or ``observing()``, adds what has to be gathered over time: samples, ages, counts.
    """
    return Snapshot(runtime())


def check_page(offset: int, limit: int) -> None:
    """ValueError unless there can be such a page."""
    if type(offset) is not int or offset < 0:
        raise ValueError(f"offset={offset!r}: must be a whole number, 0 or more")
    if type(limit) is not int or not 1 <= limit <= LIMIT:
        raise ValueError(f"limit={limit!r}: must be a whole number from 1 to {LIMIT:,}")


def _version() -> str:
    try:
        return metadata.version("regrow")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"
