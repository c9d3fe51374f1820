"""What asking a supervisor for the impossible raises, and the reason of a supervisor that could not start."""

from __future__ import annotations

from dataclasses import dataclass

from regrow.kernel.errors import StartError


class ChildNotFound(LookupError):
    """The supervisor has no such child: Elixir's ``{:error, :not_found}``. ``child`` is what was asked for."""

    def __init__(self, child: object) -> None:
        super().__init__(child)
        self.child = child

    def __str__(self) -> str:
        return f"the supervisor has no child {self.child!r}; which_children() lists those it has"


class ChildRunning(RuntimeError):
    """Only a stopped child can be restarted or deleted by hand: Elixir's ``{:error, :running}``."""

    def __init__(self, child: object) -> None:
        super().__init__(child)
        self.child = child

    def __str__(self) -> str:
        return f"the child {self.child!r} is running; terminate_child({self.child!r}) first"


class ChildRestarting(RuntimeError):
    """The supervisor is restarting this child already: Elixir's ``{:error, :restarting}``."""

    def __init__(self, child: object) -> None:
        super().__init__(child)
        self.child = child

    def __str__(self) -> str:
        return (
            f"the supervisor keeps trying to restart the child {self.child!r}; "
            f"terminate_child({self.child!r}) makes it give up"
        )


class AlreadyPresent(StartError):
    """A stopped child with this id is kept: Elixir's ``{:error, :already_present}``."""

    def __init__(self, child: object) -> None:
        super().__init__("already_present")
        self.child = child

    def __reduce__(self) -> tuple[type[AlreadyPresent], tuple[object]]:
        return type(self), (self.child,)

    def __str__(self) -> str:
        return f"a child with the id {self.child!r} is kept, stopped; restart_child({self.child!r}) starts it again"


@dataclass(frozen=True, slots=True)
class FailedToStartChild:
    """Why a static supervisor did not start: which child, and for what reason.

    Elixir: ``{:failed_to_start_child, id, reason}``, inside ``{:shutdown, ...}``.
    """

    id: object
    reason: object


class GaveUp(Exception):
    """Why a supervisor gave up, for a reader: which child, the limits, and the last crash as ``__cause__``.

    Its exit reason is ``SHUTDOWN`` all the same, as in Elixir; this is the ``__cause__`` of what its ``scope`` raises.
    """


class BadStart(StartError):
    """A start function returned ``reason``, which is no process: Elixir's ``{:error, value}``."""

    def __str__(self) -> str:
        return (
            f"the start function returned {self.reason!r}; it must return what it started: a handle, "
            "a living process's pid, or StartResult(pid, info)"
        )
