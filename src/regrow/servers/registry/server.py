"""The registry's process: it owns the tables, starts the partitions, and restarts those that crash.

It is a small supervisor. Where all partitions share one table (unique keys, or duplicate ones split by key), one crash
restarts them all; where each has its own, only that one. More than three crashes in five seconds are too many.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import get_ident
from typing import Any, Final, Literal

from regrow.kernel import signals
from regrow.kernel.adoption import current_process, who_asks
from regrow.kernel.errors import InvalidName, NotAllowed, Stop
from regrow.kernel.mailbox import Exit
from regrow.kernel.names import Name, find, local_key
from regrow.kernel.process import DEAD, EXITING, Pid, Process
from regrow.kernel.reasons import SHUTDOWN, describe
from regrow.kernel.runtime import Runtime, runtime
from regrow.servers.behaviour import behaviour_of
from regrow.servers.gen_server import GenServer
from regrow.servers.messages import Named
from regrow.servers.registry.errors import UnknownRegistry
from regrow.servers.registry.keys import exact, original
from regrow.servers.registry.listeners import Registered, Unregistered, tell
from regrow.servers.registry.lock import Locks
from regrow.servers.registry.partition import RegistryPartition
from regrow.servers.registry.tables import DuplicateTable, Entry, Table, UniqueTable
from regrow.servers.starting import launch

__all__ = ["Keys", "RegistryServer", "check_start", "registry_behind", "registry_named"]

Keys = Literal["unique", "duplicate"] | tuple[Literal["duplicate"], Literal["pid", "key"]]
"""One owner a key, or many. Those many can be split into partitions by owner (the default), or by key."""

KINDS: Final = ("unique", "duplicate", ("duplicate", "pid"), ("duplicate", "key"))
MAX_RESTARTS: Final = 3
MAX_SECONDS: Final = 5.0

logger = logging.getLogger("regrow.supervisor")


def check_start(
    name: Name,
    /,
    *,
    keys: Keys,
    partitions: int = 1,
    listeners: Sequence[Name] = (),
    meta: Mapping[Any, Any] | None = None,
) -> Name:
    """Refuse arguments that a registry can't be started with; gives its name. In the caller, before anything starts."""
    try:
        local_key(name)
    except InvalidName:
        raise InvalidName(
            f"{name!r} can't be the name of a registry: use a string, a class, an enum member, or a tuple of such "
            "names and numbers"
        ) from None
    if keys not in KINDS:
        raise ValueError(f"keys={keys!r}: must be one of {', '.join(map(repr, KINDS))}")
    if type(partitions) is not int or partitions < 1:
        raise ValueError(f"partitions={partitions!r}: must be a whole number, 1 or more")
    if isinstance(listeners, str) or not isinstance(listeners, Sequence):
        raise ValueError(f"listeners={listeners!r}: must be a list of names, such as [{listeners!r}]")
    for each in listeners:
        try:
            local_key(each)
        except InvalidName:
            raise ValueError(f"listeners={listeners!r}: {each!r} must be the name of a process") from None
    if meta is not None and not isinstance(meta, Mapping):
        raise ValueError(f"meta={meta!r}: must be a mapping, such as {{'opened': 2026}}")
    for key in meta or ():
        exact(key)
    return name


