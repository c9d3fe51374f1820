"""What the observer tells, as values: frozen, small, and made of nothing but numbers, texts and each other.

No value here holds a process, a server, an exception or a traceback: whatever was alive has been written down as a
bounded text, so that a page, a log or another program may keep it for as long as it likes. ``encoding.as_json`` makes
plain dicts and lists of any of them.

Times named ``at`` are seconds since 1970, spans are seconds. ``None`` says "not known": of a count of messages, that
nobody counts them; of an age, that there is nothing to tell it by. A list of which there may be very many comes as a
``Page``.

=================================  =========================================================
asked of ``Snapshot``              given
=================================  =========================================================
``await overview()``               ``Overview``, with the ``Series`` for the charts
``await processes(...)``           ``Page[ProcessRow]``
``await process(pid)``             ``ProcessDetail``; raises ``UnknownProcess``
``await state(pid)``               ``StateText``, by the server's own ``format_status``
``await memory(pid)``              ``Memory``
``await tree(...)``                ``Forest``
``await children(pid, ...)``       ``Page[TreeNode]``
``await registries()``             ``tuple[RegistryRow, ...]``
``await entries(registry, ...)``   ``Page[RegistryEntry]``
``crashes(...)``, ``crash(id)``    ``Page[CrashRow]``, ``Crash``
``restarts(...)``                  ``Page[Restart]``
``scheduler()``                    ``Scheduler``
``series()``                       ``Series``
``subscribe(...)``                 a stream of ``Event``
=================================  =========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

__all__ = [
    "ApplicationRow",
    "ChildState",
    "Crash",
    "CrashRow",
    "Event",
    "EventKind",
    "Forest",
    "Memory",
    "Neighbour",
    "Overview",
    "Page",
    "ProcessDetail",
    "ProcessRow",
    "ProcessSort",
    "RegistryEntry",
    "RegistryRow",
    "Restart",
    "Sample",
    "Scheduler",
    "Series",
    "SpecRow",
    "StateText",
    "SupervisorRow",
    "TreeChange",
    "TreeNode",
]

T_co = TypeVar("T_co", covariant=True)

ProcessSort = Literal[
    "pid", "name", "kind", "status", "parent", "mailbox", "messages", "busy", "links", "monitors", "age"
]
"""What the process table can be sorted by. What is not known sorts as less than anything that is."""

ChildState = Literal["running", "restarting", "stopped"]
"""Where a child is: it lives; its restart failed and is tried again; its spec is kept and nobody is there."""

EventKind = Literal["sample", "crash", "restart", "tree"]
"""What a subscription brings: ``Sample``, ``CrashRow``, ``Restart``, ``TreeChange``."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Some rows of many: those from ``offset`` on, at most ``limit``."""

    rows: tuple[T_co, ...]
    total: int
    """How many rows there are on all pages together, after the filters."""
    offset: int
    limit: int
    at: float
    """When they were looked at. It may be a second old, since several readers share one look."""


class Called:
    """What has a kind, and may have a name and a label."""

    __slots__ = ()
    name: str | None
    label: str | None
    kind: str

    @property
    def called(self) -> str:
        """What to call it in a line of text: its name, else its label, else its kind."""
        return self.name or self.label or self.kind


# --- processes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProcessRow(Called):
    """One line of the process table."""

    pid: int
    name: str | None
    """The first name that it is registered under."""
    kind: str
    """The class of a server; "process" for a spawned function, "asyncio task" for an adopted task."""
    label: str | None
    """What ``process.set_label`` said, or else the function that a process was spawned with."""
    status: str
    """idle, queued, running, busy (its coroutine is under way), starting, suspended, terminating, exiting."""
    parent: int | None
    mailbox: int
    """How many messages wait."""
    messages: int | None
    """How many it has handled since they are counted."""
    busy: float | None
    """Seconds for which its code has run since then."""
    links: int
    monitors: int
    """How many watch it."""
    monitoring: int
    """How many it watches."""
    age: float | None
    """Seconds that it has lived at least; it may be up to a sampling interval more (see ``age_is_least``)."""
    age_is_least: bool
    """It was there before the observer, so it may be older by any amount."""
    supervisor: bool
    """Whether it has children to show: ``children(pid)``."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another process, to follow a link to. ``alive`` is False if it has ended; its name and kind are None then."""

    pid: int
    name: str | None
    kind: str | None
    alive: bool


