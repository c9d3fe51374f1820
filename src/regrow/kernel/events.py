"""Lifecycle events, for whoever listens; they cost one look at an empty list while nobody does.

``process.started``, ``process.exited``, ``process.crashed`` and ``mailbox.alarm`` come from the kernel; the parts
above add theirs. A listener is a plain function of ``(event, fields)``. One that raises is reported and taken off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from regrow.kernel.errors import ProcessExit
from regrow.kernel.runtime import Runtime, runtime

__all__ = ["Listener", "attach", "detach", "emit"]

Listener = Callable[[str, dict[str, Any]], None]


def attach(listener: Listener) -> None:
    """Call *listener* with ``(event, fields)`` for every event of the running loop's processes.

    It runs at the very spot where things happen, so it should only note down and return.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     seen = []
    ...     attach(lambda event, fields: fields["kind"] == "process" and seen.append(event))
    ...     async def work(): ...
    ...     _, down = process.spawn_monitor(work)
    ...     await process.receive(process.Down)
    ...     return seen
    >>> asyncio.run(main())
    ['process.started', 'process.exited']
    """
    runtime().listeners.append(listener)


def detach(listener: Listener) -> None:
    """Stop calling *listener*; one that is not attached is no error."""
    listeners = runtime().listeners
    if listener in listeners:
        listeners.remove(listener)


def emit(rt: Runtime, event: str, **fields: Any) -> None:
    """Tell the listeners. Look at ``rt.listeners`` first where it has to be cheap."""
    for listener in tuple(rt.listeners):
        try:
            listener(event, fields)
        except ProcessExit:  # who runs now may not act any more: that is not the listener's fault
            pass
        except Exception:
            if listener in rt.listeners:
                rt.listeners.remove(listener)
            logging.getLogger("regrow").exception(
                "a listener failed at %s and was detached: %r", event, listener
            )
