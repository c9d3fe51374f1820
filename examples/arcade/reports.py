"""Where the crash reports go: a planted crash is reported in full each time, and hundreds would flood the terminal.

While the arcade runs, what regrow, uvicorn and the others log is counted, the last of it kept for the view, and all
of it written to `--log FILE` if one was asked for.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

LOGGERS = ("regrow", "uvicorn", "websockets", "asyncio")


class Reports(logging.Handler):
    """A log handler that keeps the last few records in memory."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        self.latest: deque[logging.LogRecord] = deque(maxlen=10)

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        self.latest.append(record)

    def last_words(self) -> list[str]:
        """The last few records, in full."""
        return [self.format(record) for record in self.latest]


reports = Reports()


@contextmanager
def reports_off_the_terminal(file: str | None) -> Generator[None]:
    """Send what is logged to `reports`, and to the file, while the block runs."""
    handlers: list[logging.Handler] = [reports]
    if file is not None:
        handlers.append(logging.FileHandler(file, mode="w", encoding="utf-8"))
        handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before: list[tuple[logging.Logger, bool]] = []
    for name in LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.propagate))
        logger.propagate = False
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, propagate in before:
            logger.propagate = propagate
            for handler in handlers:
                logger.removeHandler(handler)
        for handler in handlers[1:]:
            handler.close()
