"""Records for people on a terminal, by ``rich``: colours, crashes as a small table, tracebacks with their code."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, TextIO

try:
    from rich.console import Console, ConsoleRenderable, Group
    from rich.logging import RichHandler
    from rich.table import Table
    from rich.text import Text
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "rich":
        raise
    raise ModuleNotFoundError(
        'format="rich" needs rich, which is not installed. Install it with:  pip install "regrow[cli]"',
        name=error.name,
    ) from None

import regrow

__all__ = ["TerminalHandler"]

_SHOWN: Final = (
    ("message", "last message"),
    ("state", "state"),
    ("client", "client"),
    ("ancestors", "ancestors"),
)


class TerminalHandler(RichHandler):
    """Writes to *stream*. Frames of the event loop and of regrow itself are left out of tracebacks."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(
            console=Console(stderr=True) if stream is None else Console(file=stream),
            show_path=False,
            rich_tracebacks=True,
            tracebacks_suppress=(asyncio, regrow),
            tracebacks_max_frames=20,
            keywords=[],
            log_time_format="[%X]",
        )
        self.setFormatter(logging.Formatter("%(message)s"))

    def render_message(self, record: logging.LogRecord, message: str) -> ConsoleRenderable:
        fields = getattr(record, "regrow", None)
        if not isinstance(fields, Mapping) or fields.get("event") != "crash":
            return super().render_message(record, message)
        return Group(_headline(fields), _table(fields))


def _headline(fields: Mapping[str, Any]) -> Text:
    name = fields.get("name")
    who = f"{fields['kind']} {fields['pid']}" + ("" if name is None else f" {name}")
    return Text.assemble((who, "bold"), (" crashed: ", "bold red"), str(fields["reason"]))


def _table(fields: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", justify="right")
    table.add_column()
    for key, word in _SHOWN:
        value = fields.get(key)
        if value not in (None, [], ()):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            table.add_row(word, Text(shown))
    return table
