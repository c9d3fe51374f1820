"""The control socket: how another process on this machine, of the same user, talks to a running program.

It is a Unix socket that speaks JSON, a line at a time. Its guard is the file system: a folder that is its owner's
alone, and in it a socket that nobody else may open. What can be asked for is a set of *commands*, each a coroutine
function under a name; the program that opens the socket says which. ``regrow run`` opens one to be looked into.

Read it in this order. ``places`` is where the sockets are; ``protocol`` is what goes over them; ``commands`` is what a
command is given. ``server`` answers, and is an application of its own, supervised like any other: ``control_for`` makes
it. ``client`` finds the running programs and asks; ``attachment`` holds one, and its next run when it has ended.
"""

from regrow.control.client import Connection, Program, ask, connect, find_program, running_programs
from regrow.control.commands import Command, Request
from regrow.control.protocol import ControlError, ProgramEnded, ProgramNotFound, Refused
from regrow.control.server import Control, control_for

__all__ = [
    "Command",
    "Connection",
    "Control",
    "ControlError",
    "Program",
    "ProgramEnded",
    "ProgramNotFound",
    "Refused",
    "Request",
    "ask",
    "connect",
    "control_for",
    "find_program",
    "running_programs",
]
