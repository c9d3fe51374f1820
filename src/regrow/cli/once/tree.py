"""``regrow tree``: the supervision tree, once; and how one of its nodes is put in a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from regrow.cli.once.asking import Ask, look
from regrow.cli.words import clean, number
from regrow.control import Program

__all__ = ["application_line", "node_line", "print_tree"]


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
