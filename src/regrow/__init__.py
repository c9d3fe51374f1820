"""regrow: Elixir's supervision system for Python.

Processes that are cheap, isolated and named; supervisors that start them on demand, restart them when they crash,
and shut them down in order. ``DynamicSupervisor`` is the centre: it starts with no children, and takes them as the
program runs. ``regrow.process`` and ``regrow.sys`` hold the functions that work on any process.
"""

from __future__ import annotations

from regrow import application, process
from regrow import sys as sys  # not in __all__: a star import must not hide the standard sys
from regrow.application import Application, RestartType, StartType, run
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
from regrow.servers.agent import Agent, BadReturn
from regrow.servers.calls import call, cast
from regrow.servers.child_spec import BRUTAL_KILL, ChildSpec, spec
from regrow.servers.gen_server import GenServer, stop, within
from regrow.servers.registry.client import Registry
from regrow.servers.registry.errors import AlreadyRegistered, NotRegistered, UnknownRegistry
from regrow.servers.registry.listeners import Registered, Unregistered
from regrow.servers.registry.via import RegistryVia
from regrow.servers.reply import Reply, ReplyDropped
from regrow.servers.starting import StartResult
from regrow.servers.tasks.outcome import Exited, Ok, Outcome, TaskResult
from regrow.servers.tasks.stream import TaskStream
from regrow.servers.tasks.task import Task
from regrow.supervision.children import RESTARTING, ChildInfo, Counts
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import (
    AlreadyPresent,
    BadStart,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    FailedToStartChild,
    GaveUp,
)
from regrow.supervision.flags import Flags
from regrow.supervision.partition_supervisor import PartitionSupervisor
from regrow.supervision.supervisor import Plan, Supervisor
from regrow.supervision.task_supervisor import TaskSupervisor

__all__ = [
    "BRUTAL_KILL",
    "INFINITY",
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "RESTARTING",
    "SHUTDOWN",
    "TIMEOUT",
    "Agent",
    "AlreadyPresent",
    "AlreadyRegistered",
    "AlreadyStarted",
    "Application",
    "BadReturn",
    "BadStart",
    "CallTimeout",
    "CallingSelf",
    "ChildInfo",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "Counts",
    "Deadlock",
    "Down",
    "DynamicSupervisor",
    "Exit",
    "Exited",
    "FailedToStartChild",
    "Flags",
    "GaveUp",
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
    "NotRegistered",
    "Ok",
    "Outcome",
    "PartitionSupervisor",
    "Pid",
    "Plan",
    "ProcessExit",
    "Registered",
    "Registry",
    "RegistryVia",
    "Reply",
    "ReplyDropped",
    "RestartType",
    "RuntimeClosed",
    "ServerExited",
    "Shutdown",
    "StartError",
    "StartIgnored",
    "StartResult",
    "StartType",
    "Stop",
    "Supervisor",
    "Task",
    "TaskResult",
    "TaskStream",
    "TaskSupervisor",
    "UnknownRegistry",
    "Unregistered",
    "Via",
    "WrongThread",
    "application",
    "call",
    "cast",
    "is_clean",
    "process",
    "run",
    "spec",
    "stop",
    "within",
]

INFINITY = float("inf")
"""No limit: for time-outs, shutdown times and max_children. None means the same."""
