"""Reports of a program whose ``logging`` nobody has set up: under ``run`` they are written, as Elixir's Logger is on.

They go to stderr, warnings and errors, as Python itself lets them where there is no handler; but a storm of equal ones
is summed up, and on a terminal they have a form for people. Where there is none, in a container say, each is the text
that Python would write. Records that the program has a handler for, from the start or from some time on, are its own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from regrow.telemetry.logs import StormHandler, make_handler

__all__ = ["reports_by_default"]


@contextmanager
def reports_by_default() -> Iterator[None]:
    """Write what is logged below ``regrow`` for the length of the block, unless somebody has said where it goes.

    That is: a handler at the root logger or at ``regrow``, or ``logging.lastResort = None``. Levels stay as they are.
    """
    ours, last_resort = logging.getLogger("regrow"), logging.lastResort
    if ours.hasHandlers() or last_resort is None or sys.stderr is None:  # None: Windows without a console
        yield
        return
    handler = make_handler() if _is_terminal(sys.stderr) else StormHandler(last_resort)
    handler.setLevel(last_resort.level)
    handler.addFilter(lambda record: _nobody_else(record, handler))
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        with suppress(ValueError):  # stderr is closed
            handler.flush()  # tells what a storm still holds; there is nothing to close, for stderr is everybody's


def _is_terminal(stream: object) -> bool:
    """Whether it says that it is one. What stands in for stderr may be closed, or know nothing but ``write``."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]  # asked for, not known
    except Exception:
        return False


def _nobody_else(record: logging.LogRecord, handler: logging.Handler) -> bool:
    """Whether only *handler* has this record: else everything would be read twice."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        if any(each is not handler for each in logger.handlers):
            return False
        logger = logger.parent if logger.propagate else None
    return True
