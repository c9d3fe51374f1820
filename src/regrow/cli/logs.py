"""How what ``regrow run`` runs writes its reports: as the program has set ``logging`` up, or as the command line says.

``--log json`` and ``--log text`` set it up for the whole program. With neither, nothing is set up; but as long as the
program has not done that itself, a storm of reports is summed up, and on a terminal they have a form for people. Where
there is none, in a container say, each is written as Python would write it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from regrow.telemetry.logs import configure

__all__ = ["reports_as"]


@contextmanager
def reports_as(format: Literal["json", "text"] | None) -> Iterator[None]:
    """Write reports in this *format* for the length of the block."""
    if format is None and sys.stderr is None:  # pythonw
        yield
        return
    logger = None if format else "regrow"
    level: int | str = "INFO" if format else logging.getLogger(logger).level  # which stays as it is
    with configure(format="json" if format == "json" else "auto", level=level, logger=logger) as configured:
        if format is None:
            _in_pythons_place(configured.handler)
        yield


def _in_pythons_place(handler: logging.Handler) -> None:
    """Let *handler* do what ``logging.lastResort`` does: write warnings, as long as nobody else does."""

    def nobody_else(record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(each is not handler for each in logger.handlers):
                return False  # or everything would be read twice
            logger = logger.parent if logger.propagate else None
        return True

    handler.addFilter(nobody_else)
    handler.setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        handler.setFormatter(None)
