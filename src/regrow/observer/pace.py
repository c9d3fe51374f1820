"""Long work in short stretches, and work that many ask for done once.

Whoever looks at 100,000 processes shares the loop with them. ``Pace`` lets the loop have its turn after two
milliseconds, or two thousand things, whatever comes first, and knows how much time the work has taken in all.
``timed`` tells how much time a coroutine has taken for itself.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Hashable, Iterable
from time import perf_counter, thread_time
from typing import Any, Final, Generic, TypeVar

__all__ = ["PORTION", "ROW", "STRETCH", "TURN", "Pace", "Shared", "timed"]

T = TypeVar("T")

PORTION: Final = 250
"""Things to be done before the clock is looked at."""
ROW: Final = 10
"""What it costs to make a row, a node, or what stands for one, in things."""
TURN: Final = 2000
"""Things to be done at a stretch, at most."""
STRETCH: Final = 0.002
"""Seconds of a stretch after which it ends."""


class Pace:
    """Call ``await pace.go_on(n)`` after every portion of *n* things."""

    __slots__ = ("_began", "_done", "spent")

    def __init__(self) -> None:
        self.spent = 0.0
        """Seconds of work so far, those of the stretch that is under way left out."""
        self._done = 0
        self._began = perf_counter()

    async def go_on(self, things: int) -> None:
        """The loop gets its turn if this stretch has been long enough, or would be with as many things again."""
        self._done += things
        if self._done + things > TURN or perf_counter() - self._began >= STRETCH:
            self.stop()
            await asyncio.sleep(0)
            self._began = perf_counter()
            self._done = 0

    async def through(self, things: Iterable[T], cost: int = ROW) -> AsyncIterator[T]:
        """*things*, each of which is as much work as *cost* things."""
        waiting = 0
        for each in things:
            yield each
            waiting += cost
            if waiting >= PORTION:
                await self.go_on(waiting)
                waiting = 0
        await self.go_on(waiting)

    def stop(self) -> None:
        """The work is done, or pauses."""
        self.spent += perf_counter() - self._began
        self._began = perf_counter()


class Shared(Generic[T]):
    """Results by key. Who asks for one that is being made waits for it; of very many the oldest are forgotten."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._made: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``make()`` gives, made now unless somebody has asked for *key* before.

        It runs in a task of its own: that one of those who wait is cancelled is nothing to the others.
        """
        task = self._made.get(key)
        if task is None:
            while len(self._made) >= self._limit:
                del self._made[next(iter(self._made))]
            task = self._made[key] = asyncio.get_running_loop().create_task(make(), name="regrow.observer")
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: Hashable, task: asyncio.Task[T]) -> None:
        """What failed is tried again by who asks next; who waits has it already."""
        if (task.cancelled() or task.exception() is not None) and self._made.get(key) is task:
            del self._made[key]


@types.coroutine
def timed(work: Coroutine[Any, Any, T]) -> Generator[Any, Any, tuple[T, float]]:
    """What *work* gives, and the seconds that it was at it; what others did while it waited is left out."""
    spent = 0.0
    go_on: Callable[[Any], Any] = work.send
    given: Any = None
    while True:
        began = thread_time()
        try:
            awaited = go_on(given)
        except StopIteration as end:
            return end.value, spent + thread_time() - began
        spent += thread_time() - began
        try:
            go_on, given = work.send, (yield awaited)
        except BaseException as error:  # who waits for it is cancelled, say: that is for the work itself
            go_on, given = work.throw, error
