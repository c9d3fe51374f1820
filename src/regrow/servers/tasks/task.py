"""``Task``: a function run once, in a process of its own, whose result can be awaited.

    task = Task.async_(fetch, url)              # starts now, linked with whoever starts it
    ...
    page = await task                           # the value, or ServerExited with why there is none

The process that starts a task is its owner, and only the owner may wait for it. The result comes to the owner as
messages, ``TaskResult(ref, value)`` and then ``Down``: awaiting takes them out of the mailbox, and a server that
would rather not wait gets them in ``handle_info``. How the task itself runs is in ``process``.

>>> import asyncio
>>> from regrow import Task
>>> async def main():
...     tasks = [Task.async_(pow, 2, n) for n in range(4)]
...     return await Task.await_many(tasks)
>>> asyncio.run(main())
[1, 2, 4, 8]
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine, Generator, Iterable
from typing import Any, Final, Generic, Literal, ParamSpec, TypeVar, Unpack, get_args, overload

from regrow.kernel import death, receiving, signals
from regrow.kernel.adoption import current_process
from regrow.kernel.errors import CallTimeout, NotAllowed
from regrow.kernel.mailbox import Down, put_message
from regrow.kernel.process import EXITING, Pid, Process
from regrow.kernel.reasons import KILLED, NOCONNECTION, NOPROC, SHUTDOWN
from regrow.kernel.timers import checked_seconds
from regrow.servers.child_spec import BRUTAL_KILL, ChildSpec, ShutdownTime
from regrow.servers.tasks.outcome import Exited, Ok, Outcome, TaskResult
from regrow.servers.tasks.process import Work, callers_of, spawn_task
from regrow.servers.tasks.stream import StreamOptions, TaskStream
from regrow.servers.tasks.waiting import collect, end

__all__ = ["Task", "prepared"]

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")
T_co = TypeVar("T_co", covariant=True)

OnTimeout = Literal["nothing", "ignore", "kill_task"]
ON_TIMEOUT: Final = get_args(OnTimeout)
PATIENCE: Final = 5.0
"""Seconds that a wait takes if nothing is said, as for calls."""


class Task(Generic[T_co]):
    """A task that runs, or has run. ``pid`` is its process, ``ref`` marks its messages, ``owner`` may wait for it.

    Make one with ``Task.async_`` or a ``TaskSupervisor``. Elixir: ``Task``.
    """

    __slots__ = ("__weakref__", "_name", "_outcome", "_owner", "_process", "_wanted", "ref")

    ref: int
    _owner: Process
    _process: Process | None
    _name: str
    _outcome: Outcome[T_co] | None
    _wanted: bool

    def __init__(self) -> None:
        raise TypeError("Task() starts nothing: write Task.async_(function, argument, ...)")

    # --- starting ---------------------------------------------------------------------------------------------------

    @overload
    @staticmethod
    def async_(
        function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Task[T]: ...
    @overload
    @staticmethod
    def async_(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]: ...
    @staticmethod
    def async_(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task[Any]:
        """Run ``function(*args, **kwargs)``, plain or async, as a task, linked with the current process, its owner.

        If the task crashes, so does an owner that does not trap exits; ``TaskSupervisor.async_nolink`` spares it.
        Elixir: ``Task.async/1``.
        """
        owner = current_process()
        task, work = prepared(owner, function, args, kwargs)
        task._attach(spawn_task(work, owner, linked=True), linked=False)
        return task

    @staticmethod
    def start(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Pid:
        """Run a task for its effects only, without a link; gives its pid. Elixir: ``Task.start/1``."""
        starter = current_process()
        return spawn_task(Work(function, args, kwargs, callers_of(starter)), starter, linked=False).pid

    @staticmethod
    def start_link(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Pid:
        """``start``, linked with the current process: what a supervisor does. Elixir: ``Task.start_link/1``."""
        starter = current_process()
        return spawn_task(Work(function, args, kwargs, callers_of(starter)), starter, linked=True).pid

    @staticmethod
    def child_spec(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[Pid]:
        """A task as the child of any supervisor. It is ``"temporary"``: ``.replace(restart=...)`` for another restart.

        Its id is the function. A supervisor makes the same of a bare coroutine function, or of
        ``(function, argument, ...)``. Elixir: ``Task.child_spec/1``, whose id is always ``Task``.
        """
        Work(function, args, kwargs, ())  # refuses what is no function here, and not in the supervisor
        return ChildSpec(
            function, Task.start_link, (function, *args), kwargs, restart="temporary", modules=(function,)
        )

    @staticmethod
    def completed(value: T) -> Task[T]:
        """A task that has no process and is done with *value* already. Elixir: ``Task.completed/1``.

        >>> import asyncio
        >>> from regrow import Task
        >>> async def main():
        ...     return await Task.await_many([Task.completed("cached"), Task.async_(str.upper, "fresh")])
        >>> asyncio.run(main())
        ['cached', 'FRESH']
        """
        task = _blank(current_process(), "completed")
        task._outcome = Ok(value)
        task._wanted = False
        return task

    # --- waiting for one --------------------------------------------------------------------------------------------

    @property
    def pid(self) -> Pid | None:
        """The pid of its process; None of a ``completed`` one."""
        return None if self._process is None else self._process.pid

    @property
    def owner(self) -> Pid:
        """The pid of the process that may wait for it."""
        return self._owner.pid

    def __await__(self) -> Generator[Any, Any, T_co]:
        return self.await_().__await__()

    async def await_(self, timeout: float | None = PATIENCE) -> T_co:
        """The result; ``await task`` is the same with the usual 5 seconds. Waiting again gives it again.

        Raises ServerExited if the task ended without one, CallTimeout if none comes within *timeout* seconds: the
        task goes on then, linked as it was, but its result will never arrive. NotAllowed for all but the owner.
        Elixir: ``Task.await/2``.
        """
        self._refuse_strangers("await_")
        outcome = await self._settled(checked_seconds(timeout, f"timeout={timeout!r}"))
        if isinstance(outcome, Ok):
            return outcome.value
        if outcome is None:
            self._forget()
            raise CallTimeout(_no_answer(timeout, repr(self)))
        raise self._failure(outcome.reason)

    async def yield_(self, timeout: float | None = PATIENCE) -> Outcome[T_co] | None:
        """``Ok(value)`` or ``Exited(reason)``; None if neither comes within *timeout* seconds, and then ask again.

        Elixir: ``Task.yield/2``.

        >>> import asyncio
        >>> from regrow import Task
        >>> async def main():
        ...     gate = asyncio.Event()
        ...     task = Task.async_(gate.wait)
        ...     at_first = await task.yield_(0)
        ...     gate.set()
        ...     return at_first, await task.yield_()
        >>> asyncio.run(main())
        (None, Ok(value=True))
        """
        self._refuse_strangers("yield_")
        return await self._settled(checked_seconds(timeout, f"timeout={timeout!r}"))

    async def shutdown(self, timeout: ShutdownTime | None = PATIENCE) -> Outcome[T_co] | None:
        """Unlink the task, end it with ``SHUTDOWN``, and with ``KILL`` after *timeout* seconds or if it says so.

        ``Ok(value)`` if the result had come in time, None if it ended by this, ``Exited(reason)`` if it ended
        otherwise, with ``NOPROC`` if that was known already. No message of it is left. Elixir: ``Task.shutdown/2``.

        >>> import asyncio
        >>> from regrow import Task, process
        >>> async def main():
        ...     task = Task.async_(asyncio.sleep, 60)
        ...     return await task.shutdown(), process.alive(task.pid)
        >>> asyncio.run(main())
        (None, False)
        """
        brutal = timeout == BRUTAL_KILL
        patience = None if timeout == BRUTAL_KILL else checked_seconds(timeout, f"timeout={timeout!r}")
        self._refuse_strangers("shutdown")
        if self._process is None:
            return self.ignore()
        ended = await end(self._owner, self._process, brutal, patience)
        known = self._outcome is not None
        message = self._message()
        if message is not None:
            self._take(message)
        elif ended is None:  # it was dead before, and nothing of it had come that was not taken
            self._outcome = self._outcome or Exited(NOPROC)
            return Exited(NOPROC)
        else:
            self._outcome = self._outcome or Exited(ended[0])
        self._forget()
        outcome = self._outcome
        ours = KILLED if brutal else SHUTDOWN
        if not known and isinstance(outcome, Exited) and outcome.reason is ours:
            return None
        return outcome

    def ignore(self) -> Outcome[T_co] | None:
        """What ``yield_`` would give at once; if that is None, drop all that may still come, and let the task run.

        A later wait fails with CallTimeout. Elixir: ``Task.ignore/1``.
        """
        self._refuse_strangers("ignore")
        if self._outcome is None and (message := self._message()) is not None:
            self._take(message)
        self._forget()
        return self._outcome

    # --- waiting for many -------------------------------------------------------------------------------------------

    @staticmethod
    async def await_many(tasks: Iterable[Task[S]], timeout: float | None = PATIENCE) -> list[S]:
        """The results, in the order of *tasks*. Raises ServerExited as soon as one ends without, CallTimeout if not
        all come within *timeout* seconds; the others go on, and are not waited for any more.
        Elixir: ``Task.await_many/2``.
        """
        patience = checked_seconds(timeout, f"timeout={timeout!r}")
        given = _owned(tasks, "await_many")
        waiting = {task.ref: task for task in given if task._outcome is None and task._wanted}
        failed = [task for task in given if isinstance(task._outcome, Exited)]
        try:
            if not failed:
                await collect(waiting, patience, lambda task: isinstance(task._outcome, Exited))
            results: list[S] = []
            for task in given:
                if isinstance(task._outcome, Exited):
                    raise task._failure(task._outcome.reason)
            for task in given:
                if not isinstance(task._outcome, Ok):
                    raise CallTimeout(_no_answer(timeout, repr(task)))
                results.append(task._outcome.value)
            return results
        finally:
            for task in waiting.values():
                task._forget()

    @staticmethod
    async def yield_many(
        tasks: Iterable[Task[S]],
        timeout: float | None = PATIENCE,
        *,
        limit: int | None = None,
        on_timeout: OnTimeout = "nothing",
    ) -> list[tuple[Task[S], Outcome[S] | None]]:
        """Each task with its outcome, in the order of *tasks*, when all have one or *timeout* seconds are over.

        The rest have None and go on; ``on_timeout="kill_task"`` kills them, ``"ignore"`` drops what they may still
        say. With *limit*, it is over as soon as so many have an outcome. Elixir: ``Task.yield_many/2``.

        >>> import asyncio
        >>> from regrow import Task
        >>> async def main():
        ...     tasks = [Task.async_(str.upper, "quick"), Task.async_(asyncio.sleep, 60)]
        ...     return [outcome for _, outcome in await Task.yield_many(tasks, 0.05, on_timeout="kill_task")]
        >>> asyncio.run(main())
        [Ok(value='QUICK'), None]
        """
        if on_timeout not in ON_TIMEOUT:
            raise ValueError(f"on_timeout={on_timeout!r}: must be one of {', '.join(map(repr, ON_TIMEOUT))}")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"limit={limit!r}: must be a whole number, 1 or more, or None for all")
        patience = checked_seconds(timeout, f"timeout={timeout!r}")
        given = _owned(tasks, "yield_many")

        def enough(_task: Any = None) -> bool:
            return limit is not None and sum(task._outcome is not None for task in given) >= limit

        if not enough():
            waiting = {task.ref: task for task in given if task._outcome is None and task._wanted}
            await collect(waiting, patience, enough)
        over = not enough()
        results: list[tuple[Task[S], Outcome[S] | None]] = []
        for task in given:
            outcome = task._outcome
            if outcome is None and over and on_timeout == "ignore":
                outcome = task.ignore()
            elif outcome is None and over and on_timeout == "kill_task":
                outcome = await task.shutdown(BRUTAL_KILL)
            results.append((task, outcome))
        return results

    @overload
    @staticmethod
    def async_stream(
        items: Iterable[S] | AsyncIterable[S],
        function: Callable[[S], Coroutine[Any, Any, T]],
        **options: Unpack[StreamOptions],
    ) -> TaskStream[T]: ...
    @overload
    @staticmethod
    def async_stream(
        items: Iterable[S] | AsyncIterable[S],
        function: Callable[[S], T],
        **options: Unpack[StreamOptions],
    ) -> TaskStream[T]: ...
    @staticmethod
    def async_stream(
        items: Any, function: Callable[[Any], Any], **options: Unpack[StreamOptions]
    ) -> TaskStream[Any]:
        """``async for outcome in Task.async_stream(urls, fetch)``: one task an item, so many at a time.

        Gives ``Ok(value)`` or ``Exited(reason)`` for each item, in order, or with ``ordered=False`` as they come.
        ``max_concurrency`` is the number of processors if nothing is said; no item is taken before there is room for
        it. A task has ``timeout`` seconds, 5 if nothing is said; then the loop fails with CallTimeout, or with
        ``on_timeout="kill_task"`` the item gives ``Exited("timeout")``. ``zip_input_on_exit`` puts the item into
        ``Exited``. The tasks are linked: a crash reaches the current process, which sees ``Exited`` only if it traps
        exits. Leaving the loop ends them. Elixir: ``Task.async_stream/3``.

        >>> import asyncio
        >>> from regrow import Task
        >>> async def main():
        ...     return [outcome.value async for outcome in Task.async_stream("abc", str.upper, max_concurrency=2)]
        >>> asyncio.run(main())
        ['A', 'B', 'C']
        """

        def start(owner: Process, item: Any, take: Callable[[Any], None], attach: Any) -> None:
            work = Work(function, (item,), {}, callers_of(owner), take)
            attach(spawn_task(work, owner, linked=True))

        return TaskStream(items, start, function, **options)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _attach(self, process: Process, *, linked: bool) -> None:
        """*process* is what runs this task; it has not begun."""
        owner = self._owner
        self._process = process
        if not self._wanted:
            signals.kill(process)
            return
        self.ref = signals.monitor(owner, process, process.pid)
        if linked:
            if owner.status >= EXITING:  # it would have been linked when its owner ended
                signals.kill(process)
            else:
                signals.link(owner, process)

    def _abandon(self) -> None:
        """Its owner has given up while it was started: it goes, whether it has begun or not."""
        self._forget()
        if self._process is not None:
            signals.kill(self._process)

    def _arrived(self, value: Any) -> None:
        if self._wanted:
            put_message(self._owner, TaskResult(self.ref, value))

    def _is_mine(self, message: object) -> bool:
        return isinstance(message, TaskResult | Down) and message.ref == self.ref

    def _message(self) -> TaskResult[Any] | Down | None:
        """The first of its messages, taken out of the mailbox if it is there."""
        found = receiving.take(self._owner, self._is_mine) if self._wanted else None
        return None if found is None else found[0]

    async def _settled(self, timeout: Any) -> Outcome[T_co] | None:
        if self._outcome is None and self._wanted:
            try:
                self._take(await receiving.receive(self._is_mine, timeout))
            except TimeoutError:
                return None
        return self._outcome

    def _take(self, message: TaskResult[Any] | Down) -> None:
        """This message decides it; the other one, if there is to be one, is not wanted."""
        self._outcome = Ok(message.value) if isinstance(message, TaskResult) else Exited(message.reason)
        self._forget()
        if isinstance(message, Down) and message.reason is NOCONNECTION:
            raise self._failure(NOCONNECTION)

    def _forget(self) -> None:
        """Nothing of this task reaches the mailbox from now on, and what is there goes."""
        if self._wanted:
            self._wanted = False
            signals.demonitor(self._owner, self.ref)
            while receiving.flush(self._owner, self._is_mine):
                pass

    def _failure(self, reason: object) -> BaseException:
        assert self._process is not None
        return death.exited(self._process, reason, f"the owner of {self._name}")

    def _refuse_strangers(self, doing: str) -> None:
        me = current_process()
        if me is not self._owner:
            raise NotAllowed(
                f"{doing}: {self!r} belongs to {self._owner!r}, which started it, and only that may wait for it, not "
                f"{me!r}. Each asyncio task is a process of its own; to wait for several use Task.await_many"
            )

    def __repr__(self) -> str:
        state = "" if self._outcome is None else f", {self._outcome!r}"
        return f"<Task {self._name} {self.pid or 'without a process'}{state}>"


def prepared(
    owner: Process, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
) -> tuple[Task[Any], Work]:
    """A task of *owner* that nothing runs yet, and the work that tells it its result."""
    task = _blank(owner, "")
    work = Work(function, args, kwargs, callers_of(owner), task._arrived)
    task._name = work.name
    return task, work


def _blank(owner: Process, name: str) -> Task[Any]:
    task: Task[Any] = object.__new__(Task)
    task._owner = owner
    task._name = name
    task._process = None
    task._outcome = None
    task._wanted = True
    task.ref = 0
    return task


def _owned(tasks: Iterable[Task[S]], doing: str) -> list[Task[S]]:
    given = list(tasks)
    for task in given:
        if not isinstance(task, Task):
            raise TypeError(f"{doing}: {task!r} is no Task; give those that Task.async_ has made")
        task._refuse_strangers(doing)
    return given


def _no_answer(timeout: float | None, who: str) -> str:
    within = "" if timeout is None else f" within {timeout:g} s"
    return f"no result of {who} came{within}; nobody waits for it any more"
