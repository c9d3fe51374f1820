"""``scope``: a server, or a whole tree, tied to a block of asyncio code in both directions.

Leaving the block stops the tree with ``SHUTDOWN``. The root ending normally leaves the block running. If it ends
otherwise, the block is cancelled, and a bare ``ServerExited`` comes out of it (a group only if the body raised
too). A cancellation or time-out from outside stays what it was: the rules are those of ``asyncio.TaskGroup``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

from regrow.kernel import death, signals
from regrow.kernel.process import DEAD, Process
from regrow.kernel.reasons import SHUTDOWN, is_clean

__all__ = ["Scope"]

T_co = TypeVar("T_co", covariant=True)


class Scope(Generic[T_co]):
    """What ``Server.scope(...)`` gives: use it with ``async with``, which gives the handle."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, tuple[Process, T_co]]]) -> None:
        self._start = start
        self._process: Process | None = None
        self._task: asyncio.Task[Any] | None = None
        self._sent = self._closing = False
        self._entry = 0
        self._reason: object = None
        self._gone: asyncio.Future[None] | None = None

    async def __aenter__(self) -> T_co:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._entry = self._task.cancelling()
        self._process, handle = await self._start()
        self._gone = self._process.runtime.loop.create_future()
        if self._process.parent is not None:  # its death is told by the block's end, not by an exit signal
            parent = self._process.runtime.processes.get(self._process.parent)
            if parent is not None:
                self._unlink(parent)
        if self._process.status == DEAD:
            self._ended(self._process, SHUTDOWN)
        else:
            signals.watch(self._process, self._ended)
        return handle

    def _unlink(self, parent: Process) -> None:
        process = self._process
        assert process is not None
        signals.unlink(parent, process)
        # The owner's end still ends the tree, when it comes without leaving the block.
        signals.watch(parent, lambda _parent, reason: self._owner_ended(reason))

    def _owner_ended(self, reason: object) -> None:
        if self._process is not None and self._process.status != DEAD:
            signals.stop_signal(self._process, reason)

    def _ended(self, _process: Process, reason: object) -> None:
        self._reason = reason
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if not self._closing and not is_clean(reason) and self._task is not None:
            self._sent = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        outer = False
        if self._sent and self._task is not None and asyncio.current_task() is self._task:
            outer = self._task.uncancel() > self._entry
        if self._process is not None and self._process.status != DEAD:
            await self._stop(self._process)
        if not self._sent:
            return
        failure = death.exited(self._process, self._reason, "") if self._process is not None else None
        assert failure is not None
        if kind is None or kind is GeneratorExit or (error_is_cancel(error) and not outer):
            raise failure from failure.__cause__
        if error_is_cancel(error):
            return
        assert error is not None
        raise BaseExceptionGroup("the block and its server both failed", [error, failure]) from None

    async def _stop(self, process: Process) -> None:
        assert self._gone is not None
        signals.stop_signal(process, SHUTDOWN)
        bound = None if process.behaviour.children is not None else process.behaviour.shutdown
        try:
            await asyncio.wait_for(asyncio.shield(self._gone), bound)
        except TimeoutError:
            signals.kill(process)
            await self._gone
        except asyncio.CancelledError:
            signals.kill(process)
            await asyncio.shield(self._gone)
            raise


def error_is_cancel(error: BaseException | None) -> bool:
    return isinstance(error, asyncio.CancelledError)
