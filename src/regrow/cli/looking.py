"""The commands that look into a running program, and their options.

What they print is in ``once``; ``top`` and ``mcp`` have their libraries loaded when they are called.
"""

from __future__ import annotations

from typing import Annotated

import typer

from regrow.cli.columns import COLUMNS, SORTS
from regrow.cli.errors import UserError
from regrow.cli.once.crashes import print_crash, print_crashes
from regrow.cli.once.processes import print_processes
from regrow.cli.once.tree import print_tree
from regrow.cli.once.web import run_observe

__all__ = ["Running", "crashes", "mcp", "observe", "ps", "top", "tree"]

Running = Annotated[
    str | None,
    typer.Argument(
        metavar="PROGRAM",
        help="The pid of the program, the name of its application, its module, its class, or MODULE:App as it was "
        "given to `regrow run`. May be left out where only one runs.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the observer says, as JSON.")]


def _sort(wanted: str) -> str:
    for column in COLUMNS:
        if wanted in (column.sort, column.title, column.title.lower()):
            return column.sort
    raise typer.BadParameter(f"{wanted!r} is none of {', '.join(SORTS)}")


def top(
    target: Running = None,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1, max=3600)] = 1.0,
) -> None:
    """Watch a running program: its processes, its tree, its crashes.

    `q` leaves, `?` shows all keys. When the program ends, its next run is waited for. Nothing is counted in the program
    before somebody watches, and nothing after. Needs the extra `regrow[top]`.
    """
    try:
        from regrow.cli.top.run import run_top
    except ModuleNotFoundError as error:
        if error.name != "textual":
            raise
        raise UserError("regrow top needs textual, which is not installed.", _install("top")) from None
    raise typer.Exit(run_top(target, interval))


def ps(
    target: Running = None,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", callback=_sort, help=f"What to sort by: {', '.join(SORTS)}.")
    ] = "pid",
    reverse: Annotated[
        bool | None,
        typer.Option(
            "--descending/--ascending",
            help="Which way round. Left out: numbers begin with the largest, pids and texts at the beginning.",
            show_default=False,
        ),
    ] = None,
    filter: Annotated[
        str, typer.Option(metavar="TEXT", help="Only those with this in pid, name, class or label.")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many, at most.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """Print the processes of a running program.

    What is not known is left out: messages and times are counted only while somebody watches, as `regrow top` does.
    """
    print_processes(target, sort=sort, reverse=reverse, filter=filter, limit=limit, as_json=as_json)


def tree(
    target: Running = None,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="WHO", help="Only below this supervisor: its name or its pid.", show_default=False
        ),
    ] = None,
    depth: Annotated[int, typer.Option(help="How many levels down.", min=0, max=50)] = 12,
    limit: Annotated[int, typer.Option(help="Children of each supervisor, at most.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the supervision tree of a running program."""
    print_tree(target, root=root, depth=depth, limit=limit, as_json=as_json)


def crashes(
    target: Running = None,
    id: Annotated[
        int | None,
        typer.Option("--id", help="This one, in full, with its traceback.", show_default=False, min=1),
    ] = None,
    filter: Annotated[
        str, typer.Option(metavar="TEXT", help="Only those with this in name, class or reason.")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many, at most.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the last crashes of a running program, the newest first."""
    if id is not None:
        print_crash(target, id, as_json=as_json)
    else:
        print_crashes(target, limit=limit, filter=filter, as_json=as_json)


def observe(target: Running = None, as_json: AsJson = False) -> None:
    """Say where the web observer of a running program is, or how to give it one."""
    raise typer.Exit(run_observe(target, as_json=as_json))


def mcp(
    target: Running = None,
    actions: Annotated[
        bool,
        typer.Option(
            "--actions",
            help="Offer the tools that stop, kill, suspend, resume and restart processes too, if the program was "
            "started with --allow-actions.",
        ),
    ] = False,
) -> None:
    """Serve what can be seen of a running program to an agent, by the Model Context Protocol on stdin and stdout.

    Give it to the agent as a stdio server: the command is `regrow`, the arguments are `mcp` and, where several run, the
    name of the program. It waits for the program if it does not run yet. Needs the extra `regrow[mcp]`.
    """
    try:
        from regrow.observer.mcp_stdio import serve_stdio
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        raise UserError("regrow mcp needs mcp, which is not installed.", _install("mcp")) from None
    serve_stdio(target, actions=actions)


def _install(extra: str) -> str:
    return f'Install it with:  pip install "regrow[{extra}]"'
