"""The workloads in Ray, for a few actors: each is an operating system process, another order of magnitude."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from harness import Figure, Stopwatch, expect, main, median, percentile, run_plainly
from ray.exceptions import RayActorError

ALONE = "no supervisor: the actors are created alone; each is an OS process"


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)
class Counter:
    def __init__(self, count: int) -> None:
        self.count = count

    def add(self, n: int) -> int:
        self.count += n
        return self.count

    def pid(self) -> int:
        return os.getpid()

    def crash(self) -> None:
        os._exit(1)


@ray.remote(num_cpus=0)
class Later:
    def __init__(self) -> None:
        self.count = 0

    async def add(self, n: int) -> int:
        await asyncio.sleep(0)
        self.count += n
        return self.count


def clustered(workload: Callable[[int], Figure]) -> Callable[[int], Figure]:
    def run(n: int) -> Figure:
        ray.init(
            num_cpus=1,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )
        try:
            figure = workload(n)
        finally:
            ray.shutdown()
        figure.cpu = 0.0  # that of one process of several says nothing
        return figure

    return run


def counters(n: int, named: bool = False) -> list[Any]:
    """Actors that run: each has answered once."""
    made = []
    for i in range(n):
        kind = Counter.options(name=f"counter {i}") if named else Counter
        made.append(kind.remote(i))
        ray.get(made[-1].add.remote(0))
    return made


@clustered
def start_child(n: int) -> Figure:
    counters(1)
    with Stopwatch() as watch:
        made = counters(n)
    expect("sum of their states", sum(ray.get([each.add.remote(0) for each in made])), sum(range(n)))
    return watch.rate(n, note=ALONE)


@clustered
def start_via(n: int) -> Figure:
    counters(1)
    with Stopwatch() as watch:
        made = counters(n, named=True)
    expect("sum of their states", sum(ray.get([each.add.remote(0) for each in made])), sum(range(n)))
    return watch.rate(n, note=ALONE)


@clustered
def memory(n: int) -> Figure:
    sizes = [proportional(ray.get(each.pid.remote())) for each in counters(n)]
    return Figure(median(sizes), detail={"note": "median of the proportional set sizes of the processes"})


def proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel shows no proportional set size")


def calling(kind: Any, *args: Any) -> Callable[[int], Figure]:
    @clustered
    def run(n: int) -> Figure:
        counter = kind.remote(*args)
        ray.get(counter.add.remote(0))
        with Stopwatch() as watch:
            for _ in range(n):
                ray.get(counter.add.remote(1))
        expect("sum", ray.get(counter.add.remote(0)), n)
        return watch.rate(n)

    return run


@clustered
def cast(n: int) -> Figure:
    (counter,) = counters(1)
    with Stopwatch() as watch:
        for _ in range(n):
            counter.add.remote(1)
        total = ray.get(counter.add.remote(0))
    expect("sum", total, n)
    return watch.rate(n)


def new_pid(actor: Any, old: int) -> int:
    while True:
        try:
            pid: int = ray.get(actor.pid.remote())
        except RayActorError:
            time.sleep(0.005)
            continue
        if pid != old:
            return pid


@clustered
def restart(n: int) -> Figure:
    made = counters(n)
    old = ray.get([each.pid.remote() for each in made])
    with Stopwatch() as watch:
        for each in made:
            each.crash.remote()
        new = [new_pid(each, pid) for each, pid in zip(made, old, strict=True)]
    expect("old ones", len(set(old) & set(new)), 0)
    return watch.rate(n, note="a crash is the death of the process: an exception restarts nothing")


@clustered
def restart_latency(n: int) -> Figure:
    made, took = counters(n), []
    for each in made:
        old = ray.get(each.pid.remote())
        start = time.monotonic()
        each.crash.remote()
        new_pid(each, old)
        took.append((time.monotonic() - start) * 1e6)
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


@clustered
def shutdown(n: int) -> Figure:
    made = counters(n)
    pids = ray.get([each.pid.remote() for each in made])
    with Stopwatch() as watch:
        for each in made:
            ray.kill(each)
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.001)
    return watch.rate(n, note=ALONE)


@clustered
def lookup(n: int) -> Figure:
    made = counters(10, named=True)
    with Stopwatch() as watch:
        for _ in range(n // 10):
            found = [ray.get_actor(f"counter {i}") for i in range(10)]
    expect("actors", [each._actor_id for each in found], [each._actor_id for each in made])
    return watch.rate(n, note="10 names")


MANY = "an actor is an operating system process: this many do not fit on one machine"
main(
    {
        "start_child": start_child,
        "memory": memory,
        "call": calling(Counter, 0),
        "call_async": calling(Later),
        "cast": cast,
        "restart": restart,
        "restart_latency": restart_latency,
        "shutdown": shutdown,
        "lookup": lookup,
        "start_via": start_via,
    },
    {"call_clients": MANY, "ring": MANY},
    package="ray",
    run=run_plainly,
)
