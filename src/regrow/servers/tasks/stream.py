"""``TaskStream``: one task for each item of a stream, a bounded number at a time, and their outcomes as they come.

It moves only when its consumer asks: then it takes items while there is room, and waits until an outcome can be
given. Between two steps nothing is started. When the consumer leaves the loop, or fails, what still runs is ended.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final, Generic, Literal, TypedDict, TypeVar, get_args

from regrow.kernel import receiving, signals
from regrow.kernel.adoption import current_process
from regrow.kernel.errors import CallTimeout, NotAllowed
from regrow.kernel.mailbox import Exit, put_message
from regrow.kernel.process import DEAD, EXITING, Process
from regrow.kernel.reasons import SHUTDOWN
from regrow.kernel.timers import checked_seconds
from regrow.servers.tasks.outcome import NO_INPUT, Exited, Ok, Outcome

__all__ = ["StreamOptions", "TaskStream"]

T_co = TypeVar("T_co", covariant=True)

OnStreamTimeout = Literal["exit", "kill_task"]
ON_TIMEOUT: Final = get_args(OnStreamTimeout)
GRACE: Final = 5.0
"""Seconds that tasks have to end when the stream is left before its end."""

Take = Callable[[Any], None]
Attach = Callable[[Process], None]
Start = Callable[[Process, Any, Take, Attach], Awaitable[None] | None]
"""``start(owner, item, take, attach)`` starts the task of an item: ``attach`` gets its process, ``take`` its value."""


class StreamOptions(TypedDict, total=False):
    """What a stream takes beside its items and their function: see ``Task.async_stream``."""

    max_concurrency: int | None
    ordered: bool
    timeout: float | None
    on_timeout: OnStreamTimeout
    zip_input_on_exit: bool


class TaskStream(AsyncIterator[Outcome[T_co]], Generic[T_co]):
    """The outcomes of a stream of tasks: ``async for outcome in stream``. Made by ``Task.async_stream``.

    It belongs to the process that takes the first step, and can be gone through once.
    """

    def __init__(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        start: Start,
        function: Callable[..., Any],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = 5.0,
        on_timeout: OnStreamTimeout = "exit",
        zip_input_on_exit: bool = False,
        linked: bool = True,
    ) -> None:
        if not callable(function):
            raise TypeError(f"async_stream takes the items and a function of one item, not {function!r}")
        if not isinstance(items, Iterable | AsyncIterable):
            raise TypeError(f"async_stream takes an iterable or async iterable of items, not {items!r}")
        if max_concurrency is None:
            max_concurrency = os.cpu_count() or 1
        if type(max_concurrency) is not int or max_concurrency < 1:
            raise ValueError(f"max_concurrency={max_concurrency!r}: must be a whole number, 1 or more")
        if on_timeout not in ON_TIMEOUT:
            raise ValueError(f"on_timeout={on_timeout!r}: must be one of {', '.join(map(repr, ON_TIMEOUT))}")
        checked = checked_seconds(timeout, f"timeout={timeout!r}")
        patience = float("inf") if checked is None else checked
        self._flow = _Flow(start, linked, ordered, patience, on_timeout, zip_input_on_exit)
        self._items = items if isinstance(items, AsyncIterable) else iter(items)
        self._more = True
        self._room = max_concurrency

    def __aiter__(self) -> TaskStream[T_co]:
        return self

    async def __anext__(self) -> Outcome[T_co]:
        flow = self._flow
        flow.claim()
        try:
            while True:
                if self._more and (isinstance(self._items, Iterable) or not flow.ready):
                    await self._fill()
                if flow.late is not None:
                    raise CallTimeout(
                        f"the task of {flow.late.item!r} did not end within {flow.timeout:g} s; the stream is given up"
                    )
                if flow.ready:
                    outcome: Outcome[T_co] = flow.ready.popleft()
                    return outcome
                if not flow.running:
                    raise StopAsyncIteration
                await flow.something()
        except BaseException:
            self._more = False
            flow.close()
            raise

    async def _fill(self) -> None:
        """Take items and start their tasks while there is room."""
        if isinstance(self._items, AsyncIterable):
            self._items = aiter(self._items)
        while self._more and len(self._flow.running) < self._room:
            try:
                item = next(self._items) if isinstance(self._items, Iterable) else await anext(self._items)
            except (StopIteration, StopAsyncIteration):
                self._more = False
            else:
                await self._flow.begin(item)

    async def aclose(self) -> None:
        """End what still runs; leaving the loop does it too."""
        self._more = False
        self._flow.close()

    def __del__(self) -> None:
        flow = getattr(self, "_flow", None)  # none, if what it was given was refused
        owner = None if flow is None else flow.owner
        if flow is None or owner is None or not flow.running or owner.runtime.loop.is_closed():
            return
        if asyncio._get_running_loop() is owner.runtime.loop:
            flow.close()
        else:  # the garbage was collected in another thread
            owner.runtime.loop.call_soon_threadsafe(flow.close)


class _Flow:
    """The tasks of one stream: who runs, what is ready to be given, and who is too late."""

    def __init__(
        self, start: Start, linked: bool, ordered: bool, timeout: float, on_timeout: str, zip_input: bool
    ) -> None:
        self.start = start
        self.linked = linked
        self.ordered = ordered
        self.timeout = timeout
        self.on_timeout = on_timeout
        self.zip_input = zip_input
        self.owner: Process | None = None
        self.running: set[_Entry] = set()
        self.order: deque[_Entry] = deque()  # those not given yet, in the order of their items
        self.ready: deque[Any] = deque()
        self.late: _Entry | None = None
        self.waiting = False

    def claim(self) -> None:
        me = current_process()
        if self.owner is None:
            self.owner = me
        elif self.owner is not me:
            raise NotAllowed(
                f"this stream of tasks belongs to {self.owner!r}, which took its first step, not to {me!r}"
            )

    async def begin(self, item: Any) -> None:
        owner = self.owner
        assert owner is not None
        entry = _Entry(self, item)
        self.running.add(entry)
        if self.ordered:
            self.order.append(entry)
        starting = self.start(owner, item, entry.take, entry.attach)
        if starting is not None:
            await starting

    async def something(self) -> None:
        """Wait until a task has ended, or is too late."""
        self.waiting = True
        try:
            await receiving.receive(lambda message: message is self)
        finally:
            self.waiting = False

    def wake(self) -> None:
        if self.waiting and self.owner is not None:
            self.waiting = False
            put_message(self.owner, self)  # which waits for just this, so nobody else ever sees it

    def done(self, entry: _Entry, outcome: Any) -> None:
        self.running.discard(entry)
        entry.outcome = outcome
        if not self.ordered:
            self.ready.append(outcome)
        while self.order and self.order[0].outcome is not None:
            self.ready.append(self.order.popleft().outcome)
        self.wake()

    def close(self) -> None:
        """End the tasks that still run. Nobody hears of them any more."""
        running, self.running = self.running, set()
        self.order.clear()
        self.ready.clear()
        for entry in running:
            entry.end()


class _Entry:
    """One item and its task."""

    __slots__ = ("flow", "item", "outcome", "overdue", "process", "timer")

    def __init__(self, flow: _Flow, item: Any) -> None:
        self.flow = flow
        self.item = item
        self.outcome: Any = None
        self.overdue = False
        self.process: Process | None = None
        self.timer: asyncio.TimerHandle | None = None

    def attach(self, process: Process) -> None:
        """*process* runs the task; it has not begun."""
        flow, owner = self.flow, self.flow.owner
        assert owner is not None
        self.process = process
        signals.watch(process, self.ended)
        if flow.linked:
            if owner.status >= EXITING:
                signals.kill(process)
            else:
                signals.link(owner, process)
        if flow.timeout != float("inf"):
            self.timer = process.runtime.loop.call_later(flow.timeout, self.too_late)

    def take(self, value: Any) -> None:
        self.outcome = Ok(value)

    def ended(self, process: Process, reason: object) -> None:
        flow = self.flow
        if self.timer is not None:
            self.timer.cancel()
        if self not in flow.running:
            return
        if flow.linked and flow.owner is not None and flow.owner.trapping:
            # The stream tells of it, so no message does.
            receiving.flush(flow.owner, lambda each: isinstance(each, Exit) and each.pid == process.pid)
        outcome = self.outcome
        if outcome is None:
            why = "timeout" if self.overdue else reason
            outcome = Exited(why, self.item if flow.zip_input else NO_INPUT)
        flow.done(self, outcome)

    def too_late(self) -> None:
        flow = self.flow
        if self.process is None or self not in flow.running:
            return
        if flow.on_timeout == "kill_task":
            self.overdue = True
            self.unlink()
            signals.kill(self.process)
        else:
            flow.late = self
            flow.wake()

    def unlink(self) -> None:
        owner, process = self.flow.owner, self.process
        if self.flow.linked and owner is not None and process is not None:
            signals.unlink(owner, process)

    def end(self) -> None:
        owner, process = self.flow.owner, self.process
        if self.timer is not None:
            self.timer.cancel()
        if owner is None or process is None or process.status == DEAD:
            return
        self.unlink()
        signals.exit_signal(process, SHUTDOWN, owner.pid)
        if process.status != DEAD:
            process.runtime.loop.call_later(GRACE, signals.kill, process)
