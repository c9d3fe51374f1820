"""What lives on an event loop at one moment, and what has come to it since another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regrow.kernel.adoption import ASYNCIO_TASK
from regrow.kernel.inspection import ProcessInfo, look_at
from regrow.kernel.names import names_of
from regrow.kernel.process import Pid
from regrow.kernel.runtime import Runtime

__all__ = ["Snapshot", "TestedRuntime", "snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The processes, names and asyncio tasks of an event loop at one moment."""

    processes: Mapping[Pid, ProcessInfo]
    """All but asyncio tasks that use regrow: those are among the tasks."""
    names: Mapping[Any, Pid]
    """Local names, ``Global`` ones and vias, and whose they are."""
    tasks: frozenset[asyncio.Task[Any]]
    """asyncio's tasks. What regrow runs its handlers in is not among them."""

    def since(self, before: Snapshot) -> Snapshot:
        """What is here and was not there *before*."""
        return Snapshot(
            {pid: each for pid, each in self.processes.items() if pid not in before.processes},
            {name: pid for name, pid in self.names.items() if before.names.get(name) != pid},
            self.tasks - before.tasks,
        )

    def __bool__(self) -> bool:
        return bool(self.processes or self.names or self.tasks)


def snapshot() -> Snapshot:
    """What lives on the running loop now, the running task included.

    >>> from regrow import Agent
    >>> async def main():
    ...     before = snapshot()
    ...     async with Agent.scope(dict):
    ...         return [each.kind for each in snapshot().since(before).processes.values()]
    >>> asyncio.run(main())
    ['Agent']
    """
    loop = asyncio.get_running_loop()
    tasks = frozenset(each for each in asyncio.all_tasks(loop) if not each.done())
    rt: Runtime | None = getattr(loop, "__regrow__", None)
    if rt is None or rt.closed:
        return Snapshot({}, {}, tasks)
    processes = {
        pid: look_at(each) for pid, each in rt.processes.items() if each.behaviour is not ASYNCIO_TASK
    }
    names = {key_of(name): each.pid for each in rt.processes.values() for name in names_of(each)}
    return Snapshot(processes, names, tasks)


def key_of(name: Any) -> Any:
    """*name* as a key of ``Snapshot.names``."""
    try:
        hash(name)
    except TypeError:  # a user's own via may be anything
        return repr(name)
    return name


class TestedRuntime:
    """The runtime of the loop that the test runs on; the fixture ``runtime`` gives it."""

    __test__ = False  # pytest collects what is called Test...

    def processes(self) -> list[ProcessInfo]:
        """The processes that live now, the first started first, without asyncio tasks."""
        return list(snapshot().processes.values())

    def names(self) -> dict[Any, Pid]:
        """All names, and whose they are."""
        return dict(snapshot().names)

    def snapshot(self) -> Snapshot:
        """What lives now; ``runtime.snapshot().since(before)`` is what has come to it."""
        return snapshot()

    def find(self, kind: type | str) -> list[ProcessInfo]:
        """The processes of one kind: a server class, or what ``ProcessInfo.kind`` says."""
        name = kind if isinstance(kind, str) else kind.__name__
        return [each for each in self.processes() if each.kind == name]


def roots(processes: Mapping[Pid, ProcessInfo]) -> Iterable[ProcessInfo]:
    """Those whose parents are not among them."""
    return [each for each in processes.values() if each.parent not in processes]
