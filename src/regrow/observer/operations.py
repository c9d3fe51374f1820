"""What can be asked of the observer from outside, as one table: by ``regrow top`` and ``ps``, by scripts, by agents.

An *operation* has a name, a sentence that says what it does, and the arguments that it takes. The control socket
(``commands``) and the MCP endpoint (``mcp``) offer the same ones, and check what they are given in the same way. What
changes something, or shows what may be secret, is offered only where it is *allowed*.

>>> [each.name for each in offered()][:4]
['overview', 'tree', 'children', 'processes']
>>> [each.name for each in offered(actions=True) if each.acts]
['stop', 'kill', 'suspend', 'resume', 'restart_child']
>>> OPERATIONS["processes"].check({"limit": 0})
Traceback (most recent call last):
regrow.observer.operations.BadArgument: limit=0: must be 1 or more
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from regrow.kernel.process import DEAD
from regrow.observer.encoding import plain
from regrow.observer.model import ProcessSort
from regrow.observer.pace import PORTION, Pace
from regrow.observer.texts import name_text

if TYPE_CHECKING:
    from regrow.observer.snapshots import Snapshot

__all__ = ["OPERATIONS", "REQUIRED", "Argument", "BadArgument", "NotFound", "Operation", "offered"]

MOST: Final = 1000
"""Rows in an answer, at most."""
REQUIRED: Final = object()
TYPES: Final[dict[str, tuple[type, ...]]] = {
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "process": (int, str),
}


class NotFound(LookupError):
    """Nobody here is called so."""


class BadArgument(ValueError):
    """An operation does not take this argument; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation."""

    type: Literal["integer", "string", "boolean", "process"]
    """A ``process`` is a pid, or a name that it is registered under."""
    meaning: str
    default: object = REQUIRED
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    def check(self, name: str, given: object) -> object:
        """*given*, if it may be this argument, which is called *name*."""
        if not isinstance(given, TYPES[self.type]) or (isinstance(given, bool) and self.type != "boolean"):
            wanted = "a pid or a name" if self.type == "process" else f"of type {self.type}"
            raise BadArgument(f"{name}={given!r}: must be {wanted}")
        if self.choices and given not in self.choices:
            raise BadArgument(f"{name}={given!r}: must be one of {', '.join(self.choices)}")
        if isinstance(given, int):
            if self.least is not None and given < self.least:
                raise BadArgument(f"{name}={given!r}: must be {self.least} or more")
            if self.most is not None and given > self.most:
                raise BadArgument(f"{name}={given!r}: must be {self.most} or less")
        return given

    @property
    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        found: dict[str, Any] = {"description": self.meaning}
        found["type"] = ["integer", "string"] if self.type == "process" else self.type
        if self.default is not REQUIRED and self.default is not None:
            found["default"] = self.default
        if self.choices:
            found["enum"] = list(self.choices)
        if self.least is not None:
            found["minimum"] = self.least
        if self.most is not None:
            found["maximum"] = self.most
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that can be asked for."""

    name: str
    does: str
    """What it does and gives, in a sentence or two, for a person or an agent who knows nothing of it."""
    arguments: Mapping[str, Argument]
    run: Callable[..., Awaitable[object]]
    """A coroutine function of the snapshot and the arguments."""
    acts: bool = False
    """Whether it changes something in the program."""
    shows_state: bool = False
    """Whether it shows what a program may want to keep secret."""
    shows_more: bool = False
    """Whether its answer has more in it where states may be seen: *run* takes ``show_state`` then."""

    def check(self, given: Mapping[str, object]) -> dict[str, Any]:
        """All arguments, with the defaults of those that are not *given*; ``BadArgument`` says what is wrong."""
        unknown = [name for name in given if name not in self.arguments]
        if unknown:
            takes = f"it takes {', '.join(self.arguments)}" if self.arguments else "it takes nothing"
            raise BadArgument(f"{self.name} takes no {', '.join(unknown)}; {takes}")
        found: dict[str, Any] = {}
        for name, argument in self.arguments.items():
            if given.get(name) is not None:
                found[name] = argument.check(name, given[name])
            elif argument.default is REQUIRED:
                raise BadArgument(f"{self.name} needs {name}: {argument.meaning}")
            else:
                found[name] = argument.default
        return found

    async def answer(
        self, snapshot: Snapshot, given: Mapping[str, object], *, show_state: bool = False
    ) -> Any:
        """Do it, and give the answer as plain values; with *show_state*, what may be secret too.

        ``BadArgument``, ``NotFound``, or what the snapshot raises.
        """
        arguments = self.check(given)
        for name, argument in self.arguments.items():
            if argument.type == "process" and isinstance(arguments[name], str):
                arguments[name] = await _pid(snapshot, arguments[name])
        if self.shows_more:
            arguments["show_state"] = show_state
        return await plain(await self.run(snapshot, **arguments))


