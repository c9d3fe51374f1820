"""Handles: what a client holds to talk to a server.

A handle is an instance of a class made from the server's: it has the calls and casts and nothing else, does not
inherit from the server, and still says that it is one (``isinstance`` holds), since to its user it is. One bound to
a pid means that very process; one by name looks the name up at every message, and so outlives restarts.
"""

from __future__ import annotations

import functools
from asyncio import _get_running_loop
from collections.abc import Callable
from contextvars import copy_context
from sys import _getframe, exception
from time import monotonic
from typing import Any, NoReturn

from regrow.kernel import death, names
from regrow.kernel.adoption import who_asks
from regrow.kernel.mailbox import put
from regrow.kernel.probes import sending
from regrow.kernel.process import DEAD, EXITING, IDLE, INLINE, QUEUED, Behaviour, Pid, Process
from regrow.kernel.runtime import runtime
from regrow.kernel.scheduler import NO_KEYWORDS
from regrow.servers.calls import Call, Cast, Client, Declared, Default
from regrow.servers.rendezvous import (
    DEFAULT_TIMEOUT,
    NOT_DONE,
    conclude,
    inline_raised,
    inline_returned,
    meet,
)

__all__ = ["Named", "handle_by_name", "handle_class", "handle_of", "patient"]

UNRESOLVED = -1


class Named:
    """Stands in a handle where a process would: a name, or a call that may not run inline."""

    __slots__ = ("found", "name")
    status = UNRESOLVED

    def __init__(self, name: Any, found: Process | None = None) -> None:
        self.name = name
        self.found = found

    def resolve(self) -> Process | None:
        return self.found if self.found is not None else names.find(runtime(), self.name)


class Handle:
    """What all handle classes have in common. ``_target`` is the process, or a ``Named``."""

    __slots__ = ("__weakref__", "_target", "_timeout")

    _target: Any
    _timeout: Any
    _server: type[Any]
    _members: tuple[str, ...]

    def __regrow_process__(self) -> Process | None:
        target = self._target
        found: Process | None = target if type(target) is Process else target.resolve()
        return found

    def __getattr__(self, name: str) -> NoReturn:
        server = type(self)._server
        known = ", ".join(type(self)._members) or "none"
        if hasattr(server, name) or not name.startswith("_"):
            raise AttributeError(
                f"{server.__name__}.{name} can't be reached through a handle: a client has the calls and casts, "
                f"which are {known}. The rest is the server's own; mark a method with @call to offer it",
                name=name,
                obj=self,
            )
        raise AttributeError(f"handle of {server.__name__} has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"{name} can't be set through a handle: the state of a {type(self)._server.__name__} belongs to the "
            "server. Offer a @call or @cast that changes it"
        )

    def __dir__(self) -> list[str]:
        return list(type(self)._members)

    def _address(self) -> Any:
        target = self._target
        if type(target) is Process:
            return "pid", target.pid
        if target.found is not None:
            return "pid", target.found.pid
        return "name", target.name if names.is_via(target.name) else names.local_key(target.name)

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and self._address() == other._address()

    def __hash__(self) -> int:
        return hash((type(self), self._address()))

    def __repr__(self) -> str:
        kind, address = self._address()
        where = address if kind == "pid" else repr(self._target.name)
        return f"<{type(self)._server.__name__} handle {where}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        target = self._target
        server = type(self)._server
        if type(target) is Process:
            return _by_pid, (server, target.pid)
        if target.found is not None:
            return _by_pid, (server, target.found.pid)
        return handle_by_name, (server, target.name)


def handle_class(server: type[Any]) -> type[Any]:
    """The handle class of *server*, made when it is first needed."""
    made = getattr(server, "_regrow_handle_class", None)
    if made is None or made._server is not server:  # the one of a base class
        made = _make_class(server)
        server._regrow_handle_class = made
    found: type[Any] = made
    return found


def _make_class(server: type[Any]) -> type[Any]:
    members = declared_in(server)
    space: dict[str, Any] = {
        "__slots__": (),
        "__module__": server.__module__,
        "__doc__": server.__doc__,
        "__class__": property(lambda _self: server),
        "_server": server,
        "_members": tuple(sorted(name for name in members if not name.startswith("_"))),
    }
    for name, member in members.items():
        if isinstance(member, Client):
            space[name] = member.function
        elif isinstance(member, Call):
            space[name] = _calling(member)
        elif isinstance(member, Cast):
            space[name] = _casting(member)
    return type(f"{server.__name__}Handle", (Handle,), space)


def declared_in(server: type[Any]) -> dict[str, Declared[Any, Any]]:
    """The calls, casts and client functions of *server*, by the name and the class that come first."""
    found: dict[str, Declared[Any, Any]] = {}
    hidden: set[str] = set()
    for each in server.__mro__:
        for name, member in vars(each).items():
            if name in found or name in hidden:
                continue
            if isinstance(member, Declared):
                found[name] = member
            else:
                hidden.add(name)
    return found


