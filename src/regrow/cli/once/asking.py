"""Finding the program that is meant, and asking it; what is wrong is said as the command line says it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from regrow.cli.errors import UserError
from regrow.control import (
    ControlError,
    Program,
    ProgramEnded,
    ProgramNotFound,
    Refused,
    connect,
    find_program,
)

__all__ = ["HOW_TO_LOOK", "PAGE", "Ask", "look", "told_in_words"]

HOW_TO_LOOK: Final = (
    "Start one with:  regrow run MODULE:App\n"
    "With --no-control, or REGROW_CONTROL=0 in its environment, nobody can look into it."
)
PAGE: Final = 1000
"""Rows that the observer gives at once."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


def look(target: str | None, question: Callable[[Ask, Program], Awaitable[Any]]) -> Any:
    """Find the program *target*, and give what *question* got out of it. What is wrong is a ``UserError``."""
    with told_in_words():
        return asyncio.run(_look(target, question))


@contextmanager
def told_in_words() -> Iterator[None]:
    """What is wrong with the connection, or with what was asked, as a ``UserError``."""
    try:
        yield
    except ProgramNotFound as error:
        listed = any("processes" in commands for commands in error.running)
        raise UserError(str(error), "" if listed else HOW_TO_LOOK) from None
    except ProgramEnded as error:
        raise UserError(f"{error}.", "Its last words are where it was started.") from None
    except Refused as error:
        raise UserError(f"{error}.") from None
    except ControlError as error:
        raise UserError(str(error)) from None


async def _look(target: str | None, question: Callable[[Ask, Program], Awaitable[Any]]) -> Any:
    program = await find_program(target, "processes")
    if "processes" not in program.commands:
        raise UserError(f"{program} can't be looked into.", HOW_TO_LOOK)
    async with connect(program.path) as connection:
        return await question(connection.ask, program)
