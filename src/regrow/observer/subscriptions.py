"""Streams of what happens, for readers of any speed.

What is published goes into the own short queue of each subscription. A reader who is slow loses the oldest of it, and
is told how many; one who has gone without a word costs a queue at most, and nothing once he is garbage.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self, get_args
from weakref import WeakSet

from regrow.observer.errors import TooManySubscriptions
from regrow.observer.model import CrashRow, Event, EventKind, Restart, Sample, TreeChange

__all__ = ["KINDS", "Subscription", "Subscriptions"]

KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)


class Subscription:
    """One reader's stream: ``with`` it, and ``async for event in`` it. It ends when the observer does, or ``close``.

    It has one reader: two tasks that wait on the same one are an error of the program.
    """

    def __init__(self, kinds: frozenset[EventKind], size: int) -> None:
        self.kinds = kinds
        self.missed = 0
        """How many events were dropped in all."""
        self._queue: deque[Event] = deque()
        self._size = size
        self._dropped = 0  # since the last one that is in the queue
        self._closed = False
        self._waiting: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Let it end. What was published before can still be read."""
        self._closed = True
        self._wake()

    def push(self, kind: EventKind, value: Sample | CrashRow | Restart | TreeChange) -> None:
        """Something has been published."""
        if kind not in self.kinds or self._closed:
            return
        if len(self._queue) >= self._size:
            oldest = self._queue.popleft()
            self.missed += 1
            if self._queue:  # the gap is before the one that is now the oldest
                first = self._queue[0]
                self._queue[0] = Event(first.kind, first.value, first.missed + oldest.missed + 1)
            else:
                self._dropped += oldest.missed + 1
        self._queue.append(Event(kind, value, self._dropped))
        self._dropped = 0
        self._wake()

    def skip(self, kind: EventKind) -> None:
        """Something was not even published, since there was so much of it."""
        if kind in self.kinds:
            self.missed += 1
            self._dropped += 1

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._queue.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Subscriptions:
    """All that are open."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: WeakSet[Subscription] = WeakSet()

    def add(self, kinds: tuple[EventKind, ...], size: int) -> Subscription:
        """A new one; of all kinds if none is named."""
        for each in kinds:
            if each not in KINDS:
                raise ValueError(f"subscribe({each!r}): must be of {', '.join(map(repr, KINDS))}")
        if type(size) is not int or size < 1:
            raise ValueError(f"subscribe(size={size!r}): must be a whole number of events, 1 or more")
        self._tidy()
        if len(self._open) >= self.limit:
            raise TooManySubscriptions(self.limit)
        made = Subscription(frozenset(kinds or KINDS), size)
        self._open.add(made)
        return made

    def wanted(self, kind: EventKind) -> bool:
        """Whether anybody would get an event of that *kind*."""
        return any(kind in each.kinds and not each.closed for each in self._open)

    def publish(self, kind: EventKind, value: Sample | CrashRow | Restart | TreeChange) -> None:
        for each in tuple(self._open):
            each.push(kind, value)

    def skip(self, kind: EventKind) -> None:
        for each in tuple(self._open):
            each.skip(kind)

    def close(self) -> None:
        """The end: each reader gets what is in his queue, and no more."""
        for each in tuple(self._open):
            each.close()
        self._open.clear()

    def _tidy(self) -> None:
        for each in [each for each in self._open if each.closed]:
            self._open.discard(each)

    def __len__(self) -> int:
        self._tidy()
        return len(self._open)
