"""One runtime for one event loop: the table of its processes, its names, and the time it lets them have.

Nothing of regrow is global beyond it. It is made when regrow is first used on a loop, and closed when the loop
shuts its async generators down, which ``asyncio.run`` does last: a *keeper* generator then stops what still lives.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from sys import _getframe, exception, getrecursionlimit
from threading import get_ident
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

from regrow.kernel.errors import NoCurrentProcess, RuntimeClosed, WrongThread

if TYPE_CHECKING:
    from regrow.kernel.probes import Probe
    from regrow.kernel.process import Envelope, Pid, Process
    from regrow.kernel.timers import Expiries

__all__ = ["QUEUE_SLICE", "SLICE", "Runtime", "on_new_runtime", "open_runtime", "runtime"]

SLICE = 0.005
"""Seconds of a loop turn in which calls may run on their callers' stacks."""
QUEUE_SLICE = 0.0025
"""Seconds of a loop turn that the run queue may use before timers, sockets and other tasks get theirs.

Shorter than the other: to go on at the next turn costs the queue next to nothing, while each caller whose slice is over
has to queue, which takes several times as long as to run inline.
"""
STACK_SHARE = 4
"""A handler runs on its caller's stack if that has not yet used one in so many of the frames that it may have."""

DEEPEST = 250
"""Frames, whatever the recursion limit: first steps within first steps go on the C stack, which has its own limit."""


