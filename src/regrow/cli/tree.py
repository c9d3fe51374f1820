"""What runs, as text: every process below the one that started it."""

from __future__ import annotations

from collections import defaultdict

from regrow.kernel.process import STATE_NAMES, Pid, Process
from regrow.kernel.runtime import runtime

__all__ = ["tree_of"]


def tree_of(limit: int = 100) -> str:
    """The processes of the running event loop; of more than *limit* the rest is counted."""
    processes = runtime().processes
    if not processes:
        return "no processes"
    below: defaultdict[Pid | None, list[Process]] = defaultdict(list)
    for process in processes.values():
        below[process.parent if process.parent in processes else None].append(process)
    lines: list[str] = []
    waiting = [(process, "", "") for process in reversed(below[None])]
    while waiting and len(lines) < limit:
        process, indent, branch = waiting.pop()
        lines.append(f"{indent}{branch}{_line(process)}")
        if branch:
            indent += "│  " if branch.startswith("├") else "   "
        children = below.get(process.pid, [])
        for child in reversed(children):
            waiting.append((child, indent, "└─ " if child is children[-1] else "├─ "))
    if len(lines) < len(processes):
        lines.append(f"... and {len(processes) - len(lines)} more")
    return "\n".join(lines)


def _line(process: Process) -> str:
    name = process.name
    shown = "" if name is None else f" {getattr(name, '__qualname__', None) or repr(name)}"
    return f"{process.behaviour.name} {process.pid}{shown} ({STATE_NAMES[process.status]})"
