"""``scope``: a server, or a whole tree, tied to a block of asyncio code in both directions.

Leaving the block stops the tree with ``SHUTDOWN``; links into the tree that the block's own process has are taken back
before. The root ending normally leaves the block running. If it ends otherwise, the block is cancelled, and a bare
``ServerExited`` comes out of it (a group only if the body raised too). A cancellation or time-out from outside stays
what it was: the rules are those of ``asyncio.TaskGroup``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

from regrow.kernel import death, signals
from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.reasons import NORMAL, SHUTDOWN

__all__ = ["Ended", "Scope"]

T_co = TypeVar("T_co", covariant=True)
Ended = Callable[[Process, object], None]
"""What is told, from its first moment on, of the process's end: the process and the reason."""


class Scope(Generic[T_co]):
    """What ``Server.scope(...)`` gives: use it with ``async with``, which gives the handle."""

    def __init__(self, start: Callable[[Ended], Coroutine[Any, Any, tuple[Process, T_co]]]) -> None:
        self._start = start
        self._process: Process | None = None
        self._task: asyncio.Task[Any] | None = None
        self._died = self._sent = self._closing = self._told = False
        self._server: Any = None
        self._entry = 0
        self._reason: object = None
        self._gone: asyncio.Future[None] | None = None
        self._leave_owner: Callable[[], None] | None = None

    async def __aenter__(self) -> T_co:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._entry = self._task.cancelling()
        # No link: its death is told by the block's end, not by an exit signal.
        self._process, handle = await self._start(self._ended)
        self._server = self._process.server
        self._gone = self._process.runtime.loop.create_future()
        parent = self._process.runtime.processes.get(self._process.parent or Pid(0))
        if parent is not None:  # the owner's end still ends the tree, when it comes without leaving the block
            self._leave_owner = signals.watch(parent, self._owner_ended)
        if self._process.status == DEAD:
            self._ended(self._process, self._reason)
        return handle

    def _owner_ended(self, _owner: Process, reason: object) -> None:
        # A task that is simply over, a fixture's set-up say, leaves the block to another one.
        if reason is not NORMAL and self._process is not None and self._process.status != DEAD:
            signals.stop_signal(self._process, reason)

    def _ended(self, _process: Process, reason: object) -> None:
        self._reason = reason
        if self._gone is None:  # still being started: the start raises, or the block sees it when it begins
            return
        if not self._gone.done():
            self._gone.set_result(None)
        if self._told or reason is NORMAL or self._task is None:
            return
        self._died = True
        if self._closing:  # it had come to its end before it came to the message that it should
            return
        if getattr(self._task.get_coro(), "cr_running", False):
            # Its own doing: a task can't take back a cancellation of itself. It need not be the current one: a handler
            # takes its first step on its caller's stack, in a task of its own.
            asyncio.get_running_loop().call_soon(self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if not self._closing and self._task is not None:
            self._sent = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        if self._leave_owner is not None:
            self._leave_owner()
        outer = False
        if self._sent and self._task is not None and asyncio.current_task() is self._task:
            outer = self._task.uncancel() > self._entry
        if self._process is not None and self._process.status != DEAD:
            _let_go(self._process)
            await self._stop(self._process)
        if not self._died:
            return
        assert self._process is not None
        failure = death.exited(self._process, self._reason, "")
        if failure.__cause__ is None:  # a supervisor that gave up ends with SHUTDOWN, and leaves word why
            failure.__cause__ = getattr(self._server, "_last_words", None)
        if kind is None or kind is GeneratorExit or (error_is_cancel(error) and self._sent and not outer):
            raise failure from failure.__cause__
        if error_is_cancel(error):
            return
        assert error is not None
        raise BaseExceptionGroup("the block and its server both failed", [error, failure]) from None

    def _is_told(self) -> None:
        self._told = True

    async def _stop(self, process: Process) -> None:
        assert self._gone is not None
        signals.stop_signal(process, SHUTDOWN, self._is_told)
        bound = None if process.behaviour.children is not None else process.behaviour.shutdown
        try:
            await asyncio.wait_for(asyncio.shield(self._gone), bound)
        except TimeoutError:
            self._is_told()
            signals.kill(process)
            await self._gone
        except asyncio.CancelledError:
            self._is_told()
            signals.kill(process)
            await asyncio.shield(self._gone)
            raise


def _let_go(root: Process) -> None:
    """Take back the owner's links into the tree, as with a registry's partition: who stops it shall not die of it."""
    processes = root.runtime.processes
    owner = processes.get(root.parent or Pid(0))
    for pid in signals.linked_to(owner) if owner is not None else ():
        above: Process | None = processes.get(pid)
        linked = above
        while above is not None and above is not root:
            above = processes.get(above.parent or Pid(0))
        if linked is not None and above is root and owner is not None:
            signals.unlink(owner, linked)


def error_is_cancel(error: BaseException | None) -> bool:
    return isinstance(error, asyncio.CancelledError)
