"""What stands in a handler's place while it is watched: it runs the handler and sees it begin, wait, go on and end.

Meters, message events and spans are made of it. A subclass says what to do at those four moments:

    begin      the handler is called; what is current is the server
    pause      its coroutine waits for something, or has not taken its first step
    resume     and goes on
    end        it returned, or raised; or it was cut off, which is a ``CancelledError`` or a ``GeneratorExit``

A plain handler has only the first and the last. Nobody can tell a watched handler from one that is not: the same
results, the same errors, the same steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from types import CoroutineType
from typing import Any

from regrow.kernel.process import INLINE, Process
from regrow.kernel.steps import Prepared

__all__ = ["Handling"]


class Handling:
    """One message that is handled. It runs once."""

    __slots__ = ("function", "inline", "process")

    def __init__(self, process: Process, function: Callable[..., Any]) -> None:
        self.process = process
        self.function = function
        self.inline = False  # known when it begins

    def begin(self) -> None:
        """The handler is about to run."""

    def pause(self) -> None:
        """Its coroutine gives way."""

    def resume(self) -> None:
        """Its coroutine takes its next step."""

    def end(self, error: BaseException | None) -> None:
        """It is through. Nothing of *error* may be kept."""

    def __call__(self, server: object, /, *args: Any, **kwargs: Any) -> Any:
        self.inline = self.process.status == INLINE
        self.begin()
        try:
            result = self.function(server, *args, **kwargs)
        except BaseException as error:
            self.end(error)
            raise
        if type(result) is CoroutineType:
            self.pause()
            return _the_rest(_WatchedSteps(self, result))
        self.end(None)
        return result

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))  # reports name the handler by it

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.function


async def _the_rest(steps: _WatchedSteps) -> Any:
    """A true coroutine round the steps: that is what the kernel looks for."""
    return await steps


class _WatchedSteps(Prepared[Any]):
    """Drives a handler's coroutine. It answers as a coroutine would to who asks where it stands."""

    __slots__ = ("coroutine", "handling")

    def __init__(self, handling: Handling, coroutine: CoroutineType[Any, Any, Any]) -> None:
        super().__init__(coroutine, self._cut)
        self.handling = handling
        self.coroutine = coroutine

    def _cut(self) -> None:
        """It ended before its first step."""
        self.handling.resume()
        self.handling.end(asyncio.CancelledError())

    def __await__(self) -> Generator[Any, Any, Any]:
        self._awaited = self._dropped = None  # it runs, so there is nothing to drop any more
        steps: Any = self
        return steps  # type: ignore[no-any-return]  # it has all that `await` uses of a generator

    def __iter__(self) -> _WatchedSteps:
        return self

    def __next__(self) -> Any:
        return self._step(self.coroutine.send, None)

    def send(self, value: Any) -> Any:
        return self._step(self.coroutine.send, value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None, /) -> Any:
        return self._step(self.coroutine.throw, kind if value is None else value)

    def _step(self, advance: Callable[[Any], Any], value: Any) -> Any:
        handling = self.handling
        handling.resume()
        try:
            waits_for = advance(value)
        except StopIteration:
            handling.end(None)
            raise
        except BaseException as error:
            handling.end(error)
            raise
        finally:
            value = None  # an exception that was thrown in must not be kept by this frame
        handling.pause()
        return waits_for

    def close(self) -> None:
        self.handling.resume()
        try:
            self.coroutine.close()
        finally:
            self.handling.end(GeneratorExit())

    @property
    def cr_frame(self) -> Any:
        return self.coroutine.cr_frame

    @property
    def cr_await(self) -> Any:
        return self.coroutine.cr_await

    @property
    def cr_running(self) -> bool:
        return self.coroutine.cr_running
