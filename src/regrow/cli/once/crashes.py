"""``regrow crashes``: the last crashes, a line each, or one of them in full; and how they are worded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from regrow.cli.once.asking import PAGE, Ask, look
from regrow.cli.once.table import Title, print_table
from regrow.cli.words import clean, clock, number, who
from regrow.control import Program

__all__ = ["crash_cells", "crash_text", "print_crash", "print_crashes"]

CRASH_COLUMNS: Final = (
    Title("ID", right=True), Title("TIME"), Title("WHO", shrinks=True), Title("REASON", shrinks=True),
    Title("NOW", right=True), Title("WHERE", shrinks=True),
)  # fmt: skip


def crash_cells(row: Mapping[str, Any]) -> list[str]:
    """One line of the list of crashes."""
    unwritten = f" (and {number(row['unwritten'])} more)" if row.get("unwritten") else ""
    now = "-" if row["restarted_as"] is None else str(row["restarted_as"])
    return [
        str(row["id"]), clock(row["at"]), who(row), clean(row["reason"]) + unwritten, now, place(row["where"]),
    ]  # fmt: skip


def place(where: str | None) -> str:
    """Where it happened, without the folders: they are in the crash itself."""
    if where is None:
        return "-"
    path, colon, rest = where.rpartition(":")
    return clean(path.replace("\\", "/").rpartition("/")[2] + colon + rest)


def print_crashes(target: str | None, *, limit: int, filter: str, as_json: bool) -> None:
    """The last crashes, a line each, the newest first."""

    async def question(ask: Ask, program: Program) -> Any:
        return program, await ask("crashes", {"limit": min(limit, PAGE), "filter": filter})

    program, page = look(target, question)
    if as_json:
        print(json.dumps(page, indent=2))
        return
    rows = page["rows"]
    if not rows:
        print(f"no crash in {program}" + (f" has {filter!r} in it" if filter else " so far"))
        return
    print_table(Console(highlight=False), CRASH_COLUMNS, [crash_cells(row) for row in rows])
    print(
        f"{len(rows)} of {number(page['total'])}; one of them in full:  regrow crashes --id {rows[0]['id']}"
    )


def print_crash(target: str | None, id: int, *, as_json: bool) -> None:
    """One crash in full."""

    async def question(ask: Ask, program: Program) -> Any:
        return await ask("crash", {"id": id})

    crash = look(target, question)
    if as_json:
        print(json.dumps(crash, indent=2))
        return
    Console(highlight=False, soft_wrap=True).print(crash_text(crash))


def crash_text(crash: Mapping[str, Any]) -> Text:
    """A crash, as one reads it: who, why, with what, and what came of it."""
    row = crash["row"]
    text = Text()
    text.append(f"{who(row)} crashed at {clock(row['at'], day=True)}\n", style="bold red")
    text.append(f"{clean(row['reason'])}\n", style="bold")
    if row.get("unwritten"):
        text.append(
            f"and {number(row['unwritten'])} more came so fast after it that they were only counted\n"
        )
    for title, value in (
        ("class", row["kind"]),
        ("last message", crash["message"]),
        ("asked by", crash["client"]),
        ("ancestors", ", ".join(crash["ancestors"]) or None),
        ("state", crash["state"]),
        ("in its place", row["restarted_as"]),
    ):
        if value not in (None, ""):
            text.append(f"  {title:<13}", style="dim")
            text.append(f"{clean(value)}\n")
    if crash["traceback"]:
        text.append(f"\n{clean(crash['traceback'].rstrip(), lines=True)}\n")
    if crash["history"]:
        text.append("\nrestarts in this place, the newest first\n", style="bold")
        for each in crash["history"]:
            was = "-" if each["old_pid"] is None else each["old_pid"]
            why = f": {clean(each['reason'])}" if each["reason"] else ""
            text.append(f"  {clock(each['at'])}  {was} -> {each['pid']}, number {each['restarts']}{why}\n")
    return text
