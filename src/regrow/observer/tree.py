"""The tree: applications, their supervisors, and the children of each, a page at a time.

Nothing is asked of the supervisors: their books are read as they are. A supervisor with 100,000 children shows the
first of them, and how many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from math import isfinite
from typing import Any

from regrow.application.controller import Controller
from regrow.application.definition import Application, summary_of
from regrow.application.master import Master
from regrow.kernel.process import STATE_NAMES, Pid, Process
from regrow.kernel.runtime import Runtime
from regrow.observer.crashes import history_of
from regrow.observer.errors import UnknownProcess
from regrow.observer.model import ApplicationRow, Forest, SpecRow, SupervisorRow, TreeNode
from regrow.observer.pace import ROW, Pace
from regrow.observer.survey import Survey
from regrow.observer.texts import hidden_reason, label_of, name_text, reason_text
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer
from regrow.servers.registry import server as registry
from regrow.servers.registry.server import RegistryServer
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.table import StaticChild
from regrow.supervision.table_supervisor import TableSupervisor

__all__ = ["children_of", "count_of_children", "forest", "page_of_children", "place_of_child", "subtree"]

Place = tuple[int, TreeNode]
"""A node without its children, and the pid of who is there, 0 for nobody."""


# --- whole trees ----------------------------------------------------------------------------------------------------


class _Draft:
    """A node whose children are still being looked for."""

    __slots__ = ("below", "depth", "node", "process")

    def __init__(self, node: TreeNode, process: Process | None, depth: int) -> None:
        self.node = node
        self.process = process
        self.depth = depth
        self.below: list[_Draft] = []

    def done(self) -> TreeNode:
        if not self.below:
            return self.node
        return replace(self.node, children=tuple(each.done() for each in self.below))


class _Grower:
    """Grows trees level by level, so that what is near the top comes first if there are too many nodes."""

    def __init__(self, rt: Runtime, depth: int, limit: int, nodes: int) -> None:
        self.runtime = rt
        self.cut = False
        self._depth = depth
        self._limit = limit
        self._left = nodes

    async def grow(self, tops: Sequence[Process], offset: int = 0) -> list[TreeNode]:
        pace = Pace()
        drafts = [_Draft(top_of(each), each, 0) async for each in pace.through(tops)]
        self._left -= len(drafts)
        waiting = deque(drafts)
        while waiting:
            draft = waiting.popleft()
            process = draft.process
            if process is None or not draft.node.children_total:
                continue
            room = min(self._limit, self._left) if draft.depth < self._depth else 0
            places = children_of(process, offset if draft.depth == 0 else 0, max(room, 0))
            async for pid, node in pace.through(places):
                below = _Draft(node, self.runtime.processes.get(Pid(pid)), draft.depth + 1)
                draft.below.append(below)
                waiting.append(below)
                self._left -= 1
            if len(draft.below) < draft.node.children_total:
                self.cut = True
            await pace.go_on(ROW)
        return [each.done() for each in drafts]


async def forest(rt: Runtime, survey: Survey, depth: int, limit: int, nodes: int) -> Forest:
    """All applications, and the trees that belong to none."""
    known: Controller | None = rt.parts.get("application.controller")
    grower = _Grower(rt, depth, limit, nodes)
    rows: list[ApplicationRow] = []
    tops: dict[str, Process] = {}
    if known is not None:
        rows, tops = _applications(known)
    trees = await grower.grow(list(tops.values()))
    by_name = dict(zip(tops, trees, strict=True))
    rows = [replace(each, tree=by_name.get(each.name)) for each in rows]
    supervising = Pace().through(await survey.supervising(), 1)
    others = [each async for each in supervising if _is_top(rt, each)]
    roots = await grower.grow(others[:limit])
    return Forest(survey.at, tuple(rows), tuple(roots), len(others), grower.cut or len(others) > len(roots))


async def subtree(
    rt: Runtime, root: Process, at: float, depth: int, offset: int, limit: int, nodes: int
) -> Forest:
    """The tree below *root*, with its children from *offset* on."""
    grower = _Grower(rt, depth, limit, nodes)
    (tree,) = await grower.grow([root], offset)
    place = place_of_child(root)
    if place is not None:  # what its own supervisor knows of it
        tree = replace(
            tree, spec=place.spec, restarts=place.restarts, last_exit=place.last_exit, key=place.key
        )
    return Forest(at, (), (tree,), 1, grower.cut)


def _applications(known: Controller) -> tuple[list[ApplicationRow], dict[str, Process]]:
    """Those that run, in the order of their starts, those that start, and those that are loaded only."""
    rows: list[ApplicationRow] = []
    tops: dict[str, Process] = {}
    for name, running in known.running.items():
        state = "stopping" if running.stopping else "running"
        rows.append(_application(running.application, running.type, state))
        root = known.root_of(name)
        process = None if root is None else known.runtime.processes.get(root)
        if process is not None:
            tops[name] = process
    for name, application in known.loaded.items():
        if name not in known.running:
            rows.append(_application(application, None, "starting" if name in known.starting else "loaded"))
    return rows, tops


def _application(application: type[Application], type: str | None, state: Any) -> ApplicationRow:
    return ApplicationRow(application.name, summary_of(application), application.version, type, state, None)


def _is_top(rt: Runtime, process: Process) -> bool:
    """Whether it is at the top of a tree, which is no application's."""
    if process.behaviour.kind is Master or process.server is None:
        return False
    parent = rt.processes.get(process.parent) if process.parent is not None else None
    return parent is None or (parent.behaviour.children is None and parent.behaviour.kind is not Master)


