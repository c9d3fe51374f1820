"""Waiting in a test for what is bound to happen: a condition that comes true, a message that comes in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, overload

from regrow import process
from regrow.kernel.adoption import current_process
from regrow.kernel.reports import brief

__all__ = ["assert_receive", "eventually", "refute_receive"]

T = TypeVar("T")

TIMEOUT: Final = 1.0
"""Seconds. Long enough for a busy machine; who waits for what comes does not wait that long."""
QUIET: Final = 0.1
TURNS: Final = 5


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], *, timeout: float = ..., interval: float = ...
) -> T: ...
@overload
async def eventually(condition: Callable[[], T], *, timeout: float = ..., interval: float = ...) -> T: ...
async def eventually(
    condition: Callable[[], Any], *, timeout: float = TIMEOUT, interval: float = 0.01
) -> Any:
    """Wait until ``condition()`` is true, and give what it gave. It may be a coroutine function.

    An AssertionError that it raises means "not yet"; any other exception goes through. It is asked for a few turns
    of the loop at once, then every *interval* seconds, and once more after *timeout*; then AssertionError is raised,
    with the last answer. Elixir has none in ExUnit; it is Phoenix's and everybody's ``eventually``.

    >>> async def main():
    ...     ready = []
    ...     asyncio.get_running_loop().call_later(0.02, ready.append, "yes")
    ...     return await eventually(lambda: ready)
    >>> asyncio.run(main())
    ['yes']
    """
    __tracebackhide__ = True
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    turn = 0
    while True:
        late = loop.time() >= deadline
        failure: AssertionError | None = None
        answer: Any = None
        try:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
        except AssertionError as error:
            failure = error
        if failure is None and answer:
            return answer
        if late:
            told = (
                f"its last answer was {brief(answer)}" if failure is None else f"at last it said: {failure}"
            )
            raise AssertionError(
                f"{_named(condition)} did not come true within {timeout:g} s; {told}"
            ) from failure
        turn += 1
        await asyncio.sleep(0 if turn <= TURNS else min(interval, max(0.0, deadline - loop.time())))


@overload
async def assert_receive(match: type[T], timeout: float = ...) -> T: ...
@overload
async def assert_receive(match: Any = None, timeout: float = ...) -> Any: ...
async def assert_receive(match: Any = None, timeout: float = TIMEOUT) -> Any:
    """Wait for a message to the test, take it out of the mailbox and give it.

    *match* is a class, a tuple of classes, a function of the message, or any other value, which the message must
    equal; without it the first message will do. AssertionError with the messages that did come, if none is such
    within *timeout* seconds. ExUnit: ``assert_receive/3``, whose time-out is 0.1 s.

    >>> async def main():
    ...     process.send_after(process.current(), ("scored", 3), 0.01)
    ...     return await assert_receive(lambda message: message[0] == "scored")
    >>> asyncio.run(main())
    ('scored', 3)
    """
    __tracebackhide__ = True
    try:
        return await process.receive(_pattern(match), timeout)
    except TimeoutError:
        shown = _mailbox()
        held = "".join(f"\n  {each}" for each in shown) or " is empty"
        raise AssertionError(
            f"no message {_wanted(match)} came within {timeout:g} s; the mailbox{held}"
        ) from None


async def refute_receive(match: Any = None, timeout: float = QUIET) -> None:
    """Wait *timeout* seconds, and see no such message come. AssertionError, with it, if one does.

    Under virtual time the wait takes none. ExUnit: ``refute_receive/3``.
    """
    __tracebackhide__ = True
    try:
        message = await process.receive(_pattern(match), timeout)
    except TimeoutError:
        return
    raise AssertionError(f"a message {_wanted(match)} came, and none should: {brief(message)}")


def _pattern(match: Any) -> Any:
    if match is None or isinstance(match, type) or inspect.isroutine(match):
        return match
    if isinstance(match, tuple) and match and all(isinstance(each, type) for each in match):
        return match
    return match if callable(match) else lambda message: message == match


def _wanted(match: Any) -> str:
    return "at all" if match is None else f"that matches {_named(match) if callable(match) else brief(match)}"


def _named(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _mailbox() -> list[str]:
    return [brief(message) for function, message, *_ in current_process().mailbox or () if function is None]
