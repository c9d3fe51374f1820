"""A hold on a running program that outlives it: when the program ends, its next run is waited for, and held as well.

The program is *attached* as long as its command ``watch`` runs over one connection; what else is asked goes over a
second one. The first program is found as ``find_program`` finds it; after that, one whose application has the same
name will do, for a program that is started again has another pid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from regrow.control.client import Connection, Program, connect, find_program, running_programs
from regrow.control.protocol import ControlError, ProgramEnded, Refused

__all__ = ["Attached", "Attachment", "Lost", "Told"]

AGAIN: Final = 0.5
"""Seconds between two looks for a program that has gone."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The program is there. *again*: it is not the first."""

    program: Program
    again: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """The program has gone; *why* is a sentence."""

    program: Program
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """The program has told something."""

    event: dict[str, Any]


class Attachment:
    """A hold on a program. ``find`` it, then ``keep`` it in a task, and ``ask`` meanwhile.

    *watch* is the command that runs all the time; if it is refused, that is the end of ``keep``.
    """

    def __init__(self, wanted: str | None = None, *, watch: str = "watch") -> None:
        self.wanted = wanted
        self.program: Program | None = None
        """The program that was found last."""
        self._watch = watch
        self._asking: Connection | None = None

    @property
    def attached(self) -> bool:
        return self._asking is not None

    async def find(self) -> Program:
        """The program that is wanted; ``ProgramNotFound`` says why it is none."""
        self.program = await find_program(self.wanted, self._watch)
        return self.program

    async def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """As ``regrow.control.ask``; ``ProgramEnded`` if there is no program now."""
        if self._asking is None:
            raise ProgramEnded("the program is not running")
        return await self._asking.ask(command, arguments)

    async def keep(self, tell: Callable[[Attached | Lost | Told], object]) -> None:
        """Hold the program, and those that come in its place, until cancelled. ``Refused`` if it may not be watched."""
        program = self.program or await self.find()
        again = False
        while True:
            why = await self._hold(program, again, tell)
            tell(Lost(program, why))
            program = await self._next(program)
            self.program, again = program, True

    async def _hold(
        self, program: Program, again: bool, tell: Callable[[Attached | Lost | Told], object]
    ) -> str:
        """Hold this one until it ends; why it did."""
        try:
            async with connect(program.path) as watching, connect(program.path) as self._asking:
                tell(Attached(program, again))
                await watching.ask(self._watch, tell=lambda event: tell(Told(event)))
        except Refused:
            raise
        except ProgramEnded:
            return f"{program} has ended"
        except ControlError as error:
            return f"{program}: {error}"
        finally:
            self._asking = None
        return f"{program} is ending"

    async def _next(self, before: Program) -> Program:
        """The program that comes in the place of the one *before*, the last started if there are several."""
        while True:
            await asyncio.sleep(AGAIN)
            try:
                programs = await running_programs()
            except ControlError:  # the folder is not safe now
                continue
            for program in reversed(programs):
                if program.name == before.name and self._watch in program.commands:
                    return program
