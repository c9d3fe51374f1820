"""The workloads in triotp. A server is a module there; a class with static functions does as well."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import logbook
import trio
from harness import WARM_UP, Figure, Stopwatch, expect, main, median, percentile, resident
from triotp import dynamic_supervisor, gen_server, mailbox, supervisor

MANY = 1_000_000_000


class Arrivals:
    """Counts to the end of something."""

    def __init__(self) -> None:
        self.count = self.total = 0
        self.wanted, self.reached = -1, trio.Event()

    def announce(self, n: int) -> trio.Event:
        self.count, self.wanted, self.reached = 0, n, trio.Event()
        return self.reached

    def arrive(self, value: int = 0) -> None:
        self.count += 1
        self.total += value
        if self.count == self.wanted:
            self.reached.set()


class Counter:
    @staticmethod
    async def init(given: tuple[int, Arrivals]) -> int:
        given[1].arrive(given[0])
        return given[0]

    @staticmethod
    async def handle_call(message: tuple[str, int], _caller: Any, count: int) -> Any:
        match message:
            case ("add_later", n):
                await trio.lowlevel.checkpoint()
                return gen_server.Reply(payload=count + n), count + n
            case (_, n):
                return gen_server.Reply(payload=count + n), count + n

    @staticmethod
    async def handle_cast(message: tuple[str, int], count: int) -> Any:
        return gen_server.NoReply(), count + message[1]


class Fragile:
    @staticmethod
    async def init(arrivals: Arrivals) -> Arrivals:
        arrivals.arrive()
        return arrivals

    @staticmethod
    async def handle_call(_message: str, _caller: Any, arrivals: Arrivals) -> Any:
        return gen_server.Reply(payload="pong"), arrivals

    @staticmethod
    async def handle_cast(_message: str, _arrivals: Arrivals) -> Any:
        raise RuntimeError("as asked")

    @staticmethod
    async def terminate(_reason: object, _state: Arrivals) -> None:
        """Without one, the library writes the crash to its log, and that fails for a class."""


async def child(mid: str, module: Any, argument: Any, name: str | None) -> None:
    spec = supervisor.child_spec(id="child", task=gen_server.start, args=[module, argument, name])
    await dynamic_supervisor.start_child(mid, spec)


async def counters(mid: str, arrivals: Arrivals, n: int, named: str | None = None) -> None:
    """Start them, and wait until the last ``init`` has run: ``start_child`` itself waits for nothing."""
    up = arrivals.announce(n)
    for i in range(n):
        await child(mid, Counter, (i, arrivals), named and f"{named} {i}")
    await up.wait()


def supervised(workload: Callable[[str, trio.Nursery, int], Any]) -> Callable[[int], Any]:
    async def run(n: int) -> Figure:
        mailbox._init()  # what the library's node.run does first
        async with trio.open_nursery() as nursery:
            mid = await nursery.start(dynamic_supervisor.start, supervisor.options(MANY, 5))
            figure: Figure = await workload(mid, nursery, n)
            nursery.cancel_scope.cancel()
        return figure

    return run


@supervised
async def start_child(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    arrivals = Arrivals()
    await counters(mid, arrivals, WARM_UP)
    arrivals.total = 0
    with Stopwatch() as watch:
        await counters(mid, arrivals, n)
    expect("sum of their states", arrivals.total, sum(range(n)))
    return watch.rate(n, note="start_child gives no result: until the last init has run")


@supervised
async def memory(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    arrivals = Arrivals()
    await counters(mid, arrivals, WARM_UP)
    before = resident()
    await counters(mid, arrivals, n)
    return Figure((resident() - before) / n)


@supervised
async def start_via(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    arrivals = Arrivals()
    with Stopwatch() as watch:
        await counters(mid, arrivals, n, "counter")
    total = sum([await gen_server.call(f"counter {i}", ("add", 0)) for i in range(n)])
    expect("sum of their states", total, sum(range(n)))
    return watch.rate(n)


async def one_counter(mid: str) -> None:
    await counters(mid, Arrivals(), 1, "one")


def calling(kind: str) -> Callable[[int], Any]:
    @supervised
    async def call(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
        await one_counter(mid)
        for _ in range(WARM_UP):
            await gen_server.call("one 0", (kind, 1))
        with Stopwatch() as watch:
            for _ in range(n):
                await gen_server.call("one 0", (kind, 1))
        expect("sum", await gen_server.call("one 0", ("add", 0)), n + WARM_UP)
        return watch.rate(n)

    return call


@supervised
async def call_clients(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    clients, each, totals = 1000, n // 1000, []

    async def client(i: int) -> None:
        for _ in range(each):
            total = await gen_server.call(f"counter {i}", ("add", 1))
        totals.append(total - i)

    await counters(mid, Arrivals(), clients, "counter")
    with Stopwatch() as watch:
        async with trio.open_nursery() as running:
            for i in range(clients):
                running.start_soon(client, i)
    expect("sums", totals, [each] * clients)
    return watch.rate(clients * each)


@supervised
async def cast(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    await one_counter(mid)
    with Stopwatch() as watch:
        for _ in range(n):
            await gen_server.cast("one 0", ("put", 1))
        total = await gen_server.call("one 0", ("add", 0))
    expect("sum", total, n)
    return watch.rate(n)


async def fragile(mid: str, arrivals: Arrivals, n: int) -> None:
    up = arrivals.announce(n)
    for i in range(n):
        await child(mid, Fragile, arrivals, f"fragile {i}")
    await up.wait()


@supervised
async def restart(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    arrivals = Arrivals()
    await fragile(mid, arrivals, n)
    with Stopwatch() as watch:
        up = arrivals.announce(n)
        for i in range(n):
            await gen_server.cast(f"fragile {i}", "crash")
        await up.wait()
    answers = [await gen_server.call(f"fragile {i}", "ping") for i in range(n)]
    expect("answers", answers, ["pong"] * n)
    return watch.rate(n)


@supervised
async def restart_latency(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    arrivals, took = Arrivals(), []
    await fragile(mid, arrivals, n)
    for i in range(n):
        start = monotonic()
        up = arrivals.announce(1)
        await gen_server.cast(f"fragile {i}", "crash")
        await up.wait()
        took.append((monotonic() - start) * 1e6)
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


async def _shutdown(n: int) -> Figure:
    mailbox._init()
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        mid = await nursery.start(dynamic_supervisor.start, supervisor.options(MANY, 5))
        await counters(mid, Arrivals(), n)
        watch = Stopwatch()
        watch.__enter__()
        nursery.cancel_scope.cancel()
    watch.__exit__()
    expect("tasks left", trio.lowlevel.current_statistics().tasks_living, tasks)
    return watch.rate(n)


class Node:
    @staticmethod
    async def init(given: Any) -> Any:
        following, done, seen, arrivals = given
        arrivals.arrive()
        return following, done, seen

    @staticmethod
    async def handle_cast(left: int, state: Any) -> Any:
        following, done, seen = state
        seen.append(1)
        if left:
            await gen_server.cast(following, left - 1)
        else:
            done.set()
        return gen_server.NoReply(), state


@supervised
async def ring(mid: str, _nursery: trio.Nursery, n: int) -> Figure:
    nodes, done, arrivals = 10_000, trio.Event(), Arrivals()
    seen: list[list[int]] = [[] for _ in range(nodes)]
    up = arrivals.announce(nodes)
    for i in range(nodes):
        await child(mid, Node, (f"node {(i + 1) % nodes}", done, seen[i], arrivals), f"node {i}")
    await up.wait()
    with Stopwatch() as watch:
        await gen_server.cast("node 0", n - 1)
        await done.wait()
    expect("laps of each", {len(each) for each in seen}, {n // nodes})
    return watch.rate(n)


logbook.NullHandler().push_application()
main(
    {
        "start_child": start_child,
        "memory": memory,
        "call": calling("add"),
        "call_clients": call_clients,
        "call_async": calling("add_later"),
        "cast": cast,
        "restart": restart,
        "restart_latency": restart_latency,
        "shutdown": _shutdown,
        "start_via": start_via,
        "ring": ring,
    },
    {"lookup": "names are only for sending: none of its public functions looks one up"},
    package="triotp",
    run=trio.run,
)
