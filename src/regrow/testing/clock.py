"""Virtual time: a loop whose clock stands still while anything is ready, and jumps to the next timer when nothing is.

Restart windows, back-off, shutdown and call time-outs then take no time at all, and end exactly when they should.
``virtual_time()`` turns it on for the loop that runs, whoever made it; ``run_virtual(main())`` is ``asyncio.run`` on
a loop of that kind. Both replace the loop's ``time`` and the one place where it waits, its selector's ``select``.

The real world has no such clock. So while a socket, a pipe, a subprocess or a job in a thread (``to_thread``,
``run_in_executor``) is open, *the clock stands still* and the loop waits in real time for what comes from there. If
``real_wait`` seconds pass without anything, or if nothing could ever happen any more (no timer, nothing ready: on a
real loop the test would hang), the loop raises ``ClockStuck``, which says what it waited for. It never jumps blindly.
A thread that was started by hand (or by ``anyio.to_thread``) is the one thing it can't see.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from regrow.kernel.inspection import look_at
from regrow.kernel.runtime import Runtime
from regrow.kernel.steps import frame_of

__all__ = ["REAL_WAIT", "ClockStuck", "VirtualClock", "run_virtual", "virtual_time"]

T = TypeVar("T")

REAL_WAIT: Final = 1.0
"""Real seconds that the loop waits for the real world before it raises ``ClockStuck``."""
SHOWN: Final = 10
ATTRIBUTE: Final = "__regrow_clock__"
_OPENERS: Final = ("run_in_executor", "shutdown_default_executor", "subprocess_exec", "subprocess_shell")


class ClockStuck(RuntimeError):
    """Nothing is ready, and the clock can't jump: the real world is awaited, or nothing at all could happen."""


