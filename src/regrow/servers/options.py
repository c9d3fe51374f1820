"""What can be said about a start beside its arguments: name, time-out, and the keys of the child spec.

``Game.options(name=..., restart=...)`` keeps the signature of ``Game``'s start behind it, so the arguments are
checked as ever. What is said nearest counts: here, else in the class header, else the default.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from sys import _getframe
from types import FrameType
from typing import Any, Final, Generic, ParamSpec, TypedDict, TypeVar, cast

from regrow.kernel.adoption import current_process
from regrow.kernel.names import Name, check_name
from regrow.kernel.process import Process
from regrow.kernel.timers import checked_seconds
from regrow.servers import starting
from regrow.servers.behaviour import behaviour_of, keywords_of
from regrow.servers.child_spec import (
    DEBUG,
    ChildSpec,
    Restart,
    ShutdownTime,
    with_arguments,
    with_start_options,
)
from regrow.servers.handles import handle_of
from regrow.servers.scope import Ended, Scope

__all__ = ["SPEC_KEYS", "ClassKeywords", "Options", "StartOptions", "check_keywords", "spec_of"]

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)


class ClassKeywords(TypedDict, total=False):
    """What the header of a server class takes: ``class Game(GenServer, restart="transient", shutdown=2.0)``."""

    id: Hashable
    restart: Restart
    shutdown: ShutdownTime | None
    significant: bool
    trap_exits: bool
    max_mailbox: int | None


class StartOptions(TypedDict, total=False):
    """What ``options`` takes: how to start (``name``, ``timeout`` in seconds, ``debug``), and keys of the spec."""

    name: Name
    timeout: float | None
    debug: Sequence[str]
    id: Hashable
    restart: Restart
    shutdown: ShutdownTime | None
    significant: bool


SPEC_KEYS: Final = ("restart", "shutdown", "significant")
OPTIONS: Final = ("name", "timeout", "debug", "id", *SPEC_KEYS)
_OF_THE_SPEC: Final = frozenset(SPEC_KEYS)


def check_keywords(server: type[Any], given: dict[str, Any], allowed: tuple[str, ...]) -> None:
    """TypeError for a word that a class header or ``options`` does not know, ValueError for a value that can't be."""
    keys: dict[str, Any] = {}
    for word, value in given.items():
        if word not in allowed:
            raise TypeError(
                f"{server.__name__}: {word}={value!r} is not known here; known are {', '.join(allowed)}"
            )
        if word in ("restart", "shutdown"):
            keys[word] = value
        elif word == "max_mailbox" and value is not None and not (type(value) is int and value > 0):
            raise ValueError(f"{server.__name__}: max_mailbox={value!r}: must be a number above 0, or None")
        elif word == "trap_exits" and not isinstance(value, bool):
            raise ValueError(f"{server.__name__}: trap_exits={value!r}: must be True or False")
    if keys:
        ChildSpec(server.__name__, dict, **keys)  # the spec checks its own keys, and says it best


class Options(Generic[P, T_co]):
    """Start options of a server class, with the signature of its start behind them."""

    __slots__ = ("_debug", "_given", "_name", "_server", "_spec", "_timeout")

    def __init__(self, server: type[Any], given: dict[str, Any]) -> None:
        check_keywords(server, given, OPTIONS)
        self._server = server
        self._given = given
        self._name = name = given.get("name")
        self._timeout: float | None = None
        self._debug: tuple[str, ...] = ()
        if name is not None:
            check_name(name)
        if "timeout" in given:
            self._timeout = checked_seconds(given["timeout"], f"timeout={given['timeout']!r}")
        if "debug" in given:
            self._debug = tuple(given["debug"])
            if not all(each in DEBUG for each in self._debug):
                raise ValueError(f"debug={given['debug']!r}: must be some of {', '.join(map(repr, DEBUG))}")
        self._spec: ChildSpec[T_co] | None = None

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Start the server without a link. See ``GenServer.start``."""
        process = await self._launch(args, kwargs, False, _getframe(1))
        return cast("T_co", handle_of(self._server, process))

    async def start_link(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Start the server, linked with the current process. See ``GenServer.start_link``."""
        process = await self._launch(args, kwargs, True, _getframe(1))
        return cast("T_co", handle_of(self._server, process))

    def child_spec(self, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[T_co]:
        """The spec of a child that is started so. Its id is the one given, else the name, else the class."""
        if self._name is not None:
            # There will be one child of that name: it has its spec in common with no other.
            return self._spec_with(args, kwargs)
        if self._spec is None:
            self._spec = self._spec_with((), {})
        return with_arguments(self._spec, args, kwargs)

    def _spec_with(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ChildSpec[T_co]:
        """The spec of the class, changed by these options, and with these arguments."""
        given = self._given
        made: ChildSpec[T_co] = spec_of(self._server)
        if not _OF_THE_SPEC.isdisjoint(given):
            made = made.replace(**{key: given[key] for key in SPEC_KEYS if key in given})
        spec_id = given.get("id", self._name)
        if spec_id is None:
            spec_id = made.id
        return with_start_options(made, spec_id, args, kwargs, self._name, self._timeout, self._debug)

    def scope(self, *args: P.args, **kwargs: P.kwargs) -> Scope[T_co]:
        """The server tied to a block. See ``GenServer.scope``."""

        async def start(ended: Ended) -> tuple[Process, T_co]:
            process = await self._launch(args, kwargs, False, _getframe(0), ended)
            return process, cast("T_co", handle_of(self._server, process))

        return Scope(start)

    async def _launch(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        linked: bool,
        frame: FrameType,
        ended: Ended | None = None,
    ) -> Process:
        server = self._server
        refuse_abstract(server, "started")
        process = starting.launch(
            behaviour_of(server),
            server,
            args,
            kwargs,
            current_process(),
            self._name,
            self._timeout,
            self._debug,
            linked=linked,
            frame=frame,
            ended=ended,
        )
        if not isinstance(process, Process):
            process = await process
        return process


def spec_of(server: type[Any]) -> ChildSpec[Any]:
    """The spec of *server* without arguments, as its header has it; made and checked when it is first needed."""
    found: ChildSpec[Any] | None = getattr(server, "_regrow_spec", None)
    if found is None or found.start is not server:  # the one of a base class
        refuse_abstract(server, "a child")
        header = keywords_of(server)
        found = server._regrow_spec = ChildSpec(
            header.get("id", server),
            server,
            type="supervisor" if getattr(server, "_is_supervisor", False) else "worker",
            **{key: header[key] for key in SPEC_KEYS if key in header},
        )
    return found


def refuse_abstract(server: type[Any], become: str) -> None:
    if missing := getattr(server, "__abstractmethods__", None):
        raise TypeError(
            f"{server.__name__} can't be {become}: {', '.join(sorted(missing))} is abstract. Use a subclass"
        )
