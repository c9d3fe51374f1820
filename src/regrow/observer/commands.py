"""The observer over the control socket: what ``regrow top``, ``ps``, ``tree``, ``crashes`` and ``mcp`` ask for.

Each operation is a command of its name. Besides there are ``watch``, which tells of each sample, crash and restart for
as long as somebody listens, and ``web``, which says where the web observer is. Messages are counted and samples taken
from the first ``watch`` to the end of the last one: a program that nobody watches pays nothing for being able to be
watched.
"""

from __future__ import annotations

import sys
from typing import Any

from regrow.control.commands import Command, Request
from regrow.control.protocol import Refused
from regrow.observer.answers import answer
from regrow.observer.encoding import as_json
from regrow.observer.holding import observing
from regrow.observer.operations import Operation, offered

__all__ = ["observing_commands"]


def observing_commands(*, actions: bool = False, show_state: bool = False) -> dict[str, Command]:
    """The commands, by name, for ``control_for``: those that only look, and what else is allowed.

    >>> sorted(observing_commands())[:4]
    ['children', 'crash', 'crashes', 'entries']
    >>> sorted(set(observing_commands(actions=True, show_state=True)) - set(observing_commands()))
    ['kill', 'restart_child', 'resume', 'state', 'stop', 'suspend']
    """
    allowed = offered(actions=actions, show_state=show_state)
    return {"watch": watch, "web": web, **{each.name: _command(each, show_state) for each in allowed}}


def _command(operation: Operation, show_state: bool) -> Command:
    async def command(request: Request) -> Any:
        return await answer(operation, request.arguments, show_state=show_state)

    return command


async def watch(request: Request) -> None:
    """Tell of what happens until the client has had enough, or the program ends."""
    if request.arguments:
        raise Refused(f"watch takes no arguments, and was given {', '.join(request.arguments)}")
    async with observing() as look:
        with look.subscribe("sample", "crash", "restart", size=256) as events:
            request.when_stopped(events.close)
            async for event in events:
                request.tell(**{event.kind: as_json(event.value)})


async def web(request: Request) -> dict[str, list[str]]:
    """Where the web observer of this program is, if it has one."""
    module = sys.modules.get("regrow.observer.web")
    return {"urls": [] if module is None else list(module.urls())}