class Runtime:
    """The processes of one event loop."""

    __slots__ = (
        "__weakref__",
        "alert",
        "armed",
        "closed",
        "current",
        "delivering",
        "dying",
        "expiries",
        "globals",
        "inline",
        "keeper",
        "listeners",
        "loop",
        "names",
        "on_close",
        "on_crash",
        "outbox",
        "parts",
        "probes",
        "processes",
        "run_queue",
        "scheduler",
        "slice_armed",
        "slice_end",
        "slice_frame",
        "spare",
        "tasks",
        "thread",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, inline: str | None = None) -> None:
        mode = inline or os.environ.get("REGROW_INLINE", "on")
        if mode not in ("on", "off", "random"):
            raise ValueError(f"REGROW_INLINE={mode!r} is not a mode: use on, off or random")
        self.loop = loop
        self.thread = get_ident()
        self.current: Process | None = None  # who is on the stack now; None is plain asyncio code
        self.processes: dict[Pid, Process] = {}
        self.names: dict[Any, Process] = {}
        self.globals: dict[Any, Process] = {}
        self.tasks: dict[asyncio.Task[Any], Process] = {}  # adopted asyncio tasks
        self.dying = 0  # adopted tasks whose exit is decided, and which have not ended
        self.probes: tuple[Probe, ...] = ()
        self.alert = False  # see heed
        self.run_queue: deque[Process] = deque()
        self.armed = False
        # The mailbox of who came to rest last: the next to need one takes it.
        self.spare: deque[Envelope] | None = None
        self.outbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()  # signals on their way
        self.delivering = False
        self.expiries: dict[float, Expiries] = {}
        self.inline = mode
        self.slice_end = 0.0
        self.slice_armed = False
        self.slice_frame: FrameType | None = None
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []
        self.parts: dict[str, Any] = {}  # what the parts above keep per runtime, each under its own name
        self.closed = False
        self.scheduler: Callable[[Runtime], None] = _no_scheduler
        # Told of each crash, whatever logging says.
        self.on_crash: list[Callable[[Process, object, object], None]] = []
        self.on_close: Callable[[Runtime], Awaitable[None]] | None = None
        self.keeper: AsyncGenerator[None, None] = _keep(self)

    # --- the slice: how long calls may run on their callers' stacks ------------------------------------------------

    def may_inline(self, frame: FrameType) -> bool:
        """Whether a handler may run here and now, on the stack of the coroutine *frame* that asks for it.

        Time is what protects the loop, not a count; and the stack must have room for the handler, or a caller
        deep in recursion would see an innocent server die of a RecursionError. The depth of a frame is looked
        at once a slice. A caller that handles an exception would pass it on as the context of the server's own.
        """
        if exception() is not None:
            return False
        if self.inline != "on" and (self.inline == "off" or random.random() < 0.5):
            return False
        if self.slice_armed:
            if monotonic() >= self.slice_end:
                return False
        else:
            self.slice_end = monotonic() + SLICE
        if frame is not self.slice_frame:
            try:
                _getframe(min(getrecursionlimit() // STACK_SHARE, DEEPEST))
            except ValueError:
                self.slice_frame = frame if self.inline == "on" and not self.probes else None
            else:
                return False
        return True

    def begins_at_once(self) -> bool:
        """Whether an async handler takes its first step where it was called, and not at the loop's next turn."""
        return self.inline == "on" or (self.inline != "off" and random.random() < 0.5)

    def arm_slice(self) -> None:
        """The slice that ``may_inline`` began goes on till the loop's next turn.

        So whoever was let in says that it did not suspend. What suspends lets the loop turn anyway: ``end_slice``.
        """
        if not self.slice_armed:
            self.slice_armed = True
            self.loop.call_soon(self._next_turn)

    def end_slice(self) -> None:
        """The loop turns before the caller goes on; who comes before that begins a slice of its own."""
        if not self.slice_armed:
            self.slice_end = 0.0
            self.slice_frame = None

    def _next_turn(self) -> None:
        self.slice_armed = False
        self.slice_end = 0.0
        self.slice_frame = None

    def heed(self) -> None:
        """Something has changed that every message has to look at: the end of it all, one who is dying, a probe.

        The shortest ways look at ``alert`` alone; no call takes one before it has come to ``may_inline`` again.
        """
        self.alert = self.closed or self.dying > 0 or bool(self.probes)
        self.slice_frame = None

    # --- the run queue ---------------------------------------------------------------------------------------------

    def schedule(self, process: Process) -> None:
        """Give *process* a turn; the caller has set its state."""
        self.run_queue.append(process)
        if not self.armed:
            self.arm()

    def arm(self) -> None:
        """See that the run queue is worked off at the loop's next turn."""
        self.armed = True
        self.loop.call_soon(self.scheduler, self)

    # --- refusals --------------------------------------------------------------------------------------------------

    def check(self, what: object) -> None:
        """Refuse use from another thread, from another loop, or after the end."""
        if get_ident() != self.thread:
            raise WrongThread(
                f"{what!r} belongs to another thread's event loop. From here use "
                "asyncio.run_coroutine_threadsafe(...) for a call, or loop.call_soon_threadsafe(...) for a cast, "
                "with the loop that it lives in"
            )
        if self.closed or self.loop.is_closed():
            self.close()
            raise RuntimeClosed(f"the event loop that {what!r} lived in has ended, and its processes with it")
        running = asyncio._get_running_loop()
        if running is not None and running is not self.loop:
            raise WrongThread(f"{what!r} belongs to another event loop than the one that runs now")

    def close(self) -> None:
        global _last
        self.closed = True
        self.slice_end = 0.0
        self.heed()
        if _last is self:
            _last = None


def _no_scheduler(runtime: Runtime) -> None:
    raise AssertionError("regrow.kernel.scheduler is not imported")


async def _keep(runtime: Runtime) -> AsyncGenerator[None, None]:
    """Wait until the loop closes its async generators, then stop what is left."""
    try:
        yield
    finally:
        try:
            if runtime.on_close is not None:
                await runtime.on_close(runtime)
        finally:
            runtime.close()


_last: Runtime | None = None  # the one that was asked for last: nearly always the one asked for next
_hooks: list[Callable[[Runtime], None]] = []


def on_new_runtime(hook: Callable[[Runtime], None]) -> None:
    """Let a module of the kernel fit out every new runtime."""
    _hooks.append(hook)


def runtime() -> Runtime:
    """The runtime of the running event loop."""
    global _last
    last = _last
    # Cheaper than to ask asyncio, and the same: a thread runs one loop at a time.
    if last is not None and last.thread == get_ident() and last.loop.is_running() and not last.closed:
        return last
    loop = asyncio._get_running_loop()
    if loop is None:
        raise NoCurrentProcess(
            "there is no running event loop here: processes live in one. "
            "Call this from a coroutine under asyncio.run(...) or regrow.run(...)"
        )
    found: Runtime | None = getattr(loop, "__regrow__", None)
    if found is None or found.closed:
        found = open_runtime(Runtime(loop))
    _last = found
    return found


def open_runtime(new: Runtime) -> Runtime:
    """Make *new* the runtime of its loop, which is the one that runs."""
    for hook in _hooks:
        hook(new)
    setattr(new.loop, "__regrow__", new)  # noqa: B010  # the loop owns its runtime, and takes it along when it goes
    # Running the generator to its first yield makes the loop know it, and close it at the end.
    try:
        new.keeper.asend(None).send(None)
    except StopIteration:
        pass
    return new
