"""How what ``regrow run`` runs writes its reports: as the program has set ``logging`` up, or as the command line says.

``--log json`` and ``--log text`` set it up for the whole program. With neither, nothing is set up; but as long as the
program has not done that itself, its crash reports go to the terminal in a form for people, and a storm of them is
summed up, where Python would print each one plainly.
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
    if format is None and (sys.stderr is None or not sys.stderr.isatty()):
        yield
        return
    with configure(
        format="json" if format == "json" else "auto",
        level="WARNING" if format is None else "INFO",
        logger="regrow" if format is None else None,
    ) as configured:
        if format is None:
            configured.handler.addFilter(_nobody_else)
        yield


def _nobody_else(record: logging.LogRecord) -> bool:
    """Only as long as nobody has set logging up: or he would read everything twice."""
    return not logging.getLogger().handlers
