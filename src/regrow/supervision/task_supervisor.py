"""TaskSupervisor: a DynamicSupervisor whose children are tasks, started by giving it a function.

>>> import asyncio
>>> from regrow import TaskSupervisor
>>> async def main():
...     async with TaskSupervisor.scope() as tasks:
...         task = await tasks.async_nolink(pow, 2, 10)         # a crash of it is not mine
...         await tasks.start_child(asyncio.sleep, 60)          # fire and forget, and still supervised
...         return await task, len(await tasks.children())
>>> asyncio.run(main())
(1024, 1)

Three ties are possible. ``async_`` links task and caller: one crashes with the other. ``async_nolink`` only tells the
caller the result, or the end. ``start_child`` tells nobody. In each case the supervisor ends what is left when it
stops, and gives every task the shutdown time that was said.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from typing import Any, ClassVar, TypeVar, TypeVarTuple, Unpack, overload

from regrow.kernel.adoption import current_process
from regrow.kernel.process import Pid, Process
from regrow.servers.calls import call, client
from regrow.servers.child_spec import ChildSpec, Restart, ShutdownTime
from regrow.servers.tasks.process import Work, callers_of, spawn_task
from regrow.servers.tasks.stream import StreamOptions, TaskStream
from regrow.servers.tasks.task import Task, prepared
from regrow.supervision.dynamic_supervisor import DynamicSupervisor

__all__ = ["TaskSupervisor"]

T = TypeVar("T")
S = TypeVar("S")
Ts = TypeVarTuple("Ts")


class SupervisedStreamOptions(StreamOptions, total=False):
    """What the streams take: see ``Task.async_stream``, and ``shutdown`` as everywhere here."""

    shutdown: ShutdownTime | None


class TaskSupervisor(DynamicSupervisor):
    """A supervisor of tasks. Elixir: ``Task.Supervisor``.

    Flags: ``max_restarts`` in ``max_seconds``, which count for tasks started with a ``restart``, and ``max_children``.
    The functions are plain or async; arguments go by position (``functools.partial`` for others). ``shutdown`` is how
    long a task has to end when it is told to: 5 seconds, or ``BRUTAL_KILL``.
    """

    _flag_names: ClassVar[tuple[str, ...]] = ("max_restarts", "max_seconds", "max_children")

    # --- tasks that are waited for ----------------------------------------------------------------------------------

    @overload
    async def async_(
        self,
        function: Callable[[*Ts], Coroutine[Any, Any, T]],
        /,
        *args: *Ts,
        shutdown: ShutdownTime | None = ...,
    ) -> Task[T]: ...
    @overload
    async def async_(
        self, function: Callable[[*Ts], T], /, *args: *Ts, shutdown: ShutdownTime | None = ...
    ) -> Task[T]: ...
    @client
    async def async_(
        self, function: Callable[[*Ts], Any], /, *args: *Ts, shutdown: ShutdownTime | None = None
    ) -> Task[Any]:
        """Start a task under the supervisor, linked with the caller, its owner. Elixir: ``Task.Supervisor.async/3``.

        Raises MaxChildren, or InvalidSpec for a shutdown time that is none.
        """
        return await _begin(self, function, args, shutdown, linked=True)

    @overload
    async def async_nolink(
        self,
        function: Callable[[*Ts], Coroutine[Any, Any, T]],
        /,
        *args: *Ts,
        shutdown: ShutdownTime | None = ...,
    ) -> Task[T]: ...
    @overload
    async def async_nolink(
        self, function: Callable[[*Ts], T], /, *args: *Ts, shutdown: ShutdownTime | None = ...
    ) -> Task[T]: ...
    @client
    async def async_nolink(
        self, function: Callable[[*Ts], Any], /, *args: *Ts, shutdown: ShutdownTime | None = None
    ) -> Task[Any]:
        """``async_`` without the link: if the task crashes, its owner only hears of it, and lives on.

        Raises as ``async_`` does. Elixir: ``Task.Supervisor.async_nolink/3``.
        """
        return await _begin(self, function, args, shutdown, linked=False)

    @overload
    def async_stream(
        self,
        items: Iterable[S] | AsyncIterable[S],
        function: Callable[[S], Coroutine[Any, Any, T]],
        **options: Unpack[SupervisedStreamOptions],
    ) -> TaskStream[T]: ...
    @overload
    def async_stream(
        self,
        items: Iterable[S] | AsyncIterable[S],
        function: Callable[[S], T],
        **options: Unpack[SupervisedStreamOptions],
    ) -> TaskStream[T]: ...
    @client
    def async_stream(
        self, items: Any, function: Callable[[Any], Any], **options: Unpack[SupervisedStreamOptions]
    ) -> TaskStream[Any]:
        """``Task.async_stream`` with its tasks under the supervisor; raises as that does, and InvalidSpec for
        a ``shutdown`` that is no time. Elixir: ``Task.Supervisor.async_stream/4``.
        """
        return _stream(self, items, function, {**options}, linked=True)

    @overload
    def async_stream_nolink(
        self,
        items: Iterable[S] | AsyncIterable[S],
        function: Callable[[S], Coroutine[Any, Any, T]],
        **options: Unpack[SupervisedStreamOptions],
    ) -> TaskStream[T]: ...
    @overload
    def async_stream_nolink(
        self,
        items: Iterable[S] | AsyncIterable[S],
        function: Callable[[S], T],
        **options: Unpack[SupervisedStreamOptions],
    ) -> TaskStream[T]: ...
    @client
    def async_stream_nolink(
        self, items: Any, function: Callable[[Any], Any], **options: Unpack[SupervisedStreamOptions]
    ) -> TaskStream[Any]:
        """``async_stream`` without links: a crash is ``Exited(reason)`` in the stream and nothing else.

        Elixir: ``Task.Supervisor.async_stream_nolink/4``.
        """
        return _stream(self, items, function, {**options}, linked=False)

    # --- tasks that nobody waits for --------------------------------------------------------------------------------

    @client
    async def start_child(  # type: ignore[override]  # its children are functions, and nothing else
        self,
        function: Callable[[*Ts], object],
        /,
        *args: *Ts,
        restart: Restart = "temporary",
        shutdown: ShutdownTime | None = None,
    ) -> Pid:
        """Start a task that nobody waits for, and give its pid. With ``"transient"`` or ``"permanent"`` the function is
        run again after a crash, or always. Raises MaxChildren. Elixir: ``Task.Supervisor.start_child/3``.
        """
        work = Work(function, args, {}, callers_of(current_process()))
        spec = ChildSpec(
            work.name, run_task, (work,), restart=restart, shutdown=shutdown, modules=(function,)
        )
        pid: Pid = await self._start_child(spec)
        return pid

    @call(timeout=None)
    def children(self) -> list[Pid]:
        """The pids of the tasks that run. Elixir: ``Task.Supervisor.children/1``."""
        return list(self._table)


def run_task(work: Work, attach: Callable[[Process], None] | None = None) -> Pid:
    """How the supervisor starts a task: as its child, and tied to its owner before its first step."""
    process = spawn_task(work, current_process(), linked=True)
    if attach is not None:
        attach(process)
    return process.pid


async def _begin(
    supervisor: TaskSupervisor,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    shutdown: ShutdownTime | None,
    *,
    linked: bool,
) -> Task[Any]:
    task, work = prepared(current_process(), function, args, {})
    try:
        await _start(supervisor, work, functools.partial(task._attach, linked=linked), shutdown)
    except BaseException:
        task._abandon()
        raise
    return task


async def _start(
    supervisor: TaskSupervisor, work: Work, attach: Callable[[Process], None], shutdown: ShutdownTime | None
) -> None:
    spec = ChildSpec(
        work.name, run_task, (work, attach), restart="temporary", shutdown=shutdown, modules=(work.function,)
    )
    await supervisor._start_child(spec)


def _stream(
    supervisor: TaskSupervisor,
    items: Any,
    function: Callable[[Any], Any],
    options: dict[str, Any],
    *,
    linked: bool,
) -> TaskStream[Any]:
    shutdown = options.pop("shutdown", None)
    ChildSpec("task", dict, shutdown=shutdown)  # refuses a bad one here, and not at the first item

    async def start(owner: Process, item: Any, take: Callable[[Any], None], attach: Any) -> None:
        await _start(supervisor, Work(function, (item,), {}, callers_of(owner), take), attach, shutdown)

    return TaskStream(items, start, function, linked=linked, **options)