def offered(*, actions: bool = False, show_state: bool = False) -> list[Operation]:
    """The operations that are allowed."""
    return [
        each
        for each in OPERATIONS.values()
        if (actions or not each.acts) and (show_state or not each.shows_state)
    ]


# --- the operations -------------------------------------------------------------------------------------------------

_SORTS: Final = get_args(ProcessSort)
_WHO: Final = Argument("process", "The process: its pid, or a name that it is registered under.")
_OFFSET: Final = Argument("integer", "How many rows to leave out at the beginning.", 0, least=0)


def _limit(rows: int) -> Argument:
    return Argument("integer", "How many rows to give, at most.", rows, least=1, most=MOST)


async def _overview(snapshot: Snapshot, samples: int) -> object:
    found = await snapshot.overview()
    recent = found.series.samples
    return replace(found, series=replace(found.series, samples=recent[max(0, len(recent) - samples) :]))


async def _tree(snapshot: Snapshot, root: int | None, depth: int, limit: int, nodes: int) -> object:
    return await snapshot.tree(root, depth=depth, limit=limit, nodes=nodes)


async def _children(snapshot: Snapshot, pid: int, offset: int, limit: int) -> object:
    return await snapshot.children(pid, offset=offset, limit=limit)


async def _processes(
    snapshot: Snapshot,
    sort: ProcessSort,
    descending: bool | None,
    filter: str,
    parent: int | None,
    offset: int,
    limit: int,
) -> object:
    if descending is None:  # what is most of a number stands first, and texts and pids from the beginning
        descending = sort not in ("pid", "name", "kind", "status", "parent")
    return await snapshot.processes(
        sort=sort, descending=descending, query=filter, parent=parent, offset=offset, limit=limit
    )


async def _process(snapshot: Snapshot, pid: int, show_state: bool) -> object:
    return await snapshot.process(pid, messages=show_state)


async def _memory(snapshot: Snapshot, pid: int) -> object:
    return await snapshot.memory(pid)


async def _state(snapshot: Snapshot, pid: int) -> object:
    return await snapshot.state(pid)


async def _registries(snapshot: Snapshot) -> object:
    return {"rows": await snapshot.registries()}


async def _entries(
    snapshot: Snapshot, registry: int, filter: str, offset: int, limit: int, show_state: bool
) -> object:
    return await snapshot.entries(registry, query=filter, values=show_state, offset=offset, limit=limit)


async def _crashes(snapshot: Snapshot, pid: int | None, filter: str, offset: int, limit: int) -> object:
    return snapshot.crashes(pid=pid, query=filter, offset=offset, limit=limit)


async def _crash(snapshot: Snapshot, id: int, show_state: bool) -> object:
    return snapshot.crash(id, state=show_state, message=show_state)


async def _restarts(snapshot: Snapshot, pid: int | None, offset: int, limit: int) -> object:
    return snapshot.restarts(pid=pid, offset=offset, limit=limit)


def _action(name: str) -> Callable[..., Awaitable[object]]:
    """The action *name* of ``regrow.observer.actions``; imported when it is asked for: most programs never do."""

    async def act(snapshot: Snapshot, pid: int) -> object:
        from regrow.observer import actions

        done = await getattr(actions, name)(pid)
        return {"pid": pid, "done": done if isinstance(done, str) else name}

    return act


