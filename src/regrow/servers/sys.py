"""System messages: look into a living server, change it, stop and continue it. Elixir and Erlang: ``:sys``.

A system message is taken in its turn, like any other; a suspended server takes nothing else. It lets a receive
time-out start afresh. Every function here takes a target, a handle, pid or name, and a ``timeout`` in seconds, 5 if
nothing is said. Each raises NoProcess if there is none, NotAllowed if it is no server, CallTimeout if it has not come
to the message in time, and CallingSelf in the server itself.

The state of a server is ``self``: what these functions show and change is the server object.

>>> import asyncio
>>> from regrow import GenServer, sys
>>> class Counter(GenServer):
...     def __init__(self, count: int) -> None:
...         self.count = count
>>> async def main():
...     counter = await Counter.start_link(1)
...     await sys.replace_state(counter, lambda state: setattr(state, "count", 7))
...     return (await sys.get_state(counter)).count
>>> asyncio.run(main())
7
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Literal, TypeVar

from regrow.kernel.death import no_process
from regrow.kernel.errors import NotAllowed
from regrow.kernel.process import Pid, Process
from regrow.kernel.reasons import NORMAL, strip
from regrow.kernel.runtime import runtime
from regrow.kernel.targets import Target, resolve
from regrow.kernel.timers import checked_seconds
from regrow.servers import gen_server, rendezvous
from regrow.servers.debugging import LOG_LENGTH, Watcher, debugging_of, new_statistics, release

__all__ = [
    "Statistics",
    "Status",
    "change_code",
    "get_state",
    "get_status",
    "install",
    "log",
    "no_debug",
    "remove",
    "replace_state",
    "resume",
    "statistics",
    "suspend",
    "terminate",
    "trace",
]

T = TypeVar("T")
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """What ``get_status`` tells. ``state`` is as the class's ``format_status`` shows it."""

    pid: Pid
    server: type[Any]
    name: object
    label: object
    status: Literal["running", "suspended"]
    parent: Pid | None
    debug: tuple[str, ...]
    """What is installed: "log", "statistics", "trace", and the keys of installed functions."""
    log: tuple[tuple[str, str], ...]
    state: Any


@dataclass(frozen=True, slots=True)
class Statistics:
    """What ``statistics`` has counted: since when and till when, in seconds of ``time.time()``, and how much."""

    started: float
    now: float
    messages_in: int
    messages_out: int


# --- the state ----------------------------------------------------------------------------------------------------


async def get_state(target: Target, timeout: float | None = PATIENCE) -> Any:
    """The server object itself, to look at: it is the living state, and no copy. Elixir: ``:sys.get_state/2``."""
    return await _ask(target, lambda server: server, timeout, "get_state")


async def replace_state(
    target: Target, function: Callable[[Any], T | None], timeout: float | None = PATIENCE
) -> Any:
    """Change the state by ``function(server)``, run in the server, and give the new one.

    It changes the object in place and returns None, or returns another object of the same class. If it raises, that
    is raised here, and the attributes are what they were. Elixir: ``:sys.replace_state/3``.
    """

    # Async, since the object in whose name a process handles its messages may change between two turns only.
    async def replace(server: Any) -> Any:
        before = _attributes(server)
        try:
            made = function(server)
            if made is not None and type(made) is not type(server):
                if isinstance(made, CoroutineType):
                    made.close()
                raise TypeError(
                    f"replace_state: the function returned {made!r}; must be another {type(server).__name__}, or None "
                    "if it has changed the one that it was given"
                )
        except BaseException:
            _restore(server, before)
            raise
        if made is not None:
            _current().server = made
        return _current().server

    return await _ask(target, replace, timeout, "replace_state")


