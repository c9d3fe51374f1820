"""regrow: Elixir's supervision system for Python.

Processes that are cheap, isolated and named; supervisors that start them on demand, restart them when they crash,
and shut them down in order. ``DynamicSupervisor`` is the centre: it starts with no children, and takes them as the
program runs. ``regrow.process`` and ``regrow.sys`` hold the functions that work on any process.
"""

from __future__ import annotations

from regrow import process
from regrow.kernel.errors import (
    AlreadyStarted,
    CallingSelf,
    CallTimeout,
    Deadlock,
    Ignore,
    InvalidFlags,
    InvalidName,
    InvalidSpec,
    LinkedExit,
    MaxChildren,
    NameTaken,
    NoCurrentProcess,
    NoProcess,
    NotAllowed,
    ProcessExit,
    RuntimeClosed,
    ServerExited,
    StartError,
    StartIgnored,
    Stop,
    WrongThread,
)
from regrow.kernel.names import Global, Via
from regrow.kernel.process import Pid
from regrow.kernel.reasons import KILL, KILLED, NOCONNECTION, NOPROC, NORMAL, SHUTDOWN, Shutdown, is_clean
from regrow.process import TIMEOUT, Down, Exit
from regrow.servers.calls import call, cast
from regrow.servers.child_spec import BRUTAL_KILL, ChildSpec, spec
from regrow.servers.gen_server import GenServer, stop, within
from regrow.servers.reply import Reply, ReplyDropped
from regrow.servers.starting import StartResult

__all__ = [
    "BRUTAL_KILL",
    "INFINITY",
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "TIMEOUT",
    "AlreadyStarted",
    "CallTimeout",
    "CallingSelf",
    "ChildSpec",
    "Deadlock",
    "Down",
    "Exit",
    "GenServer",
    "Global",
    "Ignore",
    "InvalidFlags",
    "InvalidName",
    "InvalidSpec",
    "LinkedExit",
    "MaxChildren",
    "NameTaken",
    "NoCurrentProcess",
    "NoProcess",
    "NotAllowed",
    "Pid",
    "ProcessExit",
    "Reply",
    "ReplyDropped",
    "RuntimeClosed",
    "ServerExited",
    "Shutdown",
    "StartError",
    "StartIgnored",
    "StartResult",
    "Stop",
    "Via",
    "WrongThread",
    "call",
    "cast",
    "is_clean",
    "process",
    "spec",
    "stop",
    "within",
]

INFINITY = float("inf")
"""No limit: for time-outs, shutdown times and max_children. None means the same."""
