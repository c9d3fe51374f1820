"""The process object: all that a process is while it rests.

A process at rest is this one small object, with the user's server beside it: no task, no coroutine, no queue.
What few processes need (links, monitors, timers, a name, a pending exit) is in ``Extra``, made when it is first
needed. What all processes of a kind share is in ``Behaviour``.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NewType, Protocol, cast, final

if TYPE_CHECKING:
    import asyncio
    from contextvars import Context

    from regrow.kernel.runtime import Runtime
    from regrow.kernel.steps import Steps

__all__ = [
    "BUSY",
    "DEAD",
    "ENDING",
    "EXITING",
    "IDLE",
    "INLINE",
    "ON_STACK",
    "QUEUED",
    "RUNNING",
    "SETTLING",
    "STARTING",
    "STATE_NAMES",
    "SUSPENDED",
    "WAITING",
    "Behaviour",
    "Debug",
    "Deferred",
    "Envelope",
    "Extra",
    "Pid",
    "Process",
    "Request",
    "new_pid",
]

Pid = NewType("Pid", int)
"""A process's number. It is never used again in this OS process, whatever the event loop."""

new_pid = cast("Callable[[], Pid]", itertools.count(1).__next__)
"""Gives a pid. No function of ours, since every start takes this way."""


# The states of a process. Their order matters: below QUEUED it rests and a message puts it on the run queue; from
# ENDING on it handles no message any more; EXITING and DEAD may not act.
IDLE: Final = 0
"""At rest, nothing undelivered, nothing to remember: the only state in which a call may run inline."""
WAITING: Final = 1
"""At rest with something to remember (a receive time-out, a trace): a message has to queue."""
QUEUED: Final = 2
"""On the run queue."""
INLINE: Final = 3
"""A plain handler is on its caller's stack."""
RUNNING: Final = 4
"""A plain handler is on the stack."""
SETTLING: Final = 5
"""The same, and there is something to do when it returns."""
BUSY: Final = 6
"""Its coroutine is under way in a task of its own."""
STARTING: Final = 7
"""In its ``__init__`` or ``init``."""
SUSPENDED: Final = 8
"""By ``sys.suspend``."""
ENDING: Final = 9
"""In ``terminate``, or about to."""
EXITING: Final = 10
"""Its exit is decided and its code has not come to an end yet."""
DEAD: Final = 11

ON_STACK: Final = (INLINE, RUNNING, SETTLING, STARTING)  # plain code of it may be under way

STATE_NAMES: Final = (
    "idle",
    "idle",
    "queued",
    "running",
    "running",
    "running",
    "busy",
    "starting",
    "suspended",
    "terminating",
    "exiting",
    "dead",
)

# A message on its way: what to run on the server, with what, and who waits for the answer. A plain message has no
# function: its behaviour's ``handle_info`` is looked up when its turn comes.
Envelope = tuple[Callable[..., Any] | None, Any, Any, "Request | None"]


class Request:
    """A call that waits for its answer: the future of the caller, and who asked whom.

    ``deferred`` says that the server took it and will answer later, from anywhere.
    """

    __slots__ = ("caller", "deferred", "expiry", "future", "label", "raises", "system", "target")

    def __init__(
        self,
        target: Process,
        future: asyncio.Future[Any],
        caller: Process | None,
        label: str,
        raises: tuple[type[Exception], ...] = (),
        *,
        system: bool = False,
    ) -> None:
        self.target = target
        self.future = future
        self.caller = caller
        self.label = label
        self.raises = raises
        self.system = system
        self.deferred = False
        self.expiry: dict[Request, float] | None = None

    @property
    def open(self) -> bool:
        return not self.future.done()

    def reply(self, value: object) -> None:
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            if isinstance(error, StopIteration):  # no coroutine may raise one
                cause, error = error, RuntimeError(f"the answer was {error!r}, which no coroutine can raise")
                error.__cause__ = cause
            self.future.set_exception(error)


class Debug(Protocol):
    """What ``sys`` installs in a process to see its messages come in and be done with."""

    def received(self, process: Process, envelope: Envelope) -> None: ...

    def handled(self, process: Process, envelope: Envelope, result: object) -> None: ...


class Deferred:
    """What a handler returns to answer later; ``servers.reply.Reply`` is the one that users see."""

    __slots__ = ()

    def take(self, request: Request) -> None:
        """The handler has returned this for *request*: answer it now, or when the answer comes."""
        raise NotImplementedError


