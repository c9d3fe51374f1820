"""What it costs to be looked at: how long the observer holds the loop, and how much of a core it takes.

    python -m bench.observer_cost                 # 100,000 processes at rest
    python -m bench.observer_cost --processes 10000
    python -m bench.observer_cost --only web      # the pages and the JSON answers; snapshot, share are the others

*Holds the loop*: every page of the snapshot, every page of the web server and every JSON answer is asked for, as large
as it may be, while a task measures the longest time in which the loop did not come round. The bound is 20 ms, of the
program's own time: that in which a busy machine lets other programs run is left out. So is what Python's collector of
garbage takes, which grows with the program, whoever looks at it, and has a column of its own. *Takes*: the CPU time of
the program while readers ask for pages every two seconds, less what it takes without them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from time import perf_counter, process_time, thread_time
from typing import Any
from urllib.parse import urlsplit

from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, call, cast
from regrow.observer import Observer, Snapshot, snapshot
from regrow.observer.web import urls
from regrow.process import pid_of

BOUND = 0.020
PARTS = ("snapshot", "web", "share")
HALLS, TABLES = 40, 60
"""Supervisors and their children, for a tree of many nodes."""
CRASHES = 60
"""More than a page of them; in a second no more than twenty are written down."""

PATHS = (
    "/",
    "/tree",
    "/tree/{halls}",
    "/tree/{games}",
    "/tree/{games}?offset={middle}",
    "/processes",
    "/processes?sort=messages&down=1",
    "/processes?q=77",
    "/processes/{games}",
    "/processes/{game}?memory=1",
    "/registries",
    "/registries/{registry}",
    "/registries/{registry}?q=77",
    "/crashes",
    "/crashes/{crash}",
    "/api",
    "/api/overview?samples=1000",
    "/api/tree",
    "/api/tree?depth=50&limit=1000&nodes=2000",
    "/api/children?pid={games}&limit=1000",
    "/api/processes?sort=name&limit=1000",
    "/api/processes?sort=busy&filter=7&limit=1000",
    "/api/process?pid={games}",
    "/api/memory?pid={games}",
    "/api/entries?registry={registry}&limit=1000",
    "/api/entries?registry={registry}&filter=7&limit=1000",
    "/api/crashes?limit=1000",
    "/api/crash?id={crash}",
    "/api/restarts?limit=1000",
)
"""Every page of the web server, and every answer of the JSON API, each as large as it may be."""
LIVE = ("/tree", "/processes?sort=busy&down=1")
"""Pages that are asked for as a stream, until they have come once."""

Ask = Callable[[], Awaitable[object]]


class Game(GenServer, restart="transient"):
    def __init__(self, number: int) -> None:
        self.number = number
        self.cells = [""] * 9

    @call
    def play(self, cell: int, mark: str) -> int:
        self.cells[cell] = mark
        return self.number

    @cast
    def fall(self) -> None:
        tumble(50, self.number)


def tumble(depth: int, number: int) -> None:
    """Raise so deep down that the traceback is as long as one can be."""
    if depth:
        tumble(depth - 1, number)
    raise RuntimeError(f"game {number} fell over")


class Games(DynamicSupervisor, max_restarts=1_000_000): ...


class Hall(Supervisor):
    def init(self) -> list[Any]:
        return [Game.child_spec(number).replace(id=f"table {number}") for number in range(TABLES)]


class Watch:
    """The longest time that the loop did not come round, and the longest collection of garbage."""

    def __init__(self) -> None:
        self.longest = self.collected = 0.0
        self._collecting = self._since = 0.0
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self.longest = self.collected = 0.0

    async def __aenter__(self) -> Watch:
        gc.callbacks.append(self._collector)
        self._task = asyncio.create_task(self._look())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        gc.callbacks.remove(self._collector)

    async def _look(self) -> None:
        before = thread_time()
        while True:
            self._collecting = 0.0
            await asyncio.sleep(0)
            now = thread_time()
            self.longest = max(self.longest, now - before - self._collecting)
            before = now

    def _collector(self, phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            self._since = thread_time()
        else:
            took = thread_time() - self._since
            self._collecting += took
            self.collected = max(self.collected, took)


# --- the program that is looked at ------------------------------------------------------------------------------------


@dataclass
class Places:
    """Pids, for the questions."""

    games: int
    game: int
    registry: int
    halls: int
    middle: int


async def measure(processes: int, parts: list[str], seconds: float, readers: int) -> bool:
    tree = [
        Registry.child_spec("games.by_id", keys="unique"),
        Games.options(name=Games).child_spec(),
        Supervisor.options(name="halls").child_spec(
            [Hall.child_spec().replace(id=f"hall {n}") for n in range(HALLS)]
        ),
        Observer.child_spec(port=0),
    ]
    async with Supervisor.scope(tree):
        games, by_id = Games.named(Games), Registry.named("games.by_id")
        for number in range(processes):
            await games.start_child(Game.options(name=by_id.via(f"g{number}")).child_spec(number))
        look = snapshot()
        found = {row.name: row.pid for row in (await look.processes(query="Games", limit=10)).rows}
        halls = {row.name: row.pid for row in (await look.processes(query="halls", limit=10)).rows}["halls"]
        (registry,) = await look.registries()
        game = pid_of(await games.start_child(Game.options(name=by_id.via("last")).child_spec(processes)))
        places = Places(found["Games"], game, registry.pid, halls, processes // 2)
        gc.collect()
        print(f"{len(look.runtime.processes):,} processes")
        longest = 0.0
        if "snapshot" in parts:
            longest = await held("of the snapshot", questions(look, places))
        if "web" in parts:
            await crash(look, processes)
            longest = max(longest, await held("over HTTP", requests(look, places)))
        began = thread_time()
        gc.collect()
        print(
            f"(a whole collection of garbage takes {(thread_time() - began) * 1e3:.0f} ms, looked at or not)"
        )
        if "share" in parts:
            await share(look, seconds, readers)
        return longest < BOUND


async def crash(look: Snapshot, games: int) -> None:
    """Fill the lists of crashes and restarts."""
    logging.disable()
    by_id, number = Registry.named("games.by_id"), 0
    while look.crashes(limit=1).total < CRASHES:
        for _ in range(700):
            Game.named(by_id.via(f"g{number % games}")).fall()
            number += 1
        await asyncio.sleep(1.1)
    logging.disable(logging.NOTSET)


def questions(look: Snapshot, at: Places) -> dict[str, Ask]:
    """Every page there is."""
    asked: dict[str, Ask] = {
        "overview": look.overview,
        "tree": look.tree,
        "tree, the largest": lambda: look.tree(depth=50, limit=1000, nodes=10_000),
        "children, the last page": lambda: look.children(
            at.games, offset=max(0, at.middle * 2 - 100), limit=50
        ),
        "registries": look.registries,
        "entries": lambda: look.entries(at.registry, limit=100),
        "entries, filtered": lambda: look.entries(at.registry, query="77", limit=100),
        "one process": lambda: look.process(at.games),
        "memory": lambda: look.memory(at.games),
        "processes, filtered": lambda: look.processes(query="77", limit=100),
        "processes, deep in the pages": lambda: look.processes(sort="kind", offset=at.middle, limit=100),
    }
    for sort in ("pid", "name", "kind", "status", "parent", "mailbox", "messages", "busy", "links", "age"):
        asked[f"processes by {sort}"] = lambda sort=sort: look.processes(  # type: ignore[misc]  # mypy infers no lambda with a default
            sort=sort, descending=True, limit=100
        )
    return asked


def requests(look: Snapshot, at: Places) -> dict[str, Ask]:
    """The pages of the web server and the JSON answers."""
    (url,) = urls()
    words = {"games": at.games, "game": at.game, "halls": at.halls, "registry": at.registry}
    words |= {"middle": at.middle, "crash": look.crashes(limit=1).rows[0].id}
    asked: dict[str, Ask] = {}
    for read, paths in ((fetch, PATHS), (follow, LIVE)):
        for path in paths:
            title = f"{path}, live" if read is follow else path
            asked[title] = lambda read=read, path=path: asyncio.to_thread(read, url, path.format_map(words))  # type: ignore[misc]  # as above
    return asked


def fetch(url: str, path: str) -> None:
    """Ask for *path*, in a thread of its own: the time that the reader takes is none of the loop's."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status}")
    finally:
        connection.close()


