"""A child spec: all that a supervisor has to know to start a child, to restart it and to shut it down.

    spec = Game.child_spec("g1")                       # a server class makes its own
    spec = spec.replace(restart="temporary")           # the same with something else
    spec = regrow.spec(connect, "db.example", 5432)    # round any start function

A spec is a plain value. It is checked where it is made, so a bad one fails there, with its value named,
and not later inside a supervisor. Elixir: `Supervisor.child_spec()`, the map with `:id` and `:start`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import ModuleType
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    get_args,
    get_origin,
    overload,
)

from regrow.kernel.errors import InvalidSpec
from regrow.kernel.names import check_name

__all__ = [
    "BRUTAL_KILL",
    "KEYS",
    "ChildSpec",
    "ChildType",
    "Modules",
    "Restart",
    "ShutdownTime",
    "SpecKeys",
    "spec",
    "with_arguments",
    "without_parameters",
]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Restart = Literal["permanent", "transient", "temporary"]
"""When an ended child is started again: always, only after a crash, or never."""

ChildType = Literal["worker", "supervisor"]

ShutdownTime = float | Literal["brutal_kill"]
"""Seconds that a child has to end when it is told to, `INFINITY`, or no time at all."""

Modules = tuple[Any, ...] | Literal["dynamic"]
"""The classes, functions or modules that hold the child's code, for tools that ask."""

BRUTAL_KILL: Final = "brutal_kill"
"""The shutdown of a child that is killed outright, and cleans up nothing."""

DEBUG: Final = ("log", "statistics", "trace")
"""What ``sys`` can install in a server from its start on."""

RESTARTS: Final = get_args(Restart)
TYPES: Final = get_args(ChildType)
DEFAULT_SHUTDOWN: Final[Mapping[str, float]] = {"worker": 5.0, "supervisor": math.inf}


class SpecKeys(TypedDict, total=False):
    """The keys of a spec that do not touch what is started: what `replace` takes."""

    id: Hashable
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    restart: Restart
    shutdown: ShutdownTime | None
    type: ChildType
    modules: Modules | None
    significant: bool
    name: Any
    timeout: float | None
    debug: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChildSpec(Generic[T_co]):
    """How to start a child, and what to do when it ends. `T_co` is what its start gives: a handle, as a rule.

    `id` tells it apart under a static `Supervisor`. `start(*args, **kwargs)` starts it: a server class, or
    any function that starts a process and returns a handle, a pid or a `StartResult`.

    `restart` is `"permanent"` (always restarted, the default), `"transient"` (only after an abnormal end) or
    `"temporary"` (never). `shutdown` is how many seconds it has to end before it is killed, `INFINITY`, or
    `"brutal_kill"`; left out, 5 for a worker and `INFINITY` for a supervisor. A `significant` child takes
    part in its supervisor's `auto_shutdown`. `name` is the name to start it under, and `timeout` how many
    seconds the start may take (None: any).

    Raises `InvalidSpec`, which is a `ValueError`, for a value that can't work.

    >>> ChildSpec("clock", dict, shutdown=-1)
    Traceback (most recent call last):
    regrow.kernel.errors.InvalidSpec: shutdown=-1 in the spec of 'clock': must be seconds, 0 or more, ...
    """

    id: Hashable
    start: Callable[..., T_co | Coroutine[Any, Any, T_co]]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    _: KW_ONLY
    restart: Restart = "permanent"
    shutdown: ShutdownTime | None = None
    type: ChildType = "worker"
    modules: Modules | None = None
    significant: bool = False
    name: Any = None
    timeout: float | None = None
    debug: tuple[str, ...] = ()
    template: ChildSpec[T_co] | None = field(default=None, init=False, repr=False, compare=False)
    """Of a spec that was made from another one by giving it arguments: that one, which its kin share."""

    def __post_init__(self) -> None:
        self._check_id()
        self._check_start()
        self._check_arguments()
        if self.restart not in RESTARTS:
            raise self._wrong("restart", _one_of(RESTARTS))
        if self.type not in TYPES:
            raise self._wrong("type", _one_of(TYPES))
        if self.shutdown is None:
            object.__setattr__(self, "shutdown", DEFAULT_SHUTDOWN[self.type])
        elif self.shutdown != BRUTAL_KILL and not _is_seconds(self.shutdown):
            raise self._wrong("shutdown", "seconds, 0 or more, INFINITY or 'brutal_kill'")
        self._check_modules()
        if not isinstance(self.significant, bool):
            raise self._wrong("significant", "True or False")
        if self.significant and self.restart == "permanent":
            raise self._wrong(
                "significant", "False where restart='permanent': a child always restarted never ends"
            )
        if self.debug and not set(self.debug) <= set(DEBUG):
            raise self._wrong("debug", "a tuple of some of " + ", ".join(map(repr, DEBUG)))
        if self.timeout is not None and not _is_seconds(self.timeout):
            raise self._wrong("timeout", "seconds, 0 or more, or None for no limit")
        if self.name is not None:
            check_name(self.name)

    @overload
    def replace(
        self, *, start: Callable[..., Coroutine[Any, Any, T]], **keys: Unpack[SpecKeys]
    ) -> ChildSpec[T]: ...
    @overload
    def replace(self, *, start: Callable[..., T], **keys: Unpack[SpecKeys]) -> ChildSpec[T]: ...
    @overload
    def replace(self, **keys: Unpack[SpecKeys]) -> ChildSpec[T_co]: ...
    def replace(self, **keys: Any) -> ChildSpec[Any]:
        """The same spec with some keys changed: Elixir's `Supervisor.child_spec(spec, overrides)`.

        Keys that were completed for the old spec are completed again for the new one: a worker made a
        supervisor gets a supervisor's shutdown time, unless it had one of its own.

        >>> ChildSpec("a", dict).replace(id="b", restart="temporary").id
        'b'
        """
        for key in keys:
            if key not in KEYS:
                raise InvalidSpec(
                    f"{key}={keys[key]!r}: a spec has no such key; the keys are {', '.join(KEYS)}"
                )
        if "type" in keys and self.shutdown == DEFAULT_SHUTDOWN[self.type]:
            keys.setdefault("shutdown", None)
        if "start" in keys and self.modules == (self.start,):
            keys.setdefault("modules", None)
        return dataclasses.replace(self, **keys)

    def _check_id(self) -> None:
        try:
            hash(self.id)
        except TypeError:
            raise InvalidSpec(
                f"id={self.id!r}: must be hashable (a string, a class, a tuple of such)"
            ) from None

    def _check_start(self) -> None:
        object.__setattr__(self, "start", without_parameters(self.start))
        if not callable(self.start):
            raise self._wrong("start", "a server class or a function that starts a process")
        if missing := getattr(self.start, "__abstractmethods__", None):
            raise self._wrong(
                "start", f"a class that can be made; this one leaves {', '.join(sorted(missing))} abstract"
            )

    def _check_arguments(self) -> None:
        if type(self.args) is not tuple:
            if not isinstance(self.args, (list, tuple)):
                raise self._wrong("args", "a tuple of the arguments of start")
            object.__setattr__(self, "args", tuple(self.args))
        if not isinstance(self.kwargs, Mapping) or not all(isinstance(key, str) for key in self.kwargs):
            raise self._wrong("kwargs", "a mapping of the keyword arguments of start")

    def _check_modules(self) -> None:
        given = self.modules
        if given is None:
            object.__setattr__(self, "modules", (self.start,))
        elif given != "dynamic":
            if not isinstance(given, (tuple, list)) or not all(map(_holds_code, given)):
                raise self._wrong("modules", "a tuple of classes, functions or modules, or 'dynamic'")
            object.__setattr__(self, "modules", tuple(given))

    def _wrong(self, key: str, allowed: str) -> InvalidSpec:
        return InvalidSpec(f"{key}={getattr(self, key)!r} in the spec of {self.id!r}: must be {allowed}")


