"""Every form in which a child can be given, turned into a ``ChildSpec``.

    Game                          a class: its own spec, started without arguments
    (Game, "g1")                  a class and the arguments of its start
    Game.child_spec("g1")         a spec, checked where it was made
    spec(start, "g1", depth=3)    a spec round any start function
    poll, (poll, "g1")            a coroutine function: run as a Task

What fits none of them raises ``InvalidSpec`` in the code that gave it, before anything is started.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from regrow.kernel.errors import InvalidSpec
from regrow.kernel.process import Pid
from regrow.kernel.targets import is_handle, resolve
from regrow.servers.child_spec import KEYS, ChildSpec, without_parameters
from regrow.servers.gen_server import GenServer
from regrow.servers.tasks.task import Task
from regrow.supervision.errors import ChildNotFound

Child = ChildSpec[Any] | type[Any] | tuple[Any, ...] | Callable[..., Any]
"""Whatever ``to_spec`` accepts."""

FORMS: Final = (
    "a ChildSpec, a server class, a tuple (class, argument...), a coroutine function, "
    "or spec(start, argument...) round any start function"
)


def to_spec(child: Child) -> ChildSpec[Any]:
    """The ``ChildSpec`` that ``child`` stands for. Elixir: ``Supervisor.child_spec/2`` without overrides."""
    if isinstance(child, ChildSpec):
        return child
    if isinstance(child, tuple):
        if not child:
            raise InvalidSpec(f"() is an empty tuple: a child is {FORMS}")
        return _from_start(child[0], child[1:])
    return _from_start(child, ())


def to_specs(children: Iterable[Child]) -> list[ChildSpec[Any]]:
    """The specs of a static supervisor's children, in order; refuses two with the same id."""
    if isinstance(children, (str, bytes, ChildSpec, type)) or not isinstance(children, Iterable):
        raise InvalidSpec(f"{children!r} is no list of children: give a list, each element {FORMS}")
    specs = [to_spec(child) for child in children]
    refuse_duplicates(specs)
    return specs


def refuse_duplicates(specs: Sequence[ChildSpec[Any]]) -> None:
    """Raise ``InvalidSpec`` if two of the specs carry the same id."""
    seen: set[Any] = set()
    for spec in specs:
        if spec.id in seen:
            raise InvalidSpec(
                f"two children have the id {spec.id!r}: give one of them another with spec.replace(id=...)"
            )
        seen.add(spec.id)


def require_insignificant(spec: ChildSpec[Any]) -> ChildSpec[Any]:
    """Refuse a significant child where no child can be: in a supervisor that never shuts itself down."""
    if spec.significant:
        raise InvalidSpec(
            f"significant=True in the spec of {spec.id!r}: only a Supervisor with auto_shutdown="
            "'any_significant' or 'all_significant' takes significant children"
        )
    return spec


def _from_start(start: Any, args: tuple[Any, ...]) -> ChildSpec[Any]:
    start = without_parameters(start)
    if isinstance(start, type):
        return _from_class(start, args)
    owner = getattr(start, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, GenServer) and hasattr(GenServer, start.__name__):
        name = owner.__name__
        raise InvalidSpec(
            f"{name}.{start.__name__} is how a server is started by hand: give the class, {name} or "
            f"({name}, argument...), or {name}.child_spec(argument...)"
        )
    if inspect.iscoroutinefunction(start):
        return Task.child_spec(start, *args)
    if inspect.isroutine(start):
        raise InvalidSpec(
            f"{_described(start, args)} is a plain function, and a supervisor cannot tell its arguments or its id: "
            "wrap it, spec(function, argument...)"
        )
    raise InvalidSpec(f"{_described(start, args)} is not a child: a child is {FORMS}{_hint(start)}")


def _from_class(cls: type[Any], args: tuple[Any, ...]) -> ChildSpec[Any]:
    make = getattr(cls, "child_spec", None)
    if make is None:
        raise InvalidSpec(
            f"{_described(cls, args)}: the class {cls.__qualname__} has no child_spec, so it is not a server; "
            f"make it a GenServer, or wrap what starts it: spec(start, argument...)"
        )
    try:
        made = make(*args)
    except TypeError as error:  # wrong arguments, or a class that is abstract
        raise InvalidSpec(f"{_described(cls, args)}: {error}") from error
    if not isinstance(made, ChildSpec):
        raise InvalidSpec(f"{cls.__qualname__}.child_spec gave {made!r}: it must give a ChildSpec")
    return made


def _described(start: Any, args: tuple[Any, ...]) -> str:
    return repr((start, *args)) if args else repr(start)


def _hint(start: Any) -> str:
    """What the writer probably meant."""
    if isinstance(start, str):
        return "; a string names no class, give the class itself"
    if inspect.iscoroutine(start):
        return "; this coroutine is already called, give the function and its arguments as a tuple"
    if hasattr(type(start), "child_spec"):
        return f"; this is an instance, give the class {type(start).__qualname__} and its arguments"
    return ""


_NO_KEYWORDS: Final[Mapping[str, Any]] = MappingProxyType({})


def without_arguments(spec: ChildSpec[Any]) -> ChildSpec[Any]:
    """The spec of a child that is never started again: what its arguments hold need not live as long as it."""
    bare: ChildSpec[Any] = object.__new__(ChildSpec)
    for key in KEYS:
        object.__setattr__(bare, key, getattr(spec, key))
    for key, nothing in (
        ("id", None),
        ("args", ()),
        ("kwargs", _NO_KEYWORDS),
        ("name", None),
        ("template", None),
    ):
        object.__setattr__(bare, key, nothing)
    return bare


def pid_to_stop(child: Any) -> Pid:
    """The pid that a handle or pid given to ``terminate_child`` stands for; a name is looked up once, here."""
    process = child.__regrow_process__() if is_handle(child) else resolve(child)
    if process is not None:
        return process.pid  # if it is dead, it may be the last process of a child that is being restarted
    if type(child) is not int:
        raise ChildNotFound(child)
    return Pid(child)