def follow(url: str, path: str) -> None:
    """Look at the live *path* until it has come once."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        while (line := answer.readline()) != b"event: page\n":
            if not line:
                raise RuntimeError(f"GET {path}: the stream has ended")
        while answer.readline() != b"\n":
            pass
    finally:
        connection.close()


# --- measuring --------------------------------------------------------------------------------------------------------


async def held(what: str, asked: Mapping[str, Ask]) -> float:
    print(f"{'the loop is held by a page ' + what:<52}    at most   collector     all of it")
    longest = 0.0
    async with Watch() as watch:
        for name, ask in asked.items():
            await asyncio.sleep(0)
            watch.begin()
            began = perf_counter()
            await ask()
            await asyncio.sleep(0)
            took = perf_counter() - began
            print(
                f"  {name:<50} {watch.longest * 1e3:7.1f} ms {watch.collected * 1e3:8.1f} ms {took * 1e3:10.1f} ms"
            )
            longest = max(longest, watch.longest)
    print(f"  {'the longest':<50} {longest * 1e3:7.1f} ms (bound: {BOUND * 1e3:.0f} ms)")
    return longest


async def share(look: Snapshot, seconds: float, readers: int) -> None:
    quiet = await cpu_of(asyncio.sleep(seconds), seconds)
    read = await cpu_of(_read(look, seconds, readers), seconds)
    print(
        f"takes {100 * (read - quiet):.1f} % of a core with {readers} readers, and {100 * quiet:.1f} % with none"
    )


async def cpu_of(work: Awaitable[object], seconds: float) -> float:
    cpu = process_time()
    await work
    return (process_time() - cpu) / seconds


async def _read(look: Snapshot, seconds: float, readers: int) -> None:
    sorts = ("mailbox", "messages", "busy", "name", "age")

    async def reader(number: int) -> None:
        end = perf_counter() + seconds
        while perf_counter() < end:
            await look.overview()
            await look.processes(sort=sorts[number % len(sorts)], descending=True, limit=50)  # type: ignore[arg-type]  # one of them
            await look.tree()
            await asyncio.sleep(2.0)

    await asyncio.gather(*map(reader, range(readers)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--readers", type=int, default=5)
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    chosen = parser.parse_args()
    parts = [chosen.only] if chosen.only else list(PARTS)
    if not asyncio.run(measure(chosen.processes, parts, chosen.seconds, chosen.readers)):
        raise SystemExit("it held the loop for too long")


if __name__ == "__main__":
    main()