@dataclass(frozen=True, slots=True)
class ProcessDetail:
    """All about one process, but for its state, which is asked for apart since it may hold secrets."""

    row: ProcessRow
    names: tuple[str, ...]
    ancestors: tuple[Neighbour, ...]
    """Its parent first."""
    links: tuple[Neighbour, ...]
    """The first hundred; ``row.links`` is how many there are. So with the two below."""
    monitored_by: tuple[Neighbour, ...]
    """Those watchers that are processes. ``row.monitors`` counts the runtime's own too."""
    monitoring: tuple[Neighbour, ...]
    children: tuple[Neighbour, ...]
    """The first hundred, of a supervisor. All of them: ``children(pid)``."""
    children_total: int
    mailbox: tuple[str, ...]
    """The next messages, the first to be handled first, each as a short text. ``row.mailbox`` is how many wait.

    What they hold is left out, as in ``play(…)``, unless it was asked for: it may be secret.
    """
    waiting_for: Neighbour | None
    """Whose answer it waits for, in a call."""
    where: str | None
    """The line that its coroutine stands at, while it is busy."""
    traps_exits: bool
    timers: int
    place: TreeNode | None
    """What its supervisor knows of it: spec, restarts, last exit reason."""
    has_state: bool
    """Whether ``state(pid)`` has something to tell: it is a server."""
    restarts: tuple[Restart, ...]
    """The last restarts in this place, the newest first."""
    crashes: tuple[CrashRow, ...]
    """The last crashes in this place, the newest first."""


@dataclass(frozen=True, slots=True)
class StateText:
    """The state of a server as its ``format_status`` shows it, as text of at most 16,000 characters."""

    pid: int
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Memory:
    """An estimate of the bytes that belong to one process: what can be reached from its state and its mailbox."""

    pid: int
    bytes: int
    objects: int
    """How many were looked at."""
    cut: bool
    """There were more than the look was allowed to take, so the process has more bytes than it says here."""


# --- the tree -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpecRow:
    """How a supervisor starts and ends a child."""

    id: str | None
    """None under a supervisor that has no use for ids."""
    start: str
    """The class or function."""
    restart: Literal["permanent", "transient", "temporary"]
    shutdown: float | Literal["brutal_kill"]
    type: Literal["worker", "supervisor"]
    significant: bool


@dataclass(frozen=True, slots=True)
class SupervisorRow:
    """What a supervisor keeps to, and how near it is to giving up."""

    strategy: str
    max_restarts: int
    max_seconds: float
    restarts_used: int
    """How many of the last ``max_seconds``' restarts count now: one more than ``max_restarts``, and it gives up."""
    max_children: int | None
    """None: no limit."""
    auto_shutdown: str
    restarting: int
    """How many of its children are being restarted."""


@dataclass(frozen=True, slots=True)
class TreeNode(Called):
    """A child in the tree, or a supervisor at its top. ``children`` are the first ones only, and may be left out."""

    key: str
    """Tells it from all other nodes, and stays the same while the same process is in it."""
    pid: int | None
    """None while nobody is there."""
    name: str | None
    kind: str
    label: str | None
    state: ChildState
    status: str | None
    """As in ``ProcessRow``; None while nobody is there."""
    mailbox: int
    restarts: int
    """How often it was restarted, as far as its supervisor remembers."""
    last_exit: str | None
    """Why it ended before its last restart, or why it is not there."""
    spec: SpecRow | None
    """None at the top of a tree."""
    supervisor: SupervisorRow | None
    """None unless it is a supervisor."""
    children_total: int
    children: tuple[TreeNode, ...]


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """One application. ``tree`` is its root supervisor, None for one without processes."""

    name: str
    description: str
    version: str
    type: str | None
    """permanent, transient or temporary; None while it is only loaded."""
    state: Literal["running", "starting", "stopping", "loaded"]
    tree: TreeNode | None


