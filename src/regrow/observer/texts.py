"""Values written down as text, in bounds: what the observer keeps in the place of anything that was alive.

Nothing here raises, whatever the value's own ``__repr__`` or ``__str__`` does.
"""

from __future__ import annotations

import re
from reprlib import Repr
from traceback import TracebackException
from typing import Any, Final

from regrow.kernel.errors import LIBRARY, place_in
from regrow.kernel.process import Process
from regrow.kernel.reasons import Reason, describe, trace_of
from regrow.kernel.reports import brief
from regrow.servers.registry.via import RegistryVia

__all__ = [
    "cut",
    "hidden_reason",
    "label_of",
    "long_text",
    "masked",
    "name_text",
    "reason_text",
    "short",
    "traceback_text",
    "utf8",
    "where_raised",
]

SHORT: Final = 200
LONG: Final = 16_000
FRAMES: Final = 60
"""Frames of a traceback that are printed, those next to the error: a RecursionError has a thousand."""

_CALLED: Final = re.compile(r"[A-Za-z_][\w.]*(?=\()")

_long = Repr()
_long.maxstring = _long.maxother = 2000
_long.maxlist = _long.maxtuple = _long.maxdict = _long.maxset = _long.maxfrozenset = _long.maxdeque = 100
_long.maxarray = 100
_long.maxlevel = 6


def utf8(text: str) -> str:
    """*text* as it can be sent and printed: half a character, as a ``__repr__`` may give one, is written as an escape.

    >>> utf8("one " + chr(0xD83D))
    'one \\\\ud83d'
    """
    if text.isascii():  # nearly all are
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, limit: int) -> str:
    """At most *limit* characters of *text*; what is left out is left out in the middle."""
    text = utf8(text)
    if len(text) <= limit:
        return text
    head = limit // 3
    return f"{text[:head]}\n[...]\n{text[head + 7 - limit :]}"


def short(value: object) -> str:
    """*value* in at most 200 characters; a text as it is, without quotes."""
    text = utf8(value if type(value) is str else brief(value))
    return text if len(text) <= SHORT else text[: SHORT - 3] + "..."


def masked(text: str) -> str:
    """A message without what it holds.

    >>> masked("login('ann', 'secret')"), masked("{'card': 1234}"), masked("close()")
    ('login(…)', '…', 'close()')
    """
    called = _CALLED.match(text)
    if called is None:
        return "…"
    return text if text == f"{called[0]}()" else f"{called[0]}(…)"


def name_text(name: object) -> str | None:
    """A process's name, an id, a start function: a class or function by its qualified name, a key by its registry."""
    if name is None or type(name) is str:
        return None if name is None else short(name)
    if isinstance(name, RegistryVia):
        return short(f"{short(name.key)} in {name_text(name.registry)}")
    qualified = getattr(name, "__qualname__", None)
    return short(qualified if isinstance(qualified, str) else name)


def label_of(process: Process) -> str | None:
    """What ``process.set_label`` said, or else the function that it was spawned with."""
    extra = process.extra
    if extra is None:
        return None
    return name_text(extra.initial if extra.label is None else extra.label)


def reason_text(reason: object) -> str:
    """An exit reason in one line, with the place of a crash if it is known."""
    return short(describe(reason).replace("\n", " "))


def hidden_reason(reason: object) -> str:
    """An exit reason of a process whose class decides what is shown, and was not asked: its type, or a plain word.

    >>> from regrow import KILLED
    >>> hidden_reason(ValueError("swordfish")), hidden_reason(KILLED)
    ('ValueError', 'KILLED')
    """
    return repr(reason) if isinstance(reason, Reason) else utf8(type(reason).__name__)


def long_text(value: object) -> str:
    """*value* in at most 16,000 characters: the attributes of an object that has no ``__repr__`` of its own."""
    try:
        if not any("__repr__" in vars(each) for each in type(value).__mro__[:-1]):
            value = getattr(value, "__dict__", value)
        if isinstance(value, dict):
            return cut(_lines(value), LONG)
        return cut(_long.repr(value), LONG)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def _lines(value: dict[Any, Any]) -> str:
    """A dict with a line for each of its first hundred keys."""
    rows = [
        f"{each if type(each) is str else _long.repr(each)}: {_long.repr(value[each])}"
        for each in [*value][:100]
    ]
    if len(value) > len(rows):
        rows.append(f"... and {len(value) - len(rows)} more")
    return "\n".join(rows)


def traceback_text(error: BaseException) -> str:
    """*error* as Python prints it, with its causes, in at most 16,000 characters; it begins in the program's code."""
    try:
        printed = TracebackException.from_exception(error, limit=-FRAMES)
        own = next(
            (place for place, each in enumerate(printed.stack) if not each.filename.startswith(LIBRARY)), 0
        )
        del printed.stack[:own]  # the frames of regrow that led there
        return cut("".join(printed.format()), LONG)
    except Exception as problem:
        return f"{type(error).__qualname__}, which can't be printed: its text raised {type(problem).__name__}"


def where_raised(error: object) -> str | None:
    """``file:line in function`` where an exception was raised, whether or not its frames are still there."""
    trace = trace_of(error) if isinstance(error, BaseException) else ()
    return utf8(place_in(trace)) or None
