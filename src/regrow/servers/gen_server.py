"""``GenServer``: a process that keeps a state and answers calls, casts and plain messages, one at a time.

The state is ``self``. ``@call`` and ``@cast`` mark what clients may ask; what ``start_link`` gives, a handle, has
just these. ``__init__`` runs inside the new process with the start's arguments, and a restart builds a new
instance; ``init``, if the class has one, plain or async, runs before the start is acknowledged.

>>> import asyncio
>>> from regrow import GenServer, call, cast
>>> class Counter(GenServer):
...     def __init__(self, start: int = 0) -> None:
...         self.count = start
...     @call
...     def value(self) -> int:
...         return self.count
...     @cast
...     def add(self, n: int) -> None:
...         self.count += n
>>> async def main() -> int:
...     counter = await Counter.start_link(1)
...     counter.add(2)
...     return await counter.value()
>>> asyncio.run(main())
3
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from sys import _getframe
from typing import Any, ClassVar, Final, ParamSpec, Self, TypeVar, Unpack

from regrow.kernel import death, signals
from regrow.kernel.adoption import who_asks
from regrow.kernel.errors import CallingSelf, CallTimeout, NotAllowed, Stop
from regrow.kernel.mailbox import put
from regrow.kernel.names import Name
from regrow.kernel.process import INLINE, RUNNING, SETTLING, STARTING, Process, Request
from regrow.kernel.reasons import NORMAL
from regrow.kernel.reports import brief
from regrow.kernel.runtime import runtime
from regrow.kernel.targets import Target, resolve
from regrow.kernel.timers import checked_seconds
from regrow.servers.calls import Declared
from regrow.servers.child_spec import ChildSpec, with_arguments
from regrow.servers.handles import handle_by_name, handle_of, patient
from regrow.servers.options import SPEC_KEYS, ClassKeywords, Options, StartOptions, check_keywords, spec_of
from regrow.servers.scope import Scope

__all__ = ["HEADER", "GenServer", "stop", "within"]

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("regrow")
HEADER: Final = ("id", *SPEC_KEYS, "trap_exits", "max_mailbox")
OWN: Final = (
    *("start", "start_link", "child_spec", "options", "scope", "named", "of"),
    *("init", "handle_info", "handle_continue", "terminate", "code_change", "format_status", "name_for"),
    *("stopping", "continue_with", "set_timeout"),
)


class GenServer:
    """A server; subclass it. Elixir: ``GenServer``.

    The class header takes the keys of its child spec (``id``, ``restart``, ``shutdown``, ``significant``), and
    ``trap_exits`` and ``max_mailbox`` (above that length the event ``mailbox.alarm`` is told).

    Three more may be defined. ``init(self)``, plain or async, ends the start: it may raise ``Ignore`` or
    ``Stop(reason)`` or ask for ``continue_with``. ``terminate(self, reason)``, plain or async, runs before the end,
    whatever ends the server except ``KILL``, within its shutdown time when a signal ends it. And the classmethod
    ``name_for(cls, ...)`` names each server from the arguments of its start.
    """

    __slots__ = ()

    _is_base_of_servers: ClassVar[bool] = True
    _is_supervisor: ClassVar[bool] = False
    _keywords: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **keywords: Unpack[ClassKeywords]) -> None:
        super().__init_subclass__()
        given: dict[str, Any] = dict(keywords)
        check_keywords(cls, given, HEADER)
        # Only what was said: @dataclass(slots=True) makes the class a second time, and says nothing then.
        if given:
            cls._keywords = {**cls._keywords, **given}
        refuse_async_init(cls)
        for name in OWN:
            if isinstance(vars(cls).get(name), Declared):
                raise TypeError(
                    f"{cls.__name__}.{name}: a server's {name} is no call; give the call another name"
                )
        for name, member in vars(cls).items():
            if isinstance(member, staticmethod | classmethod) and isinstance(member.__func__, Declared):
                raise TypeError(
                    f"{cls.__name__}.{name}: a call is a plain method; take the @{type(member).__name__} off"
                )

    # --- starting ---------------------------------------------------------------------------------------------------

    @classmethod
    async def start(cls: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Start a server without a link with its starter. Gives its handle when ``init`` is through.

        Raises StartError with the reason, AlreadyStarted if the name is taken, StartIgnored if it chose not to
        start, TypeError for an abstract class. Elixir: ``GenServer.start/3``.
        """
        process = await Options[P, T](_class(cls), {})._launch(args, kwargs, False, _getframe(1))
        handle: T = handle_of(_class(cls), process)
        return handle

    @classmethod
    async def start_link(cls: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Start a server linked with the current process, which becomes its parent. As ``start`` else.

        A start that fails raises, and sends no exit signal. Elixir: ``GenServer.start_link/3``.
        """
        process = await Options[P, T](_class(cls), {})._launch(args, kwargs, True, _getframe(1))
        handle: T = handle_of(_class(cls), process)
        return handle

    @classmethod
    def child_spec(cls: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[T]:
        """How a supervisor starts this server with these arguments. Elixir: ``child_spec/1`` of ``use GenServer``.

        InvalidSpec for keys of the class header that can't work, TypeError for an abstract class.

        >>> from regrow import GenServer
        >>> class Game(GenServer, restart="transient", shutdown=2.0):
        ...     def __init__(self, game_id: str) -> None:
        ...         self.game_id = game_id
        >>> spec = Game.child_spec("g1")
        >>> spec.args, spec.restart, spec.shutdown
        (('g1',), 'transient', 2.0)
        """
        own: ChildSpec[T] | None = getattr(cls, "_regrow_spec", None)
        if own is None or own.start is not cls:
            own = spec_of(_class(cls))
        return with_arguments(own, args, kwargs)

    @classmethod
    def scope(cls: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Scope[T]:
        """``async with Game.scope("g1") as game``: the server lives as long as the block.

        Leaving the block stops it with ``SHUTDOWN``. If it ends abnormally before, the block is cancelled and
        raises ServerExited. Elixir has none; it is ``start_link`` and a block.

        >>> import asyncio
        >>> from regrow import Agent, process
        >>> async def main():
        ...     async with Agent.scope(dict) as agent:
        ...         inside = process.alive(agent)
        ...     return inside, process.alive(agent)
        >>> asyncio.run(main())
        (True, False)
        """
        return Options[P, T](_class(cls), {}).scope(*args, **kwargs)

    @classmethod
    def options(cls: Callable[P, T], /, **options: Unpack[StartOptions]) -> Options[P, T]:
        """The same starts with options: ``Game.options(name="g1", restart="temporary").child_spec("g1")``.

        ``name``, ``timeout`` (seconds for the start) and ``debug`` ("log", "statistics", "trace") say how to start;
        ``id``, ``restart``, ``shutdown`` and ``significant`` are keys of the spec. TypeError for another word,
        ValueError or InvalidName for a value that can't be. Elixir: the options of ``GenServer.start_link/3``.

        >>> from regrow import Agent
        >>> spec = Agent.options(name="stock", restart="temporary").child_spec(dict)
        >>> spec.id, spec.restart
        ('stock', 'temporary')
        """
        return Options(_class(cls), dict(options))

    @classmethod
    def named(cls, name: Name, /) -> Self:
        """A handle by name. It looks the name up at every message, so it outlives restarts; nothing is looked up now.

        InvalidName for what can't be a name. Elixir: any ``GenServer.server()`` that is a name.

        >>> import asyncio
        >>> from regrow import Agent
        >>> async def main():
        ...     await Agent.options(name="stock").start_link(dict, apples=2)
        ...     return await Agent.named("stock").get(dict.copy)
        >>> asyncio.run(main())
        {'apples': 2}
        """
        handle: Self = handle_by_name(cls, name)
        return handle

    @classmethod
    def of(cls, pid: Target, /) -> Self:
        """A handle of the process *pid*. NoProcess if it is gone; TypeError if it is another kind of server.

        Elixir needs none: a pid is what one calls.
        """
        process = resolve(pid)
        if process is None:
            raise death.no_process(pid)
        kind = process.behaviour.kind
        if not (isinstance(kind, type) and issubclass(kind, cls)):
            raise TypeError(f"{process!r} is no {cls.__name__}, so it can't be reached as one")
        handle: Self = handle_of(kind, process)
        return handle

    # --- what a subclass may define ---------------------------------------------------------------------------------

    def handle_info(self, message: Any) -> Any:
        """A plain message has come; plain or async. The default logs it and goes on. Elixir: ``handle_info/2``."""
        process = _process_of(self)
        logger.error(
            "%r received an unexpected message: %s. Define handle_info(self, message) to take it",
            process,
            brief(message),
            extra={"regrow": {"event": "no_handle_info", "pid": process.pid, "message": brief(message)}},
        )

    def handle_continue(self, term: Any) -> Any:
        """What ``continue_with(term)`` asked for, before any message that waits. Elixir: ``handle_continue/2``."""
        raise NotImplementedError(
            f"{type(self).__name__} asked to continue with {term!r}: define handle_continue(self, term)"
        )

    def terminate(self, reason: Any) -> Any:
        """Clean up before the end; plain or async. A class without it just ends. Elixir: ``terminate/2``."""

    def code_change(self, old_version: Any, extra: Any) -> Any:
        """``sys.change_code`` asks to bring the state up to the new code. Elixir: ``code_change/3``."""

    def format_status(self, status: Any) -> Any:
        """What of the state reports and ``sys.get_status`` may show. *status* is a dict with ``state`` and, in a crash
        report, ``reason`` and ``message``; return the dict with ``state`` replaced. Elixir: ``format_status/1``."""
        return status

    def _boot(self) -> Any:
        return self.init()  # type: ignore[attr-defined]  # looked for when the behaviour is made

    # --- what a handler may ask for ---------------------------------------------------------------------------------

    def stopping(self, value: T, reason: object = NORMAL) -> T:
        """``return self.stopping(value, reason)``: reply, and stop. ``terminate`` runs first, then the reply is sent.

        Elixir: ``{:stop, reason, reply, state}``. Without a reply ``raise Stop(reason)``. NotAllowed outside of a
        handler, as for the two below.

        >>> import asyncio
        >>> from regrow import GenServer, call, process
        >>> class Till(GenServer):
        ...     @call
        ...     def close(self) -> str:
        ...         return self.stopping("closed")
        >>> async def main():
        ...     till = await Till.start_link()
        ...     process.monitor(till)
        ...     return await till.close(), (await process.receive()).reason
        >>> asyncio.run(main())
        ('closed', NORMAL)
        """
        process = _process_of(self)
        if process.status == STARTING:
            raise NotAllowed(f"{process!r} has nobody to reply to while it starts: raise Stop({reason!r})")
        process.more().stopping = (reason,)
        _settle_later(process)
        return value

    def continue_with(self, term: object) -> None:
        """Call ``handle_continue(term)`` right after this handler, before any message that waits.

        Elixir: ``{:continue, term}``. The reply of a call is sent before. NotAllowed if it is asked for twice.

        >>> import asyncio
        >>> from regrow import GenServer, call
        >>> class Shop(GenServer):
        ...     def init(self) -> None:
        ...         self.stock = "none"
        ...         self.continue_with("fetch")
        ...     def handle_continue(self, term: str) -> None:
        ...         self.stock = f"after {term}"
        ...     @call
        ...     def ask(self) -> str:
        ...         return self.stock
        >>> async def main():
        ...     return await (await Shop.start_link()).ask()
        >>> asyncio.run(main())
        'after fetch'
        """
        process = _process_of(self)
        extra = process.more()
        if extra.continuation is not None:
            raise NotAllowed(
                f"{process!r} is to continue with {extra.continuation[0]!r} already: one at a time"
            )
        extra.continuation = [term]
        _settle_later(process)

    def set_timeout(self, seconds: float | None) -> None:
        """Send ``TIMEOUT`` to ``handle_info`` if no message comes within *seconds* after this handler.

        Once; any message ends it, and None takes it back. ValueError for what is no time. Elixir: the time-out in a
        callback's return tuple.

        >>> import asyncio
        >>> from regrow import TIMEOUT, GenServer, Shutdown, Stop, process
        >>> class Session(GenServer):
        ...     def init(self) -> None:
        ...         self.set_timeout(0.001)
        ...     def handle_info(self, message: object) -> None:
        ...         raise Stop(Shutdown("idle" if message is TIMEOUT else "told"))
        >>> async def main():
        ...     process.trap_exits()
        ...     await Session.start_link()
        ...     return (await process.receive()).reason
        >>> asyncio.run(main())
        Shutdown(detail='idle')
        """
        seconds = checked_seconds(seconds, f"set_timeout({seconds!r})")
        process = _process_of(self)
        process.more().patience = seconds
        _settle_later(process)


def _class(cls: Any) -> type[Any]:
    """The class behind ``cls``, which the starts take for a callable so that its signature is theirs."""
    found: type[Any] = cls
    return found


def refuse_async_init(cls: type[Any]) -> None:
    if inspect.iscoroutinefunction(vars(cls).get("__init__")):
        raise TypeError(
            f"{cls.__name__}.__init__ can't be async: move what has to wait to async def init(self)"
        )


def _process_of(server: GenServer) -> Process:
    process = runtime().current
    if process is None or process.server is not server:
        if process is not None and process.server is None:  # in its __init__
            return process
        raise NotAllowed(
            f"only a handler of {type(server).__name__} itself may say this, while it runs as the process"
        )
    return process


def _settle_later(process: Process) -> None:
    if process.status in (INLINE, RUNNING):
        process.status = SETTLING


def within(handle: T, seconds: float | None) -> T:
    """The same handle with a time-out of its own: ``await within(game, 0.5).play(4, "x")``. None waits for ever.

    ValueError for what is no time, TypeError for what is no handle. Elixir: the last argument of ``GenServer.call``.

    >>> import asyncio
    >>> from regrow import Agent, CallTimeout, within
    >>> async def main():
    ...     agent = await Agent.start_link(dict)
    ...     try:
    ...         await within(agent, 0.001).get(lambda _: asyncio.sleep(60))
    ...     except CallTimeout:
    ...         return "too late"
    >>> asyncio.run(main())
    'too late'
    """
    if not hasattr(type(handle), "__regrow_process__"):
        raise TypeError(f"within takes a handle, such as start_link or named give, and not {handle!r}")
    made: T = patient(handle, checked_seconds(seconds, f"within(..., {seconds!r})"))
    return made


async def stop(target: Target, reason: object = NORMAL, timeout: float | None = None) -> None:
    """Ask a server to stop with *reason*, and wait until it is gone; its ``terminate`` runs.

    Raises NoProcess if there is none, ServerExited if it ended for another reason, CallTimeout if it takes longer
    than *timeout* seconds (it goes on stopping), CallingSelf in the server itself. NotAllowed for a process that is
    no server. Elixir: ``GenServer.stop/3``.

    >>> import asyncio
    >>> from regrow import Agent, process, stop
    >>> async def main():
    ...     agent = await Agent.start_link(dict)
    ...     await stop(agent)
    ...     return process.alive(agent)
    >>> asyncio.run(main())
    False
    """
    timeout = checked_seconds(timeout, f"timeout={timeout!r}")
    process = resolve(target)
    if process is None:
        raise death.no_process(target, "stop")
    rt = process.runtime
    rt.check(process)
    if who_asks(rt) is process:
        raise CallingSelf(f"{process!r} can't wait for its own end: raise Stop({reason!r}) in its handler")
    if process.behaviour.handle_info is None:
        raise NotAllowed(f"{process!r} is no server: send it an exit signal, process.exit(pid, SHUTDOWN)")
    gone = signals.end_of(process)
    put(process, (_stop, (reason,), {}, _Unanswered(process, gone, who_asks(rt), "stop", system=True)))
    try:
        actual = await asyncio.wait_for(gone, timeout)
    except TimeoutError:
        raise CallTimeout(f"{process!r} has not stopped within {timeout:g} s; it goes on stopping") from None
    finally:
        who_asks(rt)  # raises what has ended the caller meanwhile
    if actual is not reason and actual != reason:
        raise death.exited(process, actual, "stop")


def _stop(_server: object, reason: object) -> None:
    raise Stop(reason)


class _Unanswered(Request):
    """The request of ``stop``: what answers it is the process's end, which its watcher tells."""

    __slots__ = ()

    def reply(self, value: object) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        pass