# --- one supervisor -------------------------------------------------------------------------------------------------


async def page_of_children(supervisor: Process, offset: int, limit: int) -> tuple[tuple[TreeNode, ...], int]:
    """Some of its children, in the order of their starts, and how many there are. They come without theirs."""
    if supervisor.behaviour.children is None:
        raise UnknownProcess(supervisor.pid, "supervisor")
    rows = [node async for _, node in Pace().through(children_of(supervisor, offset, limit))]
    return tuple(rows), count_of_children(supervisor)


def top_of(process: Process) -> TreeNode:
    """A process as the top of a tree: nobody knows how it is to be restarted."""
    return _node(process, f"{process.pid}", None, 0, None)


def place_of_child(process: Process) -> TreeNode | None:
    """What its supervisor knows of it; None of one that has none."""
    above = process.runtime.processes.get(process.parent) if process.parent is not None else None
    server: Any = None if above is None else above.server
    pid = process.pid
    if isinstance(server, DynamicSupervisor) and pid in getattr(server, "_table", ()):
        return _dynamic(server, process, pid, server._table[pid], above)[1]
    if isinstance(server, TableSupervisor) and hasattr(server, "_table"):
        child = server._table.by_pid(pid)
        return None if child is None else _static(child, process.runtime, above)[1]
    return None


def count_of_children(process: Process) -> int:
    """How many places there are below it; none, if it is no supervisor."""
    return 0 if process.behaviour.children is None else _count(process.server)


def children_of(supervisor: Process, offset: int, limit: int) -> Iterator[Place]:
    """The places below it, from *offset* on. Who turns to something else in between misses those that go meanwhile."""
    server: Any = supervisor.server
    rt, end = supervisor.runtime, offset + limit
    if limit <= 0:
        return
    if isinstance(server, DynamicSupervisor) and hasattr(server, "_table"):
        both = chain(server._table.items(), server._restarting.items())
        for pid, spec in list(islice(both, offset, end)):
            if pid in server._table or pid in server._restarting:
                yield _dynamic(server, rt.processes.get(pid), pid, spec, supervisor)
    elif isinstance(server, TableSupervisor) and hasattr(server, "_table"):
        for child in list(islice(server._table._by_id.values(), offset, end)):
            yield _static(child, rt, supervisor)
    else:
        children = supervisor.behaviour.children
        pids = () if children is None or server is None else list(children(server))
        for each in pids[offset:end]:
            process = rt.processes.get(Pid(each))
            if process is not None:
                yield each, _node(process, f"{each}", None, 0, None)


def _dynamic(
    server: DynamicSupervisor, process: Process | None, pid: Pid, spec: ChildSpec[Any], above: Process | None
) -> Place:
    restarts, reason = server._history.get(pid, (0, None))
    restarting = pid in server._restarting
    last_exit = None
    if restarts or restarting:
        now = None if restarting else pid  # the reason is that of a start that failed: no crash of anybody's
        last_exit = _why(server._me.runtime, process, spec, (now, None), reason)
    row = _spec_row(spec, None)
    if process is not None:
        return pid, _node(process, f"{pid}", row, restarts, last_exit)
    state: Any = "restarting" if pid in server._restarting else "stopped"
    return 0, _empty(f"{above.pid if above else 0}/{pid}", row, state, restarts, last_exit)


