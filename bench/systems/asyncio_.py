"""The workloads in asyncio by hand: a task and a queue an actor, as one writes it where there is no library.

Calls have no time-out, nobody monitors anybody, and handlers are branches of one loop: that is the least such a
program gets by with, and the quickest. The supervisor restarts what crashes, within an intensity, and reports it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from harness import (
    WARM_UP,
    Curve,
    Figure,
    Gate,
    Stopwatch,
    expect,
    full_collection,
    main,
    median,
    percentile,
    quiet,
    resident,
    timers,
)

log = logging.getLogger("actors")
MANY = 1_000_000_000


class Actor:
    """A state, a queue, and a task that takes one message after another."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[tuple[str, Any, asyncio.Future[Any] | None]] = asyncio.Queue()

    async def run(self, ready: asyncio.Future[None]) -> None:
        raise NotImplementedError

    async def call(self, kind: str, value: Any = None) -> Any:
        reply = asyncio.get_running_loop().create_future()
        self.inbox.put_nowait((kind, value, reply))
        return await reply

    def cast(self, kind: str, value: Any = None) -> None:
        self.inbox.put_nowait((kind, value, None))


class Supervisor:
    """Starts actors, starts them again when they crash, and stops them all."""

    def __init__(self, max_restarts: int = 3, max_seconds: float = 5.0) -> None:
        self.children: dict[asyncio.Task[None], Actor] = {}
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        self.restarts: deque[float] = deque()
        self.stopping = False

    async def start_child(self, make: Callable[[], Actor]) -> Actor:
        ready = asyncio.get_running_loop().create_future()
        actor = self._spawn(make, ready)
        await ready
        return actor

    def _spawn(self, make: Callable[[], Actor], ready: asyncio.Future[None]) -> Actor:
        actor = make()
        actor.task = asyncio.get_running_loop().create_task(actor.run(ready))
        self.children[actor.task] = actor
        actor.task.add_done_callback(partial(self._ended, make))
        return actor

    def _ended(self, make: Callable[[], Actor], task: asyncio.Task[None]) -> None:
        self.children.pop(task, None)
        if self.stopping or task.cancelled():
            return
        error = task.exception()
        log.error("an actor crashed: %r", error, exc_info=error)
        now = monotonic()
        while self.restarts and self.restarts[0] < now - self.max_seconds:
            self.restarts.popleft()
        self.restarts.append(now)
        if len(self.restarts) > self.max_restarts:
            raise RuntimeError("too many restarts")
        self._spawn(make, asyncio.get_running_loop().create_future())

    async def terminate_child(self, actor: Actor) -> None:
        actor.task.cancel()
        await asyncio.wait([actor.task])

    async def stop(self) -> None:
        self.stopping = True
        tasks = list(self.children)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Counter(Actor):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    async def run(self, ready: asyncio.Future[None]) -> None:
        ready.set_result(None)
        while True:
            kind, value, reply = await self.inbox.get()
            if kind == "add":
                self.count += value
                if reply is not None and not reply.done():
                    reply.set_result(self.count)
            elif kind == "put":
                self.count += value
            elif kind == "add_later":
                await asyncio.sleep(0)
                self.count += value
                if reply is not None and not reply.done():
                    reply.set_result(self.count)


class Fragile(Actor):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    async def run(self, ready: asyncio.Future[None]) -> None:
        self.gate.arrive()
        ready.set_result(None)
        while True:
            kind, _, reply = await self.inbox.get()
            if kind == "crash":
                raise RuntimeError("as asked")
            if reply is not None and not reply.done():
                reply.set_result("pong")


async def start_counters(sup: Supervisor, n: int) -> list[Actor]:
    return [await sup.start_child(partial(Counter, i)) for i in range(n)]


# --- supervision --------------------------------------------------------------------------------------------------


async def start_child(n: int) -> Figure:
    sup = Supervisor()
    for one in await start_counters(sup, WARM_UP):
        await sup.terminate_child(one)
    with Stopwatch() as watch:
        for i in range(n):
            await sup.start_child(partial(Counter, i))
    expect("children", len(sup.children), n)
    expect(
        "sum of their states",
        sum([await each.call("add", 0) for each in sup.children.values()]),
        sum(range(n)),
    )
    await sup.stop()
    return watch.rate(n)


