"""Crash reports: one for each crash, in full, through the standard ``logging``.

Who (pid, name, kind, ancestors), why (the exception, raw, so that a handler can format its traceback), the last
message, and the state as ``format_status`` shows it. Messages and states are rendered to a bounded text at once and
never kept. All of it stands in the record's ``regrow`` attribute too, for handlers that want fields.
"""

from __future__ import annotations

import logging
from reprlib import Repr
from typing import Any

from regrow.kernel.errors import ProcessExit
from regrow.kernel.events import emit
from regrow.kernel.process import Process
from regrow.kernel.records import make_record
from regrow.kernel.runtime import Runtime

__all__ = [
    "ancestors",
    "brief",
    "brief_message",
    "crashed",
    "fenced",
    "left_over",
    "shown",
    "state_text",
    "tell",
    "text_of",
    "write",
]

logger = logging.getLogger("regrow")
LIMIT = 1000
_no_handler = logging.Handler()
_PLAIN = frozenset((int, float, bool, str, type(None)))
_SHORT_IF_EMPTY = frozenset((tuple, list, dict))
SHORT = 40
"""Characters of a plain value's ``repr`` that nothing would cut."""

_repr = Repr()
_repr.maxstring = _repr.maxother = 300
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = 12
_repr.maxlevel = 4


def brief(value: object) -> str:
    """*value* in at most a thousand characters, whatever it is."""
    kind = type(value)
    if kind in _SHORT_IF_EMPTY and not value:
        return repr(value)
    try:
        # What most reports are full of, and reprlib takes its time for.
        if kind in _PLAIN and len(text := repr(value)) <= SHORT:
            return text
        text = _repr.repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + "..."


def write(
    log: logging.Logger,
    level: int,
    text: str,
    *args: object,
    fields: dict[str, Any],
    error: BaseException | None = None,
) -> None:
    """``log.log``, with *fields* in the record's ``regrow``.

    A handler that raises is told of as one that can't write, on stderr; whoever dies just now must get to its end.
    """
    record = make_record(log, level, text, args, error, fields)
    try:
        log.handle(record)
    except Exception:
        _no_handler.handleError(record)


def ancestors(process: Process) -> list[object]:
    """The name or pid of each ancestor, the parent first, up to one that has ended."""
    found: list[object] = []
    parent = process.parent
    while parent is not None and len(found) < 64:
        above = process.runtime.processes.get(parent)
        name = None if above is None else above.name
        found.append(parent if name is None else name)
        parent = None if above is None else above.parent
    return found


def tell(process: Process, reason: object, message: Any) -> None:
    """Let those who keep crashes take down what they want of one; they keep nothing alive by it."""
    for each in tuple(process.runtime.on_crash):
        try:
            each(process, reason, message)
        except ProcessExit:  # of who is current, whose end is not this one's
            pass
        except Exception:
            if each in process.runtime.on_crash:
                process.runtime.on_crash.remove(each)
            logger.exception("what keeps crashes failed, and gets no more of them: %r", each)


def crashed(process: Process, reason: object, message: Any = None) -> None:
    """*process* ends with *reason*, which is not a clean one."""
    rt = process.runtime
    tell(process, reason, message)
    if rt.listeners:
        kind = process.behaviour.name
        emit(rt, "process.crashed", pid=process.pid, name=process.name, kind=kind, reason=reason)
    if not logger.isEnabledFor(logging.ERROR):
        return
    name = process.name
    status = shown(process, reason, message)
    client = None if process.request is None else process.request.caller
    fields = {
        "event": "crash",
        "pid": process.pid,
        "name": None if name is None else brief(name),
        "kind": process.behaviour.name,
        "ancestors": [brief(each) for each in ancestors(process)],
        "callers": list(process.extra.callers) if process.extra is not None else [],
        "reason": brief(status["reason"]),
        "message": text_of(status["message"]),
        "client": None if client is None else client.pid,
        "state": state_text(process, status["state"]),
        "log": text_of(status["log"]),
    }
    error = reason if isinstance(reason, BaseException) and status["reason"] is reason else None
    write(
        logger,
        logging.ERROR,
        "%s terminating: %s\n  last message: %s\n  state: %s\n  ancestors: %s",
        repr(process),  # now: when a handler formats the record, it may have lost its name
        fields["reason"],
        fields["message"],
        fields["state"],
        fields["ancestors"],
        fields=fields,
        error=error,
    )


def fenced(process: Process, where: str) -> None:
    """*process* would not end, and was cut off."""
    logger.error(
        "%s did not end in the time it had and was cut off %s. "
        "A handler must let CancelledError pass, and not wait without end in its finally",
        process,
        where,
        extra={
            "regrow": {"event": "fenced", "pid": process.pid, "kind": process.behaviour.name, "where": where}
        },
    )


def left_over(rt: Runtime, processes: list[Process]) -> None:
    """The loop closes, and these would not end."""
    logger.error(
        "the event loop closes with %d processes still alive: %s",
        len(processes),
        ", ".join(repr(each) for each in processes[:10]),
        extra={"regrow": {"event": "left over", "pids": [each.pid for each in processes]}},
    )


def brief_message(process: Process, message: Any) -> str:
    """An envelope of *process* as one would write it: ``play(4, 'x')``; anything else as ``brief`` shows it."""
    if not (isinstance(message, tuple) and len(message) == 4):
        return brief(message)
    function, args, kwargs, request = message
    if function is None:
        return brief(args)
    if request is not None and request.system:
        return str(request.label)
    words = [brief(each) for each in args] + [f"{key}={brief(value)}" for key, value in kwargs.items()]
    name = getattr(function, "__name__", repr(function))
    if function == process.behaviour.handle_info:
        return ", ".join(words)
    text = f"{name}({', '.join(words)})"
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + "..."


def shown(process: Process, reason: object, message: Any) -> dict[str, Any]:
    """What the report shows: all of it as the class's ``format_status`` wants it, if there is one."""
    server = process.server
    debug = process.extra.debug if process.extra is not None else None
    events = list(getattr(debug, "log", None) or ())
    status = {"state": server, "reason": reason, "message": brief_message(process, message), "log": events}
    if server is None or process.behaviour.format_status is None:
        return status
    try:
        formatted = process.behaviour.format_status(server, dict(status))
    except Exception as error:
        return {**status, "state": _Notice(f"<format_status raised {type(error).__name__}>")}
    if not isinstance(formatted, dict):
        return {**status, "state": formatted}
    return {key: formatted.get(key, value) for key, value in status.items()}


class _Notice:
    """A text in the place of a value; it is shown as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def text_of(value: Any) -> str:
    return value[:LIMIT] if isinstance(value, str) else brief(value)


def state_text(process: Process, shown: Any) -> str:
    """The state as text; of a server that has no ``__repr__`` of its own, its attributes."""
    if shown is not process.server or getattr(type(shown), "__repr__", None) is not object.__repr__:
        return brief(shown)
    return brief(getattr(shown, "__dict__", shown))
