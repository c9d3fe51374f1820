"""Runs what is typed at the prompt, statement by statement, in one task of the event loop.

That task is one process for as long as nothing ends it, so a supervisor started at the prompt stays. An exit signal
that ends it is reported, and a new task takes over with the same variables, as iex does.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from types import CodeType, FrameType, FunctionType
from typing import Any

from regrow import process
from regrow.kernel.errors import ProcessExit

__all__ = ["Evaluator"]


class Evaluator:
    """``submit`` may be called from any thread, and ``interrupt`` from a signal handler; the rest is the loop's."""

    def __init__(self, names: dict[str, Any], say: Callable[[str], object]) -> None:
        self.names = names
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[tuple[CodeType, Future[None]]] = asyncio.Queue()
        self._code: CodeType | None = None  # what runs now
        self._task: asyncio.Task[None] | None = None
        self._interrupted = False
        self._closed: asyncio.Future[int] = self._loop.create_future()

    # --- from outside --------------------------------------------------------------------------------------------

    def submit(self, code: CodeType) -> Future[None]:
        """Run *code*; the future gets None when it is through, or what it raised."""
        answer: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, (code, answer))
        return answer

    def close(self, exit_code: int) -> None:
        """Let ``run`` return *exit_code*; from another thread through ``loop.call_soon_threadsafe``."""
        if not self._closed.done():
            self._closed.set_result(exit_code)

    def interrupt(self, frame: FrameType | None) -> bool:
        """Break off what runs, from a signal handler; gives False when nothing does.

        Where the statement itself is on the stack it gets a KeyboardInterrupt there and then, for it may never
        give the loop a turn; where it waits, its task is cancelled.
        """
        if self._code is None:
            return False
        while frame is not None:
            if frame.f_code is self._code:
                raise KeyboardInterrupt
            frame = frame.f_back
        self._loop.call_soon_threadsafe(self._cancel)
        return True

    # --- in the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until ``close``."""
        while True:
            self._task = self._loop.create_task(self._serve(), name="regrow shell")
            await asyncio.wait((self._task, self._closed), return_when=asyncio.FIRST_COMPLETED)
            if self._closed.done():
                self._task.cancel()
                await asyncio.wait((self._task,))
                if not self._task.cancelled():
                    self._task.exception()  # looked at: what ended it does not matter any more
                return self._closed.result()
            error = None if self._task.cancelled() else self._task.exception()
            reason = error.reason if isinstance(error, ProcessExit) else error
            self._say(f"*** the process of this prompt was ended: {reason!r}; a new one takes over\n")

    async def _serve(self) -> None:
        try:
            await self._statements()
        except asyncio.CancelledError:
            process.current()  # raises LinkedExit with the reason, if it was an exit signal that cancelled us
            raise

    async def _statements(self) -> None:
        while True:
            code, answer = await self._waiting.get()
            self._code = code
            try:
                await self._evaluate(code)
            except asyncio.CancelledError:
                if self._interrupted:
                    assert self._task is not None
                    self._task.uncancel()
                    answer.set_exception(KeyboardInterrupt())
                    continue
                answer.set_result(None)
                raise
            except ProcessExit:
                answer.set_result(None)  # run tells of it
                raise
            except BaseException as error:  # SystemExit and KeyboardInterrupt too: they are for the prompt
                answer.set_exception(error)
            else:
                answer.set_result(None)
            finally:
                self._code = None
                self._interrupted = False

    async def _evaluate(self, code: CodeType) -> None:
        value = FunctionType(code, self.names)()
        if code.co_flags & inspect.CO_COROUTINE:
            await value

    def _cancel(self) -> None:
        if self._code is not None and self._task is not None:
            self._interrupted = True
            self._task.cancel()