def _calling(member: Call[Any, Any]) -> Callable[..., Any]:
    function, raises, name = member.function, member.raises, member.name.lstrip("_")
    usual = DEFAULT_TIMEOUT if isinstance(member.timeout, Default) else member.timeout
    never_inline = usual == 0

    @functools.wraps(function)
    async def message(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        process = self._target
        frame = _getframe(1)
        # The fast path of ``meet`` and ``run_inline``, written out: an idle server, and a slice opened by this frame.
        if process.status == IDLE and frame is process.runtime.slice_frame and exception() is None:
            rt = process.runtime
            before = rt.current
            if (
                monotonic() < rt.slice_end
                and (before is None or before.status < EXITING)
                and not never_inline
            ):
                process.status = INLINE
                rt.current = process
                try:
                    if kwargs:
                        result = process.context.copy().run(function, process.server, *args, **kwargs)
                    else:
                        result = process.context.copy().run(function, process.server, *args)
                except BaseException as error:
                    result = inline_raised(process, before, function, error)
                else:
                    rt.current = before
                    if (
                        type(result) not in NOT_DONE
                        and process.status == INLINE
                        and process.mailbox is None
                        and process.request is None
                        and not rt.alert
                        and (before is None or before.status < EXITING)
                    ):
                        process.status = IDLE
                        return result
                    result = inline_returned(process, before, (function, args, kwargs, None), result)
                if type(result) not in NOT_DONE:
                    return result
                timeout = usual if self._timeout is ... else self._timeout
                envelope = (function, args, kwargs, None)
                waiting = conclude(process, envelope, result, timeout, raises, name)
                result = None  # who waits for a Reply must not keep it alive
                return await waiting
        timeout = usual if self._timeout is ... else self._timeout
        if type(process) is Named:
            process = process.resolve()
            if process is None:
                raise death.no_process(self, name)
            refuse_another_kind(self, process, name)
        return await meet(process, function, args, kwargs, timeout, raises, name, frame)

    return message


def _casting(member: Cast[Any, Any]) -> Callable[..., Any]:
    function, name = member.function, member.name

    @functools.wraps(function)
    def message(self: Any, /, *args: Any, **kwargs: Any) -> None:
        process = self._target
        if type(process) is Named:
            process = process.resolve()
            if process is None:
                return
            refuse_another_kind(self, process, name)
        rt = process.runtime
        run = function
        if rt.alert or _get_running_loop() is not rt.loop:
            rt.check(self)
            who_asks(rt)
            run = sending(process, function, name, "cast")
        elif rt.current is not None and rt.current.status >= EXITING:
            who_asks(rt)
        mailbox = process.mailbox
        if process.status == QUEUED and mailbox is not None and process.behaviour.max_mailbox is None:
            mailbox.append((run, args, kwargs or NO_KEYWORDS, None))
        elif process.status != DEAD:
            put(process, (run, args, kwargs or NO_KEYWORDS, None))

    return message


def refuse_another_kind(handle: Any, process: Process, label: str) -> None:
    """TypeError if the name leads to another kind of server: that must not run this one's functions on its state."""
    server, kind = type(handle)._server, process.behaviour.kind
    if isinstance(kind, type) and (
        issubclass(kind, server) or _address_of(server) in map(_address_of, kind.__mro__)
    ):
        return
    raise TypeError(
        f"{handle!r} leads to {process!r}, which is no {server.__name__} and has no {label} of it"
    )


def _address_of(kind: type[Any]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__  # the same for a class that was loaded again


class _Blank(Handle):
    """A handle while it is made: it can be written to, and is one of its server's from the moment it is done."""

    __slots__ = ()
    __setattr__ = object.__setattr__  # type: ignore[assignment]  # what the others refuse
    __delattr__ = (
        object.__delattr__
    )  # one slot holds both, so that only with both the plain C function stands there


def new(kind: type[Any], target: Any, timeout: Any = ...) -> Any:
    handle: Any = object.__new__(_Blank)
    handle._target = target
    handle._timeout = timeout
    handle.__class__ = kind
    return handle


def handle_of(server: type[Any], process: Process) -> Any:
    """A handle that means this very process."""
    # ``new(handle_class(server), process)``, written out: every start of a child ends with it.
    kind = getattr(server, "_regrow_handle_class", None)
    if kind is None or kind._server is not server:
        kind = handle_class(server)
    handle: Any = object.__new__(_Blank)
    handle._target = process
    handle._timeout = ...
    handle.__class__ = kind
    return handle


def handle_by_name(server: type[Any], name: Any) -> Any:
    """A handle that looks the name up at every message. InvalidName for what can't be one."""
    names.check_name(name)
    return new(handle_class(server), Named(name))


def _by_pid(server: type[Any], pid: Pid) -> Any:
    """A handle from its pickle: of that process, dead or alive, in the loop that runs now."""
    rt = runtime()
    process = rt.processes.get(pid)
    if process is None:
        process = Process(rt, _gone, None, copy_context(), DEAD)
        process.pid = pid
    return handle_of(server, process)


_gone = Behaviour("gone")


def patient(handle: Any, timeout: float | None) -> Any:
    """The same handle with a time-out of its own for calls."""
    target = handle._target
    if timeout == 0 and type(target) is Process:  # a call that may take no time never runs inline
        target = Named(None, target)
    return new(type(handle), target, timeout)
