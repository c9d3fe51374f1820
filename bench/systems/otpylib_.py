"""The workloads in otpylib. A call there needs a target with a name, so whoever is called has one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from harness import WARM_UP, Figure, Gate, Stopwatch, expect, main, median, percentile, resident
from loguru import logger
from otpylib import dynamic_supervisor, gen_server, process
from otpylib.dynamic_supervisor.atoms import PERMANENT
from otpylib.gen_server.data import NoReply, Reply
from otpylib.module import DYNAMIC_SUPERVISOR, GEN_SERVER, OTPModule
from otpylib.runtime.backends.asyncio_backend.backend import AsyncIOBackend

MANY = 1_000_000_000


class Counter(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    async def init(self, args: int) -> int:
        return args

    async def handle_call(self, request: tuple[str, int], from_pid: Any, state: int) -> Any:
        kind, n = request
        if kind == "add_later":
            await asyncio.sleep(0)
        return Reply(payload=state + n), state + n

    async def handle_cast(self, message: tuple[str, int], state: int) -> Any:
        return NoReply(), state + message[1]

    async def handle_info(self, message: Any, state: int) -> Any:
        return NoReply(), state

    async def terminate(self, reason: Any, state: int) -> None: ...


class Fragile(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    async def init(self, args: Gate) -> Gate:
        args.arrive()
        return args

    async def handle_call(self, request: str, from_pid: Any, state: Gate) -> Any:
        return Reply(payload="pong"), state

    async def handle_cast(self, message: str, state: Gate) -> Any:
        raise RuntimeError("as asked")

    async def handle_info(self, message: Any, state: Gate) -> Any:
        return NoReply(), state

    async def terminate(self, reason: Any, state: Gate) -> None: ...


class Node(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    async def init(self, args: Any) -> Any:
        return args

    async def handle_call(self, request: Any, from_pid: Any, state: Any) -> Any:
        return Reply(payload=None), state

    async def handle_cast(self, message: int, state: Any) -> Any:
        nodes, place, done, seen = state
        seen[place] += 1
        if message:
            await gen_server.cast(nodes[(place + 1) % len(nodes)], message - 1)
        else:
            done.set_result(None)
        return NoReply(), state

    async def handle_info(self, message: Any, state: Any) -> Any:
        return NoReply(), state

    async def terminate(self, reason: Any, state: Any) -> None: ...


class Pool(metaclass=OTPModule, behavior=DYNAMIC_SUPERVISOR, version="1.0.0"):
    async def init(self, args: Any) -> Any:
        return [], dynamic_supervisor.options(max_restarts=MANY, max_seconds=5)

    async def terminate(self, reason: Any, state: Any) -> None: ...


async def start(sup: str, module: Any, argument: Any, name: str, registered: bool = False) -> str:
    spec = dynamic_supervisor.child_spec(name, module, argument, PERMANENT, name if registered else None)
    answer = await dynamic_supervisor.start_child(sup, spec)
    if answer[0].name != "ok":
        raise RuntimeError(answer[1])
    pid: str = answer[1]
    return pid


def in_a_process(workload: Callable[[str, int], Any]) -> Callable[[int], Any]:
    async def run(n: int) -> Figure:
        backend = AsyncIOBackend()
        await backend.initialize()
        process.use_runtime(backend)
        outcome = asyncio.get_running_loop().create_future()

        async def body() -> None:
            try:
                outcome.set_result(await workload(await dynamic_supervisor.start_link(Pool), n))
            except Exception as error:
                outcome.set_exception(error)

        with silent():
            await process.spawn(body, mailbox=True)
            figure: Figure = await outcome
        return figure

    return run


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """It prints each crash; that goes where the other systems' reports go."""
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


@in_a_process
async def start_child(sup: str, n: int) -> Figure:
    for i in range(WARM_UP):
        await start(sup, Counter, i, f"warm {i}")
    with Stopwatch() as watch:
        pids = [await start(sup, Counter, i, f"counter {i}") for i in range(n)]
    expect("children that live", sum(process.is_alive(pid) for pid in pids), n)
    return watch.rate(n)


@in_a_process
async def memory(sup: str, n: int) -> Figure:
    for i in range(WARM_UP):
        await start(sup, Counter, i, f"warm {i}")
    before = resident()
    for i in range(n):
        await start(sup, Counter, i, f"counter {i}")
    return Figure((resident() - before) / n)


