"""Registries, and what stands in them, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from regrow.kernel.process import DEAD, Process
from regrow.kernel.runtime import Runtime
from regrow.observer.errors import UnknownProcess
from regrow.observer.model import RegistryEntry, RegistryRow
from regrow.observer.pace import PORTION, Pace
from regrow.observer.processes import neighbour
from regrow.observer.survey import Survey
from regrow.observer.texts import name_text, short
from regrow.servers.registry.keys import original
from regrow.servers.registry.server import RegistryServer
from regrow.servers.registry.tables import Table, UniqueTable

__all__ = ["page_of_entries", "rows"]


async def rows(survey: Survey) -> tuple[RegistryRow, ...]:
    """All registries that run, in the order of their starts."""
    supervising = Pace().through(await survey.supervising(), 1)
    return tuple([row async for each in supervising if (row := _row(each)) is not None])


def _row(process: Process) -> RegistryRow | None:
    server = process.server
    if not isinstance(server, RegistryServer) or process.status == DEAD:
        return None
    keys = server._keys
    words = keys if keys == "unique" else f"duplicate by {keys[1] if isinstance(keys, tuple) else 'pid'}"
    entries = sum(map(len, server._tables))
    return RegistryRow(
        process.pid, name_text(server._name) or "", str(words), server._partition_count, entries
    )


async def page_of_entries(
    rt: Runtime, process: Process, query: str, values: bool, offset: int, limit: int
) -> tuple[tuple[RegistryEntry, ...], int]:
    """Some entries of a registry, in the order in which they came, and how many there are.

    Those are the entries whose key, as text, has *query* in it, great or small.
    """
    server = process.server
    if not isinstance(server, RegistryServer):
        raise UnknownProcess(process.pid, "registry")
    if not query:
        total = sum(map(len, server._tables))
        found = await _from(server._tables, offset, limit)
    else:
        found, total = await _matching(server._tables, query.casefold(), offset, limit)
    rows = [
        RegistryEntry(_key(key), pid, neighbour(rt, pid), short(value) if values else None)
        async for key, pid, value in Pace().through(found)
    ]
    return tuple(rows), total


Row = tuple[Any, int, Any]


async def _from(tables: list[Table], offset: int, limit: int) -> list[Row]:
    """*limit* rows from the place *offset* on; whole tables and keys are stepped over."""
    found: list[Row] = []
    for table in tables:
        if offset >= len(table):
            offset -= len(table)
            continue
        if isinstance(table, UniqueTable):  # no row is made for what is stepped over
            part = islice(table.entries.items(), offset, offset + limit - len(found))
            found += [(key, pid, value) for key, (pid, value) in part]
            offset = 0
        else:
            pace = Pace()
            for keys in _portions(table):
                for key in keys:
                    if key not in table.entries:
                        continue  # it has gone meanwhile
                    size = sum(map(len, table.entries[key].values()))
                    if offset >= size:
                        offset -= size
                        continue
                    rows = ((key, pid, value) for pid, held in table.entries[key].items() for value in held)
                    found += islice(rows, offset, offset + limit - len(found))
                    offset = 0
                    if len(found) >= limit:
                        return found
                await pace.go_on(PORTION)
        if len(found) >= limit:
            break
    return found


async def _matching(tables: list[Table], words: str, offset: int, limit: int) -> tuple[list[Row], int]:
    pace, total = Pace(), 0
    found: list[Row] = []
    for table in tables:
        for keys in _portions(table):
            for key in keys:
                if words not in _key(key).casefold():
                    continue
                entries = table.of(key)
                total += len(entries)
                if total > offset and len(found) < limit:
                    skip = max(0, offset - (total - len(entries)))
                    found += [(key, *each) for each in entries[skip : skip + limit - len(found)]]
            await pace.go_on(PORTION)
    return found, total


def _portions(table: Table) -> Iterator[list[Any]]:
    """Its keys as they are now, some at a time."""
    keys = list(table.entries)
    for start in range(0, len(keys), PORTION):
        yield keys[start : start + PORTION]


def _key(stored: Any) -> str:
    key = original(stored)
    return short(key)
