"""The tables of a registry: who has which key, with which value.

A unique table has one entry a key; a duplicate one has, for a key, any number of processes with any number of values
each. Both know keys only in their stored form (see ``keys``), and nothing of who lives and who is dead.

A table that 100,000 games stand in is made of little: a tuple an entry, no list, no object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from regrow.kernel.process import Pid

__all__ = ["DuplicateTable", "Entry", "Table", "UniqueTable"]

Entry = tuple[Pid, Any]
"""A process that has a key, and the value it registered with."""


class UniqueTable:
    """One owner a key."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[Any, Entry] = {}

    def put(self, key: Any, pid: Pid, value: Any) -> None:
        self.entries[key] = (pid, value)

    def of(self, key: Any) -> list[Entry]:
        entry = self.entries.get(key)
        return [] if entry is None else [entry]

    def values(self, key: Any, pid: Pid) -> list[Any]:
        """The values that *pid* has under *key*."""
        entry = self.entries.get(key)
        return [entry[1]] if entry is not None and entry[0] == pid else []

    def remove(self, key: Any, pid: Pid, matches: Callable[[Any], bool] | None = None) -> int:
        """Take out what *pid* has under *key*, all or what matches; says how many entries that were."""
        entry = self.entries.get(key)
        if entry is None or entry[0] != pid or (matches is not None and not matches(entry[1])):
            return 0
        del self.entries[key]
        return 1

    def clear(self) -> None:
        self.entries.clear()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[Any, Pid, Any]]:
        for key, (pid, value) in self.entries.items():
            yield key, pid, value


class DuplicateTable:
    """Any number of owners a key, and of values an owner. Each key's owners are in a dict, so that the death of
    one of many takes no search."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: dict[Any, dict[Pid, tuple[Any, ...]]] = {}
        self.size = 0

    def put(self, key: Any, pid: Pid, value: Any) -> None:
        owners = self.entries.get(key)
        if owners is None:
            owners = self.entries[key] = {}
        owners[pid] = (*owners.get(pid, ()), value)
        self.size += 1

    def of(self, key: Any) -> list[Entry]:
        owners = self.entries.get(key)
        return [] if owners is None else [(pid, value) for pid, values in owners.items() for value in values]

    def values(self, key: Any, pid: Pid) -> list[Any]:
        """The values that *pid* has under *key*, in the order in which they came."""
        return list(self.entries.get(key, {}).get(pid, ()))

    def remove(self, key: Any, pid: Pid, matches: Callable[[Any], bool] | None = None) -> int:
        """Take out what *pid* has under *key*, all or what matches; says how many entries that were."""
        owners = self.entries.get(key, {})
        values = owners.get(pid, ())
        kept = () if matches is None else tuple(value for value in values if not matches(value))
        if kept:
            owners[pid] = kept
        elif values:
            del owners[pid]
            if not owners:
                del self.entries[key]
        self.size -= len(values) - len(kept)
        return len(values) - len(kept)

    def clear(self) -> None:
        self.entries.clear()
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[Any, Pid, Any]]:
        for key, owners in self.entries.items():
            for pid, values in owners.items():
                for value in values:
                    yield key, pid, value


Table = UniqueTable | DuplicateTable