class Behaviour:
    """What the processes of one kind share; the kernel's whole knowledge of what runs in them."""

    __slots__ = (
        "boot",
        "children",
        "format_status",
        "handle_continue",
        "handle_info",
        "kind",
        "max_mailbox",
        "name",
        "name_for",
        "shutdown",
        "terminate",
        "trap_exits",
    )

    def __init__(
        self,
        name: str,
        *,
        kind: object = None,
        boot: Callable[[Any], Any] | None = None,
        handle_info: Callable[..., Any] | None = None,
        handle_continue: Callable[..., Any] | None = None,
        terminate: Callable[[Any, Any], Any] | None = None,
        format_status: Callable[[Any, Any], Any] | None = None,
        shutdown: float = 5.0,
        trap_exits: bool = False,
        children: Callable[[Any], Iterable[Pid]] | None = None,
        max_mailbox: int | None = None,
        name_for: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.boot = boot
        self.handle_info = handle_info
        self.handle_continue = handle_continue
        self.terminate = terminate
        self.format_status = format_status
        self.shutdown = shutdown
        self.trap_exits = trap_exits
        self.children = children  # of a supervisor: whom it would leave behind
        self.max_mailbox = max_mailbox
        self.name_for = name_for  # makes a name of the arguments of a start


class Extra:
    """What only some processes have, and the others don't pay for."""

    __slots__ = (
        "alarmed",
        "begun",
        "boot",
        "callers",
        "continuation",
        "cut",
        "debug",
        "deferred",
        "exit_reason",
        "exit_sender",
        "exit_sink",
        "free",
        "grace",
        "held",
        "initial",
        "killed",
        "label",
        "links",
        "monitoring",
        "monitors",
        "name",
        "names",
        "outlived",
        "patience",
        "patience_timer",
        "receiver",
        "starter",
        "steps",
        "stopping",
        "suspended",
        "task",
        "timers",
        "unbounded",
        "waiting_on",
    )

    def __init__(self) -> None:
        self.links: dict[Pid, Process] | None = None
        self.monitors: dict[int, Callable[[Process, object], None]] | None = None  # who watches me
        self.monitoring: dict[int, Process | None] | None = None  # whom I watch
        self.timers: dict[int, asyncio.TimerHandle] | None = None
        self.name: Any = None  # the first that it was given
        self.names: list[Any] | None = None  # the others
        self.label: object = None
        self.callers: tuple[Pid, ...] = ()
        self.initial: str | None = None
        self.task: asyncio.Task[Any] | None = None  # the task its code runs in now
        self.steps: Steps | None = None  # that task's coroutine, when the task is ours
        self.grace: asyncio.TimerHandle | None = None
        self.free = False  # started without a link: its starter's exit is nothing special to it
        self.killed = False
        self.outlived: set[Pid] | None = None  # of a supervisor that was killed: children who still live
        self.cut = False  # its task has been cancelled, which is done once
        self.unbounded = False  # its supervisor sees to the time it has to end
        self.boot: Callable[[], None] | None = None  # the start that waits on the run queue
        self.begun = False  # terminate has been entered
        self.exit_reason: object = None
        self.exit_sender: Pid | None = None
        self.exit_sink: Callable[[Pid, object], bool] | None = None
        self.receiver: tuple[Callable[[Any], bool], asyncio.Future[Any]] | None = None
        self.continuation: list[Any] | None = None
        self.stopping: tuple[object] | None = None  # the reason, of a stop with a reply
        self.held: tuple[Request, object] | None = None  # that reply, until terminate is through
        self.patience: float | None = None  # the receive time-out that was asked for
        self.patience_timer: asyncio.TimerHandle | None = None
        self.deferred: set[Request] | None = None  # calls taken and not answered yet
        self.waiting_on: Request | None = None
        self.starter: asyncio.Future[None] | None = None  # who waits for the start to end
        self.suspended: object = False  # True, by sys.suspend; or somebody else, whose it is
        self.debug: Debug | None = None  # what sys has installed
        self.alarmed = False


@final
class Process:
    """One process. ``linked`` is the link with the parent; other links are in ``extra``."""

    __slots__ = (
        "behaviour",
        "context",
        "extra",
        "linked",
        "mailbox",
        "parent",
        "pid",
        "request",
        "runtime",
        "server",
        "status",
        "trapping",
    )

    def __init__(
        self, runtime: Runtime, behaviour: Behaviour, parent: Pid | None, context: Context, status: int
    ) -> None:
        self.pid = new_pid()
        self.runtime = runtime
        self.behaviour = behaviour
        self.parent = parent
        self.linked = False
        self.trapping = behaviour.trap_exits
        self.context = context
        self.status = status
        self.server: Any = None
        self.mailbox: deque[Envelope] | None = None
        self.request: Request | None = None
        self.extra: Extra | None = None

    def more(self) -> Extra:
        """Its ``extra``, made now if there was none."""
        extra = self.extra
        if extra is None:
            extra = self.extra = Extra()
        return extra

    @property
    def name(self) -> object:
        """The first name that it was registered under, or None."""
        return None if self.extra is None else self.extra.name

    def __repr__(self) -> str:
        name = self.name
        return f"<{self.behaviour.name} {self.pid}{'' if name is None else f' {name!r}'}>"
