"""Log records, made as copies of one another.

From one crash to the next most of a record is the same: the path, which it splits into file and module, the thread,
the program's process. So ``logging`` makes the first one of a logger and a level, and the next begin as copies of it
and get what is their own: the text, its arguments, the error, the time, the task. A logger of a class of somebody's
own, and a factory of records, are asked each time.

Crashes come by the thousand, with two records each: by this and by quicker texts a restart costs a seventh less.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from time import time
from typing import Any, Final

__all__ = ["make_record"]

FRESH: Final = 1.0
"""Seconds after which ``logging`` is asked again: the thread, the level or the process may have got another name."""


class _Patterns(threading.local):
    """Each thread's own, for it stands in the records, and they go with it."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, int, int], dict[str, Any]] = {}


_patterns = _Patterns()


def make_record(
    log: logging.Logger,
    level: int,
    text: str,
    args: tuple[object, ...],
    error: BaseException | None,
    fields: dict[str, Any],
) -> logging.LogRecord:
    """The record of ``log.log(level, text, *args, exc_info=error, extra={"regrow": fields})``.

    Without the search for the line that calls it, which would always be this one.
    """
    told = None if error is None else (type(error), error, error.__traceback__)
    if type(log) is not logging.Logger or logging.getLogRecordFactory() is not logging.LogRecord:
        return log.makeRecord(
            log.name, level, __file__, _LINE, text, args, told, "make_record", {"regrow": fields}
        )
    key = log.name, level, os.getpid()
    now = time()
    pattern = _patterns.known.get(key)
    if pattern is None or not 0 <= now - pattern["created"] < FRESH:
        made = log.makeRecord(
            log.name, level, __file__, _LINE, text, (), None, "make_record", {"regrow": None}
        )
        pattern = _patterns.known[key] = made.__dict__
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(
        pattern,
        msg=text,
        args=args,
        exc_info=told,
        created=now,
        msecs=now % 1 * 1000 // 1,
        relativeCreated=pattern["relativeCreated"] + (now - pattern["created"]) * 1000,
        regrow=fields,
    )
    if "taskName" in pattern:  # as newer Pythons have it
        record.taskName = _task_name()
    return record


_LINE = make_record.__code__.co_firstlineno


def _task_name() -> str | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return None
    return task.get_name() if task is not None and getattr(logging, "logAsyncioTasks", True) else None
