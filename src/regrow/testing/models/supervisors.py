"""What the machines of both supervisors have in common: children that are made to end, and how all is watched.

What was started comes from the attendant of all starts, what has ended from the events of the processes. The attendant
also makes starts fail, so that any child can be one whose restart fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from regrow import process, stop, sys
from regrow.kernel.errors import ServerExited, StartError, StartIgnored
from regrow.kernel.process import Pid, Process
from regrow.kernel.reasons import KILL, SHUTDOWN, Shutdown
from regrow.kernel.targets import is_handle
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.children import RESTARTING
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.flags import Flags
from regrow.supervision.starts import Started, attend_starts
from regrow.supervision.stepwise import Stepwise
from regrow.testing.models.checking import check_children, check_flags, check_supervisor
from regrow.testing.models.children import GONE, SupervisorModel, Trouble
from regrow.testing.models.drawing import AT_ONCE, SOME, TROUBLED, Operation, Strands
from regrow.testing.models.explaining import Event
from regrow.testing.models.machine import TICK, Call, ModelMachine
from regrow.testing.models.words import SupervisorWords, named

__all__ = ["Crash", "SupervisorMachineBase"]

S = TypeVar("S", bound=SupervisorModel)
STALE: Final = 2
"""How many of the children that are gone are still asked for now and then."""


class Crash(Exception):
    """What a machine makes children crash of, and why a start fails that it prevents."""


class SupervisorMachineBase(ModelMachine[S]):
    """The part that does not know which kind of supervisor it tests."""

    supervisor: ClassVar[ChildSpec[Any]]
    """What is tested, as ``Rooms.child_spec(...)`` says it."""
    children: ClassVar[Sequence[ChildSpec[Any]]] = ()
    """What may be started under it. These children live until they are told to end."""
    flags: ClassVar[Flags | None] = None
    """What the supervisor has to keep to, as ``Flags(max_restarts=1)``; left out, what it says itself."""
    _words = SupervisorWords()

    _kind: ClassVar[type]
    """The supervisors that it can test."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None
        self._leave: Callable[[], None] | None = None
        self._pid: Pid | None = None
        self._born: dict[tuple[Any, int], Started] = {}
        self._births: dict[Any, int] = {}
        self._who: dict[Pid, tuple[Any, int]] = {}
        self._told: set[Pid] = set()
        self._trouble: dict[Any, tuple[Trouble, int]] = {}
        self._starts: list[tuple[Pid, Any, Started]] = []  # by whom, and of which id
        self._watched: list[tuple[Pid | None, Pid]] = []  # who was started, by whom; or who has ended
        self._refused: list[tuple[Any, StartError]] = []  # starts that failed, and were not prevented

    # --- for users ----------------------------------------------------------------------------------------------------

    async def start_supervisor(self) -> Any:
        """Start what is tested, and give its handle. Whatever it needs may be started before it."""
        spec = self.supervisor
        server: Any = spec.start
        named = server.options() if spec.name is None else server.options(name=spec.name)
        return await named.start(*spec.args, **spec.kwargs)

    def crash(self, child: Any) -> None:
        """Make *child*, a handle or pid, crash. It is an exit signal with an exception, unless this is overridden."""
        process.exit(child, Crash("made by the machine"))

    def end(self, child: Any) -> None:
        """Let *child* end in order: an exit signal with a ``Shutdown``, unless this is overridden."""
        process.exit(child, Shutdown("made by the machine"))

    @property
    def living(self) -> list[Any]:
        """The children that live now, as handles; pids of what is no server."""
        return [self._born[who].child for pid, who in self._who.items() if pid in self._rt.processes]

    @property
    def handle(self) -> Any:
        """The supervisor's handle; None while it does not run."""
        return self._handle if self._runs() else None

    # --- start and end ------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if type(self).start_supervisor is SupervisorMachineBase.start_supervisor:
            check_supervisor(type(self), self._kind)
        check_flags(type(self), self._kind, self.flags)
        check_children(type(self), self.children, required=self._kind is DynamicSupervisor)

    def _begin(self) -> None:
        self._leave = attend_starts(self._attend)
        self.make([self._started()])

    def _started(self) -> Call:
        async def start() -> None:
            self._pid = None
            self._starts.clear()
            try:
                self._handle = await self.start_supervisor()
                self._pid = process.pid_of(self._handle)
            except StartError:
                if not self.models:
                    self._refuse_starts()
                    raise
            for parent, child_id, started in self._starts:
                if parent == self._pid and started.pid not in self._who:
                    self._number(child_id, started)
            if not self.models:
                flags = self.flags or (await sys.get_status(self._handle)).state["flags"]
                self.models = [await self._first_model(flags)]

        return Call(("start_supervisor",), start)

    async def _first_model(self, flags: Flags) -> S:
        raise NotImplementedError

    def _finish(self) -> None:
        if self._runs():
            self.make([self._call_stop_supervisor()])

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if self._leave is not None:
                self._leave()

    def _runs(self) -> bool:
        return bool(self.models) and self.models[0].life == "running"

    # --- rules --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self._runs())
    @rule(how=st.sampled_from(["half the window", "to the end of the window", "past the window"]))
    def wait(self, how: str) -> None:
        """Let time go on: so far that the oldest restart counts for the last time, or not any more."""
        self.run(self._waited(how))

    async def _waited(self, how: str) -> None:
        model, now = self.models[0], asyncio.get_running_loop().time()
        window = model.flags.max_seconds
        oldest = model.restarts[0][1] if model.restarts else now
        until = {"half the window": now + window / 2, "to the end of the window": oldest + window}
        await asyncio.sleep(until.get(how, oldest + window + TICK) - now)

    @precondition(lambda self: self._runs())
    @rule(what=AT_ONCE)
    def do(self, what: Strands) -> None:
        """Do one thing, or some things at the same time."""
        self.make(*self._strands(what))

    @precondition(lambda self: self._runs())
    @rule(meanwhile=SOME, way=st.sampled_from(["stop", "kill"]))
    def end_supervisor(self, meanwhile: Strands, way: str) -> None:
        """End the supervisor, which may have other things to do."""
        end = self._call_stop_supervisor() if way == "stop" else self._call_kill_supervisor()
        self.make(*self._strands(meanwhile), [end])

    @precondition(lambda self: not self._runs())
    @rule(trouble=TROUBLED)
    def start_again(self, trouble: Operation) -> None:
        """Start the supervisor again; a child of a static one may prevent it."""
        self.make(self._again(trouble))

    def _again(self, trouble: Operation) -> list[Call]:
        return [self._started()]

    def _operations(self) -> st.SearchStrategy[Operation]:
        """What may be drawn."""
        raise NotImplementedError

    def _aimed(self, operation: Operation) -> str:
        """Whom it is to be done to, in words."""
        target = self._target(operation.number)
        return "nobody" if target is None else named(*target)

    # --- what is watched ----------------------------------------------------------------------------------------------

    def _attend(self, me: Process, spec: ChildSpec[Any], steps: Stepwise[Started]) -> Stepwise[Started]:
        return self._attended(me, spec, steps) if me.runtime is self._rt else steps

    def _attended(self, me: Process, spec: ChildSpec[Any], steps: Stepwise[Started]) -> Stepwise[Started]:
        self._last = self._rt.loop.time()
        if self._pid in (None, me.pid) and spec.id in self._trouble:
            self._pid = me.pid
            trouble, times = self._trouble.pop(spec.id)
            if times > 1:
                self._trouble[spec.id] = trouble, times - 1
            raise StartIgnored if trouble == "ignore" else StartError(Crash("prevented by the machine"))
        try:
            started = yield from steps
        except StartError as error:
            if self._pid in (None, me.pid):
                self._refused.append((spec.id, error))
            raise
        self._last = self._rt.loop.time()
        self._watched.append((me.pid, started.pid))
        if self._pid is None:
            self._starts.append((me.pid, spec.id, started))
        elif me.pid == self._pid:
            self._number(spec.id, started)
        return started

    def _number(self, child_id: Any, started: Started) -> None:
        born = self._births[child_id] = self._births.get(child_id, 0) + 1
        self._born[child_id, born] = started
        self._who[started.pid] = child_id, born

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        if event == "process.exited":
            self._last = self._rt.loop.time()
            self._watched.append((None, fields["pid"]))

    def _seen(self) -> list[Event]:
        watched, self._watched = self._watched, []
        return [
            ("ended" if parent is None else "started", *self._who[pid])
            for parent, pid in watched
            if pid in self._who and parent in (None, self._pid)
        ]

    def _refuse_crashes(self, strands: Sequence[Sequence[Call]]) -> None:
        self._refuse_starts()
        super()._refuse_crashes(strands)

    def _refuse_starts(self) -> None:
        if self._refused:
            child_id, error = self._refused[0]
            raise AssertionError(
                f"child {child_id!r} does not start: {error}\n"
                "A model can't know when a start fails by itself, so these children have to start whenever they are "
                "told to; the machine makes starts fail. Give the child's spec arguments with which it starts, "
                "such as Room.child_spec('attic')"
            ) from error

    # --- at rest ------------------------------------------------------------------------------------------------------

    async def _is_at_rest(self) -> bool:
        living = self._rt.processes
        if self._pid not in living:
            return not any(pid in living for pid in self._who)
        try:
            rows = await self._handle.which_children()
        except ServerExited:
            return False
        return (
            all(row.child is not RESTARTING for row in rows)
            and all(self._pid_of(row.child) in living for row in rows if row.child is not None)
            and not any(pid in living for pid in self._told)
        )

    async def _looks(self) -> object:
        living = self._rt.processes
        below = {pid for pid, each in living.items() if each.parent == self._pid}
        assert all(each.pid in living for each in self._rt.names.values()), "a name is kept of who is dead"
        if self._pid not in living:
            left = below | {pid for pid in self._who if pid in living}
            assert not left, f"the supervisor is gone, and has left behind {[living[pid] for pid in left]}"
            return GONE
        rows = await self._handle.which_children()
        known = {self._pid_of(row.child) for row in rows if row.child not in (None, RESTARTING)}
        unknown = [living[pid] for pid in below - known]
        assert not unknown, f"alive under the supervisor, and not in which_children: {unknown}"
        return self._rows(rows), await self._count()

    def _rows(self, rows: Iterable[Any]) -> object:
        raise NotImplementedError

    def _row(self, child: Any) -> object:
        """What ``which_children`` shows, as the models say it."""
        return "restarting" if child is RESTARTING else self._who.get(self._pid_of(child), child)

    def _pid_of(self, child: Any) -> Pid:
        """The pid of a living child, or of one that lived."""
        target = child.__regrow_process__() if is_handle(child) else child
        return target.pid if isinstance(target, Process) else Pid(target)

    async def _count(self) -> object:
        counts = await self._handle.count_children()
        return counts.specs, counts.active, counts.supervisors, counts.workers

    # --- the calls ----------------------------------------------------------------------------------------------------

    def _strands(self, drawn: Sequence[Sequence[Operation]]) -> list[list[Call]]:
        return [[call for each in strand for call in self._calls(each)] for strand in drawn]

    def _calls(self, operation: Operation) -> list[Call]:
        """What is done for that operation: nothing if there is no such child."""
        calls: list[Call] = getattr(self, f"_do_{operation.name}")(operation)
        return calls

    def _with_trouble(self, child_id: Any, operation: Operation, *calls: Call) -> list[Call]:
        """*calls*, and before them what makes the next starts of that child fail."""
        trouble, times = operation.trouble, operation.times
        if trouble is None:
            return list(calls)
        prevented: tuple[Trouble, int] = trouble, times

        async def make_trouble() -> None:
            self._trouble[child_id] = prevented

        return [Call(("make_trouble", child_id, trouble, times), make_trouble), *calls]

    def _target(self, number: int) -> tuple[Any, int] | None:
        """One of the births: of the children there are, or of the last few that are gone."""
        book = self.models[0].children
        births = [(each, self._births[each]) for each in book if each in self._births]
        gone = [each for each in reversed(self._born) if each not in births][:STALE]
        found = births + gone
        return found[number % len(found)] if found else None

    def _to_a_child(self, operation: Operation, do: Callable[[Any], object]) -> list[Call]:
        who = self._target(operation.number)
        if who is None:
            return []
        child = self._born[who]

        async def tell() -> None:
            self._told.add(child.pid)
            self._planned.add(child.pid)
            if child.pid in self._rt.processes:
                do(child.child)

        async def see_end() -> None:
            await self._see_end(child.pid, "override crash(child) and end(child), which tell it")

        calls = [Call((operation.name, *who), tell), Call(("see_end", *who), see_end)]
        return self._with_trouble(who[0], operation, *calls)

    def _do_crash(self, operation: Operation) -> list[Call]:
        return self._to_a_child(operation, self.crash)

    def _do_end(self, operation: Operation) -> list[Call]:
        return self._to_a_child(operation, self.end)

    def _do_kill(self, operation: Operation) -> list[Call]:
        return self._to_a_child(operation, lambda child: process.exit(child, KILL))

    def _do_count_children(self, operation: Operation) -> list[Call]:
        return [Call(("count_children",), self._asked(self._count))]

    def _do_which_children(self, operation: Operation) -> list[Call]:
        async def which() -> object:
            return self._rows(await self._handle.which_children())

        return [Call(("which_children",), self._asked(which))]

    def _asked(
        self, ask: Callable[[], Coroutine[Any, Any, object]], *refusals: type[Exception]
    ) -> Callable[[], Coroutine[Any, Any, object]]:
        """*ask*, which gives the names of *refusals*, and ``GONE`` if the supervisor ends or has ended."""

        async def asked() -> object:
            try:
                return await ask()
            except ServerExited:
                return GONE
            except refusals as error:
                return type(error).__name__

        return asked

    def _call_stop_supervisor(self) -> Call:
        async def end() -> None:
            try:
                await stop(self._handle, SHUTDOWN)
            except ServerExited:  # it was quicker, or was killed meanwhile
                pass

        return Call(("stop_supervisor",), end)

    def _call_kill_supervisor(self) -> Call:
        async def end() -> None:
            process.exit(self._handle, KILL)

        return Call(("kill_supervisor",), end)
