"""The exceptions of the core, in one place so that an ``except`` clause is easy to choose.

Three families. What a *client* meets: ``ServerExited`` and ``NoProcess``, ``CallTimeout``, ``CallingSelf``,
``Deadlock``. What a *start* meets: ``StartError`` and its kinds. What ends the process that meets it:
``ProcessExit``, a ``BaseException``, so that ``except Exception`` does not keep the dead alive. ``Stop`` and
``Ignore`` are not errors: a server raises them to say how it wants to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "AlreadyStarted",
    "CallTimeout",
    "CallingSelf",
    "Deadlock",
    "Ignore",
    "InvalidFlags",
    "InvalidName",
    "InvalidSpec",
    "KeeperGone",
    "LinkedExit",
    "MaxChildren",
    "NameTaken",
    "NoCurrentProcess",
    "NoProcess",
    "NotAllowed",
    "ProcessExit",
    "RuntimeClosed",
    "ServerExited",
    "StartError",
    "StartIgnored",
    "Stop",
    "WrongThread",
]


LIBRARY = str(Path(__file__).parent.parent)


def describe(reason: object) -> str:
    """*reason* in one line, whatever its ``repr`` does; of a stripped exception also the place where it was raised."""
    try:
        text = repr(reason)
    except Exception as error:  # who tells of a crash must not crash of it
        text = f"<{type(reason).__name__} whose repr raised {type(error).__name__}>"
    place = place_in(getattr(reason, "__regrow_trace__", ()))
    return f"{text} at {place}" if place else text


def place_in(trace: tuple[tuple[str, int, str], ...]) -> str:
    """``file:line in function`` of the last row that is not regrow's own, or an empty text."""
    for file, line, function in reversed(trace):
        if not file.startswith(LIBRARY) and file != "<string>":  # nor one that a dataclass has generated
            return f"{file}:{line} in {function}"
    return ""


# --- what a client meets ------------------------------------------------------------------------------------------


class ServerExited(Exception):
    """The server ended before it answered: Elixir's ``exit({reason, {GenServer, :call, ...}})``.

    ``reason`` is why it ended, ``server`` who it was, ``request`` what was asked of it.
    """

    def __init__(self, reason: object, server: object = None, request: str = "") -> None:
        super().__init__(reason, server, request)
        self.reason = reason
        self.server = server
        self.request = request

    def __str__(self) -> str:
        asked = f" while {self.request} was waiting" if self.request else ""
        return f"{self.server or 'the server'} exited{asked}: {describe(self.reason)}"


class NoProcess(ServerExited):
    """There is no such process, or no longer: Elixir's ``:noproc``."""

    def __str__(self) -> str:
        asked = f", so {self.request} was not delivered" if self.request else ""
        who = self.server if str(self.server).startswith("<") else repr(self.server)
        return f"there is no process {who}{asked}"


class CallTimeout(TimeoutError):
    """No answer came in time: Elixir's ``exit({:timeout, {GenServer, :call, ...}})``. The server goes on."""


class CallingSelf(RuntimeError):
    """A server called itself and would have waited for itself for ever: Elixir's ``:calling_self``."""


class Deadlock(RuntimeError):
    """The call would close a circle of processes that wait for each other; ``circle`` names them in order."""

    def __init__(self, circle: Sequence[str]) -> None:
        super().__init__(circle)
        self.circle = tuple(circle)

    def __str__(self) -> str:
        return (
            f"these processes would wait for each other for ever: {' -> '.join(self.circle)}. "
            "Make one of the calls a cast, or let the handler return a Reply and answer later"
        )


# --- what a start meets -------------------------------------------------------------------------------------------


class StartError(Exception):
    """A process could not be started; ``reason`` says why: Elixir's ``{:error, reason}``."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the start failed: {describe(self.reason)}"


class AlreadyStarted(StartError):
    """The living process ``pid`` has the name, or is the child of that id: Elixir's ``{:already_started, pid}``."""

    def __init__(self, pid: int, name: object = None, child_id: object = None) -> None:
        super().__init__(("already_started", pid))
        self.pid = pid
        self.name = name
        self.child_id = child_id

    def __reduce__(self) -> tuple[type[AlreadyStarted], tuple[int, object, object]]:
        return type(self), (self.pid, self.name, self.child_id)

    def __str__(self) -> str:
        if self.child_id is not None:
            return (
                f"a child with the id {self.child_id!r} runs already, as process {self.pid}: "
                "give the new one another id, spec.replace(id=...)"
            )
        taken = f"the name {self.name!r} is taken: " if self.name is not None else ""
        return f"{taken}process {self.pid} is already started"


class MaxChildren(StartError):
    """The supervisor has as many children as ``max_children`` allows: Elixir's ``{:error, :max_children}``."""

    def __init__(self, limit: object = None) -> None:
        super().__init__("max_children")
        self.limit = limit

    def __str__(self) -> str:
        return f"the supervisor has its max_children={self.limit!r} already; end a child first or raise the limit"


class StartIgnored(StartError):
    """The process looked round and chose not to start (it raised ``Ignore``): Elixir's ``:ignore``."""

    def __init__(self, reason: object = "ignore") -> None:
        super().__init__(reason)

    def __str__(self) -> str:
        return "the process raised Ignore while it started, so there is none"


class InvalidSpec(ValueError):
    """A child specification that can't work; the text names the value and what is allowed."""


class InvalidFlags(ValueError):
    """Supervisor flags that can't work; the text names the value and what is allowed."""


class InvalidName(ValueError):
    """A name of a kind that can't name a process."""


class NameTaken(ValueError):
    """The name belongs to another living process, ``pid``."""

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message)
        self.pid = pid


class KeeperGone(LookupError):
    """Whoever keeps a via's names, a registry say, is not running, so the name is nobody's. A via may raise it."""


# --- what a server says about its own end -------------------------------------------------------------------------


class Stop(Exception):
    """Raised in a handler: stop with *reason*, without a reply (Elixir's ``{:stop, reason, state}``)."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


class Ignore(Exception):
    """Raised in ``__init__`` or ``init``: don't start, and this is no failure (Elixir's ``:ignore``)."""


# --- what ends the process that meets it --------------------------------------------------------------------------


class ProcessExit(BaseException):
    """This process is ending and may do nothing more. ``process.exit(reason)`` raises it; so does every function
    of regrow in a process whose exit is decided. Let it pass."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


class LinkedExit(ProcessExit):
    """An exit signal ended this asyncio task: the linked process ``pid`` ended with ``reason``, or told it to."""

    def __init__(self, pid: int, reason: object) -> None:
        super().__init__(reason)
        self.pid = pid

    def __reduce__(self) -> tuple[type[LinkedExit], tuple[int, object]]:
        return type(self), (self.pid, self.reason)

    def __str__(self) -> str:
        return f"exit signal from process {self.pid}: {self.reason!r}"


# --- wrong use ----------------------------------------------------------------------------------------------------


class NoCurrentProcess(RuntimeError):
    """Nobody is there to own what was asked for: the code runs in a bare callback or outside of an event loop."""


class NotAllowed(RuntimeError):
    """The process is in no state to do this."""


class RuntimeClosed(RuntimeError):
    """The event loop that these processes lived in has ended."""


class WrongThread(RuntimeError):
    """A handle or pid was used from another thread or event loop than its own."""
