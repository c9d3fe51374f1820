"""Log records as JSON: one line each, the fields of a report as plain values, an exception as structured text.

    {"time": "2026-01-31T12:00:00.000000Z", "level": "ERROR", "logger": "regrow", "message": "...",
     "regrow": {"event": "crash", "pid": 12, "kind": "Game", ...},
     "exception": {"type": "builtins.ValueError", "message": "...", "trace": [{"file": ..., "line": ..., ...}], ...}}

``regrow`` is there for a report of regrow, ``exception`` where there is one, ``extra`` for what else was given to the
logger as ``extra=``. Nothing that can't be written as JSON breaks a line: it is shown as short text.
"""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from regrow.kernel.reasons import trace_of
from regrow.kernel.reports import brief

__all__ = ["JsonFormatter", "plain"]

DEEPEST: Final = 8
"""Levels of nested values, and causes of an exception, that are written."""
MOST_FRAMES: Final = 100
"""Frames of a traceback that are written: the innermost, if there are more."""
_STANDARD: Final = frozenset(
    (*vars(logging.makeLogRecord({})), "message", "asctime", "regrow", "color_message", "taskName")
)


class JsonFormatter(logging.Formatter):
    """Formats each record as one line of JSON; see above."""

    def __init__(self) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "regrow", None)
        if fields is not None:
            line["regrow"] = plain(fields)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["exception"] = _exception(error, set())
        if record.stack_info:
            line["stack"] = record.stack_info
        extra = {key: plain(value) for key, value in vars(record).items() if key not in _STANDARD}
        if extra:
            line["extra"] = extra
        return json.dumps(line)


def plain(value: object, depth: int = 0) -> Any:
    """*value* made of what JSON knows: an exception as its type and text, a class or function by its name.

    >>> plain({"pid": 7, "shutdown": float("inf"), "start": dict, "reason": ValueError("no")})
    {'pid': 7, 'shutdown': 'infinity', 'start': 'builtins.dict', 'reason': {'type': ..., 'message': 'no'}}
    """
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, Enum) else value.name
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return (
            value
            if math.isfinite(value)
            else {math.inf: "infinity", -math.inf: "-infinity"}.get(value, "nan")
        )
    if isinstance(value, BaseException):
        return {"type": _name(type(value)), "message": _text(value)}
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            return {_key(key): plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [plain(each, depth + 1) for each in value]
    if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
        return _name(value)
    return brief(value)


def _exception(error: BaseException, seen: set[int]) -> dict[str, Any]:
    """Type, text, notes, where it was raised, what caused it; the members of a group."""
    seen.add(id(error))
    told: dict[str, Any] = {"type": _name(type(error)), "message": _text(error)}
    notes = getattr(error, "__notes__", None)
    if notes:
        told["notes"] = [str(each) for each in notes]
    told["trace"] = _trace(error)
    cause = error.__cause__
    context = None if error.__suppress_context__ else error.__context__
    for word, other in (("cause", cause), ("context", context)):
        if other is not None and id(other) not in seen and len(seen) < DEEPEST:
            told[word] = _exception(other, seen)
    if isinstance(error, BaseExceptionGroup):
        told["exceptions"] = [_exception(each, seen) for each in error.exceptions if id(each) not in seen]
    return told


def _trace(error: BaseException) -> list[dict[str, Any]]:
    if error.__traceback__ is None:  # stripped: the places are kept, the frames are not
        return [
            {"file": file, "line": line, "function": name}
            for file, line, name in trace_of(error)[-MOST_FRAMES:]
        ]
    return [
        {"file": frame.filename, "line": frame.lineno, "function": frame.name, "code": frame.line}
        for frame in traceback.extract_tb(error.__traceback__, limit=-MOST_FRAMES)
    ]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failed:  # who tells of a crash must not crash of it
        return f"<{type(error).__name__} whose str raised {type(failed).__name__}>"


def _key(key: object) -> str:
    return key if isinstance(key, str) else brief(key)


def _name(thing: Any) -> str:
    module = getattr(thing, "__module__", None)
    name: str = thing.__qualname__
    return f"{module}.{name}" if isinstance(module, str) else name
