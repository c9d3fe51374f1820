"""Supervisor: children known in advance, started in order and ended in reverse.

>>> import asyncio
>>> from regrow import Agent, DynamicSupervisor, Supervisor
>>> async def main():
...     children = [(Agent, dict), DynamicSupervisor.options(name="games").child_spec()]
...     async with Supervisor.scope(children, strategy="rest_for_one") as root:
...         return [(row.id, row.type) for row in await root.which_children()]
>>> asyncio.run(main())
[('games', 'supervisor'), (<class 'regrow.servers.agent.Agent'>, 'worker')]

What happens when a child ends is in ``table_supervisor``; here is the supervisor's face: how it is
described, and what its clients can ask of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack, cast, overload

from regrow.kernel.errors import AlreadyStarted, InvalidFlags, InvalidSpec, StartError
from regrow.kernel.process import Pid
from regrow.servers.calls import call, client
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer
from regrow.servers.options import ClassKeywords
from regrow.supervision.children import ChildInfo, Counts
from regrow.supervision.errors import AlreadyPresent, ChildNotFound, ChildRestarting, ChildRunning
from regrow.supervision.flags import STATIC_FLAG_NAMES, AutoShutdown, Flags, Strategy, require_static
from regrow.supervision.specs import Child, require_insignificant, to_spec, to_specs
from regrow.supervision.starts_by_init import StartsByInit
from regrow.supervision.stepwise import Stepwise, drive
from regrow.supervision.table import StaticChild
from regrow.supervision.table_supervisor import TableSupervisor

T = TypeVar("T")
G = TypeVar("G", bound=GenServer)


class StaticFlags(TypedDict, total=False):
    """The flags of a ``Supervisor`` as keywords."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float
    auto_shutdown: AutoShutdown


@dataclass(frozen=True, slots=True)
class Plan:
    """What the ``init`` of a static supervisor decides: its flags, and its children in start order."""

    flags: Flags
    specs: tuple[ChildSpec[Any], ...]


class StaticKeywords(StaticFlags, ClassKeywords, total=False):
    """What the header of a ``Supervisor`` class takes."""


