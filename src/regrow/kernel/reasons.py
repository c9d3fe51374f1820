"""Exit reasons: why a process ended.

A reason is any value. Six have a name of their own here, ``Shutdown(detail)`` carries a detail, and an exception
is the reason of a crash. An exception is kept *stripped*: its tracebacks hold every frame's locals alive, the dead
process's state among them, so they are replaced by a tuple of ``(file, line, function)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from regrow.kernel.errors import ServerExited, describe

__all__ = [
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "Reason",
    "Shutdown",
    "describe",
    "is_clean",
    "strip",
    "trace_of",
]


class Reason:
    """One of the named exit reasons; there is a single instance of each, so compare with ``is`` or ``==``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name


NORMAL: Final = Reason("NORMAL")
"""The process did what it had to do (``:normal``)."""
SHUTDOWN: Final = Reason("SHUTDOWN")
"""It was asked to stop, by its supervisor for one (``:shutdown``)."""
KILL: Final = Reason("KILL")
"""The signal that nothing can refuse (``:kill``); who dies of it dies ``KILLED``."""
KILLED: Final = Reason("KILLED")
"""It was ended by ``KILL`` (``:killed``)."""
NOPROC: Final = Reason("NOPROC")
"""There was no such process (``:noproc``)."""
NOCONNECTION: Final = Reason("NOCONNECTION")
"""The way to the process is gone (``:noconnection``)."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """A clean stop that says more: Elixir's ``{:shutdown, detail}``."""

    detail: object = None


def is_clean(reason: object) -> bool:
    """Whether *reason* is an orderly end: a transient child that ends so is not restarted, and nobody is alarmed.

    >>> is_clean(NORMAL), is_clean(Shutdown("moved")), is_clean(KILLED), is_clean(ValueError())
    (True, True, False, False)
    """
    if reason is NORMAL or reason is SHUTDOWN:
        return True
    if isinstance(reason, ServerExited):  # OTP's {:shutdown, {GenServer, :call, ...}} is a shutdown too
        return reason.reason is SHUTDOWN
    return isinstance(reason, Shutdown)


Trace = tuple[tuple[str, int, str], ...]


def strip(error: BaseException) -> BaseException:
    """Take the live frames off *error*, its causes and its group members; keep where it was raised as text."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if each.__traceback__ is not None:
            try:
                each.__regrow_trace__ = trace_of(each)  # type: ignore[attr-defined]  # exceptions take attributes; slotted ones say no
            except AttributeError:
                pass
            each.__traceback__ = None
        waiting += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return error


def trace_of(error: BaseException) -> Trace:
    """Where *error* was raised, outermost first: the rows of its traceback, or those that ``strip`` kept of it."""
    at = error.__traceback__
    if at is None:
        kept: Trace = getattr(error, "__regrow_trace__", ())
        return kept
    rows = []
    while at is not None:
        code = at.tb_frame.f_code
        rows.append((code.co_filename, at.tb_lineno, code.co_name))
        at = at.tb_next
    return tuple(rows)
