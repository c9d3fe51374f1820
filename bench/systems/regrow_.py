"""The workloads in regrow. Each is written as a user would write it, by the public names alone."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic
from typing import TypeVar

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
    resident_kinds,
    timers,
    trimmed,
)

from regrow import DynamicSupervisor, GenServer, Registry, call, cast, process, stop

G = TypeVar("G", bound=GenServer)
MANY = 1_000_000_000


class Counter(GenServer):
    def __init__(self, count: int) -> None:
        self.count = count

    @call
    def add(self, n: int) -> int:
        self.count += n
        return self.count

    @call
    async def add_later(self, n: int) -> int:
        await asyncio.sleep(0)
        self.count += n
        return self.count

    @cast
    def put(self, n: int) -> None:
        self.count += n


class Fragile(GenServer):
    """Tells when it is up, and crashes on demand."""

    def __init__(self, gate: Gate) -> None:
        gate.arrive()

    @call
    def ping(self) -> str:
        return "pong"

    @cast
    def crash(self) -> None:
        raise RuntimeError("as asked")


async def start_counters(sup: DynamicSupervisor, n: int) -> list[Counter]:
    return [await sup.start_child(Counter.child_spec(i)) for i in range(n)]


async def children_of(sup: DynamicSupervisor, kind: type[G]) -> list[G]:
    return [row.child async for row in sup.iter_children() if isinstance(row.child, kind)]


# --- supervision --------------------------------------------------------------------------------------------------


async def start_child(n: int) -> Figure:
    async with DynamicSupervisor.scope() as sup:
        for one in await start_counters(sup, WARM_UP):
            await sup.terminate_child(one)
        with Stopwatch() as watch:
            for i in range(n):
                await sup.start_child(Counter.child_spec(i))
        expect("children", (await sup.count_children()).active, n)
        total = sum([await child.add(0) for child in await children_of(sup, Counter)])
        expect("sum of their states", total, sum(range(n)))
        return watch.rate(n)


async def memory(n: int) -> Figure:
    async with DynamicSupervisor.scope() as sup:
        await start_counters(sup, WARM_UP)
        before = resident()
        for i in range(n):
            await sup.start_child(Counter.child_spec(i))
        after = resident()
        expect("children", (await sup.count_children()).active, n + WARM_UP)
        return Figure((after - before) / n, detail={"full_collection_ms": full_collection()})


async def restart(n: int) -> Figure:
    gate = Gate()
    async with DynamicSupervisor.scope(max_restarts=MANY) as sup:
        children = [await sup.start_child(Fragile.child_spec(gate)) for _ in range(n)]
        before = {process.pid_of(child) for child in children}
        with Stopwatch() as watch:
            all_up = gate.announce(n)
            for child in children:
                child.crash()
            await all_up
        await expect_new_and_alive(sup, n, before)
        return watch.rate(n)


async def restart_latency(n: int) -> Figure:
    gate, took = Gate(), []
    async with DynamicSupervisor.scope(max_restarts=MANY) as sup:
        children = [await sup.start_child(Fragile.child_spec(gate)) for _ in range(n)]
        before = {process.pid_of(child) for child in children}
        for child in children:
            start = monotonic()
            up = gate.announce(1)
            child.crash()
            await up
            took.append((monotonic() - start) * 1e6)
            await sup.count_children()  # the supervisor is through with it
        await expect_new_and_alive(sup, n, before)
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


async def expect_new_and_alive(sup: DynamicSupervisor, n: int, before: set[process.Pid]) -> None:
    expect("children", (await sup.count_children()).active, n)
    children = await children_of(sup, Fragile)
    expect("old ones", len(before & {process.pid_of(child) for child in children}), 0)
    expect("answers", [await child.ping() for child in children], ["pong"] * n)


async def shutdown(n: int) -> Figure:
    process.current()  # from here on this task is counted, too
    before = len(process.processes())
    sup = await DynamicSupervisor.start_link()
    await start_counters(sup, n)
    expect("processes", len(process.processes()), before + n + 1)
    with Stopwatch() as watch:
        await stop(sup)
    expect("processes left", len(process.processes()), before)
    return watch.rate(n)


# --- messages -----------------------------------------------------------------------------------------------------


async def call_one(n: int) -> Figure:
    async with Counter.scope(0) as counter:
        for _ in range(WARM_UP):
            await counter.add(1)
        with Stopwatch() as watch:
            for _ in range(n):
                await counter.add(1)
        expect("sum", await counter.add(0), n + WARM_UP)
        return watch.rate(n)


async def call_clients(n: int) -> Figure:
    clients, each = 1000, n // 1000

    async def client(counter: Counter) -> int:
        for _ in range(each):
            total = await counter.add(1)
        return total

    async with DynamicSupervisor.scope() as sup:
        counters = [await sup.start_child(Counter.child_spec(0)) for _ in range(clients)]
        with Stopwatch() as watch:
            totals = await asyncio.gather(*map(client, counters))
        expect("sums", totals, [each] * clients)
        return watch.rate(clients * each)


async def call_async(n: int) -> Figure:
    async with Counter.scope(0) as counter:
        for _ in range(WARM_UP):
            await counter.add_later(1)
        with Stopwatch() as watch:
            for _ in range(n):
                await counter.add_later(1)
        expect("sum", await counter.add(0), n + WARM_UP)
        return watch.rate(n)


async def cast_one(n: int) -> Figure:
    async with Counter.scope(0) as counter:
        for _ in range(WARM_UP):
            counter.put(1)
        await counter.add(0)
        with Stopwatch() as watch:
            for _ in range(n):
                counter.put(1)
            total = await counter.add(0)
        expect("sum", total, n + WARM_UP)
        return watch.rate(n)


class Node(GenServer):
    """One place of the ring."""

    def __init__(self, following: Node | None, done: asyncio.Future[None]) -> None:
        self.following = following
        self.done = done
        self.seen = 0

    @call
    def close(self, first: Node) -> None:
        self.following = first

    @cast
    def token(self, left: int) -> None:
        self.seen += 1
        if left and self.following is not None:
            self.following.token(left - 1)
        else:
            self.done.set_result(None)

    @call
    def passed(self) -> int:
        return self.seen


async def ring(n: int) -> Figure:
    nodes, done = 10_000, asyncio.get_running_loop().create_future()
    async with DynamicSupervisor.scope() as sup:
        last = node = await sup.start_child(Node.child_spec(None, done))
        places = [last]
        for _ in range(nodes - 1):
            node = await sup.start_child(Node.child_spec(node, done))
            places.append(node)
        await last.close(node)
        with Stopwatch() as watch:
            node.token(n - 1)
            await done
        expect("laps of each", {await place.passed() for place in places}, {n // nodes})
        return watch.rate(n)


# --- names --------------------------------------------------------------------------------------------------------


async def lookup(n: int) -> Figure:
    names = 10_000
    async with Registry.scope("bench", keys="unique") as registry, DynamicSupervisor.scope() as sup:
        keys = [f"counter {i}" for i in range(names)]
        pids = await register(sup, registry, keys)
        found = 0
        with Stopwatch() as watch:
            for _ in range(n // names):
                for key in keys:
                    ((pid, _),) = registry.lookup(key)
                    found += pid
        expect("sum of the pids found", found, sum(pids) * (n // names))
        return watch.rate(n)


async def start_via(n: int) -> Figure:
    async with Registry.scope("bench", keys="unique") as registry, DynamicSupervisor.scope() as sup:
        for pid in await register(sup, registry, [f"warm {i}" for i in range(WARM_UP)]):
            await sup.terminate_child(pid)
        await registry.settled()
        with Stopwatch() as watch:
            for i in range(n):
                via = registry.via(f"counter {i}")
                await sup.start_child(Counter.options(name=via).child_spec(i))
        expect("names", registry.count(), n)
        total = sum([await Counter.named(registry.via(f"counter {i}")).add(0) for i in range(n)])
        expect("sum of their states", total, sum(range(n)))
        return watch.rate(n)


async def register(sup: DynamicSupervisor, registry: Registry, keys: list[str]) -> list[process.Pid]:
    found = []
    for key in keys:
        child = await sup.start_child(Counter.options(name=registry.via(key)).child_spec(0))
        found.append(process.pid_of(child))
    return found


# --- growth -------------------------------------------------------------------------------------------------------


class Child(GenServer):
    """A child that can be called and crashed, for the workload that does it all."""

    def __init__(self, gate: Gate) -> None:
        self.calls = 0
        gate.arrive()

    @call
    def add(self, n: int) -> int:
        self.calls += n
        return self.calls

    @cast
    def crash(self) -> None:
        raise RuntimeError("as asked")


async def growth(n: int) -> Figure:
    """Microseconds a child of each stage of its life, with *n* alive. Small trees are grown again and again."""
    again = max(1, 200_000 // n)
    crashes = min(n, 10_000)
    start, calls, crash, end = Stopwatch(), Stopwatch(), Stopwatch(), Stopwatch()
    gate = Gate()
    collection = 0.0
    for round_ in range(again + 1):
        if round_ == 1:  # the first was the warm-up, unless it is the only one
            start, calls, crash, end = Stopwatch(), Stopwatch(), Stopwatch(), Stopwatch()
        sup = await DynamicSupervisor.start_link(max_restarts=MANY)
        alive = n if round_ or again == 1 else 1000
        with start:
            for _ in range(alive):
                await sup.start_child(Child.child_spec(gate))
        children = await children_of(sup, Child)
        with calls:
            for child in children:
                await child.add(1)
        all_up = gate.announce(min(alive, crashes))
        with crash:
            for child in children[:: alive // min(alive, crashes)][: min(alive, crashes)]:
                child.crash()
            await all_up
        del children
        expect("children", (await sup.count_children()).active, alive)
        if alive == n:
            collection = full_collection()
        with end:
            await stop(sup)
        if again == 1:
            break
    watches = {"start": start, "call": calls, "crash": crash, "shutdown": end}
    done = {"start": n, "call": n, "crash": crashes, "shutdown": n}
    stages = {stage: watch.wall / (done[stage] * again) * 1e6 for stage, watch in watches.items()}
    by_cpu = {f"{stage}_cpu": watch.cpu / (done[stage] * again) * 1e6 for stage, watch in watches.items()}
    return Figure(
        sum(stages.values()),
        sum(watch.wall for watch in watches.values()),
        sum(watch.cpu for watch in watches.values()),
        {**stages, **by_cpu, "full_collection_ms": collection},
    )


# --- fairness and latency -----------------------------------------------------------------------------------------


class Busy(GenServer):
    """Never at rest: each turn asks for the next."""

    def __init__(self) -> None:
        self.turns = 0
        self.me = Busy.of(process.current())

    @cast
    def work(self) -> None:
        self.turns += 1
        sum(range(100))
        self.me.work()

    @call
    def done(self) -> int:
        return self.turns


async def timer(n: int) -> Figure:
    async with DynamicSupervisor.scope() as sup:
        await start_counters(sup, n)
        busy = [await sup.start_child(Busy) for _ in range(1000)]
        for one in busy:
            one.work()
        figure = await timers()
        turns = await asyncio.gather(*(one.done() for one in busy))
        expect("servers that never had their turn", sum(each == 0 for each in turns), 0)
        figure.detail |= {"least_turns": min(turns), "most_turns": max(turns)}
        figure.detail["full_collection_ms"] = full_collection()
        return figure


class Flooded(GenServer):
    def __init__(self) -> None:
        self.count = 0

    @cast
    def put(self, n: int) -> None:
        self.count += n

    @call
    def total(self) -> int:
        return self.count


async def flood(n: int) -> Figure:
    """Half of the casts wait already when the first call is made, the rest comes in batches of a thousand."""

    async def rest() -> None:
        for _ in range(n // 2000):
            for _ in range(1000):
                flooded.put(1)
            await asyncio.sleep(0)

    async with Flooded.scope() as flooded, Counter.scope(0) as other:
        with Stopwatch() as sending:
            for _ in range(n // 2):
                flooded.put(1)
        sender = asyncio.create_task(rest())
        total = asyncio.create_task(flooded_total(flooded, sender))
        late, calls = [], 0
        while not total.done():
            due = monotonic() + 0.020
            await asyncio.sleep(0.020)
            calls += 1
            expect("answer", await other.add(1), calls)
            late.append((monotonic() - due) * 1e3)
        expect("casts", await total, n)
        held = sending.wall * 1e3
        return Figure(
            max(late), detail={"p99_ms": percentile(late, 0.99), "calls": calls, "sending_half_ms": held}
        )


async def flooded_total(flooded: Flooded, sender: asyncio.Task[None]) -> int:
    await sender
    return await flooded.total()


async def leak(n: int) -> Figure:
    """Memory, in percent over the start, after *n* children have come and gone, a tenth of them at a time."""
    curve = Curve()
    async with DynamicSupervisor.scope() as sup:
        await sup.terminate_child(await sup.start_child(Counter.child_spec(0)))
        resident_kinds()  # what it leaves behind is no child's
        start, kinds, blocks = resident(), resident_kinds(), sys.getallocatedblocks()
        for wave in range(10):
            children = await start_counters(sup, n // 10)
            curve.high(wave)
            for child in children:
                await sup.terminate_child(child)
            del children, child
            await asyncio.sleep(0.01)  # what the turn of the loop that is under way still holds is no child's
            curve.low(wave)
        blocks = sys.getallocatedblocks() - blocks  # what Python has allocated and not freed
        over = {f"{kind}_over_start": now - kinds[kind] for kind, now in resident_kinds().items()}
        expect("children", (await sup.count_children()).active, 0)
    return curve.figure(start, n, **over, end_trimmed_mb=trimmed() / 1e6, blocks_over_start=blocks)


quiet("regrow")
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
        "growth": growth,
        "timer": timer,
        "flood": flood,
        "leak": leak,
    },
)
