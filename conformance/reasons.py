"""Exit reasons in the words of the scenarios, as ``elixir/reasons.exs`` writes them for the other side."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from regrow import (
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    AlreadyStarted,
    CallingSelf,
    CallTimeout,
    FailedToStartChild,
    InvalidFlags,
    InvalidSpec,
    ServerExited,
    Shutdown,
)
from regrow.kernel.reasons import Reason

__all__ = ["Crash", "invalid", "term", "word"]

NAMED: Final = {each.name.lower(): each for each in (NORMAL, SHUTDOWN, KILL, KILLED, NOPROC)}


class Crash(Exception):
    """What a script raises; Elixir's side raises a RuntimeError."""


def term(text: str) -> Any:
    """The exit reason that a word of a scenario stands for."""
    if text.startswith("shutdown:"):
        return Shutdown(text.removeprefix("shutdown:"))
    return NAMED.get(text, text)


def word(reason: object, label: Callable[[int], str]) -> str:
    """The word for an exit reason; *label* says how a pid is called."""
    match reason:
        case Reason():
            return reason.name.lower()
        case Shutdown(FailedToStartChild(child, why)):
            return f"failed({child}, {word(why, label)})"
        case Shutdown(detail):
            return f"shutdown:{word(detail, label)}"
        case AlreadyStarted():
            return f"already_started({label(reason.pid)})"
        case ("already_started", int(pid)):
            return f"already_started({label(pid)})"
        case ServerExited():
            why = word(reason.reason, label)
            return why if why.startswith("call(") else f"call({why})"
        case CallTimeout():
            return "call(timeout)"
        case CallingSelf():
            return "call(calling_self)"
        case Crash():
            return f"error:{reason}"
        case InvalidFlags() | InvalidSpec():
            return invalid(reason)
        case BaseException():
            return "error:raised"  # each language has exceptions of its own
        case _:
            return str(reason)


def invalid(error: InvalidFlags | InvalidSpec) -> str:
    """Which key of a spec or flag was refused; the texts begin with it."""
    text = str(error)
    found = re.match(r"(\w+)=", text)
    if found is None:
        return "invalid:id" if "have the id" in text else f"invalid:{text}"
    return f"invalid:{found[1]}"