class Supervisor(StartsByInit, TableSupervisor):  # type: ignore[misc]  # the starts are typed there, not in GenServer
    """A supervisor of children known in advance. Elixir: ``Supervisor``.

    ``Supervisor.start_link(children, strategy=..., max_restarts=..., max_seconds=..., auto_shutdown=...)``; the flags
    may also stand in a class header. Where children or flags depend on arguments, give the class an
    ``init(self, ...)`` that returns a list of children, or ``self.plan(children, **flags)``.

    A child that fails to start ends those before it, in reverse, and the start: ``StartError`` with the reason
    ``Shutdown(FailedToStartChild(id, reason))``.

    >>> import asyncio
    >>> from regrow import Agent, Supervisor
    >>> class Stores(Supervisor, strategy="one_for_one"):
    ...     def init(self, *names):
    ...         return [Agent.options(name=each).child_spec(dict) for each in names]
    >>> async def main():
    ...     async with Stores.scope("fruit", "tea") as stores:
    ...         await stores.terminate_child("tea")          # its spec stays
    ...         counts = await stores.count_children()
    ...         await stores.restart_child("tea")
    ...         return counts, [row.id for row in await stores.which_children()]
    >>> asyncio.run(main())
    (Counts(specs=2, active=1, supervisors=0, workers=2), ['tea', 'fruit'])
    """

    _flag_names: ClassVar[tuple[str, ...]] = STATIC_FLAG_NAMES

    def __init_subclass__(cls, **keywords: Unpack[StaticKeywords]) -> None:
        super().__init_subclass__(**keywords)

    def __init__(self, *args: Any, **flags: Unpack[StaticFlags]) -> None:
        self._given = args, {**flags}
        if len(args) > 1 and not self._has_init:
            raise TypeError(
                f"{type(self).__name__} takes one list of children, got {len(args)} arguments. For arguments of its "
                "own give the class an init(self, ...) that returns its children"
            )

    # --- for clients --------------------------------------------------------------------------------------------------

    @overload
    def start_child(self, child: ChildSpec[T], /) -> Coroutine[Any, Any, T | None]: ...
    @overload
    def start_child(self, child: Callable[[], G], /) -> Coroutine[Any, Any, G | None]: ...
    @overload
    def start_child(self, child: tuple[type[G], *tuple[Any, ...]], /) -> Coroutine[Any, Any, G | None]: ...
    @overload
    def start_child(
        self, child: Callable[[], Coroutine[Any, Any, object]], /
    ) -> Coroutine[Any, Any, Pid | None]: ...
    @overload
    def start_child(
        self, child: tuple[Callable[..., Coroutine[Any, Any, object]], *tuple[Any, ...]], /
    ) -> Coroutine[Any, Any, Pid | None]: ...
    @client
    def start_child(self, child: Child, /) -> Coroutine[Any, Any, Any]:
        """Add a child at the end of the order and start it; its handle, or None if it chose not to start.

        A child that was not started for that reason keeps its place. Raises ``InvalidSpec``; ``StartError``, of which
        ``AlreadyStarted`` and ``AlreadyPresent`` say that the id is taken. Elixir: ``Supervisor.start_child/2``.
        """
        started: Coroutine[Any, Any, Any] = self._start_child(to_spec(child))
        return started

    @call(timeout=None, raises=ChildNotFound)
    def terminate_child(self, child_id: Any) -> Coroutine[Any, Any, None]:
        """End the child of that id and keep its spec, unless it is temporary. Raises ``ChildNotFound``.

        Elixir: ``Supervisor.terminate_child/2``.
        """
        return cast("Coroutine[Any, Any, None]", drive(self._terminate_child(self._found(child_id))))

    @call(timeout=None, raises=(ChildNotFound, ChildRunning, ChildRestarting, StartError))
    def restart_child(self, child_id: Any) -> Any:
        """Start a stopped child again; its handle, or None if it chose not to start.

        Raises ``ChildNotFound``, ``ChildRunning``, ``ChildRestarting`` or ``StartError``.
        Elixir: ``Supervisor.restart_child/2``.
        """
        return drive(self._table.start(self._stopped(child_id)))

    @call(timeout=None, raises=(ChildNotFound, ChildRunning, ChildRestarting))
    def delete_child(self, child_id: Any) -> None:
        """Forget a stopped child. Raises ``ChildNotFound``, ``ChildRunning`` or ``ChildRestarting``.

        Elixir: ``Supervisor.delete_child/2``.
        """
        self._table.remove(self._stopped(child_id))

    @call(timeout=None, raises=ChildNotFound)
    def get_childspec(self, child_id: Any) -> ChildSpec[Any]:
        """The completed spec of the child of that id. Raises ``ChildNotFound``.

        Erlang: ``supervisor:get_childspec/2``.
        """
        return self._found(child_id).spec

    @call(timeout=None)
    def which_children(self) -> list[ChildInfo]:
        """All children, the last started first. Elixir: ``Supervisor.which_children/1``."""
        return [child.info() for child in reversed(self._table)]

    @call(timeout=None)
    def count_children(self) -> Counts:
        """How many specs there are, how many of them run, and of which type they are.

        Elixir: ``Supervisor.count_children/1``.
        """
        return self._table.count()

    # --- for init -----------------------------------------------------------------------------------------------------

    def plan(self, children: Iterable[Child], /, **flags: Unpack[StaticFlags]) -> Plan:
        """The children, and the flags of the class header with these laid over them: what ``init`` returns.

        Raises ``InvalidSpec`` and ``InvalidFlags``. Elixir: ``Supervisor.init/2``.
        """
        return _planned(children, self._merged(flags))

    # --- inside: start and code change --------------------------------------------------------------------------------

    def _begin(self) -> Stepwise[None]:
        if self._has_init:
            plan = self._understood((yield from self._run_init()))
        else:
            args, flags = self._given
            plan = _planned(args[0] if args else (), self._merged(flags))
        yield from self._start_with(plan.flags, plan.specs)

    def _understood(self, made: Any) -> Plan:
        """What ``init`` returned, as a plan."""
        if isinstance(made, Plan):
            return made
        if isinstance(made, (list, tuple)):
            return _planned(made, self._merged({}))
        raise InvalidFlags(
            f"{type(self).__name__}.init returned {made!r}: must be a list of children or self.plan(children, ...)"
        )

    def _take_over(self, made: Any) -> None:
        """Code change: new flags, known children get their new specs, new ones wait to be started.

        They are in the order of the plan from now on; those that it leaves out stay, after them.
        """
        plan = self._understood(made)
        self._keep(plan.flags)
        for spec in plan.specs:
            child = self._table.get(spec.id)
            if child is None:
                self._table.add(spec)
            else:
                child.spec = spec
        self._table.put_first([spec.id for spec in plan.specs])

    # --- inside: what clients ask for ---------------------------------------------------------------------------------

    @call(timeout=None, raises=(StartError, InvalidSpec))
    def _start_child(self, spec: ChildSpec[Any]) -> Any:
        _check_significant(spec, self._flags)
        child = self._table.get(spec.id)
        if child is None:
            return drive(self._start_new(spec))
        if child.pid is not None:
            raise AlreadyStarted(child.pid, child_id=spec.id)
        raise AlreadyPresent(spec.id)

    def _start_new(self, spec: ChildSpec[Any]) -> Stepwise[Any]:
        child = self._table.add(spec)
        try:
            return (yield from self._table.start(child))
        except StartError:
            self._table.remove(child)
            raise

    def _terminate_child(self, child: StaticChild) -> Stepwise[None]:
        yield from self._table.stop(child)
        self._table.drop(child)

    def _found(self, child_id: Any) -> StaticChild:
        try:
            child = self._table.get(child_id)
        except TypeError:  # an id that can't be hashed is nobody's
            child = None
        if child is None:
            raise ChildNotFound(child_id)
        return child

    def _stopped(self, child_id: Any) -> StaticChild:
        child = self._found(child_id)
        if child.restarting:
            raise ChildRestarting(child_id)
        if child.pid is not None:
            raise ChildRunning(child_id)
        return child


def _planned(children: Iterable[Child], flags: Flags) -> Plan:
    require_static(flags)
    specs = to_specs(children)
    for spec in specs:
        _check_significant(spec, flags)
    return Plan(flags, tuple(specs))


def _check_significant(spec: ChildSpec[Any], flags: Flags) -> None:
    if flags.auto_shutdown == "never":
        require_insignificant(spec)
