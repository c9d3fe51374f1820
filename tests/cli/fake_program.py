"""A program that is none: what ``regrow top`` is told, made up by a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from regrow.control import Program, ProgramEnded, Refused
from regrow.control.attachment import Attached, Lost, Told

LOOKING = ("watch", "overview", "processes", "process", "tree", "crashes", "crash")
ACTING = ("stop", "kill", "suspend", "resume", "restart_child")


def row(pid: int, **fields: Any) -> dict[str, Any]:
    """A line of the process table."""
    made = {
        "pid": pid, "name": f"game {pid}", "kind": "Game", "label": None, "status": "idle", "parent": 2, "mailbox": 0,
        "messages": pid, "busy": pid / 1000, "links": 1, "monitors": 0, "monitoring": 0, "age": 5.0,
        "age_is_least": False, "supervisor": False,
    }  # fmt: skip
    return {**made, **fields}


def node(pid: int | None, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A node of the tree."""
    made = {
        "key": f"n{pid}", "pid": pid, "name": f"game {pid}", "kind": "Game", "label": None, "state": "running",
        "status": "idle", "mailbox": 0, "restarts": 0, "last_exit": None, "spec": None, "supervisor": None,
        "children_total": len(children), "children": list(children),
    }  # fmt: skip
    return {**made, **fields}


def supervisor(pid: int, name: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    kept = {
        "strategy": "one_for_one", "max_restarts": 3, "max_seconds": 5.0, "restarts_used": 0, "max_children": None,
        "auto_shutdown": "never", "restarting": 0,
    }  # fmt: skip
    return node(pid, *children, name=name, kind="Games", supervisor=kept, **fields)


def crash(id: int, **fields: Any) -> dict[str, Any]:
    """A line of the list of crashes."""
    made = {
        "id": id, "at": 1_700_000_000.0, "pid": 40 + id, "name": None, "kind": "Game", "label": None,
        "reason": "IndexError('tuple index out of range')", "where": "/home/me/rules.py:82 in _place",
        "restarted_as": None, "unwritten": 0,
    }  # fmt: skip
    return {**made, **fields}


class FakeProgram:
    """The source of a ``Top``, with 60 processes."""

    def __init__(self, *commands: str) -> None:
        self.program: Program | None = Program(7, "shop", commands or LOOKING, Path("/nowhere"))
        self.attached = True
        self.rows = [row(pid) for pid in range(1, 61)]
        self.nodes = [supervisor(2, "Games", node(3), node(4))]
        self.crashes = [crash(2), crash(1)]
        self.refuses: str | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.tell: Callable[[Attached | Lost | Told], object] = lambda news: None

    async def keep(self, tell: Callable[[Attached | Lost | Told], object]) -> None:
        assert self.program is not None
        self.tell = tell
        tell(Attached(self.program, again=False))
        if self.refuses:
            raise Refused(self.refuses)
        await asyncio.Event().wait()

    def lose(self, why: str = "shop (pid 7) has ended") -> None:
        assert self.program is not None
        self.attached = False
        self.tell(Lost(self.program, why))

    def come_back(self) -> None:
        self.program, self.attached = Program(8, "shop", LOOKING, Path("/nowhere")), True
        self.tell(Attached(self.program, again=True))

    def last(self, command: str) -> dict[str, Any]:
        """The arguments of the last question of this kind."""
        return next(arguments for name, arguments in reversed(self.asked) if name == command)

    async def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        if not self.attached:
            raise ProgramEnded("the program is not running")
        given = dict(arguments or {})
        self.asked.append((command, given))
        return getattr(self, f"_{command}")(**given)

    def _overview(self, samples: int) -> dict[str, Any]:
        scheduler = {
            "run_queue": 3, "slice": 0.005, "inline": "on", "inline_share": 0.5, "loop_lag": 0.0012,
            "loop_lag_max": 0.01, "adopted": 1,
        }  # fmt: skip
        return {
            "at": 0.0, "os_pid": 7, "python": "3.13.0", "regrow": "0.1", "uptime": 65.0, "processes": len(self.rows),
            "names": 2, "applications": 1, "messages": 5, "restarts": 1, "crashes": len(self.crashes), "memory": 2**26,
            "scheduler": scheduler, "series": {"interval": 1.0, "samples": []},
        }  # fmt: skip

    def _processes(
        self, sort: str, descending: bool, filter: str, parent: int | None, offset: int, limit: int
    ) -> dict[str, Any]:
        rows = [each for each in self.rows if filter in f"{each['pid']} {each['name']} {each['kind']}"]
        rows = [each for each in rows if parent in (None, each["parent"])]
        rows.sort(key=lambda each: each[sort], reverse=descending)
        page = rows[offset : offset + limit]
        return {"rows": page, "total": len(rows), "offset": offset, "limit": limit, "at": 0.0}

    def _process(self, pid: int) -> dict[str, Any]:
        found = [each for each in self.rows if each["pid"] == pid]
        if not found:
            raise Refused(f"there is no living process with the pid {pid}")
        other = {"pid": pid + 1, "name": f"game {pid + 1}", "kind": "Game", "alive": True}
        gone = {"pid": 99, "name": None, "kind": None, "alive": False}
        return {
            "row": found[0], "names": [], "ancestors": [], "links": [other, gone], "monitored_by": [],
            "monitoring": [], "children": [], "children_total": 0, "mailbox": ["play(4, 'x')"], "waiting_for": None,
            "where": None, "traps_exits": True, "timers": 2, "place": None, "has_state": True,
        }  # fmt: skip

    def _tree(self, depth: int, limit: int, nodes: int) -> dict[str, Any]:
        application = {
            "name": "shop", "description": "", "version": "", "type": "permanent", "state": "running",
            "tree": supervisor(1, "root", *self.nodes),
        }  # fmt: skip
        return {"at": 0.0, "applications": [application], "roots": [], "roots_total": 0, "cut": False}

    def _crashes(self, limit: int, filter: str) -> dict[str, Any]:
        rows = [each for each in self.crashes if filter in each["reason"]]
        return {"rows": rows, "total": len(rows), "offset": 0, "limit": limit, "at": 0.0}

    def _crash(self, id: int) -> dict[str, Any]:
        (found,) = (each for each in self.crashes if each["id"] == id)
        return {
            "row": found, "parent": 2, "ancestors": ["Games", "root"], "traceback": "Traceback ...\n  [/red] oops\n",
            "message": "play(9, 'x')", "client": 17, "state": None, "restart": None, "history": [],
        }  # fmt: skip

    def _kill(self, pid: int) -> dict[str, Any]:
        self.rows = [each for each in self.rows if each["pid"] != pid]
        return {"pid": pid, "done": f"<Game {pid}> was killed"}

    def _stop(self, pid: int) -> dict[str, Any]:
        raise Refused(f"<Game {pid}> was told to stop and has not")