class RegistryServer(GenServer):
    """What runs in the registry's process, and the tables that its clients read and write."""

    _is_supervisor = True

    def __init__(
        self,
        name: Name,
        /,
        *,
        keys: Keys,
        partitions: int = 1,
        listeners: Sequence[Name] = (),
        meta: Mapping[Any, Any] | None = None,
    ) -> None:
        check_start(name, keys=keys, partitions=partitions, listeners=listeners, meta=meta)
        process = runtime().current
        if process is None:
            raise NotAllowed("a registry is a process: start it by Registry.start_link or under a supervisor")
        if process.name != name:
            raise ValueError(
                f"the registry {name!r} can't be started under the name {process.name!r}: a registry's name is its "
                "identity, and its first argument"
            )
        self._process = process
        self._name = name
        self._keys = keys
        self._listeners = tuple(listeners)
        self._meta = {exact(key): (value,) for key, value in (meta or {}).items()}
        self._locks = Locks(name)
        self._restarts: deque[float] = deque()
        self._partitions: list[RegistryPartition] = []
        self._split = keys in ("duplicate", ("duplicate", "pid"))
        self._tables: list[Table] = [self._new_table() for _ in range(partitions if self._split else 1)]
        self._partition_count = partitions
        # The table of a unique registry, at hand: a lookup is a matter of nanoseconds.
        table = self._tables[0]
        self._unique: dict[Any, Entry] | None = table.entries if isinstance(table, UniqueTable) else None
        signals.watch(process, self._locks.lost)

    def __repr__(self) -> str:
        return f"<Registry {self._name!r} keys={self._keys!r} count={sum(map(len, self._tables))}>"

    # --- the process --------------------------------------------------------------------------------------------------

    async def init(self) -> None:
        self._partitions = [await self._start(index) for index in range(self._partition_count)]

    def handle_info(self, message: Any) -> Any:
        if not isinstance(message, Exit):
            return super().handle_info(message)
        for index, partition in enumerate(self._partitions):
            if partition.process.pid == message.pid and partition.process.status == DEAD:
                return self._restart(index, message)
        return None

    async def terminate(self, reason: Any) -> None:
        for partition in reversed(self._partitions):
            await _ended(partition.process)

    def _child_pids(self) -> Iterable[Pid]:
        return [partition.process.pid for partition in self._partitions]

    def _new_table(self) -> Table:
        return UniqueTable() if self._keys == "unique" else DuplicateTable()

    async def _start(self, index: int) -> RegistryPartition:
        table = self._tables[index if self._split else 0]
        started = launch(
            behaviour_of(RegistryPartition),
            RegistryPartition,
            (table, f"partition {index} of {self._name!r}"),
            {},
            self._process,
        )
        process = started if isinstance(started, Process) else await started
        signals.watch(process, lambda _process, _reason: table.clear())
        partition: RegistryPartition = process.server
        return partition

    async def _restart(self, index: int, died: Exit) -> None:
        self._report(index, died, "terminated")
        now = self._process.runtime.loop.time()
        self._restarts.append(now)
        while self._restarts[0] < now - MAX_SECONDS:
            self._restarts.popleft()
        if len(self._restarts) > MAX_RESTARTS:
            self._report(index, died, "caused shutdown")
            raise Stop(SHUTDOWN)
        affected = [index] if self._split else list(range(self._partition_count))
        for each in reversed(affected):
            await _ended(self._partitions[each].process)
        for each in affected:
            self._partitions[each] = await self._start(each)

    def _report(self, index: int, died: Exit, what: str) -> None:
        fields = {
            "event": "shutdown" if what == "caused shutdown" else "child_terminated",
            "supervisor": self._name,
            "supervisor_pid": self._process.pid,
            "reason": died.reason,
            "child": {"pid": died.pid, "id": f"partition {index}", "type": "worker"},
        }
        logger.error(
            "partition %d (pid %d) of registry %s %s: %s",
            index,
            died.pid,
            self._name,
            what,
            describe(died.reason),
            extra={"regrow": fields},
        )

    # --- what clients do by themselves --------------------------------------------------------------------------------

    def _partition_of(self, pid: Pid) -> RegistryPartition:
        """The partition that keeps the book of *pid*."""
        partitions = self._partitions
        if len(partitions) == 1:
            return partitions[0]
        if not partitions:
            raise UnknownRegistry(f"the registry {self._name!r} is still starting")
        return partitions[pid % len(partitions)]

    def _owner(self, key: Any) -> Pid | None:
        """The living owner of a unique key, in its stored form."""
        if self._unique is None:
            raise ValueError(
                f"{self._name!r} is a duplicate registry: a key of it has many owners, so it names no process. "
                'Start it with keys="unique", or use lookup or dispatch'
            )
        entry = self._unique.get(key)
        return entry[0] if entry is not None and entry[0] in self._process.runtime.processes else None

    def _caller(self) -> Process:
        """The current process, which must live in the registry's own loop."""
        me = current_process()
        if me.runtime is not self._process.runtime:
            self._process.runtime.check(repr(self))
        return me

    def _register(self, process: Process, key: Any, value: Any) -> Pid | None:
        """Register *process*. If a living process has the unique key, its pid is given, and nothing changes."""
        if self._unique is not None:
            entry = self._unique.get(key)
            if entry is not None:
                if entry[0] in process.runtime.processes:
                    return entry[0]
                # Its owner is dead, and the partition has not come to it yet.
                self._partition_of(entry[0]).remove(entry[0], key)
        self._partition_of(process.pid).add(process, key, value)
        if self._listeners:
            tell(process.runtime, self._listeners, Registered(self._name, original(key), process.pid, value))
        return None

    def _unregister(self, pid: Pid, key: Any, matches: Callable[[Any], bool] | None = None) -> None:
        """Take out the entries that *pid* has under *key*, all or what matches. Listeners don't hear of the dead."""
        rt = self._process.runtime
        if self._partition_of(pid).remove(pid, key, matches) and self._listeners and pid in rt.processes:
            tell(rt, self._listeners, Unregistered(self._name, original(key), pid))

    def _entries(self, key: Any) -> list[Entry]:
        key = exact(key)
        if len(self._tables) == 1:
            return self._tables[0].of(key)
        return [entry for table in self._tables for entry in table.of(key)]

    def _groups(self, key: Any) -> list[list[Entry]]:
        """The entries of *key*, by the table that they stand in; no empty ones."""
        key = exact(key)
        return [found for table in self._tables if (found := table.of(key))]

    def _all(self) -> list[tuple[Any, Pid, Any]]:
        return [row for table in self._tables for row in table]


