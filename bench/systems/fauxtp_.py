"""The workloads in fauxtp. Its supervisor has a fixed list of children, so nothing is started on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import anyio
from fauxtp import ChildSpec, GenServer, Registry, Supervisor, call, cast
from harness import WARM_UP, Figure, Gate, Stopwatch, expect, main, median, percentile, resident


class Counter(GenServer):
    def __init__(self, count: int, gate: Gate | None = None) -> None:
        super().__init__()
        self.count = count
        self.gate = gate

    async def init(self) -> int:
        if self.gate is not None:
            self.gate.arrive()
        return self.count

    async def handle_call(self, request: tuple[str, int], from_ref: Any, state: int) -> tuple[int, int]:
        kind, n = request
        if kind == "add_later":
            await asyncio.sleep(0)
        return state + n, state + n

    async def handle_cast(self, request: tuple[str, int], state: int) -> int:
        return state + request[1]


class Fragile(GenServer):
    """Puts its pid where it can be found, since a supervisor gives none."""

    def __init__(self, gate: Gate, place: int, pids: dict[int, Any]) -> None:
        super().__init__()
        self.gate, self.place, self.pids = gate, place, pids

    async def init(self) -> None:
        self.pids[self.place] = self.pid
        self.gate.arrive()

    async def handle_call(self, request: str, from_ref: Any, state: None) -> tuple[str, None]:
        return "pong", None

    async def handle_cast(self, request: str, state: None) -> None:
        raise RuntimeError("as asked")


class Node(GenServer):
    def __init__(self, nodes: list[Any], place: int, done: asyncio.Future[None], seen: list[int]) -> None:
        super().__init__()
        self.nodes, self.place, self.done, self.seen = nodes, place, done, seen

    async def handle_cast(self, left: int, state: Any) -> Any:
        self.seen[self.place] += 1
        if left:
            await cast(self.nodes[(self.place + 1) % len(self.nodes)], left - 1)
        else:
            self.done.set_result(None)
        return state


def grouped(workload: Callable[[Any, int], Any]) -> Callable[[int], Any]:
    async def run(n: int) -> Figure:
        async with anyio.create_task_group() as group:
            figure: Figure = await workload(group, n)
            group.cancel_scope.cancel()
        return figure

    return run


@grouped
async def memory(group: Any, n: int) -> Figure:
    gate = Gate()
    before = resident()
    up = gate.announce(n)
    specs = [ChildSpec(Counter, f"counter {i}", (i, gate)) for i in range(n)]
    await Supervisor.start(specs, task_group=group)
    await up
    await asyncio.sleep(0.1)
    return Figure((resident() - before) / n)


def calling(kind: str) -> Callable[[int], Any]:
    @grouped
    async def run(group: Any, n: int) -> Figure:
        counter = await Counter.start(0, task_group=group)
        for _ in range(WARM_UP):
            await call(counter, (kind, 1))
        with Stopwatch() as watch:
            for _ in range(n):
                await call(counter, (kind, 1))
        expect("sum", await call(counter, ("add", 0)), n + WARM_UP)
        return watch.rate(n)

    return run


@grouped
async def call_clients(group: Any, n: int) -> Figure:
    clients, each = 1000, n // 1000

    async def client(counter: Any) -> int:
        for _ in range(each):
            total: int = await call(counter, ("add", 1))
        return total

    counters = [await Counter.start(0, task_group=group) for _ in range(clients)]
    with Stopwatch() as watch:
        totals = await asyncio.gather(*map(client, counters))
    expect("sums", totals, [each] * clients)
    return watch.rate(clients * each)


@grouped
async def cast_one(group: Any, n: int) -> Figure:
    counter = await Counter.start(0, task_group=group)
    with Stopwatch() as watch:
        for _ in range(n):
            await cast(counter, ("put", 1))
        total = await call(counter, ("add", 0), timeout=600)
    expect("sum", total, n)
    return watch.rate(n)


async def fragile(group: Any, n: int) -> tuple[Gate, dict[int, Any]]:
    gate, pids = Gate(), dict[int, Any]()
    up = gate.announce(n)
    await Supervisor.start([ChildSpec(Fragile, f"c{i}", (gate, i, pids)) for i in range(n)], task_group=group)
    await up
    return gate, pids


@grouped
async def restart(group: Any, n: int) -> Figure:
    gate, pids = await fragile(group, n)
    before = set(pids.values())
    with Stopwatch() as watch:
        up = gate.announce(n)
        for pid in list(pids.values()):
            await cast(pid, "crash")
        await up
    expect("old ones", len(before & set(pids.values())), 0)
    expect("answers", [await call(pid, "ping") for pid in pids.values()], ["pong"] * n)
    return watch.rate(n)


@grouped
async def restart_latency(group: Any, n: int) -> Figure:
    gate, pids = await fragile(group, n)
    took = []
    for pid in list(pids.values()):
        start = monotonic()
        up = gate.announce(1)
        await cast(pid, "crash")
        await up
        took.append((monotonic() - start) * 1e6)
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


async def shutdown(n: int) -> Figure:
    gate = Gate()
    before = len(asyncio.all_tasks())
    async with anyio.create_task_group() as group:
        up = gate.announce(n)
        specs = [ChildSpec(Counter, f"counter {i}", (i, gate)) for i in range(n)]
        await Supervisor.start(specs, task_group=group)
        await up
        watch = Stopwatch()
        watch.__enter__()
        group.cancel_scope.cancel()  # that of the supervisor itself leaves its children running
    watch.__exit__()
    expect("tasks left", len(asyncio.all_tasks()), before)
    return watch.rate(n)


@grouped
async def lookup(group: Any, n: int) -> Figure:
    registry = await Registry.start(task_group=group)
    counters = {f"counter {i}": await Counter.start(i, task_group=group) for i in range(1000)}
    for name, pid in counters.items():
        await cast(registry, ("register", name, pid))
    with Stopwatch() as watch:
        for _ in range(n // 1000):
            for name in counters:
                await call(registry, ("get", name))
    found = [await call(registry, ("get", name)) for name in counters]
    expect("pids", found, list(counters.values()))
    return watch.rate(
        n, note="1,000 names, with rpds-py: on the default store the registry dies at its second name"
    )


@grouped
async def ring(group: Any, n: int) -> Figure:
    nodes: list[Any] = []
    seen, done = [0] * 10_000, asyncio.get_running_loop().create_future()
    for place in range(10_000):
        nodes.append(await Node.start(nodes, place, done, seen, task_group=group))
    with Stopwatch() as watch:
        await cast(nodes[0], n - 1)
        await done
    expect("laps of each", set(seen), {n // len(nodes)})
    return watch.rate(n)


FIXED = "no start_child: the children of a supervisor are a fixed list"
main(
    {
        "memory": memory,
        "call": calling("add"),
        "call_clients": call_clients,
        "call_async": calling("add_later"),
        "cast": cast_one,
        "restart": restart,
        "restart_latency": restart_latency,
        "shutdown": shutdown,
        "lookup": lookup,
        "ring": ring,
    },
    {"start_child": FIXED, "start_via": FIXED},
    package="fauxtp",
)
