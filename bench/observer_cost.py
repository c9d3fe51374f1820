"""What it costs to be looked at: how long the observer holds the loop, and how much of a core it takes.

    python -m bench.observer_cost                 # 100,000 processes at rest
    python -m bench.observer_cost --processes 10000

*Holds the loop*: every page that the observer can make is asked for, while a task measures the longest time in which
the loop did not come round. The bound is 20 ms, of the program's own time: that in which a busy machine lets other
programs run is left out. *Takes*: the CPU time of the program while readers ask for pages every two seconds, less what
it takes without them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time, thread_time

from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, call
from regrow.observer import Observer, Snapshot, snapshot

BOUND = 0.020


class Game(GenServer, restart="transient"):
    def __init__(self, number: int) -> None:
        self.number = number
        self.cells = [""] * 9

    @call
    def play(self, cell: int, mark: str) -> int:
        self.cells[cell] = mark
        return self.number


class Games(DynamicSupervisor): ...


class Watch:
    """The longest time that the loop did not come round."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._look())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()

    async def _look(self) -> None:
        before = thread_time()
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            self.longest = max(self.longest, now - before)
            before = now


def questions(
    look: Snapshot, games: int, registry: int, middle: int
) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every page there is."""
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "overview": look.overview,
        "tree": look.tree,
        "children, the last page": lambda: look.children(games, offset=max(0, middle * 2 - 100), limit=50),
        "registries": look.registries,
        "entries": lambda: look.entries(registry, limit=100),
        "entries, filtered": lambda: look.entries(registry, query="77", limit=100),
        "one process": lambda: look.process(games),
        "memory": lambda: look.memory(games),
        "processes, filtered": lambda: look.processes(query="77", limit=100),
        "processes, deep in the pages": lambda: look.processes(sort="kind", offset=middle, limit=100),
    }
    for sort in ("pid", "name", "kind", "status", "parent", "mailbox", "messages", "busy", "links", "age"):
        asked[f"processes by {sort}"] = lambda sort=sort: look.processes(  # type: ignore[misc]  # mypy infers no lambda with a default
            sort=sort, descending=True, limit=100
        )
    return asked


async def measure(processes: int, seconds: float, readers: int) -> bool:
    tree = [
        Registry.child_spec("games.by_id", keys="unique"),
        Games.options(name=Games).child_spec(),
        Observer.child_spec(),
    ]
    async with Supervisor.scope(tree):
        games, by_id = Games.named(Games), Registry.named("games.by_id")
        for number in range(processes):
            await games.start_child(Game.options(name=by_id.via(f"g{number}")).child_spec(number))
        look = snapshot()
        found = {row.name: row.pid for row in (await look.processes(query="Games", limit=10)).rows}
        (registry,) = await look.registries()
        gc.collect()
        print(f"{processes:,} processes")
        longest = await held(questions(look, found["Games"], registry.pid, processes // 2))
        await share(look, Game.of, seconds, readers, processes)
        return longest < BOUND


async def held(asked: dict[str, Callable[[], Awaitable[object]]]) -> float:
    print("holds the loop for at most, and takes in all:")
    async with Watch() as watch:
        longest = 0.0
        for name, ask in asked.items():
            await asyncio.sleep(0)
            watch.longest = 0.0
            cpu = process_time()
            await ask()
            await asyncio.sleep(0)
            cpu = process_time() - cpu
            print(f"  {name:<32} {watch.longest * 1e3:6.1f} ms  {cpu * 1e3:8.1f} ms")
            longest = max(longest, watch.longest)
    print(f"  {'the longest':<32} {longest * 1e3:6.1f} ms (bound: {BOUND * 1e3:.0f} ms)")
    return longest


async def share(look: Snapshot, of: object, seconds: float, readers: int, processes: int) -> None:
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
    chosen = parser.parse_args()
    if not asyncio.run(measure(chosen.processes, chosen.seconds, chosen.readers)):
        raise SystemExit("it held the loop for too long")


if __name__ == "__main__":
    main()