@dataclass(frozen=True, slots=True)
class Forest:
    """The whole tree, as far as it was asked for."""

    at: float
    applications: tuple[ApplicationRow, ...]
    """Those that run first, in the order of their starts."""
    roots: tuple[TreeNode, ...]
    """The supervisors at the top of a tree that belong to no application."""
    roots_total: int
    cut: bool
    """There were more nodes than asked for: some have fewer ``children`` than ``children_total``."""


# --- registries ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegistryRow:
    pid: int
    name: str
    keys: str
    """``unique``, ``duplicate by pid`` or ``duplicate by key``."""
    partitions: int
    entries: int


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    key: str
    pid: int
    owner: Neighbour
    value: str | None
    """As a short text, if it was asked for: it may hold secrets."""


# --- crashes and restarts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restart:
    """A child was started again."""

    at: float
    supervisor: int | None
    supervisor_name: str | None
    id: str | None
    old_pid: int | None
    pid: int
    restarts: int
    """How often by now."""
    reason: str | None
    """Why the one before ended, in one line; None if it is not known."""


@dataclass(frozen=True, slots=True)
class CrashRow(Called):
    """One line of the list of crashes."""

    id: int
    """Counts up from 1."""
    at: float
    pid: int
    name: str | None
    kind: str
    label: str | None
    reason: str
    """In one line."""
    where: str | None
    """``file:line in function`` where it was raised."""
    restarted_as: int | None
    """The pid of the process in its place, once there is one."""
    unwritten: int
    """How many crashes came between this one and the next that were only counted: in a storm few are written down."""


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash in full."""

    row: CrashRow
    parent: int | None
    ancestors: tuple[str, ...]
    """Their names, or pids as text, the parent first."""
    traceback: str
    """As Python prints it, causes too, at most 16,000 characters. Empty if the reason is no exception."""
    message: str
    """The message that it was at; what it held only if that was asked for, else as ``play(…)``."""
    client: int | None
    """Who had sent it and waited for the answer."""
    state: str | None
    """The state it had then, as ``format_status`` shows it. None unless it was asked for."""
    restart: Restart | None
    """The restart that followed."""
    history: tuple[Restart, ...]
    """The last restarts in the same place, the newest first."""


# --- the whole ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scheduler:
    """How busy the loop is."""

    run_queue: int
    """Processes that have messages and wait for their turn."""
    slice: float
    """Seconds of a loop turn that processes may use."""
    inline: str
    """Whether calls may run on their callers' stacks: on, off, random."""
    inline_share: float | None
    """The part of the calls that did, of those counted: 0.0 to 1.0."""
    loop_lag: float | None
    """By how much timers were late at worst, in the last interval. None before the first one is over."""
    loop_lag_max: float | None
    """The same for all of the series."""
    adopted: int
    """How many asyncio tasks are processes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of the charts. Rates are those since the point before."""

    at: float
    processes: int
    run_queue: int
    messages: float | None
    """A second."""
    restarts: float
    """A second."""
    crashes: float
    """A second."""
    loop_lag: float
    """The worst since the point before."""
    memory: int | None
    """Bytes that the whole program has in memory, where the system tells it."""


@dataclass(frozen=True, slots=True)
class Series:
    """The last samples, the oldest first."""

    interval: float
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole in numbers."""

    at: float
    os_pid: int
    python: str
    regrow: str
    uptime: float | None
    """Seconds since the observer has begun; None without one."""
    processes: int
    names: int
    applications: int
    messages: int | None
    restarts: int
    crashes: int
    """Messages, restarts and crashes are counted since the observer has begun."""
    memory: int | None
    scheduler: Scheduler
    series: Series


@dataclass(frozen=True, slots=True)
class TreeChange:
    """Something has changed in the tree since the last one of these: at most one comes in a quarter of a second."""

    at: float
    supervisors: tuple[int, ...]
    """Whose children have changed, at most a hundred."""
    more: bool
    """There were more than these: look at everything again."""


@dataclass(frozen=True, slots=True)
class Event:
    """One item of a subscription."""

    kind: EventKind
    value: Sample | CrashRow | Restart | TreeChange
    missed: int
    """How many items before it were dropped, since the reader was slow."""
