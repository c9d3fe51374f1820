"""``regrow tree``, ``ps``, ``crashes`` and ``observe``: look once into a program that runs, and print.

On a terminal it is coloured and cut to the width; into a pipe it goes plain and whole; with ``--json`` it is what the
observer has said.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from regrow.cli.columns import known, that_fit
from regrow.cli.errors import UserError
from regrow.cli.words import clean, clock, number, who
from regrow.control import (
    ControlError,
    Program,
    ProgramEnded,
    ProgramNotFound,
    Refused,
    connect,
    find_program,
)

__all__ = [
    "HOW_TO_LOOK", "application_line", "crash_cells", "crash_text", "look", "node_line", "print_crash", "print_crashes",
    "print_processes", "print_tree", "run_observe", "told_in_words",
]  # fmt: skip

HOW_TO_LOOK: Final = (
    "Start one with:  regrow run MODULE:App\n"
    "With --no-control, or REGROW_CONTROL=0 in its environment, nobody can look into it."
)
PAGE: Final = 1000
"""Rows that the observer gives at once."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


def look(target: str | None, question: Callable[[Ask, Program], Awaitable[Any]]) -> Any:
    """Find the program *target*, and give what *question* got out of it. What is wrong is a ``UserError``."""
    with told_in_words():
        return asyncio.run(_look(target, question))


@contextmanager
def told_in_words() -> Iterator[None]:
    """What is wrong with the connection, or with what was asked, as a ``UserError``."""
    try:
        yield
    except ProgramNotFound as error:
        listed = any("processes" in commands for commands in error.running)
        raise UserError(str(error), "" if listed else HOW_TO_LOOK) from None
    except ProgramEnded as error:
        raise UserError(f"{error}.", "Its last words are where it was started.") from None
    except Refused as error:
        raise UserError(f"{error}.") from None
    except ControlError as error:
        raise UserError(str(error)) from None


async def _look(target: str | None, question: Callable[[Ask, Program], Awaitable[Any]]) -> Any:
    program = await find_program(target, "processes")
    if "processes" not in program.commands:
        raise UserError(f"{program} can't be looked into.", HOW_TO_LOOK)
    async with connect(program.path) as connection:
        return await question(connection.ask, program)


# --- ps -------------------------------------------------------------------------------------------------------------


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


class Title(NamedTuple):
    """The head of a printed column."""

    text: str
    right: bool = False
    shrinks: bool = False
    """Whether its texts may be cut where the terminal is narrow."""


def print_table(console: Console, titles: Sequence[Title], rows: Sequence[Sequence[str]]) -> None:
    """On a terminal cut to its width; else as wide as need be, for what reads it."""
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


# --- tree -----------------------------------------------------------------------------------------------------------


def print_tree(target: str | None, *, root: str | None, depth: int, limit: int, as_json: bool) -> None:
    """The supervision tree, or the part of it below *root*."""

    async def question(ask: Ask, program: Program) -> Any:
        wanted = {"root": _process(root), "depth": depth, "limit": limit, "nodes": 2000}
        return await ask("tree", wanted)

    forest = look(target, question)
    if as_json:
        print(json.dumps(forest, indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)  # whole lines, for what reads them
    for application in forest["applications"]:
        if application["state"] == "loaded":
            continue
        top = Tree(application_line(application), guide_style="dim")
        if application["tree"] is not None:
            _grow(top, application["tree"], shown=True)
        console.print(top)
    for root_node in forest["roots"]:
        top = Tree(node_line(root_node), guide_style="dim")
        _grow(top, root_node, shown=False)
        console.print(top)
    if forest["roots_total"] > len(forest["roots"]):
        console.print(f"... and {number(forest['roots_total'] - len(forest['roots']))} more trees")


def _process(wanted: str | None) -> int | str | None:
    return int(wanted) if wanted is not None and wanted.isdecimal() else wanted


def _grow(branch: Tree, node: Mapping[str, Any], *, shown: bool) -> None:
    """Put *node* below *branch*, unless it is its line that is there; and what is below the node."""
    here = branch.add(node_line(node)) if shown else branch
    for child in node["children"]:
        _grow(here, child, shown=True)
    left = node["children_total"] - len(node["children"])
    if left:
        here.add(Text(f"... {number(left)} more", style="dim"))


def application_line(application: Mapping[str, Any]) -> Text:
    """An application, in a line."""
    line = Text(clean(application["name"]), style="bold", end="")
    line.append(f"  {application['state']}, {application['type'] or 'no type'}", style="not bold dim")
    return line


def node_line(node: Mapping[str, Any], *, changed: bool = False) -> Text:
    """A child or a supervisor, in a line: what it is called, its class, how it is, what has happened to it.

    *changed*: it was restarted just now.
    """
    kept = node["supervisor"]
    spec = node["spec"] or {}
    called = clean(node["name"] or spec.get("id") or node["label"] or node["kind"])
    line = Text(called, style="bold" if kept else "", end="")
    if node["kind"] != called:
        line.append(f"  {clean(node['kind'])}", style="cyan")
    if node["pid"] is not None:
        line.append(f"  {node['pid']}", style="dim")
    if node["state"] != "running":
        line.append(f"  {node['state']}", style="bold red")
    elif node["status"] not in ("idle", None):
        line.append(f"  {node['status']}", style="red" if node["status"] == "suspended" else "green")
    if node["mailbox"]:
        line.append(f"  mailbox {number(node['mailbox'])}", style="yellow")
    if kept:
        if node["children_total"]:
            children = (
                "1 child" if node["children_total"] == 1 else f"{number(node['children_total'])} children"
            )
            line.append(f"  {children}", style="dim")
        line.append(f"  {kept['strategy']}", style="dim")
        used, most = kept["restarts_used"], kept["max_restarts"]
        line.append(f"  {used}/{most} in {kept['max_seconds']:g}s", style="bold red" if used else "dim")
    if node["restarts"]:
        times = "once" if node["restarts"] == 1 else f"{number(node['restarts'])} times"
        line.append(f"  restarted {times}", style="bold reverse red" if changed else "red")
    if node["last_exit"] and (node["restarts"] or node["state"] != "running"):
        line.append(f": {clean(node['last_exit'])[:200]}", style="red")
    return line


# --- crashes --------------------------------------------------------------------------------------------------------

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


# --- observe --------------------------------------------------------------------------------------------------------

HOW_TO_SERVE: Final = """\
{program} has no web observer. To give it one (it needs  pip install "regrow[web]"), put it among the children
of a supervisor of yours:

    from regrow.observer import Observer

    Observer.child_spec(port=4000)

Or name it in an application:  extra_applications = ["observer"]
In the terminal there is:  regrow top"""


def run_observe(target: str | None, *, as_json: bool) -> int:
    """Say where the web observer of the program is; 1 if it has none."""

    async def question(ask: Ask, program: Program) -> Any:
        return program, await ask("web", {})

    program, found = look(target, question)
    if as_json:
        print(json.dumps(found))
    elif found["urls"]:
        print(*found["urls"], sep="\n")
    else:
        print(HOW_TO_SERVE.format(program=program))
    return 0 if found["urls"] else 1