async def memory(n: int) -> Figure:
    sup = Supervisor()
    await start_counters(sup, WARM_UP)
    before = resident()
    for i in range(n):
        await sup.start_child(partial(Counter, i))
    after = resident()
    expect("children", len(sup.children), n + WARM_UP)
    collection = full_collection()
    await sup.stop()
    return Figure((after - before) / n, detail={"full_collection_ms": collection})


async def restart(n: int) -> Figure:
    gate, sup = Gate(), Supervisor(max_restarts=MANY)
    children = [await sup.start_child(partial(Fragile, gate)) for _ in range(n)]
    with Stopwatch() as watch:
        all_up = gate.announce(n)
        for child in children:
            child.cast("crash")
        await all_up
    await expect_new_and_alive(sup, n, children)
    return watch.rate(n)


async def restart_latency(n: int) -> Figure:
    gate, sup, took = Gate(), Supervisor(max_restarts=MANY), []
    children = [await sup.start_child(partial(Fragile, gate)) for _ in range(n)]
    for child in children:
        start = monotonic()
        up = gate.announce(1)
        child.cast("crash")
        await up
        took.append((monotonic() - start) * 1e6)
        await asyncio.sleep(0)
    await expect_new_and_alive(sup, n, children)
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


async def expect_new_and_alive(sup: Supervisor, n: int, before: list[Actor]) -> None:
    expect("children", len(sup.children), n)
    expect("old ones", len({*map(id, before)} & {*map(id, sup.children.values())}), 0)
    expect("answers", [await each.call("ping") for each in sup.children.values()], ["pong"] * n)
    await sup.stop()


async def shutdown(n: int) -> Figure:
    sup = Supervisor()
    await start_counters(sup, n)
    expect("tasks", len(asyncio.all_tasks()), n + 1)
    with Stopwatch() as watch:
        await sup.stop()
    expect("tasks left", len(asyncio.all_tasks()), 1)
    return watch.rate(n)


# --- messages -----------------------------------------------------------------------------------------------------


async def call_one(n: int) -> Figure:
    return await _call_one(n, "add")


async def call_async(n: int) -> Figure:
    return await _call_one(n, "add_later")


async def _call_one(n: int, kind: str) -> Figure:
    sup = Supervisor()
    counter = await sup.start_child(partial(Counter, 0))
    for _ in range(WARM_UP):
        await counter.call(kind, 1)
    with Stopwatch() as watch:
        for _ in range(n):
            await counter.call(kind, 1)
    expect("sum", await counter.call("add", 0), n + WARM_UP)
    await sup.stop()
    return watch.rate(n)


async def call_clients(n: int) -> Figure:
    clients, each = 1000, n // 1000

    async def client(counter: Actor) -> int:
        for _ in range(each):
            total: int = await counter.call("add", 1)
        return total

    sup = Supervisor()
    counters = [await sup.start_child(partial(Counter, 0)) for _ in range(clients)]
    with Stopwatch() as watch:
        totals = await asyncio.gather(*map(client, counters))
    expect("sums", totals, [each] * clients)
    await sup.stop()
    return watch.rate(clients * each)


async def cast_one(n: int) -> Figure:
    sup = Supervisor()
    counter = await sup.start_child(partial(Counter, 0))
    for _ in range(WARM_UP):
        counter.cast("put", 1)
    await counter.call("add", 0)
    with Stopwatch() as watch:
        for _ in range(n):
            counter.cast("put", 1)
        total = await counter.call("add", 0)
    expect("sum", total, n + WARM_UP)
    await sup.stop()
    return watch.rate(n)


class Node(Actor):
    def __init__(self, following: Node | None, done: asyncio.Future[None]) -> None:
        super().__init__()
        self.following = following
        self.done = done
        self.seen = 0

    async def run(self, ready: asyncio.Future[None]) -> None:
        ready.set_result(None)
        while True:
            _, left, _ = await self.inbox.get()
            self.seen += 1
            if left and self.following is not None:
                self.following.cast("token", left - 1)
            else:
                self.done.set_result(None)


