"""A partition of a registry: the process that keeps the books for some of the registered processes.

It is linked with each of them. That works both ways: it hears of every death and takes the dead one's entries out;
and when it dies itself, its books are lost, so those in them die with it instead of living on unfound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from regrow.kernel.mailbox import Exit
from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.runtime import runtime
from regrow.kernel.signals import link, unlink
from regrow.servers.calls import call
from regrow.servers.gen_server import GenServer
from regrow.servers.registry.errors import UnknownRegistry
from regrow.servers.registry.tables import Table

__all__ = ["RegistryPartition"]

NOTHING: Final = object()


class _Keys(dict[Any, None]):
    """The keys of a process that has several. Most have one, and stand in the book with just that."""


class RegistryPartition(GenServer, trap_exits=True):
    """The books of some processes: who has which keys of ``table``."""

    __slots__ = ("book", "process", "table")

    def __init__(self, table: Table, label: object) -> None:
        process = runtime().current
        assert process is not None
        process.more().label = label
        self.process: Process = process
        self.table = table
        self.book: dict[Pid, Any] = {}

    def handle_info(self, message: Any) -> None:
        """Somebody has died. All else is ignored, also the exit signals of the living."""
        if isinstance(message, Exit) and message.pid not in self.process.runtime.processes:
            for key in self.keys(message.pid):
                self.table.remove(key, message.pid)
            self.book.pop(message.pid, None)

    @call
    def settle(self) -> None:
        """Answers when all deaths that it was told of before are in the books."""

    # --- what clients do by themselves --------------------------------------------------------------------------------

    def keys(self, pid: Pid) -> list[Any]:
        """The keys of *pid*, in their stored form."""
        held = self.book.get(pid, NOTHING)
        if type(held) is _Keys:
            return list(held)
        return [] if held is NOTHING else [held]

    def add(self, process: Process, key: Any, value: Any) -> None:
        """Register *process*, and link it if this is its first key here."""
        if self.process.status == DEAD:
            raise UnknownRegistry("the registry's partition has crashed and is being restarted; try again")
        pid = process.pid
        held = self.book.get(pid, NOTHING)
        if held is NOTHING:
            link(process, self.process)
            self.book[pid] = key
        elif type(held) is _Keys:
            held[key] = None
        elif held != key:
            self.book[pid] = _Keys({held: None, key: None})
        self.table.put(key, pid, value)

    def remove(self, pid: Pid, key: Any, matches: Callable[[Any], bool] | None = None) -> int:
        """Take out entries of *pid*, and unlink it if it has no more; says how many those were."""
        removed = self.table.remove(key, pid, matches)
        if not self.table.values(key, pid):
            held = self.book.get(pid, NOTHING)
            if type(held) is _Keys:
                held.pop(key, None)
            if held == key or held == {}:
                del self.book[pid]
                process = self.process.runtime.processes.get(pid)
                if process is not None:
                    unlink(process, self.process)
        return removed
