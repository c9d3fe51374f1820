"""Handles: what a client holds to talk to a server.

A handle is an instance of a class made from the server's: it has the calls and casts and nothing else, does not
inherit from the server, and still says that it is one (``isinstance`` holds), since to its user it is. One bound to
a pid means that very process; one by name looks the name up at every message, and so outlives restarts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from dis import get_instructions
from functools import cached_property, lru_cache
from types import CodeType, FunctionType
from typing import Any, NoReturn

from regrow.kernel import names
from regrow.kernel.process import DEAD, Behaviour, Pid, Process
from regrow.kernel.runtime import runtime
from regrow.servers.calls import Call, Cast, Client, Declared
from regrow.servers.messages import Named, calling, casting

__all__ = ["Blank", "handle_by_name", "handle_class", "handle_of", "patient"]


class Own:
    """Stands in a handle class for what only the server itself has, and says so.

    A ``__getattr__`` could say it of any name. But where a class has one, Python 3.11 finds none of its attributes the
    short way, and each message would take a tenth longer. A name that the server's class neither has nor sets gets
    Python's own error, which knows the names that are like it.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, handle: Handle | None, _kind: type[Any]) -> Own:
        if handle is None:
            return self
        server, known = type(handle)._server, ", ".join(type(handle)._members) or "none"
        raise AttributeError(
            f"{server.__name__}.{self.name} can't be reached through a handle: a client has the calls and casts, "
            f"which are {known}. The rest is the server's own; mark a method with @call to offer it",
            name=self.name,
            obj=handle,
        )


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
            space[name] = calling(member)
        elif isinstance(member, Cast):
            space[name] = casting(member)
    for name in own_names(server):
        if name not in space and not hasattr(Handle, name):
            space[name] = Own(name)
    return type(f"{server.__name__} handle", (Handle,), space)


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


def own_names(server: type[Any]) -> set[str]:
    """What the class of *server* has, and what its functions set, which is its state."""
    names: set[str] = set()
    for each in server.__mro__[:-1]:
        for name, member in vars(each).items():
            names.add(name)
            for function in functions_in(member):
                names.update(names_set_in(function.__code__))
    return {name for name in names if not name.startswith("__")}


def functions_in(member: object) -> list[FunctionType]:
    """The plain functions that *member* of a class is made of; of a decorated one, what it was as well."""
    if isinstance(member, property):
        parts: list[Any] = [member.fget, member.fset, member.fdel]
    elif isinstance(member, cached_property):
        parts = [member.func]
    else:
        parts = [member.function if isinstance(member, Declared) else member]
    found: list[FunctionType] = []
    for part in parts:
        while isinstance(part, FunctionType) and part not in found:
            found.append(part)
            part = vars(part).get("__wrapped__")
    return found


@lru_cache(maxsize=1024)  # the functions of base classes are looked at for each server
def names_set_in(code: CodeType) -> frozenset[str]:
    """The names of attributes that *code*, or a function inside of it, assigns to."""
    names = frozenset(each.argval for each in get_instructions(code) if each.opname == "STORE_ATTR")
    return names.union(*(names_set_in(each) for each in code.co_consts if isinstance(each, CodeType)))


class Blank(Handle):
    """A handle while it is made: it can be written to, and is one of its server's from the moment it is done."""

    __slots__ = ()
    __setattr__ = object.__setattr__  # type: ignore[assignment]  # what the others refuse
    __delattr__ = (
        object.__delattr__
    )  # one slot holds both, so that only with both the plain C function stands there


def new(kind: type[Any], target: Any, timeout: Any = ...) -> Any:
    handle: Any = Blank()
    handle._target = target
    handle._timeout = timeout
    handle.__class__ = kind
    return handle


def handle_of(server: type[Any], process: Process) -> Any:
    """A handle that means this very process."""
    return new(handle_class(server), process)


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
