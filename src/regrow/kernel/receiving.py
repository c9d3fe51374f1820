"""Taking messages out by hand: the selective ``receive`` of a process that runs its own code."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from regrow.kernel.adoption import current_process
from regrow.kernel.errors import NotAllowed
from regrow.kernel.process import EXITING, Process
from regrow.kernel.timers import checked_seconds

__all__ = ["flush", "receive", "take"]


def _anything(_message: Any) -> bool:
    return True


def _pattern(match: Any) -> Callable[[Any], bool]:
    if match is None:
        return _anything
    if isinstance(match, type | tuple):
        return lambda message: isinstance(message, match)
    if callable(match):
        return cast("Callable[[Any], bool]", match)
    raise TypeError(
        f"receive can't match by {match!r}: give a class, a tuple of classes, a function of the message that says "
        "True or False, or nothing for any message"
    )


async def receive(match: Any = None, timeout: float | None = None) -> Any:
    wanted = _pattern(match)
    timeout = checked_seconds(timeout, f"receive(timeout={timeout!r})")
    process = current_process()
    rt = process.runtime
    found = take(process, wanted)
    if found is not None:
        return found[0]
    extra = process.more()
    if extra.receiver is not None:
        raise NotAllowed(f"{process!r} waits in receive already, in another of its tasks")
    future: asyncio.Future[Any] = rt.loop.create_future()
    extra.receiver = (wanted, future)
    timer = None
    if timeout is not None:
        timer = rt.loop.call_later(timeout, _give_up, future, timeout)
    try:
        return await future
    except asyncio.CancelledError:  # in the very moment when a message had come: that one is not lost
        if process.status < EXITING and future.done() and not future.cancelled() and not future.exception():
            put_back(process, future.result())
        raise
    finally:
        extra.receiver = None
        if timer is not None:
            timer.cancel()
        if process.status >= EXITING and not future.cancelled():
            current_process(rt)  # raises what ends it


def _give_up(future: asyncio.Future[Any], timeout: float) -> None:
    if not future.done():
        future.set_exception(TimeoutError(f"no such message came within {timeout:g} s"))


def put_back(process: Process, message: object) -> None:
    if process.mailbox is None:
        process.mailbox = deque()
    process.mailbox.appendleft((None, message, None, None))


def take(process: Process, wanted: Callable[[Any], bool]) -> tuple[Any] | None:
    """The first plain message that is wanted; the others keep their order."""
    mailbox = process.mailbox
    for place, (function, message, _kwargs, request) in enumerate(mailbox or ()):
        if function is None and request is None and wanted(message):
            if mailbox is not None:
                del mailbox[place]
                if not mailbox:
                    process.mailbox = None
            return (message,)
    return None


def flush(process: Process, wanted: Callable[[Any], bool]) -> bool:
    """Take one such message out, if it is there."""
    return take(process, wanted) is not None
