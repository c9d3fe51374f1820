"""Columns of text: on a terminal cut to its width; else as wide as need be, for what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

__all__ = ["Title", "print_table"]


class Title(NamedTuple):
    """The head of a printed column."""

    text: str
    right: bool = False
    shrinks: bool = False
    """Whether its texts may be cut where the terminal is narrow."""


def print_table(console: Console, titles: Sequence[Title], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* below *titles*. Where the terminal is narrow, the widest of those that shrink is cut first."""
    widths = [
        max([len(title.text), *(len(row[place]) for row in rows)]) for place, title in enumerate(titles)
    ]
    cut = [place for place, title in enumerate(titles) if title.shrinks]
    while console.is_terminal and cut and sum(widths) + 2 * (len(widths) - 1) > console.width:
        widest = max(cut, key=lambda place: widths[place])
        if widths[widest] <= 8:
            break
        widths[widest] -= 1
    for style, row in (("bold", [title.text for title in titles]), *(("", row) for row in rows)):
        cells = (
            cell[: width - 1] + "…"
            if len(cell) > width
            else cell.rjust(width)
            if title.right
            else cell.ljust(width)
            for cell, width, title in zip(row, widths, titles, strict=True)
        )
        console.print(Text("  ".join(cells).rstrip(), style), soft_wrap=True)
