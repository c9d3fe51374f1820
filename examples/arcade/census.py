"""The tree as it is at this moment, asked of the supervisors themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from regrow import DynamicSupervisor, Registry, Supervisor

ROOT = "arcade.root"  # the name of the supervisor on top


@dataclass(slots=True)
class Node:
    """One process of the tree, with what stands beside its name."""

    name: str
    note: str = ""
    supervises: bool = False
    children: list[Node] = field(default_factory=list["Node"])


async def census() -> Node:
    """Everybody but the children of the dynamic supervisors, who are counted: hundreds make no tree."""
    root = await _ask("Arcade", Supervisor.named(ROOT))
    registries = [node for node in root.children if node.name.startswith("arcade.")]
    if registries:
        names = ", ".join(f"{node.note} {node.name.removeprefix('arcade.')}" for node in registries)
        others = [node for node in root.children if node not in registries]
        root.children = [Node(f"Registry ×{len(registries)}", names), *others]
    return root


async def _ask(name: str, process: Any) -> Node:
    if isinstance(process, Supervisor):
        rows = [row for row in await process.which_children() if row.child is not None]
        children = [await _ask(_shown(row.id), row.child) for row in reversed(rows)]
        return Node(name, supervises=True, children=children)
    if isinstance(process, DynamicSupervisor):
        return Node(name, f"{(await process.count_children()).active:,} children", supervises=True)
    if isinstance(process, Registry):
        return Node(name, f"{process.count():,}")
    return Node(name)


def _shown(child_id: object) -> str:
    return str(getattr(child_id, "__name__", child_id))
