"""Charts as SVG, drawn by the server: they are there without a script, and follow light and dark by the style sheet.

A chart is an area under a line, in a box of 300 by 80 that the page stretches to its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Chart", "chart", "nice"]

WIDTH: Final = 300
HEIGHT: Final = 80


@dataclass(frozen=True, slots=True)
class Chart:
    """One line of numbers, ready to be drawn."""

    line: str
    """The points of the line, as ``<polyline>`` wants them."""
    area: str
    """The same, closed along the bottom."""
    top: float
    """The value at the upper edge."""
    now: float | None
    low: float | None
    high: float | None
    values: str
    """All values, for who points at one. A missing one is empty."""


def chart(values: Sequence[float | None], capacity: int, floor: float = 1.0) -> Chart:
    """*values*, the oldest first, at the right end of a chart for *capacity* of them; the top is at least *floor*.

    >>> chart([0, 5, 10], capacity=5).line
    '150,80 225,40 300,0'
    >>> chart([None, None], capacity=5).now is None
    True
    """
    known = [value for value in values if value is not None]
    top = nice(max([*known, floor]))
    step = WIDTH / max(capacity - 1, 1)
    first = capacity - len(values)
    points = [
        ((first + index) * step, HEIGHT - HEIGHT * value / top)
        for index, value in enumerate(values)
        if value is not None
    ]
    line = " ".join(f"{_short(x)},{_short(y)}" for x, y in points)
    area = (
        f"{_short(points[0][0])},{HEIGHT} {line} {_short(points[-1][0])},{HEIGHT}" if len(points) > 1 else ""
    )
    return Chart(
        line=line if len(points) > 1 else "",
        area=area,
        top=top,
        now=values[-1] if values else None,
        low=_least(min, known),
        high=_least(max, known),
        values=",".join("" if value is None else f"{value:.6g}" for value in values),
    )


def nice(number: float) -> float:
    """The next of 1, 2, 2.5, 5, 10, 20, ... that is not less.

    >>> nice(0.013), nice(7), nice(2100)
    (0.02, 10.0, 2500.0)
    """
    power = 10.0 ** math.floor(math.log10(number))
    return next(
        round(step * power, 12) for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= number * 0.999
    )


def _least(choose: Callable[[Iterable[float]], float], known: Sequence[float]) -> float | None:
    return choose(known) if known else None


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