async def ring(n: int) -> Figure:
    nodes, done, sup = 10_000, asyncio.get_running_loop().create_future(), Supervisor()
    last = node = Node(None, done)
    await sup.start_child(lambda: last)
    for _ in range(nodes - 1):
        node = Node(node, done)
        await sup.start_child(partial(lambda made: made, node))
    last.following = node
    with Stopwatch() as watch:
        node.cast("token", n - 1)
        await done
    expect(
        "laps of each", {each.seen for each in sup.children.values() if isinstance(each, Node)}, {n // nodes}
    )
    await sup.stop()
    return watch.rate(n)


# --- names: a dict is all there is --------------------------------------------------------------------------------


async def lookup(n: int) -> Figure:
    names, sup = 10_000, Supervisor()
    keys = [f"counter {i}" for i in range(names)]
    registry = {key: await sup.start_child(partial(Counter, i)) for i, key in enumerate(keys)}
    found = 0
    with Stopwatch() as watch:
        for _ in range(n // names):
            for key in keys:
                if registry.get(key) is not None:
                    found += 1
    expect("found", found, n)
    await sup.stop()
    return watch.rate(n)


async def start_via(n: int) -> Figure:
    sup = Supervisor()
    registry: dict[str, Actor] = {}
    with Stopwatch() as watch:
        for i in range(n):
            name = f"counter {i}"
            if name in registry:
                raise ValueError(name)
            actor = registry[name] = await sup.start_child(partial(Counter, i))
            actor.task.add_done_callback(partial(_forget, registry, name))
    expect("names", len(registry), n)
    total = sum([await registry[f"counter {i}"].call("add", 0) for i in range(n)])
    expect("sum of their states", total, sum(range(n)))
    await sup.stop()
    return watch.rate(n)


def _forget(registry: dict[str, Actor], name: str, _task: asyncio.Task[None]) -> None:
    del registry[name]


# --- fairness and latency -----------------------------------------------------------------------------------------


class Busy(Actor):
    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    async def run(self, ready: asyncio.Future[None]) -> None:
        ready.set_result(None)
        while True:
            await self.inbox.get()
            self.turns += 1
            sum(range(100))
            self.cast("work")
            await asyncio.sleep(0)  # a queue that is never empty never gives way


async def timer(n: int) -> Figure:
    sup = Supervisor()
    await start_counters(sup, n)
    busy = [Busy() for _ in range(1000)]
    for one in busy:
        await sup.start_child(partial(lambda made: made, one))
        one.cast("work")
    figure = await timers()
    turns = [one.turns for one in busy]
    expect("servers that never had their turn", sum(each == 0 for each in turns), 0)
    figure.detail |= {"least_turns": min(turns), "most_turns": max(turns)}
    figure.detail["full_collection_ms"] = full_collection()
    await sup.stop()
    return figure


async def flood(n: int) -> Figure:
    """Half of the casts wait already when the first call is made, the rest comes in batches of a thousand."""

    async def rest() -> int:
        for _ in range(n // 2000):
            for _ in range(1000):
                flooded.cast("put", 1)
            await asyncio.sleep(0)
        total: int = await flooded.call("add", 0)
        return total

    sup = Supervisor()
    flooded, other = await start_counters(sup, 2)
    with Stopwatch() as sending:
        for _ in range(n // 2):
            flooded.cast("put", 1)
    total = asyncio.create_task(rest())
    late, calls = [], 1
    while not total.done():
        due = monotonic() + 0.020
        await asyncio.sleep(0.020)
        calls += 1
        expect("answer", await other.call("add", 1), calls)
        late.append((monotonic() - due) * 1e3)
    expect("casts", await total, n)
    await sup.stop()
    held = sending.wall * 1e3
    return Figure(
        max(late), detail={"p99_ms": percentile(late, 0.99), "calls": calls, "sending_half_ms": held}
    )


async def leak(n: int) -> Figure:
    """Memory, in percent over the start, after *n* children have come and gone, a tenth of them at a time."""
    curve, sup = Curve(), Supervisor()
    await sup.terminate_child(await sup.start_child(partial(Counter, 0)))
    start = resident()
    for wave in range(10):
        children = await start_counters(sup, n // 10)
        curve.high(wave)
        for child in children:
            await sup.terminate_child(child)
        del children, child
        await asyncio.sleep(0.01)  # what the turn of the loop that is under way still holds is no child's
        curve.low(wave)
    expect("children", len(sup.children), 0)
    return curve.figure(start, n)


quiet("actors")
main(
    {
        "start_child": start_child,
        "memory": memory,
        "call": call_one,
        "call_clients": call_clients,
        "call_async": call_async,
        "cast": cast_one,
        "restart": restart,
        "restart_latency": restart_latency,
        "shutdown": shutdown,
        "lookup": lookup,
        "start_via": start_via,
        "ring": ring,
        "timer": timer,
        "flood": flood,
        "leak": leak,
    },
    {"growth": "measured for regrow alone: it asks whether the cost a child stays the same"},
)
