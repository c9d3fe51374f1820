"""How a task has ended, as a value: ``Ok(value)`` or ``Exited(reason)``; and the message that brings a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

__all__ = ["NO_INPUT", "Exited", "Ok", "Outcome", "TaskResult"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The task has returned ``value``: Elixir's ``{:ok, value}``."""

    value: T_co


class _NoInput:
    """Stands for an input that nobody asked to see."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_INPUT"


NO_INPUT: Final = _NoInput()


@dataclass(frozen=True, slots=True)
class Exited:
    """The task ended without a result: Elixir's ``{:exit, reason}``.

    ``input`` is the item that it worked on, in a stream with ``zip_input_on_exit``.
    """

    reason: Any
    input: Any = NO_INPUT

    def __repr__(self) -> str:
        shown = "" if self.input is NO_INPUT else f", input={self.input!r}"
        return f"Exited({self.reason!r}{shown})"


Outcome = Ok[T_co] | Exited


@dataclass(frozen=True, slots=True)
class TaskResult(Generic[T_co]):
    """The message with which a task's result reaches its owner: Elixir's ``{ref, result}``.

    Awaiting the task takes it out of the mailbox. A server that does not wait gets it in ``handle_info``, with
    ``task.ref`` as its ``ref``, and a ``Down`` with the same ref after it.
    """

    ref: int
    value: T_co
