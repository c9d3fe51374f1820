"""The program's end of the control socket: an application with one process that listens, and one for each client.

A client's process reads requests, lets the command run in a task beside, and goes on reading meanwhile. So it sees when
the client wants the command to stop, and when he has hung up: then the command is cancelled, and its ``finally`` and
``async with`` leave nothing of it behind. If it is the program that stops, the command is asked to come to an end, and
has a second to answer.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from regrow.application.definition import Application, StartType, address_of
from regrow.control.commands import Command, Request
from regrow.control.places import close_socket, open_socket
from regrow.control.protocol import LIMIT, ControlError, Refused, decode, encode
from regrow.kernel.reasons import describe
from regrow.servers.tasks.task import Task
from regrow.supervision.supervisor import Supervisor
from regrow.supervision.task_supervisor import TaskSupervisor

__all__ = ["Control", "control_for"]

log = logging.getLogger("regrow.control")

LAST_WORDS: Final = 1.0
"""Seconds that a command has for its answer when the program stops."""
PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED})
"""What keeps a client from being taken, and will pass: there are too many open files, say."""
TRY_AGAIN: Final = 1.0
"""Seconds until the next one is tried then."""
UNREAD: Final = 1024 * 1024
"""Bytes of events that wait for a client who does not read; what comes then, he misses."""


Begin = Callable[[], Callable[[], object]]
"""What is to be done while a control socket is open: it begins, and gives what ends it."""


class Opened(NamedTuple):
    """A control socket that is open, and what ends what was begun with it."""

    listening: socket.socket
    ends: Sequence[Callable[[], object]]


class Clients(TaskSupervisor):
    """A task for each client."""


class Control(Application):
    """The control socket of a program. ``control_for`` makes one that knows some commands."""

    name = "regrow.control"
    program: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    commands: ClassVar[Mapping[str, Command]] = {}
    required: ClassVar[bool] = True
    begins: ClassVar[Sequence[Begin]] = ()

    async def start(self, start_type: StartType, args: list[str]) -> tuple[Supervisor, Opened | None]:
        try:
            listening = open_socket()
        except ControlError as error:
            if self.required:
                raise
            log.warning("nobody can look into this program with regrow top or ps: %s", error)
            return await Supervisor.start_link([]), None
        try:
            root = await Supervisor.start_link(
                [
                    Clients.options(name=Clients).child_spec(),
                    Task.child_spec(accept, listening, self.program, self.commands, self.aliases).replace(
                        restart="permanent"
                    ),
                ],
                strategy="one_for_all",
            )
        except BaseException:
            close_socket(listening)
            raise
        return root, Opened(listening, [begin() for begin in self.begins])

    def stop(self, state: Opened | None) -> None:
        if state is not None:
            close_socket(state.listening)
            for end in state.ends:
                end()


def control_for(
    application: type[Application],
    given: str | None = None,
    /,
    *,
    required: bool = True,
    begin: Begin | None = None,
    **commands: Command,
) -> type[Control]:
    """The application that opens the control socket of a program that runs *application*, for these *commands*.

    *given* is how whoever started the program called it, which is not where the class is, if a module imports it.
    Unless the socket is *required*, a program that can't open one is warned, and runs. *begin* is called when it is
    open, and what that gives when it is closed.
    """

    class ControlOfProgram(Control):
        name = Control.name
        program = application.name

    ControlOfProgram.commands = commands
    ControlOfProgram.required = required
    ControlOfProgram.begins = () if begin is None else (begin,)
    ControlOfProgram.aliases = _aliases(application, given)
    return ControlOfProgram


def _aliases(application: type[Application], given: str | None) -> tuple[str, ...]:
    """What a client may call it besides its name."""
    found = [address_of(application), application.__module__, application.__qualname__]
    if given is not None:
        found += [given, *filter(None, given.split(":"))]
    return tuple(dict.fromkeys(found))


async def accept(
    listening: socket.socket, program: str, commands: Mapping[str, Command], aliases: tuple[str, ...]
) -> None:
    """Start a process for each client that comes."""
    loop, clients = asyncio.get_running_loop(), Clients.named(Clients)
    while True:
        try:
            connection, _ = await loop.sock_accept(listening)
        except OSError as error:
            if error.errno not in PASSING:
                raise
            log.warning("a client of the control socket has to wait: %s", error)
            await asyncio.sleep(TRY_AGAIN)
            continue
        try:
            await clients.start_child(serve, connection, program, commands, aliases)
        except BaseException:
            connection.close()
            raise


async def serve(
    connection: socket.socket, program: str, commands: Mapping[str, Command], aliases: tuple[str, ...]
) -> None:
    """Answer one client until he hangs up."""
    reader = asyncio.StreamReader(LIMIT)
    protocol = asyncio.StreamReaderProtocol(reader)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
    client = _Client(reader, transport, program, commands, aliases)
    try:
        while (message := await client.read()) is not None:
            if not await client.answer(message):
                return
    finally:
        client.close()


class _Client:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.WriteTransport,
        program: str,
        commands: Mapping[str, Command],
        aliases: tuple[str, ...],
    ) -> None:
        self._aliases = aliases
        self._reader = reader
        self._transport = transport
        self._program = program
        self._commands = {"about": self._about, **commands}
        self._ahead: asyncio.Future[dict[str, Any] | None] | None = (
            None  # the next line, that is read meanwhile
        )

    async def read(self) -> dict[str, Any] | None:
        """The next line; None when he has hung up, or has sent something else."""
        reading, self._ahead = self._reading(), None
        return await reading

    def close(self) -> None:
        if self._ahead is not None and not self._ahead.cancel() and not self._ahead.cancelled():
            self._ahead.exception()  # looked at: he is gone, whatever it was
        self._transport.close()

    def _reading(self) -> asyncio.Future[dict[str, Any] | None]:
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._next())
        return self._ahead

    async def _next(self) -> dict[str, Any] | None:
        try:
            line = await self._reader.readline()
            return decode(line) if line else None
        except ConnectionError:
            return None
        except ControlError as error:  # what is no request: he is told, and has to call again
            self.send({"error": str(error)})
        except ValueError:
            self.send({"error": f"a line has {LIMIT} bytes at most"})
        return None

    def send(self, message: dict[str, Any]) -> None:
        if not self._transport.is_closing():
            self._transport.write(encode(message))

    async def answer(self, message: dict[str, Any]) -> bool:
        """Do what *message* asks for, and answer it. False if he has hung up meanwhile."""
        name, arguments = message.get("command"), message.get("arguments", {})
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None or not isinstance(arguments, dict):
            self.send({"error": f"there is no command {name!r}; there are: {', '.join(self._commands)}"})
            return True
        request = Request(self._program, arguments, self._tell)
        running = asyncio.ensure_future(_run(command, request))
        try:
            return await self._listen_while(running, request)
        except asyncio.CancelledError:
            request.stop(program_ends=True)
            await asyncio.wait((running,), timeout=LAST_WORDS)
            if running.done():
                self._answer_with(running)
            raise
        finally:
            running.cancel()

    async def _listen_while(self, running: asyncio.Future[dict[str, Any]], request: Request) -> bool:
        while True:
            await asyncio.wait((running, self._reading()), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                self._answer_with(running)
                return True
            message = await self.read()
            if message is None:
                return False
            if message.get("stop"):
                request.stop()

    def _answer_with(self, done: asyncio.Future[dict[str, Any]]) -> None:
        """Send what came of the command; if it has crashed, its client crashes with it, and is told so."""
        if (error := done.exception()) is not None:
            self.send({"error": f"the command crashed: {describe(error)}"})
        self.send(done.result())

    def _tell(self, event: dict[str, Any]) -> None:
        if self._transport.get_write_buffer_size() < UNREAD:
            self.send({"event": event})

    async def _about(self, request: Request) -> dict[str, Any]:
        """Which program this is, and what can be asked of it."""
        return {
            "pid": os.getpid(),
            "program": request.program,
            "aliases": list(self._aliases),
            "commands": list(self._commands),
        }


async def _run(command: Command, request: Request) -> dict[str, Any]:
    try:
        return {"result": await command(request)}
    except Refused as refusal:
        return {"error": str(refusal)}
