"""The workloads in xoscar: actors in a pool of one process, without a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import xoscar as mo
from harness import WARM_UP, Figure, Stopwatch, expect, main, quiet, resident

ALONE = "no supervisor: the actors are created alone"


class Counter(mo.Actor):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def add(self, n: int) -> int:
        self.count += n
        return self.count

    async def add_later(self, n: int) -> int:
        await asyncio.sleep(0)
        self.count += n
        return self.count


class Node(mo.Actor):
    def __init__(self, done: Any, seen: list[int], place: int) -> None:
        super().__init__()
        self.done, self.seen, self.place = done, seen, place
        self.following: Any = None

    def close(self, following: Any) -> None:
        self.following = following

    async def token(self, left: int) -> None:
        self.seen[self.place] += 1
        if left:
            await self.following.token.tell(left - 1)
        else:
            self.done.set_result(None)


def pooled(workload: Callable[[str, int], Any]) -> Callable[[int], Any]:
    async def run(n: int) -> Figure:
        pool = await mo.create_actor_pool("127.0.0.1", n_process=0)
        try:
            figure: Figure = await workload(pool.external_address, n)
        finally:
            await pool.stop()
        return figure

    return run


async def counters(address: str, n: int, named: bool = False) -> list[Any]:
    uids = [f"counter {i}" if named else None for i in range(n)]
    return [await mo.create_actor(Counter, i, address=address, uid=uid) for i, uid in enumerate(uids)]


@pooled
async def start_child(address: str, n: int) -> Figure:
    for each in await counters(address, WARM_UP):
        await mo.destroy_actor(each)
    with Stopwatch() as watch:
        made = await counters(address, n)
    expect("sum of their states", sum([await each.add(0) for each in made]), sum(range(n)))
    return watch.rate(n, note=ALONE)


@pooled
async def memory(address: str, n: int) -> Figure:
    await counters(address, WARM_UP)
    before = resident()
    await counters(address, n)
    note = ALONE + "; one has no task and no mailbox of its own"
    return Figure((resident() - before) / n, detail={"note": note})


@pooled
async def start_via(address: str, n: int) -> Figure:
    with Stopwatch() as watch:
        made = await counters(address, n, named=True)
    expect("sum of their states", sum([await each.add(0) for each in made]), sum(range(n)))
    return watch.rate(n, note=ALONE)


@pooled
async def lookup(address: str, n: int) -> Figure:
    names = 1000
    made = await counters(address, names, named=True)
    with Stopwatch() as watch:
        for _ in range(n // names):
            for i in range(names):
                await mo.actor_ref(address=address, uid=f"counter {i}")
    found = [await mo.actor_ref(address=address, uid=f"counter {i}") for i in range(names)]
    expect("actors", found, made)
    return watch.rate(n, note="1,000 names")


def calling(kind: str) -> Callable[[int], Any]:
    @pooled
    async def run(address: str, n: int) -> Figure:
        (counter,) = await counters(address, 1)
        function = getattr(counter, kind)
        for _ in range(WARM_UP):
            await function(1)
        with Stopwatch() as watch:
            for _ in range(n):
                await function(1)
        expect("sum", await counter.add(0), n + WARM_UP)
        return watch.rate(n)

    return run


@pooled
async def call_clients(address: str, n: int) -> Figure:
    clients, each = 1000, n // 1000

    async def client(place: int, counter: Any) -> int:
        for _ in range(each):
            total: int = await counter.add(1)
        return total - place

    made = await counters(address, clients)
    with Stopwatch() as watch:
        totals = await asyncio.gather(*map(client, range(clients), made))
    expect("sums", totals, [each] * clients)
    return watch.rate(clients * each)


@pooled
async def cast(address: str, n: int) -> Figure:
    (counter,) = await counters(address, 1)
    with Stopwatch() as watch:
        for _ in range(n):
            await counter.add.tell(1)
        while await counter.add(0) < n:  # a call may overtake a tell
            pass
    expect("sum", await counter.add(0), n)
    return watch.rate(n)


@pooled
async def shutdown(address: str, n: int) -> Figure:
    made = await counters(address, n)
    with Stopwatch() as watch:
        await asyncio.gather(*map(mo.destroy_actor, made))
    expect("the last still there", await mo.has_actor(made[-1]), False)
    return watch.rate(n, note=ALONE)


@pooled
async def ring(address: str, n: int) -> Figure:
    nodes, done = 10_000, asyncio.get_running_loop().create_future()
    seen = [0] * nodes
    made = [await mo.create_actor(Node, done, seen, place, address=address) for place in range(nodes)]
    for place, each in enumerate(made):
        await each.close(made[(place + 1) % nodes])
    with Stopwatch() as watch:
        await made[0].token.tell(n - 1)
        await done
    expect("laps of each", set(seen), {n // nodes})
    return watch.rate(n)


NO_RESTART = "an exception goes to the caller and the actor lives on; only whole pools are recovered"
quiet("xoscar")
main(
    {
        "start_child": start_child,
        "memory": memory,
        "call": calling("add"),
        "call_clients": call_clients,
        "call_async": calling("add_later"),
        "cast": cast,
        "shutdown": shutdown,
        "lookup": lookup,
        "start_via": start_via,
        "ring": ring,
    },
    {"restart": NO_RESTART, "restart_latency": NO_RESTART},
    package="xoscar",
)
