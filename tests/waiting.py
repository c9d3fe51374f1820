"""Waiting without the machine's clock: for ever, for some turns of the event loop, or until something is so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


async def forever() -> NoReturn:
    """What a victim does until it is cut."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets that event")


async def turns(count: int = 10) -> None:
    """Let the loop turn so often: enough for a message or two to arrive, be handled and answered."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until *condition* says yes; where turns alone don't do it, time goes on by the millisecond.

    A wait in vain ends with the test's own time-out.
    """
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    while not condition():
        await asyncio.sleep(0.001)


def now() -> float:
    """The loop's time: seconds since the test began, exactly, where nothing says ``real_time``."""
    return asyncio.get_running_loop().time()
