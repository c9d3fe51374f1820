"""The workloads in pykka. An actor is a thread, and nobody supervises it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka
from harness import WARM_UP, Figure, Stopwatch, expect, main, quiet, resident, run_plainly

ALONE = "no supervisor: the actors are started alone"


class Counter(pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def add(self, n: int) -> int:
        self.count += n
        return self.count


class Node(pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(self, nodes: list[Any], place: int, done: threading.Event, seen: list[int]) -> None:
        super().__init__()
        self.nodes, self.place, self.done, self.seen = nodes, place, done, seen

    def on_receive(self, left: int) -> None:
        self.seen[self.place] += 1
        if left:
            self.nodes[(self.place + 1) % len(self.nodes)].tell(left - 1)
        else:
            self.done.set()


def cleared(workload: Callable[[int], Figure]) -> Callable[[int], Figure]:
    def run(n: int) -> Figure:
        figure = workload(n)
        pykka.ActorRegistry.stop_all()
        return figure

    return run


@cleared
def start_child(n: int) -> Figure:
    for i in range(WARM_UP):
        Counter.start(i).stop()
    with Stopwatch() as watch:
        actors = [Counter.start(i) for i in range(n)]
    expect("sum of their states", sum(actor.proxy().add(0).get() for actor in actors), sum(range(n)))
    return watch.rate(n, note=ALONE)


@cleared
def memory(n: int) -> Figure:
    before = resident()
    for i in range(n):
        Counter.start(i)
    return Figure(
        (resident() - before) / n, detail={"note": ALONE + "; each thread reserves address space beside"}
    )


@cleared
def call(n: int) -> Figure:
    counter = Counter.start(0).proxy()
    for _ in range(WARM_UP):
        counter.add(1).get()
    with Stopwatch() as watch:
        for _ in range(n):
            counter.add(1).get()
    expect("sum", counter.add(0).get(), n + WARM_UP)
    return watch.rate(n)


@cleared
def call_clients(n: int) -> Figure:
    clients, each = 1000, n // 1000

    def client(counter: Any) -> int:
        for _ in range(each):
            total: int = counter.add(1).get()
        return total

    counters = [Counter.start(0).proxy() for _ in range(clients)]
    with Stopwatch() as watch, ThreadPoolExecutor(clients) as pool:
        totals = list(pool.map(client, counters))
    expect("sums", totals, [each] * clients)
    return watch.rate(clients * each)


@cleared
def cast(n: int) -> Figure:
    counter = Counter.start(0).proxy()
    with Stopwatch() as watch:
        for _ in range(n):
            counter.add.defer(1)
        total = counter.add(0).get()
    expect("sum", total, n)
    return watch.rate(n)


def shutdown(n: int) -> Figure:
    for i in range(n):
        Counter.start(i)
    with Stopwatch() as watch:
        pykka.ActorRegistry.stop_all()
    expect("actors left", len(pykka.ActorRegistry.get_all()), 0)
    return watch.rate(n, note=ALONE)


@cleared
def ring(n: int) -> Figure:
    nodes: list[Any] = []
    places = 2_000
    seen, done = [0] * places, threading.Event()
    for place in range(places):
        nodes.append(Node.start(nodes, place, done, seen))
    with Stopwatch() as watch:
        nodes[0].tell(n - 1)
        done.wait()
    expect("laps of each", set(seen), {n // places})
    return watch.rate(n, note="2,000 places: each is a thread")


NO_RESTART = "no supervisor: an actor that raises is stopped"
NO_NAMES = "actors have no names that the user chooses"
quiet("pykka")
main(
    {
        "start_child": start_child,
        "memory": memory,
        "call": call,
        "call_clients": call_clients,
        "cast": cast,
        "shutdown": shutdown,
        "ring": ring,
    },
    {
        "call_async": "an actor is a thread, and its handlers are plain functions",
        "restart": NO_RESTART,
        "restart_latency": NO_RESTART,
        "lookup": NO_NAMES,
        "start_via": NO_NAMES,
    },
    package="pykka",
    run=run_plainly,
)