class VirtualClock:
    """The clock of a loop under virtual time; ``virtual_time()`` gives it.

    When it is stopped the loop's time goes on from where it is, at the real pace: a loop's time never goes back.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start: float | None = None) -> None:
        selector: Any = getattr(loop, "_selector", None)
        if not (hasattr(selector, "get_map") and hasattr(loop, "_scheduled")):
            raise TypeError(
                f"virtual time needs asyncio's own selector loop, and this is a {type(loop).__module__}."
                f"{type(loop).__qualname__}: run the test without uvloop, and not on Windows' proactor"
            )
        self._loop: Any = loop
        self._selector = selector
        self._real: Callable[[], float] = loop.time
        self._resolution: float = getattr(loop, "_clock_resolution", 1e-9)
        self._poll: Callable[[float | None], list[Any]] = selector.select
        self._now = loop.time() if start is None else start
        self._offset = 0.0
        self._started = self._now
        self._jobs: set[asyncio.Future[Any]] = set()
        self._commands: list[asyncio.SubprocessTransport] = []
        self._joining = False
        self.running = False
        self.real_wait = REAL_WAIT
        self.alone = False  # True: no thread that was started by hand wakes the loop, unseen

    @property
    def now(self) -> float:
        """The loop's time, in seconds; ``loop.time()`` gives the same."""
        return self._now if self.running else self._real() + self._offset

    @property
    def elapsed(self) -> float:
        """The seconds of virtual time since it began, to the nanosecond."""
        return round(self.now - self._started, 9)

    def start(self) -> None:
        """Take the loop's time over; it goes on from what it is."""
        if self.running:
            return
        if getattr(self._loop, ATTRIBUTE, None) is self:  # again, on the same loop
            self._now = self.now
        self._started = self._now
        self.running = True
        self._loop.time = self._time
        self._selector.select = self._select
        for name in _OPENERS:
            setattr(self._loop, name, getattr(self, f"_{name}"))
        setattr(self._loop, ATTRIBUTE, self)
        self._resolve()

    def stop(self) -> None:
        """Let the loop's time go on at the real pace."""
        if not self.running:
            return
        self._offset = self._now - self._real()
        self.running = False
        self._loop._clock_resolution = self._resolution
        for name in _OPENERS:
            delattr(self._loop, name)
        del self._selector.select

    def _time(self) -> float:
        return self.now

    def _resolve(self) -> None:
        """Let a turn of the loop take the timers that are due now, and none that is due a moment later."""
        self._loop._clock_resolution = math.ulp(self._now)

    # --- where the loop waits -------------------------------------------------------------------------------------

    def _select(self, timeout: float | None) -> list[Any]:
        """In the place of ``select``: the loop has nothing ready, unless *timeout* is 0."""
        events = self._poll(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        due = self._next_timer()
        outside = self._outside()
        if due is None or outside:
            if (outside or not self.alone) and (events := self._poll(self.real_wait)):
                return events
            raise ClockStuck(self._why(due, outside))
        self._now = max(self._now, due)
        self._resolve()
        return []

    def _next_timer(self) -> float | None:
        scheduled = self._loop._scheduled  # a heap, whose head is not cancelled: the loop has just looked
        due: float | None = scheduled[0].when() if scheduled else None
        return None if due is None or due == math.inf else due

    def _outside(self) -> list[str]:
        """What is open to the real world."""
        own = self._loop._ssock.fileno() if self._loop._ssock is not None else -1
        found = [
            f"file descriptor {key.fd} ({key.fileobj!r})"
            for key in self._selector.get_map().values()
            if key.fd != own
        ]
        self._commands = [each for each in self._commands if each.get_returncode() is None]
        found += [f"the subprocess {each.get_pid()}" for each in self._commands]
        if self._joining:
            found.append("the threads of the default executor, which end")
        if self._jobs:
            found.append(f"{len(self._jobs)} jobs in threads")
        return found

    def _why(self, due: float | None, outside: list[str]) -> str:
        waiting = [*_waiting_tasks(self._loop), *_waiting_processes(self._loop)]
        lines = "".join(f"\n  {each}" for each in waiting[:SHOWN])
        if outside:
            next_one = (
                "" if due is None else f" The next timer is due in {due - self._now:g} s of virtual time."
            )
            return (
                f"the virtual clock stands still while the real world is open, and nothing came from there for "
                f"{self.real_wait:g} s: {', '.join(outside[:SHOWN])}.{next_one} Close it, replace it, "
                f"or give it more time (real_wait=...). Waiting:{lines}"
            )
        return f"nothing is ready and no timer is set: this would wait for ever. Waiting:{lines}"

    # --- what opens the loop to the real world ----------------------------------------------------------------------

    def _run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future: asyncio.Future[T] = type(self._loop).run_in_executor(self._loop, executor, func, *args)
        self._jobs.add(future)
        future.add_done_callback(self._jobs.discard)
        return future

    async def _shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._joining = True
        try:
            await type(self._loop).shutdown_default_executor(self._loop, *args, **kwargs)
        finally:
            self._joining = False

    async def _subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        made = await type(self._loop).subprocess_exec(self._loop, *args, **kwargs)
        self._commands.append(made[0])
        return made

    async def _subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        made = await type(self._loop).subprocess_shell(self._loop, *args, **kwargs)
        self._commands.append(made[0])
        return made


def _waiting_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    for task in asyncio.all_tasks(loop):
        if not task.done():
            frame = frame_of(task.get_coro())
            where = "" if frame is None else f" at {frame.f_code.co_filename}:{frame.f_lineno}"
            yield f"task {task.get_name()}{where}"


def _waiting_processes(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    runtime: Runtime | None = getattr(loop, "__regrow__", None)
    for process in () if runtime is None else runtime.processes.values():
        where = look_at(process).where
        if where is not None:
            yield f"{process!r} {where}"


@contextmanager
def virtual_time(*, real_wait: float | None = None) -> Iterator[VirtualClock]:
    """Virtual time for the running event loop, as long as the block lasts. Gives the loop's ``VirtualClock``.

    Inside another such block it is the same clock. *real_wait* is how many real seconds to wait for sockets,
    subprocesses and threads before ``ClockStuck`` is raised (1.0). TypeError on a loop that is not asyncio's own.
    Elixir has none; trio has ``MockClock(autojump_threshold=0)``.

    >>> import asyncio
    >>> async def main():
    ...     with virtual_time() as clock:
    ...         await asyncio.sleep(3600)
    ...         return clock.elapsed
    >>> asyncio.run(main())
    3600.0
    """
    loop = asyncio.get_running_loop()
    clock: VirtualClock = getattr(loop, ATTRIBUTE, None) or VirtualClock(loop)
    inside, before = clock.running, clock.real_wait
    clock.start()
    clock.real_wait = (before if inside else REAL_WAIT) if real_wait is None else real_wait
    try:
        yield clock
    finally:
        clock.real_wait = before
        if not inside:
            clock.stop()


def run_virtual(
    main: Coroutine[Any, Any, T], *, real_wait: float = REAL_WAIT, debug: bool | None = None
) -> T:
    """``asyncio.run(main)`` on a loop under virtual time, from 0.0 on; the loop's closing is under it too.

    >>> import asyncio
    >>> async def main():
    ...     await asyncio.sleep(0.1)
    ...     await asyncio.sleep(86_400)
    ...     return asyncio.get_running_loop().time()
    >>> run_virtual(main())
    86400.1
    """

    def new_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        clock = VirtualClock(loop, 0.0)
        clock.real_wait = real_wait
        clock.start()
        return loop

    with asyncio.Runner(loop_factory=new_loop, debug=debug) as runner:
        return runner.run(main)