_TABLE: Final = (
    Operation(
        "overview",
        "The whole program in numbers: how many processes there are, messages, restarts and crashes so far, memory, "
        "how busy the event loop is (run queue, loop lag), and the last samples of these. Look here first.",
        {"samples": Argument("integer", "How many of the last samples to give.", 10, least=0, most=MOST)},
        _overview,
    ),
    Operation(
        "tree",
        "The supervision tree: applications, supervisors with strategy and restart intensity used so far, and their "
        "children with restart count and last exit reason. Large supervisors show their first children only: "
        "children_total says how many there are, and the operation children gives the others.",
        {
            "root": Argument("process", "Only below this supervisor: its pid or its name.", None),
            "depth": Argument("integer", "How many levels down.", 3, least=0, most=50),
            "limit": Argument("integer", "Children to show of each supervisor.", 20, least=1, most=MOST),
            "nodes": Argument("integer", "Nodes in all, at most.", 200, least=1, most=2000),
        },
        _tree,
    ),
    Operation(
        "children",
        "The children of one supervisor, in the order of their starts, a page at a time.",
        {
            "pid": Argument("process", "The supervisor: its pid or its name."),
            "offset": _OFFSET,
            "limit": _limit(50),
        },
        _children,
    ),
    Operation(
        "processes",
        "The table of processes, sorted and filtered, a page at a time. Sorted by mailbox it shows who can't keep up; "
        "by busy, who uses the processor; by messages, who is asked most.",
        {
            "sort": Argument("string", "What to sort by.", "mailbox", choices=_SORTS),
            "descending": Argument(
                "boolean", "The largest first. Left out: for numbers yes, for texts and pids no.", None
            ),
            "filter": Argument("string", "Only those with this text in pid, name, class or label.", ""),
            "parent": Argument("process", "Only the children of this one: its pid or its name.", None),
            "offset": _OFFSET,
            "limit": _limit(20),
        },
        _processes,
    ),
    Operation(
        "process",
        "One process in full: status, mailbox with the next messages, links, monitors, ancestors, children, whose "
        "answer it waits for and the line that it stands at, and what its supervisor knows of it.",
        {"pid": _WHO},
        _process,
        shows_more=True,
    ),
    Operation(
        "memory",
        "An estimate of the bytes that belong to one process: its state and its mailbox.",
        {"pid": _WHO},
        _memory,
    ),
    Operation(
        "state",
        "The state of a server, as its format_status shows it. It may hold secrets.",
        {"pid": _WHO},
        _state,
        shows_state=True,
    ),
    Operation("registries", "The registries, with the number of their entries.", {}, _registries),
    Operation(
        "entries",
        "The keys of one registry and the processes that hold them, a page at a time.",
        {
            "registry": Argument("process", "The registry: its pid or its name."),
            "filter": Argument("string", "Only keys with this text.", ""),
            "offset": _OFFSET,
            "limit": _limit(50),
        },
        _entries,
        shows_more=True,
    ),
    Operation(
        "crashes",
        "The last crashes, the newest first, a line each: when, who, the reason, the place in the source, and the pid "
        "of the process that took over. The operation crash gives one of them in full.",
        {
            "pid": Argument("integer", "Only crashes in the place of this process.", None, least=0),
            "filter": Argument("string", "Only those with this text in name, class or reason.", ""),
            "offset": _OFFSET,
            "limit": _limit(20),
        },
        _crashes,
    ),
    Operation(
        "crash",
        "One crash in full: traceback, last message, ancestors, and the restarts in its place.",
        {"id": Argument("integer", "The id, as crashes has it.", least=1)},
        _crash,
        shows_more=True,
    ),
    Operation(
        "restarts",
        "The last restarts, the newest first: which supervisor has replaced whom, why, and how often by now.",
        {
            "pid": Argument("integer", "Only restarts in the place of this process.", None, least=0),
            "offset": _OFFSET,
            "limit": _limit(20),
        },
        _restarts,
    ),
    Operation(
        "stop",
        "Stop a process in order: it may clean up. Its supervisor starts it again if its spec says permanent.",
        {"pid": _WHO},
        _action("stop"),
        acts=True,
    ),
    Operation(
        "kill",
        "Kill a process at once, without cleaning up. Its supervisor restarts it unless its spec says temporary.",
        {"pid": _WHO},
        _action("kill"),
        acts=True,
    ),
    Operation(
        "suspend",
        "Let a server handle no messages until it is resumed; they wait in its mailbox, and callers time out.",
        {"pid": _WHO},
        _action("suspend"),
        acts=True,
    ),
    Operation("resume", "Let a suspended server go on.", {"pid": _WHO}, _action("resume"), acts=True),
    Operation(
        "restart_child",
        "Have the supervisor of a child stop it and start it again with its own spec.",
        {"pid": _WHO},
        _action("restart"),
        acts=True,
    ),
)

OPERATIONS: Final[Mapping[str, Operation]] = {each.name: each for each in _TABLE}
"""All of them, by name; ``offered`` has those that are allowed."""


async def _pid(snapshot: Snapshot, name: str) -> int:
    """The pid of the process that is called *name*, or else of the only one of that class."""
    if name.isdecimal():
        return int(name)
    pace = Pace()
    named: list[int] = []
    of_class: list[int] = []
    processes = list(snapshot.runtime.processes.values())
    for start in range(0, len(processes), PORTION):
        for each in processes[start : start + PORTION]:
            if each.status == DEAD:
                continue
            if each.extra is not None and name_text(each.name) == name:
                named.append(each.pid)
            elif each.behaviour.name == name:
                of_class.append(each.pid)
        await pace.go_on(PORTION)
    fitting = named or of_class
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise NotFound(f"no process is called {name!r}")
    some = ", ".join(map(str, fitting[:10]))
    raise NotFound(f"{len(fitting)} processes are called {name!r}: say a pid, as {some}")
