"""``regrow ps``: the process table, once."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from regrow.cli.columns import known, that_fit
from regrow.cli.once.asking import PAGE, Ask, look
from regrow.cli.once.table import Title, print_table
from regrow.cli.words import number
from regrow.control import Program

__all__ = ["print_processes"]


def print_processes(
    target: str | None, *, sort: str, reverse: bool | None, filter: str, limit: int, as_json: bool
) -> None:
    """The process table, sorted and filtered over there."""

    async def question(ask: Ask, program: Program) -> Any:
        wanted = {"sort": sort, "filter": filter, "descending": reverse}
        page = await ask("processes", {**wanted, "limit": min(limit, PAGE)})
        while len(page["rows"]) < min(limit, page["total"]):
            have = len(page["rows"])
            more = await ask("processes", {**wanted, "offset": have, "limit": min(limit - have, PAGE)})
            if not more["rows"]:  # some have ended meanwhile
                break
            page["rows"] += more["rows"]
        return page

    page = look(target, question)
    if as_json:
        print(json.dumps(page, indent=2))
        return
    rows = page["rows"]
    if not rows:
        print(f"no process has {filter!r} in its pid, name, class or label" if filter else "no processes")
        return
    columns = known(rows)
    console = Console(highlight=False)
    if console.is_terminal:
        columns = [each for each, _ in that_fit(console.width, among=columns)]
    print_table(
        console,
        [Title(each.title, right=each.number, shrinks=each.sort in ("name", "kind")) for each in columns],
        [[column.text(row) for column in columns] for row in rows],
    )
    if len(rows) < page["total"]:
        print(f"{len(rows)} of {number(page['total'])} processes, by {sort}; --limit {limit * 2} shows more")
