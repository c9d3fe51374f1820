"""Who lives below a supervisor, and what becomes of them: the census of a storm.

It counts *members*: a member is a place in the tree, and not the process in it. The child of a static supervisor is
the same member after a restart, after a restart of its supervisor, and so on up; that of a dynamic one for as long as
its supervisor lives, which alone remembers it. Nothing is asked of the processes. The census looks the tree over once,
when it begins, and then stands by every start (``attend_starts``) and hears of every end (``process.exited``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any, Final

from regrow.kernel.errors import StartError, StartIgnored
from regrow.kernel.events import attach, detach
from regrow.kernel.process import BUSY, ENDING, IDLE, STARTING, WAITING, Pid, Process
from regrow.kernel.reasons import SHUTDOWN, is_clean
from regrow.kernel.reports import brief
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.exits import queued_exits
from regrow.supervision.starts import Started, attend_starts
from regrow.supervision.stepwise import Stepwise
from regrow.supervision.table import ChildTable
from regrow.testing.storms.report import Fault

__all__ = ["Census", "Member"]

AT_REST: Final = (IDLE, WAITING)


class Member:
    """One place in the tree. ``process`` is who is in it, ``up`` whether its start is over."""

    __slots__ = (
        "above",
        "attempts",
        "before",
        "counted",
        "depth",
        "expected",
        "faults",
        "finished",
        "members",
        "name",
        "process",
        "server",
        "spec",
        "up",
    )

    def __init__(self, above: Member | None, spec: ChildSpec[Any] | None) -> None:
        self.above = above
        self.spec = spec
        self.depth: int = 0 if above is None else above.depth + 1
        self.name: str | None = None
        self.counted = 0  # of a dynamic supervisor: how many have been given a number
        self.process: Process | None = None
        self.up = False
        self.expected = False  # nobody is in it, and its supervisor has to start somebody
        self.finished = False  # the last who was in it has ended cleanly, while its supervisor went on
        self.before: Pid | None = None  # who was in it when the census began
        self.faults: list[Fault] = []  # what it has not got over yet
        self.server: BaseSupervisor | None = None  # kept, for its last words: who dies lets go of its server
        self.members: dict[Any, Member] | None = None
        self.attempts: Member | None = None  # of a supervisor: whom it is starting

    @property
    def label(self) -> str:
        """Its path from the supervisor at the top, ``Games/Game 3``: the id in a static supervisor, else a number."""
        own = self.name
        if own is None:
            own = "?" if self.spec is None else f"{_text(self.spec.start)} (new)"
        return own if self.above is None or self.above.above is None else f"{self.above.label}/{own}"

    @property
    def static(self) -> bool:
        """Whether it has an id, by which it is known across restarts."""
        return self.above is not None and _is_static(self.above.server)

    @property
    def last_words(self) -> BaseException | None:
        """Of a supervisor that has given up: why."""
        return None if self.server is None else self.server._last_words

    @property
    def is_restarted(self) -> bool:
        """Whether it is started again after a crash."""
        return self.spec is not None and self.spec.restart != "temporary"

    def is_below(self, other: Member) -> bool:
        above = self.above
        while above is not None and above is not other:
            above = above.above
        return above is other


class Census:
    """The members below the supervisor *top*, from ``begin`` to ``end``; *clock* gives the time in seconds."""

    def __init__(self, top: Process, clock: Callable[[], float]) -> None:
        self.runtime = top.runtime
        self.pid = top.pid
        self.top = Member(None, None)
        self.living: dict[Pid, Member] = {}  # by the process in it, in the order of their starts
        self.first: list[Member] = []  # those who lived at the beginning
        self.lost: dict[Member, None] = {}
        self.gave_up: list[str] = []
        self.restarts = 0
        self.joined = 0
        self.may_start: Callable[[Member], None] = lambda member: None
        self.changed: Callable[[Member], None] = lambda member: None
        self._clock = clock
        self._top = top
        self._leave: Callable[[], None] | None = None

    def begin(self) -> None:
        self._settle_in(self.top, self._top)
        self.top.name = _name_of(self._top)
        waiting, found = [self.top], []
        while waiting:
            supervisor = waiting.pop()
            for process, spec in _children(supervisor):
                member = self._member(supervisor, spec, process)
                member.before = process.pid
                found.append((process.pid, member, process))
                if member.server is not None:
                    waiting.append(member)
        for _pid, member, process in sorted(found, key=lambda each: each[0]):
            self.first.append(member)
            self.living[process.pid] = member
            self._number(member, process)
        self.living[self._top.pid] = self.top
        attach(self._heard)
        self._leave = attend_starts(self._attend)

    def end(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None
        detach(self._heard)

    # --- questions ------------------------------------------------------------------------------------------------

    def is_due(self, member: Member) -> bool:
        """Whether something is still to happen here: an end that was decided, a restart that is owed."""
        process = member.process
        if process is not None:
            return not member.up or process.status >= ENDING
        above = member.above
        if above is None or not member.expected:
            return False
        if above.process is None or not above.up:
            return self.is_due(above)
        return above.process.status not in AT_REST

    def misfits(self) -> list[str]:
        """Where the living children of a supervisor are not those in its table; nowhere, if all is well."""
        children: defaultdict[Pid | None, set[Pid]] = defaultdict(set)
        for pid, process in self.runtime.processes.items():
            children[process.parent].add(pid)
        return [
            problem
            for member in self.living.values()
            if member.process is not None and member.server is not None and member.process.status < BUSY
            for problem in self._misfits_of(member, member.process, children[member.process.pid])
        ]

    def _misfits_of(self, member: Member, process: Process, living: set[Pid]) -> Iterator[str]:
        assert member.server is not None
        table = set(member.server._child_pids())
        for pid in sorted(table - self.runtime.processes.keys() - queued_exits(process).keys()):
            yield f"{member.label} has process {pid} in its table, which is dead"
        for pid in sorted(living - table):
            child = self.runtime.processes[pid]
            if child.status < ENDING and child.status != STARTING:
                yield f"{child!r} is a living child of {member.label}, and not in its table"

    # --- starts ---------------------------------------------------------------------------------------------------

    def _attend(self, me: Process, spec: ChildSpec[Any], steps: Stepwise[Started]) -> Stepwise[Started]:
        supervisor = self.living.get(me.pid) if me.runtime is self.runtime else None
        return steps if supervisor is None else self._attended(supervisor, spec, steps)

    def _attended(
        self, supervisor: Member, spec: ChildSpec[Any], steps: Stepwise[Started]
    ) -> Stepwise[Started]:
        if supervisor.server is None and supervisor.process is not None:  # it is in its own start
            self._settle_in(supervisor, supervisor.process, up=False)
        member = self._place_for(supervisor, spec)
        supervisor.attempts = member
        try:
            self.may_start(member)
            started = yield from steps
        except BaseException as error:
            steps.close()
            if member.process is not None:
                self.living.pop(member.process.pid, None)
                member.process = None
            if isinstance(error, StartIgnored) or not isinstance(error, StartError):
                member.expected = False  # it chose not to start, or its supervisor ends
            self.changed(member)
            raise
        finally:
            supervisor.attempts = None
        self._is_up(member, started)
        return started

    def _place_for(self, supervisor: Member, spec: ChildSpec[Any]) -> Member:
        """The member that a start by *spec* is for: one that was lost, or a new one."""
        members = _members(supervisor)
        if _is_static(supervisor.server):
            known = members.get(spec.id)
            if known is None:
                known = members[spec.id] = Member(supervisor, spec)
            known.spec = spec
            return known
        for each in self.lost:
            if each.above is supervisor and each.expected and _is_again(each.spec, spec):
                return each
        return Member(supervisor, spec)

    def _is_up(self, member: Member, started: Started) -> None:
        process = self.runtime.processes.get(started.pid)
        if member.process is not None and member.process is not process:
            self.living.pop(member.process.pid, None)
            member.process = None
        if process is None:  # its start function gave back somebody who has died since
            return
        known = member in self.lost or member.before is not None
        self._settle_in(member, process)
        self._number(member, process)
        self.living[process.pid] = member
        self.lost.pop(member, None)
        if known:
            self.restarts += 1
        else:
            self.joined += 1
        now = self._clock()
        for fault in member.faults:
            if fault.at is not None:
                fault.healed_after = round(now - fault.at, 9)
        member.faults.clear()
        self.changed(member)

    def _member(self, supervisor: Member, spec: ChildSpec[Any], process: Process) -> Member:
        member = Member(supervisor, spec)
        if _is_static(supervisor.server):
            _members(supervisor)[spec.id] = member
        self._settle_in(member, process)
        return member

    def _settle_in(self, member: Member, process: Process, *, up: bool = True) -> None:
        member.process, member.up, member.expected = process, up, False
        member.server = process.server if isinstance(process.server, BaseSupervisor) else None

    def _number(self, member: Member, process: Process) -> None:
        if member.name is not None or member.above is None or member.spec is None:
            return
        if member.static:
            member.name = _text(member.spec.id)
            return
        member.above.counted += 1
        initial = process.extra.initial if process.extra is not None else None
        member.name = f"{initial or process.behaviour.name} {member.above.counted}"

    # --- ends -----------------------------------------------------------------------------------------------------

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        if event == "process.started":
            supervisor = self.living.get(fields["parent"])
            member = None if supervisor is None else supervisor.attempts
            if member is not None and member.process is None:
                member.process = self.runtime.processes[fields["pid"]]
                self.living[fields["pid"]] = member
        elif event == "process.exited":
            member = self.living.pop(fields["pid"], None)
            if member is not None:
                self._ended(member, fields["reason"])

    def _ended(self, member: Member, reason: object) -> None:
        was_up, member.up, member.process = member.up, False, None
        if member.server is not None:
            if member.last_words is not None:
                self.gave_up.append(member.label)
            for each in [each for each in self.lost if each.above is member and not each.static]:
                each.expected = False  # nobody remembers it any more
        if was_up:
            self.lost[member] = None
            member.expected = self._comes_back(member, reason)
            above = None if member.above is None else member.above.process
            member.finished = is_clean(reason) and above is not None and above.status < ENDING
        self.changed(member)

    def _comes_back(self, member: Member, reason: object) -> bool:
        spec, above = member.spec, member.above
        if spec is None or above is None or not member.is_restarted:
            return False
        if member.static:  # a strategy may end a child, to start it again with another
            return spec.restart == "permanent" or not is_clean(reason) or reason is SHUTDOWN
        if above.process is None or reason is SHUTDOWN:  # its supervisor is gone, or has ended it for good
            return False
        return spec.restart == "permanent" or not is_clean(reason)


def _children(supervisor: Member) -> Iterator[tuple[Process, ChildSpec[Any]]]:
    assert supervisor.process is not None
    server: Any = supervisor.server
    processes = supervisor.process.runtime.processes
    for pid in server._child_pids():
        child = server._table.by_pid(pid) if _is_static(server) else None
        if pid in processes:
            yield processes[pid], server._spec_of(pid) if child is None else child.spec


def _is_again(before: ChildSpec[Any] | None, spec: ChildSpec[Any]) -> bool:
    """Whether *spec* is the one of *before*, which a dynamic supervisor keeps as a template and arguments.

    Children of one template with the very same arguments can't be told apart: the one that was lost first is up first.
    """
    if before is None or before is spec:
        return before is spec
    return (
        (before.template or before) is (spec.template or spec)
        and len(before.args) == len(spec.args)
        and all(map(is_, before.args, spec.args))
    )


def _is_static(server: BaseSupervisor | None) -> bool:
    """Whether its children have ids, by which they are known across restarts."""
    return isinstance(getattr(server, "_table", None), ChildTable)


def _members(supervisor: Member) -> dict[Any, Member]:
    if supervisor.members is None:
        supervisor.members = {}
    return supervisor.members


def _name_of(process: Process) -> str:
    return process.behaviour.name if process.name is None else _text(process.name)


def _text(value: object) -> str:
    """An id, a name or a start function in a word."""
    return value if isinstance(value, str) else getattr(value, "__qualname__", None) or brief(value)