def _static(child: StaticChild, rt: Runtime, above: Process | None) -> Place:
    restarts = child.restarts
    process = None if child.pid is None else rt.processes.get(child.pid)
    last_exit = None
    if child.last_reason is not None:
        last_exit = _why(rt, process, child.spec, (child.pid, child.last_pid), child.last_reason)
    row = _spec_row(child.spec, name_text(child.spec.id))
    if process is not None:
        return process.pid, _node(process, f"{process.pid}", row, restarts, last_exit)
    state: Any = "restarting" if child.restarting or child.pid is not None else "stopped"
    return 0, _empty(f"{above.pid if above else 0}/{row.id}", row, state, restarts, last_exit)


def _why(
    rt: Runtime,
    process: Process | None,
    spec: ChildSpec[Any],
    known: tuple[int | None, int | None],
    reason: object,
) -> str:
    """Why the child ended last. The books of a supervisor have the bare reason, which its class may want to hide.

    So it is taken from the history, where the class had its say; *known* are the pid of now and the one before.
    """
    said = history_of(rt).last_exit(*known)
    if said is not None:
        return said
    if process is not None:
        hides = process.behaviour.format_status is not None
    else:  # a start function that is no class is not known to hide anything
        inherited: Any = GenServer.format_status
        hides = getattr(spec.start, "format_status", inherited) is not inherited
    return hidden_reason(reason) if hides else reason_text(reason)


def _node(process: Process, key: str, spec: SpecRow | None, restarts: int, last_exit: str | None) -> TreeNode:
    return TreeNode(
        key=key,
        pid=process.pid,
        name=name_text(process.name),
        kind=process.behaviour.name,
        label=label_of(process),
        state="running",
        status=STATE_NAMES[process.status],
        mailbox=len(process.mailbox or ()),
        restarts=restarts,
        last_exit=last_exit,
        spec=spec,
        supervisor=None if process.behaviour.children is None else _supervisor_row(process.server),
        children_total=count_of_children(process),
        children=(),
    )


def _empty(key: str, spec: SpecRow, state: Any, restarts: int, last_exit: str | None) -> TreeNode:
    """A place with nobody in it."""
    return TreeNode(
        key=key, pid=None, name=None, kind=spec.start, label=None, state=state, status=None, mailbox=0,
        restarts=restarts, last_exit=last_exit, spec=spec, supervisor=None, children_total=0, children=(),
    )  # fmt: skip


def _spec_row(spec: ChildSpec[Any], id: str | None) -> SpecRow:
    shutdown: Any = spec.shutdown
    return SpecRow(id, name_text(spec.start) or "", spec.restart, shutdown, spec.type, spec.significant)


def _supervisor_row(server: Any) -> SupervisorRow | None:
    """What it keeps to; None of one that is still starting."""
    if isinstance(server, BaseSupervisor) and hasattr(server, "_flags"):
        flags, limit = server._flags, server._flags.limit
        return SupervisorRow(
            strategy=flags.strategy,
            max_restarts=flags.max_restarts,
            max_seconds=flags.max_seconds,
            restarts_used=len(server._intensity),
            max_children=int(limit) if isfinite(limit) else None,
            auto_shutdown=flags.auto_shutdown,
            restarting=_restarting(server),
        )
    if isinstance(server, RegistryServer) and hasattr(server, "_restarts"):
        together = not server._split and server._partition_count > 1
        return SupervisorRow(
            strategy="one_for_all" if together else "one_for_one",
            max_restarts=registry.MAX_RESTARTS,
            max_seconds=registry.MAX_SECONDS,
            restarts_used=len(server._restarts),
            max_children=None,
            auto_shutdown="never",
            restarting=0,
        )
    return None


def _restarting(server: BaseSupervisor) -> int:
    if isinstance(server, DynamicSupervisor):
        return len(server._restarting)
    if isinstance(server, TableSupervisor) and hasattr(server, "_table"):
        return sum(each.restarting for each in islice(server._table._by_id.values(), 1000))
    return 0


def _count(server: Any) -> int:
    """How many places there are below it."""
    if isinstance(server, DynamicSupervisor):
        return len(server._table) + len(server._restarting) if hasattr(server, "_restarting") else 0
    if isinstance(server, TableSupervisor):
        return len(server._table._by_id) if hasattr(server, "_table") else 0
    children = getattr(server, "_child_pids", None)
    return 0 if children is None else len(list(children()))
