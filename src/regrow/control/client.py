"""The other end: finding the programs that run, and asking one of them for something.

>>> import asyncio
>>> from regrow.control import ProgramNotFound, find_program
>>> try:
...     asyncio.run(find_program("no such program"))
... except ProgramNotFound as error:
...     print(str(error).partition(".")[0])
no running program is called 'no such program'
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from regrow.control.places import socket_paths
from regrow.control.protocol import (
    LIMIT,
    ControlError,
    ProgramEnded,
    ProgramNotFound,
    Refused,
    decode,
    encode,
)

__all__ = ["Connection", "Program", "ask", "connect", "find_program", "running_programs"]

PATIENCE: Final = 2.0
"""Seconds that a program has to say who it is."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program with a control socket."""

    pid: int
    name: str
    """The name of its application."""
    commands: tuple[str, ...]
    path: Path
    aliases: tuple[str, ...] = ()
    """What it may be called besides: its module, its class, its address, and how it was given to ``regrow run``."""

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


async def running_programs() -> list[Program]:
    """The programs of this user that can be asked, the last started last. ControlError if their folder is not safe."""
    found = await asyncio.gather(*(_about(path) for path in socket_paths()))
    return [each for each in found if each is not None]


async def find_program(wanted: str | None = None, command: str | None = None) -> Program:
    """The program that is *wanted*, or the only one there is; ProgramNotFound if that is none, or if several fit.

    It is known by its pid, the name of its application, the module or the class of that, or ``module:Class``. Of
    several that fit, only those count that know the *command*.
    """
    programs = await running_programs()
    fitting = [
        each for each in programs if wanted is None or wanted in (str(each.pid), each.name, *each.aliases)
    ]
    if len(fitting) > 1:
        fitting = [each for each in fitting if command is None or command in each.commands] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if len(fitting) > 1:
        problem = f"which of them? Say its pid: {', '.join(map(str, fitting))}."
    else:
        what = "can be asked" if wanted is None else f"is called {wanted!r}"
        missing = (
            f"no running program {what}." if wanted is None or not wanted.isdecimal() else _no_pid(wanted)
        )
        problem = f"{missing} Running: {', '.join(map(str, programs)) or 'none that can be asked'}."
    raise ProgramNotFound(problem, [each.commands for each in programs])


def _no_pid(wanted: str) -> str:
    """What can be known of the process *wanted*, which has not answered."""
    asked = any(path.stem == wanted for path in socket_paths())
    try:
        os.kill(int(wanted), 0)  # looks whether it is there, and sends nothing
    except (ProcessLookupError, OverflowError):
        left = "the program that had it was killed" if asked else "it has ended, or never was"
        return f"there is no process {wanted}: {left}."
    except PermissionError:
        return f"process {wanted} is another user's."
    if asked:
        return f"process {wanted} runs, and has not said within {PATIENCE:g} s who it is."
    return f"process {wanted} runs, and was not started so that it can be asked."


class Connection:
    """A way to a program that several requests go over, one after the other. ``connect`` opens it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    async def ask(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        tell: Callable[[dict[str, Any]], object] = lambda event: None,
        stop: asyncio.Event | None = None,
    ) -> Any:
        """As the function ``ask``; who comes meanwhile waits for his turn. Who is cancelled closes the connection."""
        async with self._turn:
            stopping = None if stop is None else asyncio.ensure_future(_stop(stop, self._writer))
            try:
                self._writer.write(encode({"command": command, "arguments": dict(arguments or {})}))
                while (message := await _next(self._reader)) is not None:
                    if "event" in message:
                        tell(message["event"])
                    elif "error" in message:
                        raise Refused(message["error"])
                    else:
                        return message.get("result")
            except Refused:
                raise
            except BaseException:  # the rest of the answer would be taken for that of the next request
                self.close()
                raise
            finally:
                if stopping is not None:
                    stopping.cancel()
        raise ProgramEnded("the program ended before it had answered")

    def close(self) -> None:
        """Hang up; what is under way is cancelled over there."""
        self._writer.close()


@asynccontextmanager
async def connect(path: Path) -> AsyncGenerator[Connection, None]:
    """A connection with the program at *path*; ControlError if nobody answers there."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=LIMIT)
    except OSError as error:
        raise ControlError(f"nobody answers at {path}: {error.strerror or error}") from None
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        connection.close()


async def ask(
    path: Path,
    command: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    tell: Callable[[dict[str, Any]], object] = lambda event: None,
    stop: asyncio.Event | None = None,
) -> Any:
    """Ask the program at *path* for *command*, and give its answer; *tell* gets the events on the way.

    When *stop* is set it is asked to come to an end, and the answer is waited for all the same. Who is cancelled has
    hung up. Refused if that is its answer, or that the command has crashed; ProgramEnded if it ends without one;
    ControlError if it can't be reached; and what *tell* raises.
    """
    async with connect(path) as connection:
        return await connection.ask(command, arguments, tell=tell, stop=stop)


async def _next(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError) as error:
        raise ProgramEnded(f"the connection with the program broke: {error}") from None
    return decode(line) if line else None


async def _stop(stop: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    await stop.wait()
    writer.write(encode({"stop": True}))


async def _about(path: Path) -> Program | None:
    try:
        async with asyncio.timeout(PATIENCE):
            told = await ask(path, "about")
    except (ControlError, TimeoutError):  # it has ended, or is too busy to be asked anything
        return None
    return Program(
        told["pid"], told["program"], tuple(told["commands"]), path, tuple(told.get("aliases", ()))
    )