@in_a_process
async def start_via(sup: str, n: int) -> Figure:
    with Stopwatch() as watch:
        for i in range(n):
            await start(sup, Counter, i, f"counter {i}", registered=True)
    total = sum([await gen_server.call(f"counter {i}", ("add", 0)) for i in range(n)])
    expect("sum of their states", total, sum(range(n)))
    return watch.rate(n)


@in_a_process
async def lookup(sup: str, n: int) -> Figure:
    names = [f"counter {i}" for i in range(1000)]
    pids = [await start(sup, Counter, 0, name, registered=True) for name in names]
    with Stopwatch() as watch:
        for _ in range(n // len(names)):
            for name in names:
                process.whereis(name)
    expect("pids", [process.whereis(name) for name in names], pids)
    return watch.rate(n, note="1,000 names")


def calling(kind: str) -> Callable[[int], Any]:
    @in_a_process
    async def run(sup: str, n: int) -> Figure:
        await start(sup, Counter, 0, "one", registered=True)
        for _ in range(WARM_UP):
            await gen_server.call("one", (kind, 1))
        with Stopwatch() as watch:
            for _ in range(n):
                await gen_server.call("one", (kind, 1))
        expect("sum", await gen_server.call("one", ("add", 0)), n + WARM_UP)
        return watch.rate(n)

    return run


@in_a_process
async def call_clients(sup: str, n: int) -> Figure:
    clients, each = 1000, n // 1000
    gate, totals = Gate(), []

    async def client(i: int) -> None:
        for _ in range(each):
            total = await gen_server.call(f"counter {i}", ("add", 1))
        totals.append(total)
        gate.arrive()

    for i in range(clients):
        await start(sup, Counter, 0, f"counter {i}", registered=True)
    with Stopwatch() as watch:
        done = gate.announce(clients)
        for i in range(clients):
            await process.spawn(client, args=[i], mailbox=True)
        await done
    expect("sums", totals, [each] * clients)
    return watch.rate(clients * each)


@in_a_process
async def cast(sup: str, n: int) -> Figure:
    await start(sup, Counter, 0, "one", registered=True)
    with Stopwatch() as watch:
        for _ in range(n):
            await gen_server.cast("one", ("put", 1))
        total = await gen_server.call("one", ("add", 0))
    expect("sum", total, n)
    return watch.rate(n)


async def fragile(sup: str, n: int) -> tuple[Gate, list[str]]:
    gate = Gate()
    return gate, [await start(sup, Fragile, gate, f"fragile {i}") for i in range(n)]


@in_a_process
async def restart(sup: str, n: int) -> Figure:
    gate, pids = await fragile(sup, n)
    with Stopwatch() as watch:
        up = gate.announce(n)
        for pid in pids:
            await gen_server.cast(pid, "crash")
        try:
            await asyncio.wait_for(up, 30)
        except TimeoutError:
            raise TimeoutError(f"{n - gate.missing} of {n} children were up again after 30 s") from None
    expect("old ones", sum(map(process.is_alive, pids)), 0)
    return watch.rate(n)


@in_a_process
async def restart_latency(sup: str, n: int) -> Figure:
    gate, pids = await fragile(sup, n)
    took = []
    for pid in pids:
        start = monotonic()
        up = gate.announce(1)
        await gen_server.cast(pid, "crash")
        await up
        took.append((monotonic() - start) * 1e6)
        await dynamic_supervisor.count_children(sup)
    return Figure(median(took), detail={"p99_us": percentile(took, 0.99)})


@in_a_process
async def shutdown(sup: str, n: int) -> Figure:
    pids = [await start(sup, Counter, i, f"counter {i}") for i in range(n)]
    with Stopwatch() as watch:
        await process.send(sup, dynamic_supervisor.atoms.SHUTDOWN)
        while any(map(process.is_alive, pids)):
            pids = [pid for pid in pids if process.is_alive(pid)]
            await asyncio.sleep(0)
    return watch.rate(n)


@in_a_process
async def ring(sup: str, n: int) -> Figure:
    places, nodes, seen = 10_000, list[str](), [0] * 10_000
    done = asyncio.get_running_loop().create_future()
    for place in range(places):
        nodes.append(await start(sup, Node, (nodes, place, done, seen), f"node {place}"))
    with Stopwatch() as watch:
        await gen_server.cast(nodes[0], n - 1)
        await done
    expect("laps of each", set(seen), {n // places})
    return watch.rate(n)


logger.remove()
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
        "shutdown": shutdown,
        "lookup": lookup,
        "start_via": start_via,
        "ring": ring,
    },
    package="otpylib",
)
