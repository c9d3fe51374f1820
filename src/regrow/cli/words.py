"""How the observer's values are written for a person: short, aligned, and never with what a terminal would obey.

>>> seconds(0.00123), seconds(7.5), seconds(250), seconds(7_400), seconds(200_000), seconds(None)
('1.2ms', '7.5s', '4m10s', '2h03m', '2d07h', '-')
>>> number(1234567), number(None), rate(0.25), rate(5321.0), size(123_456_789)
('1,234,567', '-', '0.25', '5,321', '118 MB')
>>> clean("a name\\x1b[2J with\\nlines")
'a name\\\\x1b[2J with\\\\nlines'
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["bars", "clean", "clock", "number", "rate", "seconds", "shown_name", "size", "who"]

BARS: Final = "▁▂▃▄▅▆▇█"


def seconds(span: float | str | None) -> str:
    """A span of time."""
    if span is None or isinstance(span, str):
        return "-" if span is None else span
    if span == 0:
        return "0"
    if span < 0.9995:
        return f"{span * 1000:.1f}ms" if span < 0.0995 else f"{span * 1000:.0f}ms"
    if span < 60:
        return f"{span:.1f}s" if span < 9.95 else f"{span:.0f}s"
    minutes, rest = divmod(int(span), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h"


def number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def rate(a_second: float | None) -> str:
    """How many a second."""
    if a_second is None:
        return "-"
    if a_second and a_second < 9.95:
        return f"{a_second:.2f}" if a_second < 0.995 else f"{a_second:.1f}"
    return f"{a_second:,.0f}"


def size(count: int | None) -> str:
    """A number of bytes."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"


def clock(at: float, *, day: bool = False) -> str:
    """The time of day, here."""
    return time.strftime("%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S", time.localtime(at))


def clean(text: object, *, lines: bool = False) -> str:
    """*text* with nothing in it that moves a cursor or colours a screen; with *lines*, its lines stay."""
    told = str(text)
    if told.isprintable():
        return told
    kept = "\n\t" if lines else ""
    written = (each if each.isprintable() or each in kept else _escaped(each) for each in told)
    return "".join(written)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def bars(values: Iterable[float | None], width: int) -> str:
    """The last *width* of *values*, as a row of bars from nothing to the highest."""
    known = [0.0 if value is None else max(0.0, value) for value in values][-width:]
    most = max(known, default=0.0)
    if most <= 0:
        return BARS[0] * len(known)
    return "".join(BARS[min(7, round(value / most * 7))] for value in known)


def shown_name(row: Mapping[str, Any]) -> str:
    """What to call a process, shortest first: its name, its label, or nothing."""
    return clean(row.get("name") or row.get("label") or "")


def who(row: Mapping[str, Any] | None) -> str:
    """A process in a line of text: ``Scoreboard 17``."""
    if row is None:
        return "-"
    if row.get("alive") is False:
        return f"{row['pid']} (ended)"
    called = shown_name(row) or clean(row.get("kind") or "")
    return f"{called} {row['pid']}".strip()