async def change_code(
    target: Target, old_version: object = None, extra: object = None, timeout: float | None = PATIENCE
) -> None:
    """Let the server bring its state up to new code: ``server.code_change(old_version, extra)``, plain or async.

    A supervisor runs its ``init`` again and goes on with those flags; its children notice nothing. If it raises, that
    is raised here, and the server goes on as it was. Between two messages is as good a time as any, so, other than
    in OTP, it need not be suspended. Elixir: ``:sys.change_code/5``.
    """

    async def change(server: Any) -> None:
        before = _attributes(server)
        try:
            result = server.code_change(old_version, extra)
            if type(result) is CoroutineType:
                await result
        except Exception:
            _restore(server, before)
            raise

    await _ask(target, change, timeout, "change_code")


# --- stopping and going on ----------------------------------------------------------------------------------------


async def suspend(target: Target, timeout: float | None = PATIENCE) -> None:
    """Let the server take nothing but system messages, and the exit of its parent; the rest waits in order.

    Elixir: ``:sys.suspend/2``.
    """

    def hold(_server: Any) -> None:
        _current().more().suspended = True

    await _ask(target, hold, timeout, "suspend")


async def resume(target: Target, timeout: float | None = PATIENCE) -> None:
    """Let a suspended server go on with what has waited. Elixir: ``:sys.resume/2``."""

    def go_on(_server: Any) -> None:
        _current().more().suspended = False

    await _ask(target, go_on, timeout, "resume")


async def terminate(target: Target, reason: object = NORMAL, timeout: float | None = PATIENCE) -> None:
    """Stop the server with *reason*, suspended or not, and wait until it is gone; its ``terminate`` runs.

    Elixir: ``:sys.terminate/3``, which does not wait.
    """
    await gen_server.stop(target, reason, timeout)


# --- looking ------------------------------------------------------------------------------------------------------


async def get_status(target: Target, timeout: float | None = PATIENCE) -> Status:
    """What the server is about: class, parent, state as it wants it shown, and more. Elixir: ``:sys.get_status/2``."""

    def look(server: Any) -> Status:
        process = _current()
        extra = process.more()
        installed = extra.debug
        return Status(
            pid=process.pid,
            server=type(server),
            name=process.name,
            label=extra.label,
            status="suspended" if extra.suspended else "running",
            parent=process.parent,
            debug=() if installed is None else debugging_of(process).names,
            log=() if installed is None else tuple(debugging_of(process).log or ()),
            state=_shown(process, server),
        )

    status: Status = await _ask(target, look, timeout, "get_status")
    return status


async def statistics(
    target: Target, on: bool | None = None, timeout: float | None = PATIENCE
) -> Statistics | None:
    """Start to count messages with True, stop with False, or ask: None while nothing is counted.

    Elixir: ``:sys.statistics/3``.
    """

    def count(_server: Any) -> Statistics | None:
        process = _current()
        debugging = debugging_of(process)
        if on is not None:
            debugging.statistics = new_statistics() if on else None
        counted = debugging.statistics
        release(process)
        return None if counted is None or on is not None else Statistics(now=time.time(), **counted)

    counted: Statistics | None = await _ask(target, count, timeout, "statistics")
    return counted


async def log(
    target: Target, keep: int | bool | None = None, timeout: float | None = PATIENCE
) -> list[tuple[str, str]]:
    """Keep the last events, so many or 10 with True; stop with False; or ask for those kept, the oldest first.

    An event is ``(kind, text)``: "in" for a message, "out" for a reply, "noreply" for a message that has none.
    Elixir: ``:sys.log/3``.
    """
    if keep is not None and not isinstance(keep, bool) and (not isinstance(keep, int) or keep < 1):
        raise ValueError(f"log(..., {keep!r}): must be a number of events, 1 or more, True or False")

    def note(_server: Any) -> list[tuple[str, str]]:
        process = _current()
        debugging = debugging_of(process)
        if keep is not None:
            length = LOG_LENGTH if keep is True else int(keep)
            debugging.log = deque(debugging.log or (), maxlen=length) if keep is not False else None
        kept = list(debugging.log or ())
        release(process)
        return kept

    events: list[tuple[str, str]] = await _ask(target, note, timeout, "log")
    return events