KEYS: Final = tuple(each.name for each in dataclasses.fields(ChildSpec) if each.init)


_new = object.__new__


class _Blank(ChildSpec[Any]):
    """A spec while it is filled in: it can be written to, and is a ``ChildSpec`` from the moment it is done."""

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = (
        object.__delattr__
    )  # one slot holds both, so that only with both the plain C function stands there


def with_arguments(spec: ChildSpec[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ChildSpec[T]:
    """*spec* with the arguments of another start.

    As ``replace``, for those who make one spec a child: what was checked is not checked again, which is most of the
    time that a start would take.
    """
    new: Any = _new(_Blank)
    new.id = spec.id
    new.start = spec.start
    new.args = args
    new.kwargs = kwargs
    new.restart = spec.restart
    new.shutdown = spec.shutdown
    new.type = spec.type
    new.modules = spec.modules
    new.significant = spec.significant
    new.name = spec.name
    new.timeout = spec.timeout
    new.debug = spec.debug
    new.template = spec
    new.__class__ = ChildSpec
    made: ChildSpec[T] = new
    return made


def with_start_options(
    spec: ChildSpec[T],
    spec_id: Hashable,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: Any,
    timeout: float | None,
    debug: tuple[str, ...],
) -> ChildSpec[T]:
    """*spec* with the arguments of a start and other options of it, which have been checked, under another id.

    Written out like ``with_arguments``: each child with a name has its own, and to change that one's result afterwards
    would take half as long again.
    """
    new: Any = _new(_Blank)
    new.id = spec_id
    new.start = spec.start
    new.args = args
    new.kwargs = kwargs
    new.restart = spec.restart
    new.shutdown = spec.shutdown
    new.type = spec.type
    new.modules = spec.modules
    new.significant = spec.significant
    new.name = name
    new.timeout = timeout
    new.debug = debug
    new.template = None
    new.__class__ = ChildSpec
    made: ChildSpec[T] = new
    made._check_id()
    return made


@overload
def spec(
    start: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
) -> ChildSpec[T]: ...
@overload
def spec(start: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[T]: ...
def spec(start: Callable[..., Any], /, *args: Any, **kwargs: Any) -> ChildSpec[Any]:
    """A `ChildSpec` that starts the child by `start(*args, **kwargs)`.

    `start` is a server class, whose own keywords and defaults then hold, or any function, plain or `async`,
    that starts a process and returns a handle, a pid or a `StartResult`. The id is `start` itself; what else
    has to differ, `replace` says. Elixir: `%{id: ..., start: {module, function, args}}`.

    >>> spec(dict, depth=3).replace(id="tree", restart="transient").kwargs
    {'depth': 3}
    """
    start = without_parameters(start)
    own = getattr(start, "child_spec", None) if isinstance(start, type) else None
    if own is None:
        return ChildSpec(start, start, args, kwargs)
    made: ChildSpec[Any] = own(*args, **kwargs)
    return made


def without_parameters(start: Any) -> Any:
    """``Agent`` for ``Agent[dict[str, int]]``, which is no class; anything else as it is."""
    if isinstance(start, type):
        return start
    origin = get_origin(start)
    return origin if isinstance(origin, type) else start


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _holds_code(value: object) -> bool:
    return isinstance(value, ModuleType) or callable(value)


def _one_of(values: tuple[str, ...]) -> str:
    return "one of " + ", ".join(map(repr, values))