async def _ended(process: Process) -> None:
    """End a partition, and with it whoever is registered there and traps no exits."""
    if process.status == DEAD:
        return
    gone = signals.end_of(process)
    signals.stop_signal(process, SHUTDOWN)
    try:
        await asyncio.wait_for(asyncio.shield(gone), process.behaviour.shutdown)
    except TimeoutError:
        signals.kill(process)
        await gone


# --- from a handle or name to the tables ------------------------------------------------------------------------------


def registry_behind(handle: Any) -> RegistryServer:
    """The running registry that *handle* means, for the process that asks, which must be allowed to act."""
    process = handle._target
    if type(process) is Named:
        if process.found is None:
            return registry_named(process.name)
        process = process.found
    rt = process.runtime
    if rt.alert or get_ident() != rt.thread:
        rt.check(repr(handle))
        who_asks(rt)
    elif rt.current is not None and rt.current.status >= EXITING:
        who_asks(rt)
    server: RegistryServer | None = process.server
    if server is None:
        raise UnknownRegistry(f"the registry of {handle!r} has ended")
    return server


def registry_named(name: Any) -> RegistryServer:
    """The running registry of that name in the running loop."""
    rt = runtime()
    if rt.alert or (rt.current is not None and rt.current.status >= EXITING):
        who_asks(rt)
    process = rt.names.get(name) if type(name) is str else find(rt, name)
    if process is not None and isinstance(process.server, RegistryServer):
        server: RegistryServer = process.server
        return server
    raise _unknown(rt, name, process)


def _unknown(rt: Runtime, name: Any, process: Process | None) -> UnknownRegistry:
    if process is not None:
        return UnknownRegistry(f"{name!r} is no registry but {process!r}")
    known = [each.name for each in rt.names.values() if isinstance(each.server, RegistryServer)]
    running = f"; running are {', '.join(map(repr, known))}" if known else ""
    return UnknownRegistry(
        f"unknown registry: {name!r} is not running in this event loop{running}. "
        f"Start it before who uses it, by Registry.child_spec({name!r}, keys=...) under a supervisor"
    )
