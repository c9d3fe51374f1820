"""The columns of the process table, for ``regrow ps`` and ``regrow top``: one list, and what of it fits a width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from regrow.cli.words import clean, number, seconds, shown_name

__all__ = ["COLUMNS", "SORTS", "Column", "known", "that_fit"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``sort`` is what the observer calls it."""

    sort: str
    title: str
    width: int
    """Characters that it needs; a text may have more."""
    rank: int
    """What is left out first where there is little room: the highest."""
    text: Callable[[Row], str]
    number: bool = True


def _age(row: Row) -> str:
    known = row.get("age")
    return seconds(known) + ("+" if known is not None and row.get("age_is_least") else "")


COLUMNS: Final = (
    Column("pid", "PID", 6, 0, lambda row: str(row["pid"])),
    Column("name", "NAME", 14, 1, shown_name, number=False),
    Column("kind", "CLASS", 12, 2, lambda row: clean(row["kind"]), number=False),
    Column("status", "STATUS", 9, 3, lambda row: row["status"], number=False),
    Column("mailbox", "MAILBOX", 8, 4, lambda row: number(row["mailbox"])),
    Column("messages", "HANDLED", 8, 5, lambda row: number(row["messages"])),
    Column("busy", "BUSY", 7, 6, lambda row: seconds(row["busy"])),
    Column("age", "AGE", 7, 7, _age),
    Column("links", "LINKS", 6, 8, lambda row: number(row["links"])),
    Column("monitors", "MONITORS", 9, 9, lambda row: number(row["monitors"])),
    Column("parent", "PARENT", 7, 10, lambda row: "-" if row["parent"] is None else str(row["parent"])),
)

SORTS: Final = tuple(column.sort for column in COLUMNS)
"""What the table can be sorted by."""


def known(rows: Sequence[Row]) -> list[Column]:
    """The columns that have something in them: nobody counts messages while nobody watches."""
    empty = {
        each.sort
        for each in COLUMNS
        if rows and each.sort in ("messages", "busy", "age") and all(row[each.sort] is None for row in rows)
    }
    return [each for each in COLUMNS if each.sort not in empty]


def that_fit(width: int, *, among: Sequence[Column] = COLUMNS, between: int = 2) -> list[tuple[Column, int]]:
    """The columns that fit into *width* characters, with their widths; texts share what is left over."""
    chosen: list[Column] = []
    left = width
    for column in sorted(among, key=lambda each: each.rank):
        if column.width + between > left and len(chosen) > 1:
            break
        chosen.append(column)
        left -= column.width + between
    texts = [each for each in chosen if each.sort in ("name", "kind")]
    more = max(-10, min(30, left // len(texts))) if texts else 0  # of very little room the names have less
    return [(each, each.width + (more if each in texts else 0)) for each in COLUMNS if each in chosen]
