"""``regrow top``, from the command line: finds the program, then takes the screen."""

from __future__ import annotations

import asyncio
import sys
from typing import TextIO

from regrow.cli.errors import UserError
from regrow.cli.once.asking import HOW_TO_LOOK, told_in_words
from regrow.cli.top.app import Top
from regrow.control.attachment import Attachment

__all__ = ["run_top"]


def run_top(target: str | None, interval: float) -> int:
    """Attach to the program *target* and show it until the person has seen enough; gives the exit code."""
    with told_in_words():
        return asyncio.run(_run(target, interval))


async def _run(target: str | None, interval: float) -> int:
    attachment = Attachment(target)
    program = await attachment.find()  # before the screen is taken: what is wrong is said on the terminal
    if "watch" not in program.commands:
        raise UserError(f"{program} can't be looked into.", HOW_TO_LOOK)
    if not (_is_terminal(sys.__stdin__) and _is_terminal(sys.__stderr__)):
        raise UserError(
            "regrow top needs a terminal.",
            "Once, and into a pipe, there are:  regrow ps, regrow tree, regrow crashes",
        )
    top = Top(attachment, interval=interval)
    await top.run_async()
    return top.return_code or 0


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
