"""The workloads in mode. A service has no mailbox, so there is supervision to measure and no messages."""

from __future__ import annotations

import asyncio
from time import monotonic

from harness import WARM_UP, Figure, Gate, Stopwatch, expect, main, median, percentile, quiet, resident
from mode import OneForOneSupervisor, Service

MANY = 1e9


class Counter(Service):
    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__()


class Fragile(Service):
    """Tells when it is up, and crashes when it is told to."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.order = asyncio.Event()
        super().__init__()

    async def on_started(self) -> None:
        self.order = asyncio.Event()
        self.gate.arrive()

    @Service.task
    async def _work(self) -> None:
        await self.order.wait()
        raise RuntimeError("as asked")


async def supervisor() -> OneForOneSupervisor:
    sup = OneForOneSupervisor(max_restarts=MANY, over=1.0)
    await sup.start()
    return sup


async def counters(sup: OneForOneSupervisor, n: int) -> None:
    for i in range(n):
        child = Counter(i)
        sup.add(child)
        await sup.start_service(child)


async def start_child(n: int) -> Figure:
    sup = await supervisor()
    await counters(sup, WARM_UP)
    with Stopwatch() as watch:
        await counters(sup, n)
    running = [each for each in sup._services if each.started]
    expect("children", len(running), n + WARM_UP)
    expect("sum of their states", sum(each.count for each in running), sum(range(n)) + sum(range(WARM_UP)))
    await sup.stop()
    return watch.rate(n)


async def memory(n: int) -> Figure:
    sup = await supervisor()
    await counters(sup, WARM_UP)
    before = resident()
    await counters(sup, n)
    after = resident()
    await sup.stop()
    return Figure((after - before) / n)


async def fragile(n: int) -> tuple[OneForOneSupervisor, Gate, list[Fragile]]:
    sup, gate = await supervisor(), Gate()
    children = [Fragile(gate) for _ in range(n)]
    for child in children:
        sup.add(child)
        await sup.start_service(child)
    await asyncio.sleep(0)
    return sup, gate, children


async def restart(n: int) -> Figure:
    sup, gate, children = await fragile(n)
    with Stopwatch() as watch:
        up = gate.announce(n)
        for child in children:
            child.order.set()
        await up
    expect("restarts", [child.restart_count for child in children], [1] * n)
    await sup.stop()
    return watch.rate(n, note="a service is started again in place: it keeps its state")


async def restart_latency(n: int) -> Figure:
    sup, gate, children = await fragile(n)
    took = []
    for child in children:
        start = monotonic()
        up = gate.announce(1)
        child.order.set()
        await up
        took.append((monotonic() - start) * 1e6)
        await asyncio.sleep(
            0.001
        )  # a crash that comes while the supervisor is busy waits for its poll of 5 s
    await sup.stop()
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


async def shutdown(n: int) -> Figure:
    sup = await supervisor()
    await counters(sup, n)
    children = list(sup._services)
    with Stopwatch() as watch:
        await sup.stop()
    expect("children that run", sum(not each._stopped.is_set() for each in children), 0)
    return watch.rate(n)


NO_MESSAGES = "a service has no mailbox, no calls and no casts"
NO_NAMES = "no names"
quiet("mode")
main(
    {
        "start_child": start_child,
        "memory": memory,
        "restart": restart,
        "restart_latency": restart_latency,
        "shutdown": shutdown,
    },
    {
        **dict.fromkeys(["call", "call_clients", "call_async", "cast", "ring"], NO_MESSAGES),
        **dict.fromkeys(["lookup", "start_via"], NO_NAMES),
    },
    package="mode-streaming",
)
