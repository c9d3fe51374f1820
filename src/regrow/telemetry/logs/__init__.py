"""Reports through ``logging``, set up by one line: for people on a terminal, as JSON, and with storms summed up.

    from regrow.telemetry import logs

    logs.configure()                    # rich on a terminal, if that is installed, else plain text
    logs.configure(format="json")       # one line of JSON a record

regrow writes its reports to the loggers below ``regrow`` in any case, with their fields in the record's ``regrow``: who
has set up ``logging`` already takes what is here one by one. ``as_json`` is the formatter, ``on_terminal`` the handler
with colours, ``storms`` the handler that stands before another one; ``by_default`` is what ``regrow.run`` does where
nobody has. For ``dictConfig`` there is ``make_handler``:

    [tool.regrow.env.logging.config]
    version = 1
    root = { level = "INFO", handlers = ["reports"] }
    handlers.reports = { "()" = "regrow.telemetry.logs.make_handler", format = "json" }
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from types import TracebackType
from typing import Final, Literal, Self, TextIO, get_args

from regrow.telemetry.logs.as_json import JsonFormatter
from regrow.telemetry.logs.storms import StormHandler, same_report

__all__ = [
    "Configured",
    "Format",
    "JsonFormatter",
    "StormHandler",
    "configure",
    "make_handler",
    "same_report",
]

Format = Literal["auto", "rich", "plain", "json"]

PLAIN: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def make_handler(
    format: Format = "auto", *, stream: TextIO | None = None, storms: bool = True
) -> logging.Handler:
    """A handler that writes records to *stream*, which is stderr if nothing is said.

    *format* is ``"json"``; ``"plain"`` text; ``"rich"``, with colours and readable tracebacks; or ``"auto"``: rich if
    the stream is a terminal and rich is installed, else plain. With *storms* a ``StormHandler`` stands before it, so
    that many equal crashes become a few reports and one line.

    Raises ``ValueError`` for another format, ``ModuleNotFoundError`` for ``"rich"`` where that is not installed.
    """
    if format not in get_args(Format):
        raise ValueError(f"format={format!r}: must be one of {', '.join(get_args(Format))}")
    stream = stream or sys.stderr
    if format == "auto":
        format = "rich" if stream is not None and stream.isatty() and find_spec("rich") else "plain"
    handler: logging.Handler
    if format == "rich":
        from regrow.telemetry.logs.on_terminal import TerminalHandler

        handler = TerminalHandler(stream)
    else:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonFormatter() if format == "json" else logging.Formatter(PLAIN))
    return StormHandler(handler) if storms else handler


class Configured:
    """What ``configure`` gives. ``undo``, or leaving it as a ``with`` block, puts everything back as it was."""

    def __init__(self, logger: logging.Logger, handler: logging.Handler, level: int) -> None:
        self.logger = logger
        self.handler = handler
        self._before = logger.level
        logger.addHandler(handler)
        logger.setLevel(level)

    def undo(self) -> None:
        """Take the handler away, after a last summary, and set the level back. Twice is once."""
        global _last
        if self.handler in self.logger.handlers:
            self.logger.removeHandler(self.handler)
            self.logger.setLevel(self._before)
            self.handler.close()
        if _last is self:
            _last = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


_last: Configured | None = None


def configure(
    *,
    format: Format = "auto",
    level: int | str = "INFO",
    stream: TextIO | None = None,
    storms: bool = True,
    logger: str | None = None,
) -> Configured:
    """Write what is logged to stderr, or to *stream*, in one of the formats of ``make_handler``.

    It is for the whole program: the handler goes to the root logger, or to the one named *logger*, whose level is set
    to *level*. Handlers that are there already stay. To call it again replaces what it did before.

    Raises ``ValueError`` for a format and a level that there are not.
    """
    global _last
    number = logging.getLevelNamesMapping().get(level.upper()) if isinstance(level, str) else level
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f"level={level!r}: must be one of {', '.join(logging.getLevelNamesMapping())}")
    handler = make_handler(format, stream=stream, storms=storms)
    if _last is not None:
        _last.undo()
    _last = Configured(logging.getLogger(logger), handler, number)
    return _last
