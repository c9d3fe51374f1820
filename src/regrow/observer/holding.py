"""Recording for the length of a block, and remembering crashes: for tools that look in from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from regrow.kernel.runtime import runtime
from regrow.observer.crashes import history_of
from regrow.observer.recording import Settings, recording_of
from regrow.observer.snapshots import Snapshot, snapshot

__all__ = ["observing", "remember_crashes"]


@asynccontextmanager
async def observing(settings: Settings | None = None) -> AsyncIterator[Snapshot]:
    """Record while the block runs, and give the snapshot. With an ``Observer`` or another block it shares that one's.

    It is a tool's way to look in: what is gathered is gone with the last who records. *settings* are for the first.

    >>> import asyncio
    >>> from regrow import Agent
    >>> async def main():
    ...     async with observing() as look, Agent.scope(dict) as agent:
    ...         await agent.get(len)
    ...         page = await look.processes(sort="messages", descending=True, limit=1)
    ...         return [(row.kind, row.messages) for row in page.rows]
    >>> asyncio.run(main())
    [('Agent', 1)]
    """
    recording = recording_of(runtime())
    recording.acquire(settings)
    try:
        yield snapshot()
    finally:
        recording.release()


def remember_crashes() -> Callable[[], None]:
    """Write down the crashes of the running loop's processes, from now on; gives what ends that.

    It costs nothing but when something crashes. ``snapshot().crashes()`` shows them.
    """
    history = history_of(runtime())
    history.acquire()
    held = [history]

    def forget() -> None:
        while held:
            held.pop().release()

    return forget
