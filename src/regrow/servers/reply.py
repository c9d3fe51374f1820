"""`Reply`: an answer that comes later, from anywhere.

    def wait(self, seat: int) -> Reply[str]:      # a @call; its caller gets the str
        answer = Reply[str]()
        self.waiting.append(answer)
        return answer                             # the server goes on to its next message

    answer.send("your turn")                      # later, in another handler or another process

The kernel hands a returned Reply the request that it stands for (`take`). A Reply whose last reference goes before it
was answered fails its callers at once: nobody waits for an answer that can't come.
"""

from __future__ import annotations

import asyncio
import threading
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from regrow.kernel.adoption import refuse_the_dead
from regrow.kernel.errors import NoCurrentProcess
from regrow.kernel.process import INLINE, Deferred, Request
from regrow.kernel.runtime import runtime

__all__ = ["Reply", "ReplyDropped", "run_directly"]

R = TypeVar("R")
X = TypeVar("X")


class ReplyDropped(Exception):
    """The server let go of the `Reply` that this call was waiting for, unanswered."""


class Reply(Deferred, Generic[R]):
    """What a call returns to be answered later, by `send` or `fail`. Elixir: `{:noreply, state}` and `GenServer.reply`.

    The first answer counts, later ones are ignored. One Reply may be returned by several calls, and answers all of
    them. Made while a call is handled, it may also answer that call before the handler is through.

    >>> import asyncio
    >>> from regrow import GenServer, Reply, call, cast
    >>> class Table(GenServer):
    ...     @call
    ...     def wait(self) -> Reply[str]:
    ...         self.waiting = Reply[str]()
    ...         return self.waiting
    ...     @cast
    ...     def serve(self, dish: str) -> None:
    ...         self.waiting.send(dish)
    >>> async def main():
    ...     table = await Table.start_link()
    ...     guest = asyncio.create_task(table.wait())
    ...     await asyncio.sleep(0)
    ...     table.serve("soup")
    ...     return await guest
    >>> asyncio.run(main())
    'soup'
    """

    __slots__ = ("_early", "_outcome", "_waiting")

    def __init_subclass__(cls) -> None:
        raise TypeError(
            f"{cls.__name__}: Reply is known by its type and can't be subclassed; keep one as an attribute"
        )

    def __init__(self) -> None:
        self._waiting: list[Request | _Own] = []
        self._outcome: tuple[Any, BaseException | None] | None = None
        # The call being handled now may be answered ahead of the return, but does not depend on this Reply: if the
        # handler returns something else, that is the answer.
        request = handled_now()
        self._early = None if request is _here.hidden else request

    def send(self, value: R) -> None:
        """Answer with *value*. WrongThread from another thread than the callers'. Elixir: ``GenServer.reply/2``."""
        self._settle(value, None)

    def fail(self, error: BaseException) -> None:
        """Answer by raising *error* in the caller; the server lives on."""
        if not isinstance(error, BaseException):
            raise TypeError(
                f"Reply.fail({error!r}): must be an exception, such as ValueError('no such seat')"
            )
        self._settle(None, error)

    def take(self, request: Request | _Own) -> None:
        """A handler returned this Reply for *request*: answer it now if the answer is known, else when it comes."""
        if self._outcome is None:
            self._waiting.append(request)
        else:
            _answer(request, *self._outcome)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self._outcome is not None:
            return
        _may_answer(self, self._waiting)
        self._outcome = (value, error)
        early, self._early = self._early, None
        waiting, self._waiting = self._waiting, []
        for request in waiting if early is None else [early, *waiting]:
            _answer(request, value, error)

    def __del__(self) -> None:
        # An instance whose __init__ failed has no _waiting.
        for request in getattr(self, "_waiting", ()):
            error = ReplyDropped(f"the server let go of its Reply to {request.label} without an answer")
            loop = request.future.get_loop()
            if asyncio._get_running_loop() is loop:
                request.fail(error)
            elif not loop.is_closed():  # the garbage was collected on another thread
                loop.call_soon_threadsafe(request.fail, error)

    def __repr__(self) -> str:
        if self._outcome is None:
            return f"<Reply, {len(self._waiting)} waiting>"
        value, error = self._outcome
        return f"<Reply, failed: {error!r}>" if error is not None else f"<Reply, sent: {value!r}>"


def _may_answer(reply: object, waiting: list[Request | _Own]) -> None:
    """The dead don't answer, and nobody answers from another thread than the one where the callers wait."""
    for request in waiting:
        if isinstance(request, Request):
            request.target.runtime.check(reply)
    try:
        refuse_the_dead(runtime())
    except NoCurrentProcess:  # no event loop: a unit test
        pass


def _answer(request: Request | _Own, value: Any, error: BaseException | None) -> None:
    if error is None:
        request.reply(value)
    else:
        request.fail(error)


# --- which call is being handled ----------------------------------------------------------------------------------


def handled_now() -> Request | None:
    """The request of the call that is being handled, made now if the call runs inline and has none."""
    try:
        process = runtime().current
    except NoCurrentProcess:  # no event loop: a unit test runs the plain function
        return None
    if process is None:
        return None
    if process.request is None and process.status == INLINE:
        process.request = Request(process, process.runtime.loop.create_future(), None, "")
    return process.request


# --- a call on self: the function, there and then -----------------------------------------------------------------


class _Here(threading.local):
    """The call that a handler is in, while it runs another call's function on itself.

    A Reply made by that function must not answer the caller of the handler.
    """

    hidden: Request | None = None


_here = _Here()


class _Own:
    """A server that awaits its own Reply, in the place of a request."""

    __slots__ = ("future", "label")

    def __init__(self, label: str) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.label = label

    def reply(self, value: Any) -> None:
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Hiding:
    __slots__ = ("_outer", "_request")

    def __init__(self, request: Request | None) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._outer = _here.hidden
        _here.hidden = self._request

    def __exit__(self, *_: object) -> None:
        _here.hidden = self._outer


async def run_directly(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a call's function without a message: await what it returns if that is a coroutine or a Reply."""
    hiding = _Hiding(handled_now())
    with hiding:
        result = function(*args, **kwargs)
    if isinstance(result, types.CoroutineType):
        result = await _hidden_steps(hiding, result)
    if not isinstance(result, Reply):
        return result
    own = _Own(getattr(function, "__qualname__", repr(function)))
    result.take(own)
    del result  # if the server drops it too, the wait is over
    return await own.future


@types.coroutine
def _hidden_steps(hiding: _Hiding, coroutine: Coroutine[Any, Any, X]) -> Generator[Any, Any, X]:
    """`await coroutine`, with the request hidden in each of its steps and seen again between them."""
    advance: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    while True:
        try:
            with hiding:
                waits_for = advance(argument)
        except StopIteration as stop:
            result: X = stop.value
            return result
        finally:
            argument = None  # an exception that was thrown in must not be kept by this frame
        try:
            advance, argument = coroutine.send, (yield waits_for)
        except BaseException as thrown:
            advance, argument = coroutine.throw, thrown
