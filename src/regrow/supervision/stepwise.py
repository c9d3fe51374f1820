"""Plain while it can, asynchronous when it must: one way to write what a supervisor does.

Starting a child is plain when the child's start is plain, and has to be awaited when it is not. So
that a supervisor's rules are written once, they are generators: each yields only what really has to
be awaited, and is sent the result. ``drive`` runs one on the spot as far as it goes. If it never
yields, its value comes back at once; otherwise a coroutine comes back that goes on from there, and
the supervisor handles nothing else until that is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

from regrow.kernel.steps import Prepared

T = TypeVar("T")

Stepwise = Generator[Awaitable[Any], Any, T]


def drive(steps: Stepwise[T]) -> T | Coroutine[Any, Any, T]:
    """Run ``steps`` now; its value, or a coroutine for the rest."""
    try:
        awaited = next(steps)
    except StopIteration as end:
        value: T = end.value
        return value
    return _go_on(steps, Prepared(awaited, steps.close))


async def _go_on(steps: Stepwise[T], awaited: Awaitable[Any]) -> T:
    try:
        while True:
            try:
                result = await awaited
            except BaseException as error:
                awaited = steps.throw(error)
            else:
                awaited = steps.send(result)
    except StopIteration as end:
        value: T = end.value
        return value
