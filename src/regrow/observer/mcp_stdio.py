"""``regrow mcp``: the MCP endpoint for a program that runs elsewhere, over stdin and stdout (extra ``regrow[mcp]``).

It holds the program by its control socket, and is one who watches it: messages are counted and crashes remembered while
the agent is connected. When the program ends, its next run is taken; an agent that asks meanwhile is told so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp.server.stdio import stdio_server

from regrow.control.attachment import Attached, Attachment, Lost, Told
from regrow.control.protocol import ControlError, ProgramEnded
from regrow.observer.mcp import server_for
from regrow.observer.operations import Operation, offered

__all__ = ["serve_stdio"]

INTERRUPTED: Final = 130
AGAIN: Final = 1.0
"""Seconds between two looks for a program that does not run yet."""
PATIENCE: Final = 2.0
"""Seconds that a question waits for a program to be found."""


def serve_stdio(target: str | None, *, actions: bool = False) -> None:
    """Serve until stdin ends. With *actions* the tools that act are offered too, if the program allows them."""
    asyncio.run(_serve(Watched(target), actions=actions))


class Watched:
    """The program that is served, whenever it runs."""

    def __init__(self, target: str | None) -> None:
        self._attachment = Attachment(target)
        self._why = "no program has been found yet"
        self._changed = asyncio.Event()

    async def keep(self) -> None:
        """Find it, and hold it, again and again."""
        while True:
            try:
                await self._attachment.find()
                await self._attachment.keep(self._heard)
            except ControlError as error:  # there is none, or there are several, or it may not be watched
                self._why = str(error)
            await asyncio.sleep(AGAIN)

    def _heard(self, news: Attached | Lost | Told) -> None:
        match news:
            case Lost():
                self._why = f"{news.why}; its next run will be taken"
            case Attached():
                self._changed.set()

    def offers(self, *, actions: bool) -> Sequence[Operation]:
        """What it allows; as long as it does not run, what every program does."""
        program = self._attachment.program
        if program is None:
            return offered()
        return [each for each in offered(actions=actions, show_state=True) if each.name in program.commands]

    async def ask(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Ask it; ``ControlError`` if it does not run or does not want to."""
        if not self._attachment.attached:
            self._changed.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._changed.wait()
            except TimeoutError:
                raise ProgramEnded(
                    f"{self._why} A program is started so that it can be looked into by:  regrow run MODULE:App"
                ) from None
        return await self._attachment.ask(name, arguments)


async def _serve(watched: Watched, *, actions: bool) -> None:
    if sys.stdin is not None and sys.stdin.isatty():
        print("regrow mcp talks to an agent over stdin and stdout; Ctrl-C leaves", file=sys.stderr)
    # At once: the thread that waits for stdin can't be called back, and there is nothing here to be tidied up.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    server = server_for(watched.ask, lambda: watched.offers(actions=actions))
    keeping = asyncio.create_task(watched.keep())
    try:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
    finally:
        keeping.cancel()
