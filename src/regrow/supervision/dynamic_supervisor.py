"""DynamicSupervisor: starts with no children, and takes them as the program runs.

>>> import asyncio
>>> from regrow import Agent, DynamicSupervisor
>>> async def main():
...     async with DynamicSupervisor.scope(max_children=1000) as sup:
...         one = await sup.start_child((Agent, dict))
...         two = await sup.start_child((Agent, dict))
...         await sup.terminate_child(one)
...         return await sup.count_children()
>>> asyncio.run(main())
Counts(specs=1, active=1, supervisors=0, workers=1)

A child that ends is restarted or forgotten, by the ``restart`` of its spec:

=============  ==================  =================
restart        clean end           crash
=============  ==================  =================
``permanent``  restarted           restarted
``transient``  forgotten           restarted
``temporary``  forgotten           forgotten
=============  ==================  =================

A restart that fails is tried again, each attempt counted; between two attempts the supervisor serves
whoever has asked meanwhile. After more than ``max_restarts`` in ``max_seconds`` it stops. When it stops,
all children are told at the same time, and it ends when the last of them is gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar, Literal, TypedDict, TypeVar, Unpack, overload

from regrow.kernel.compaction import compact, is_due
from regrow.kernel.errors import InvalidFlags, StartError, StartIgnored
from regrow.kernel.process import Pid
from regrow.kernel.reasons import is_clean
from regrow.servers.calls import call, client
from regrow.servers.child_spec import ChildSpec, with_arguments
from regrow.servers.gen_server import GenServer
from regrow.servers.options import ClassKeywords
from regrow.supervision import events
from regrow.supervision.children import RESTARTING, ChildInfo, Counts
from regrow.supervision.dynamic_starts import DynamicStarts, dressed
from regrow.supervision.errors import ChildNotFound
from regrow.supervision.flags import DYNAMIC_FLAG_NAMES, Flags, require_dynamic
from regrow.supervision.reports import MAX_RESTARTS
from regrow.supervision.shutdown import stop_together
from regrow.supervision.specs import Child, pid_to_stop, require_insignificant, to_spec
from regrow.supervision.starts import shown, start_child
from regrow.supervision.starts_by_init import StartsByInit
from regrow.supervision.stepwise import Stepwise, drive

T = TypeVar("T")
G = TypeVar("G", bound=GenServer)

PAGE = 1000


class DynamicFlags(TypedDict, total=False):
    """The flags of a ``DynamicSupervisor`` as keywords."""

    strategy: Literal["one_for_one"]
    max_restarts: int
    max_seconds: float
    max_children: float | None
    extra_arguments: Sequence[Any]


class DynamicKeywords(DynamicFlags, ClassKeywords, total=False):
    """What the header of a ``DynamicSupervisor`` class takes."""


class DynamicSupervisor(StartsByInit, DynamicStarts):  # type: ignore[misc]  # the starts are typed there
    """A supervisor of children that come and go. Elixir: ``DynamicSupervisor``.

    Flags, all optional, in the class header or at the start: ``max_restarts`` in ``max_seconds`` (3 in 5 seconds),
    ``max_children`` (no limit), ``extra_arguments`` (put before the arguments of every child's start), ``strategy``
    (``"one_for_one"`` is the only one). ``InvalidFlags`` says what is wrong with them.

    Where flags depend on the arguments of the start, ``init`` makes them:

    >>> import asyncio
    >>> from regrow import Agent, DynamicSupervisor, MaxChildren
    >>> class Rooms(DynamicSupervisor, max_seconds=1.0):
    ...     def init(self, seats):
    ...         return self.flags(max_children=seats)
    >>> async def main():
    ...     async with Rooms.scope(1) as rooms:
    ...         await rooms.start_child((Agent, dict))
    ...         try:
    ...             await rooms.start_child((Agent, dict))
    ...         except MaxChildren as full:
    ...             print(full)
    ...         return [row.type async for row in rooms.iter_children()]
    >>> asyncio.run(main())
    the supervisor has its max_children=1 already; end a child first or raise the limit
    ['worker']
    """

    _flag_names: ClassVar[tuple[str, ...]] = DYNAMIC_FLAG_NAMES

    def __init_subclass__(cls, **keywords: Unpack[DynamicKeywords]) -> None:
        super().__init_subclass__(**keywords)

    _history: dict[Pid, tuple[int, object]]  # of who was restarted: how often, and why the last one ended

    def __init__(self, *args: Any, **flags: Unpack[DynamicFlags]) -> None:
        self._given = args, {**flags}
        if args and not self._has_init:
            raise TypeError(
                f"{type(self).__name__} takes flags only, as keywords; got {args!r}. For arguments of its own "
                "give the class an init(self, ...) that returns self.flags(...)"
            )

    # --- for clients --------------------------------------------------------------------------------------------------

    # Not a coroutine function: it refuses a bad spec when it is called, and adds no step to the hot path.
    @overload
    def start_child(self, child: ChildSpec[T], /) -> Coroutine[Any, Any, T]: ...
    @overload
    def start_child(self, child: Callable[[], G], /) -> Coroutine[Any, Any, G]: ...
    @overload
    def start_child(self, child: tuple[type[G], *tuple[Any, ...]], /) -> Coroutine[Any, Any, G]: ...
    @overload
    def start_child(
        self, child: Callable[[], Coroutine[Any, Any, object]], /
    ) -> Coroutine[Any, Any, Pid]: ...
    @overload
    def start_child(
        self, child: tuple[Callable[..., Coroutine[Any, Any, object]], *tuple[Any, ...]], /
    ) -> Coroutine[Any, Any, Pid]: ...
    @client
    def start_child(self, child: Child, /) -> Coroutine[Any, Any, Any]:
        """Start a child now, and give its handle, or what its own start function returned.

        ``child`` is a ``ChildSpec``, a server class, a tuple ``(class, argument...)`` or a coroutine function. A bad
        one raises ``InvalidSpec`` before any message is sent. ``StartError`` says why the child did not start;
        ``MaxChildren`` and ``StartIgnored`` are kinds of it. While a child's ``init`` is under way, the
        supervisor does nothing else. Elixir: ``DynamicSupervisor.start_child/2``.
        """
        spec = child if isinstance(child, ChildSpec) else to_spec(child)
        if spec.significant:
            require_insignificant(spec)
        started: Coroutine[Any, Any, Any] = self._start_child(spec)
        return started

    @client
    def terminate_child(self, child: GenServer | Pid, /) -> Coroutine[Any, Any, None]:
        """End a child, given as its handle or pid, within its shutdown time, and forget it.

        A child whose restart failed is known by its last pid until it runs again. Raises ``ChildNotFound``.
        Elixir: ``DynamicSupervisor.terminate_child/2``.
        """
        ended: Coroutine[Any, Any, None] = self._terminate_child(pid_to_stop(child))
        return ended

    @call(timeout=None)
    def which_children(self) -> list[ChildInfo]:
        """All children. With very many of them that is a large list: ``iter_children`` pages.

        Elixir: ``DynamicSupervisor.which_children/1``.
        """
        return self._rows([*self._table, *self._restarting])

    @client
    def iter_children(self, *, page: int = PAGE) -> AsyncIterator[ChildInfo]:
        """All children, ``page`` at a time: ``async for row in games.iter_children()``.

        The children are those of the moment of the first step; who ends meanwhile is left out, and so is who is
        restarted meanwhile, since that is a new process. Raises ``ValueError`` for a page of less than one.
        Elixir has none.
        """
        if isinstance(page, bool) or not isinstance(page, int) or page < 1:
            raise ValueError(f"page={page!r}: must be a whole number, 1 or more")
        return _pages(self, page)

    @call(timeout=None)
    def count_children(self) -> Counts:
        """How many children there are, and of which type. Elixir: ``DynamicSupervisor.count_children/1``."""
        specs = [*self._table.values(), *self._restarting.values()]
        supervisors = sum(spec.type == "supervisor" for spec in specs)
        return Counts(len(specs), len(self._table), supervisors, len(specs) - supervisors)

    # --- for init -----------------------------------------------------------------------------------------------------

    def flags(self, **values: Unpack[DynamicFlags]) -> Flags:
        """The flags of the class header with these laid over them: what ``init`` returns.

        Raises ``InvalidFlags``. Elixir: ``DynamicSupervisor.init/1``.
        """
        return self._checked(self._merged(values))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _begin(self) -> Stepwise[None]:
        self._table = {}
        self._arguments = {}
        self._restarting = {}
        self._history = {}
        if self._has_init:
            self._take_over((yield from self._run_init()))
        else:
            self._keep(self._checked(self._merged(self._given[1])))

    def _take_over(self, made: Any) -> None:
        if not isinstance(made, Flags):
            raise InvalidFlags(f"{type(self).__name__}.init returned {made!r}: must be self.flags(...)")
        self._keep(self._checked(made))

    @classmethod
    def _checked(cls, flags: Flags) -> Flags:
        return require_dynamic(flags)

    def _spec_of(self, pid: Pid) -> ChildSpec[Any]:
        """The spec of a child that runs, its arguments included. KeyError for anybody else."""
        spec = self._table[pid]
        return with_arguments(spec, dressed(self._arguments[pid]), {}) if pid in self._arguments else spec

    @call(timeout=None, raises=ChildNotFound)
    def _terminate_child(self, pid: Pid) -> Any:
        if self._restarting.pop(pid, None) is not None:
            self._history.pop(pid, None)
            return None
        if pid not in self._table:
            raise ChildNotFound(pid)
        return drive(self._stop([pid]))

    def _stop(self, pids: Sequence[Pid]) -> Stepwise[None]:
        """End these children, who stay in the table until the last one is gone."""
        yield from stop_together(self._me, [(pid, self._table[pid]) for pid in pids], self._complain)
        for pid in pids:
            self._forget(pid)
            self._history.pop(pid, None)

    def _forget(self, pid: Pid) -> None:
        self._table.pop(pid, None)
        self._arguments.pop(pid, None)
        if is_due(pid):
            compact(self._table)
            compact(self._arguments)
            compact(self._history)

    def _stop_children(self) -> Stepwise[None]:
        yield from self._stop(list(self._table))

    def _child_pids(self) -> Iterable[Pid]:
        return list(self._table) if hasattr(self, "_table") else ()

    @call(timeout=None)
    def _pids(self) -> tuple[Pid, ...]:
        return (*self._table, *self._restarting)

    @call(timeout=None)
    def _rows_of(self, pids: Sequence[Pid]) -> list[ChildInfo]:
        return self._rows(pids)

    def _rows(self, pids: Iterable[Pid]) -> list[ChildInfo]:
        """A row for each of these that is a child."""
        processes = self._me.runtime.processes
        rows = []
        for pid in pids:
            if (spec := self._table.get(pid)) is not None:
                process = processes.get(pid)
                rows.append(
                    ChildInfo(None, pid if process is None else shown(process), spec.type, spec.modules)
                )
            elif (spec := self._restarting.get(pid)) is not None:
                rows.append(ChildInfo(None, RESTARTING, spec.type, spec.modules))
        return rows

    # --- when a child ends --------------------------------------------------------------------------------------------

    def _exit_arrived(self, pid: Pid, reason: object) -> Any:
        if pid not in self._table:
            return None  # a stranger, or one that was ended by terminate_child
        spec = self._spec_of(pid)
        self._forget(pid)
        events.child_terminated(self._me, spec, pid, reason)
        restart = spec.restart == "permanent" or (spec.restart == "transient" and not is_clean(reason))
        if restart or not is_clean(reason):
            self._report("child_terminated", spec, pid, reason)
        if restart:
            return self._restart(pid, spec, reason)
        self._history.pop(pid, None)
        return None

    def _restart(self, old: Pid, spec: ChildSpec[Any], reason: object) -> Any:
        if not self._intensity.admit():
            self._report("shutdown", spec, old, MAX_RESTARTS)
            raise self._give_up(spec, reason)
        return drive(self._start_again(old, spec, reason))

    def _start_again(self, old: Pid, spec: ChildSpec[Any], reason: object) -> Stepwise[None]:
        restarts, _ = self._history.pop(old, (0, None))
        try:
            started = yield from start_child(self._me, spec, self._flags.extra_arguments, known=self._table)
        except StartIgnored:
            return
        except StartError as error:
            self._report("start_error", spec, old, error.reason)
            events.child_start_failed(self._me, spec, old, error.reason)
            self._restarting[old] = spec
            self._history[old] = restarts, error.reason
            self._later(DynamicSupervisor._retry, old, error.reason)
        else:
            pid = started.pid
            self._enter(pid, spec)
            self._history[pid] = restarts + 1, reason
            self._report("progress", spec, pid, None)
            events.child_restarted(self._me, spec, pid, old, restarts + 1, reason)

    def _retry(self, old: Pid, reason: object) -> Any:
        """Try a failed restart again, unless somebody has terminated the child meanwhile."""
        spec = self._restarting.pop(old, None)
        return None if spec is None else self._restart(old, spec, reason)

    def _complain(self, reason: object, spec: ChildSpec[Any], pid: Pid) -> None:
        self._report("shutdown_error", self._spec_of(pid) if pid in self._table else spec, pid, reason)


async def _pages(supervisor: DynamicSupervisor, page: int) -> AsyncIterator[ChildInfo]:
    pids = await supervisor._pids()
    for start in range(0, len(pids), page):
        for row in await supervisor._rows_of(pids[start : start + page]):
            yield row
