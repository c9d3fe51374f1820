"""What the bare language takes for the least of the work: the floor under each figure of regrow's.

``python -m bench.floors`` does each piece beside regrow's own workload, in turns, and prints the medians. A floor has
no process, no checks, no time-outs, no isolation: it is what would be left if all of that cost nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[1]
ROUNDS = 5


class Handle:
    """A method that takes what it is given and leaves it for later."""

    def __init__(self) -> None:
        self.mailbox: deque[tuple[Callable[..., Any], tuple[Any, ...], Any]] = deque()

    def put(self, *args: Any, **kwargs: Any) -> None:
        self.mailbox.append((Server.put, args, kwargs))


class Server:
    def __init__(self, count: int = 0) -> None:
        self.count = count

    def put(self, n: int) -> None:
        self.count += n


def cast(n: int) -> float:
    """Put a message into a queue, take it out, call its function."""
    handle, server = Handle(), Server()
    start = perf_counter()
    for _ in range(n):
        handle.put(1)
    mailbox = handle.mailbox
    while mailbox:
        function, args, _ = mailbox.popleft()
        function(server, *args)
    assert server.count == n
    return n / (perf_counter() - start)


def ring(n: int) -> float:
    """The same from one object to the next, a queue for each that is made for its message."""
    nodes = [Server() for _ in range(10_000)]
    waiting: deque[tuple[Server, deque[Any]]] = deque()
    start = perf_counter()
    for i in range(n):
        node = nodes[i % 10_000]
        waiting.append((node, deque(((Server.put, (1,), None),))))
        node, mailbox = waiting.popleft()
        function, args, _ = mailbox.popleft()
        function(node, *args)
    return n / (perf_counter() - start)


class Table:
    def __init__(self) -> None:
        self.entries = {f"key {i}": (i, None) for i in range(10_000)}

    def lookup(self, key: str) -> list[tuple[int, None]]:
        entry = self.entries.get(key)
        return [] if entry is None else [entry]


def lookup(n: int) -> float:
    """A dict behind a method, which gives a list of tuples."""
    table, keys, found = Table(), [f"key {i}" for i in range(10_000)], 0
    start = perf_counter()
    for _ in range(n // 10_000):
        for key in keys:
            ((pid, _),) = table.lookup(key)
            found += pid
    return n / (perf_counter() - start)


class Slots:
    __slots__ = tuple("abcdefghijkl")

    def __init__(self, *values: Any) -> None:
        self.a, self.b, self.c, self.d, self.e, self.f = values
        self.g: Any = None
        self.h = self.i = self.j = self.k = self.l = None


def start_child(n: int) -> float:
    """Two objects, and their entries in three tables, under Python's usual garbage collection."""
    processes: dict[int, Slots] = {}
    links: dict[int, Slots] = {}
    children: dict[int, tuple[int]] = {}
    start = perf_counter()
    for i in range(n):
        processes[i] = links[i] = one = Slots(i, processes, Server, 1, links, 0)
        one.g = Server(i)
        children[i] = (i,)
    return n / (perf_counter() - start)


def crash(log: logging.Logger, i: int) -> None:
    """Two log records for a handler that drops them, and an exception raised and caught."""
    try:
        raise RuntimeError("as asked")
    except RuntimeError as error:
        told = (type(error), error, error.__traceback__)
        for text in ("%s terminating: %s", "child %s terminated: %s"):
            log.handle(log.makeRecord(log.name, logging.ERROR, __file__, 1, text, (i, error), told))


def quiet_log() -> logging.Logger:
    log = logging.getLogger("bench.floors")
    log.handlers = [logging.NullHandler()]
    log.propagate = False
    return log


def restart(n: int) -> float:
    log = quiet_log()
    start = perf_counter()
    for i in range(n):
        crash(log, i)
    return n / (perf_counter() - start)


def restart_latency(n: int) -> float:
    """One crash after the other: a turn of the loop that brings it, and one for who waits for what comes after it."""

    async def main() -> float:
        loop, log = asyncio.get_running_loop(), quiet_log()

        def turn(i: int, up: asyncio.Future[Server]) -> None:
            crash(log, i)
            up.set_result(Server(i))

        start = perf_counter()
        for i in range(n):
            up: asyncio.Future[Server] = loop.create_future()
            loop.call_soon(turn, i, up)
            await up
        return n / (perf_counter() - start)

    return asyncio.run(main())


def call_async(n: int) -> float:
    """A task of its own, in a context of its own, for a handler that waits once, and a future for what it returns."""

    async def handle(answer: asyncio.Future[int]) -> None:
        await asyncio.sleep(0)
        answer.set_result(1)

    async def main() -> float:
        loop, context = asyncio.get_running_loop(), copy_context()
        start = perf_counter()
        for _ in range(n):
            answer: asyncio.Future[int] = loop.create_future()
            task = loop.create_task(handle(answer), context=context.copy())
            await answer
        await task
        return n / (perf_counter() - start)

    return asyncio.run(main())


class Via:
    """A name: compared and looked up by what it is made of."""

    __slots__ = ("key", "registry")

    def __init__(self, registry: str, key: str) -> None:
        self.registry = registry
        self.key = key

    def __hash__(self) -> int:
        return hash((self.registry, self.key))

    def __eq__(self, other: object) -> bool:
        return type(other) is Via and (self.registry, self.key) == (other.registry, other.key)


def start_via(n: int) -> float:
    """As ``start_child``, and a name, options and a spec of its own for each, and three entries in a registry."""
    processes: dict[int, Slots] = {}
    links: dict[int, Slots] = {}
    children: dict[int, Slots] = {}
    entries: dict[str, tuple[Slots, None]] = {}
    book: dict[int, str] = {}
    watching: dict[int, Slots] = {}
    start = perf_counter()
    for i in range(n):
        via = Via("bench", f"counter {i}")
        options = Slots(Server, via, None, None, None, None)
        spec = Slots(options.a, (i,), options.b, 1, 2, 3)
        processes[i] = links[i] = one = Slots(i, processes, Server, 1, links, via)
        one.g = Server(i)
        entries[via.key] = one, None
        book[i] = via.key
        watching[i] = one
        children[i] = spec
    return n / (perf_counter() - start)


FLOORS = {
    "start_child": (start_child, 100_000),
    "cast": (cast, 500_000),
    "ring": (ring, 500_000),
    "lookup": (lookup, 500_000),
    "restart": (restart, 2_000),
    "restart_latency": (restart_latency, 2_000),
    "call_async": (call_async, 50_000),
    "start_via": (start_via, 50_000),
}


def regrow(workload: str, n: int) -> float:
    program = ROOT / "bench" / "systems" / "regrow_.py"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    told = subprocess.run(
        [sys.executable, str(program), workload, str(n)], env=env, capture_output=True, text=True, check=True
    )
    value: float = json.loads(told.stdout.splitlines()[-1])["value"]
    return 1e6 / value if workload == "restart_latency" else value  # that is microseconds for one


def main() -> None:
    print(f"{'':16}{'floor':>12}{'regrow':>12}{'regrow takes':>16}")
    for name, (floor, n) in FLOORS.items():
        pairs = [(floor(n), regrow(name, n)) for _ in range(ROUNDS)]
        least, ours = (median(each) for each in zip(*pairs, strict=True))
        print(f"{name:16}{least:>10,.0f}/s{ours:>10,.0f}/s{least / ours:>13.1f} x it")


if __name__ == "__main__":
    main()