async def trace(target: Target, on: bool, timeout: float | None = PATIENCE) -> None:
    """Write every event to the logger ``regrow.trace``, at level INFO, or stop it. Elixir: ``:sys.trace/3``."""

    def switch(_server: Any) -> None:
        process = _current()
        debugging_of(process).tracing = bool(on)
        release(process)

    await _ask(target, switch, timeout, "trace")


async def install(
    target: Target,
    watcher: Watcher,
    state: object = None,
    *,
    key: object = None,
    timeout: float | None = PATIENCE,
) -> None:
    """Call ``watcher(state, (kind, text), pid)`` at every event, in the server; what it returns is its next state.

    ``"done"`` takes it off, and so does an exception. *key*, the function itself if nothing is said, is what ``remove``
    takes; one that is installed already stays as it is. Elixir: ``:sys.install/3``.
    """
    if not callable(watcher):
        raise TypeError(f"install takes a function of (state, event, pid), not {watcher!r}")

    def put_in(_server: Any) -> None:
        debugging_of(_current()).watchers.setdefault(watcher if key is None else key, (watcher, state))

    await _ask(target, put_in, timeout, "install")


async def remove(target: Target, key: object, timeout: float | None = PATIENCE) -> None:
    """Take an installed function off, given by its key; no error if there is none. Elixir: ``:sys.remove/3``."""

    def take_out(_server: Any) -> None:
        process = _current()
        debugging_of(process).watchers.pop(key, None)
        release(process)

    await _ask(target, take_out, timeout, "remove")


async def no_debug(target: Target, timeout: float | None = PATIENCE) -> None:
    """Take off all that ``log``, ``statistics``, ``trace`` and ``install`` have put in. Elixir: ``:sys.no_debug/2``."""

    def clear(_server: Any) -> None:
        _current().more().debug = None

    await _ask(target, clear, timeout, "no_debug")


# --- inside -------------------------------------------------------------------------------------------------------


class _Failed:
    """What a system message raised in the server, on its way to who sent it."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def _ask(target: Target, function: Callable[[Any], Any], timeout: float | None, label: str) -> Any:
    """``function(server)``, run by the server in its turn; what it raises is raised here, and the server lives on."""
    process = _server(target, label)

    def run(server: Any) -> Any:
        try:
            result = function(server)
        except Exception as error:
            return _Failed(strip(error))
        return _finish(result) if type(result) is CoroutineType else result

    patience = checked_seconds(timeout, f"sys.{label}(timeout={timeout!r})")
    answer = await rendezvous.ask(process, run, timeout=patience, label=f"sys.{label}")
    if isinstance(answer, _Failed):
        raise answer.error
    return answer


async def _finish(result: CoroutineType[Any, Any, Any]) -> Any:
    try:
        return await result
    except Exception as error:
        return _Failed(strip(error))


def _server(target: Target, label: str) -> Process:
    process = resolve(target)
    if process is None:
        raise no_process(target, f"sys.{label}")
    if process.behaviour.handle_info is None:
        raise NotAllowed(f"sys.{label}: {process!r} is no server and takes no system messages")
    return process


def _current() -> Process:
    process = runtime().current
    assert process is not None
    return process


def _shown(process: Process, server: Any) -> Any:
    """The state as its class's ``format_status`` shows it."""
    formatter = process.behaviour.format_status
    if formatter is None:
        return server
    try:
        shown = formatter(server, {"state": server})
    except Exception as error:
        return f"<format_status raised {type(error).__name__}>"
    return shown["state"] if isinstance(shown, dict) and "state" in shown else shown


def _attributes(server: Any) -> dict[str, Any]:
    """The attributes of *server*, those in slots too."""
    found = dict(getattr(server, "__dict__", {}))
    for each in type(server).__mro__:
        slots = vars(each).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(server, name):
                found[name] = getattr(server, name)
    return found


def _restore(server: Any, before: dict[str, Any]) -> None:
    for name in _attributes(server).keys() - before.keys():
        object.__delattr__(server, name)
    for name, value in before.items():
        object.__setattr__(server, name, value)
