"""The collector for prometheus-client: what it shows, how many labels, and scrapes from other threads."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from regrow import DynamicSupervisor, GenServer, ServerExited, Supervisor, call, process
from regrow.kernel.runtime import runtime
from regrow.telemetry.counts import Bounded, Counts
from regrow.telemetry.prometheus import RegrowCollector
from tests.telemetry.servers import Game, Refused
from tests.waiting import turns, until


def shown(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


async def test_processes_by_kind() -> None:
    registry = CollectorRegistry()
    async with DynamicSupervisor.scope() as games:
        await games.start_child(Game)
        with RegrowCollector().register(registry):
            assert shown(registry, "regrow_processes", kind="Game") == 1
            assert shown(registry, "regrow_processes", kind="DynamicSupervisor") == 1
            more = [await games.start_child(Game) for _ in range(3)]
            assert shown(registry, "regrow_processes", kind="Game") == 4
            await games.terminate_child(more[0])
            assert shown(registry, "regrow_processes", kind="Game") == 3


async def test_crashes_restarts_and_alarms(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")

    class Crammed(GenServer, max_mailbox=2):
        def handle_info(self, message: object) -> None: ...

    registry = CollectorRegistry()
    with RegrowCollector().register(registry):
        async with Supervisor.scope([Game], max_restarts=100) as root:
            for expected in (1, 2, 3):
                (row,) = await root.which_children()
                row.child.burn_down()
                await turns(20)
                assert shown(registry, "regrow_crashes_total", kind="Game") == expected
                assert shown(registry, "regrow_restarts_total", kind="Game") == expected
            assert shown(registry, "regrow_processes", kind="Game") == 1
        async with Crammed.scope() as crammed:
            for _ in range(5):
                process.send(crammed, "more")
            assert shown(registry, "regrow_mailbox_alarms_total", kind="Crammed") == 1
            assert shown(registry, "regrow_run_queue_length") == 1
            await turns()
            assert shown(registry, "regrow_run_queue_length") == 0


async def test_failed_starts_and_supervisors_that_gave_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")

    class Once(GenServer):
        started = 0

        def __init__(self) -> None:
            Once.started += 1
            if Once.started > 1:
                raise OSError("not again")

        def handle_info(self, message: object) -> None:
            raise OSError(message)

    registry = CollectorRegistry()
    with RegrowCollector().register(registry):
        root = await Supervisor.start([Once], max_restarts=2)
        (row,) = await root.which_children()
        process.send(row.child, "go")
        await until(lambda: not process.alive(root))
        assert shown(registry, "regrow_start_failures_total") == 2
        assert shown(registry, "regrow_supervisors_gave_up_total") == 1


async def test_calls_are_a_histogram() -> None:
    registry = CollectorRegistry()
    async with Game.scope() as game:
        with RegrowCollector(buckets=(0.5, 10.0)).register(registry):
            for _ in range(4):
                await game.play(1)
            with pytest.raises(Refused):
                await game.play(-1)
            labels = {"kind": "Game", "call": "play", "outcome": "ok"}
            assert shown(registry, "regrow_call_duration_seconds_count", **labels) == 4
            assert shown(registry, "regrow_call_duration_seconds_bucket", le="0.5", **labels) == 4
            total = shown(registry, "regrow_call_duration_seconds_sum", **labels)
            assert total is not None
            assert 0 < total < 1
            failed = {**labels, "outcome": "failed"}
            assert shown(registry, "regrow_call_duration_seconds_count", **failed) == 1


async def test_calls_may_be_left_alone() -> None:
    rt, registry = runtime(), CollectorRegistry()
    async with Game.scope() as game:
        with RegrowCollector(calls=False).register(registry):
            assert rt.probes == ()
            await game.play(1)
            assert b"regrow_call_duration_seconds_count" not in generate_latest(registry)


async def test_labels_are_bounded() -> None:
    registry = CollectorRegistry()
    kinds = [type(f"Kind{number}", (Game,), {}) for number in range(10)]
    with RegrowCollector(max_kinds=4, max_calls=4).register(registry):
        async with DynamicSupervisor.scope() as supervisor:
            for kind in kinds:
                child = await supervisor.start_child(kind)
                await child.play(1)
            text = generate_latest(registry).decode()
            rows = [line for line in text.splitlines() if line.startswith("regrow_processes{")]
            assert len(rows) == 5
            assert sum(float(line.split()[-1]) for line in rows) == len(runtime().processes)
            calls = [
                line for line in text.splitlines() if line.startswith("regrow_call_duration_seconds_count")
            ]
            assert len(calls) == 5
            assert any('kind="other"' in line and 'call="other"' in line for line in calls)
        assert shown(registry, "regrow_processes", kind="other") == 0


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_a_bound_is_a_whole_number(limit: int) -> None:
    with pytest.raises(ValueError, match="must be a whole number"):
        Bounded(limit)


async def test_closed_it_is_gone_from_the_registry_and_costs_nothing() -> None:
    rt, registry = runtime(), CollectorRegistry()
    probes, listeners = rt.probes, list(rt.listeners)
    collector = RegrowCollector().register(registry)
    assert len(rt.probes) == len(probes) + 1
    collector.close()
    collector.close()
    assert (rt.probes, rt.listeners) == (probes, listeners)
    assert generate_latest(registry) == b""


async def test_a_second_one_in_a_registry_is_refused() -> None:
    registry = CollectorRegistry()
    with RegrowCollector().register(registry):
        second = RegrowCollector()
        with pytest.raises(ValueError, match="Duplicated"):
            second.register(registry)
        second.close()


@pytest.mark.real_time("a thread scrapes while the loop works")
async def test_scrapes_from_a_thread_see_whole_figures() -> None:
    registry = CollectorRegistry()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    texts: list[str] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def scrape() -> None:
        try:
            while not stop.is_set():
                texts.append(generate_latest(registry).decode())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=scrape)
    try:
        with RegrowCollector(max_kinds=1000).register(registry):
            thread.start()
            async with DynamicSupervisor.scope() as supervisor:
                for number in range(300):  # each adds a label while the scrape goes over them
                    kind = type(f"Kind{number}", (Game,), {})
                    child = await supervisor.start_child(kind)
                    await child.play(1)
                    await asyncio.sleep(0)
                await until(lambda: len(texts) > 3)
            stop.set()
            await asyncio.to_thread(thread.join)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    assert errors == []


@pytest.mark.real_time("the standard exporter serves from a thread")
async def test_the_standard_exporter_serves_it() -> None:
    registry = CollectorRegistry()
    async with Game.scope() as game:
        with RegrowCollector().register(registry):
            server, thread = start_http_server(0, "127.0.0.1", registry)
            try:
                await game.play(1)
                url = f"http://127.0.0.1:{server.server_port}/metrics"
                reply = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read())
            finally:
                await asyncio.to_thread(server.shutdown)
                server.server_close()
                thread.join()
    assert b'regrow_processes{kind="Game"} 1.0' in reply
    assert b'regrow_call_duration_seconds_count{call="play",kind="Game",outcome="ok"} 1.0' in reply


async def test_counts_are_held() -> None:
    counts = Counts(runtime())
    with counts, counts:
        assert counts.on
        async with Game.scope():
            assert counts.processes()["Game"] == 1
    assert not counts.on
    assert counts.processes() == {}


class Caller(GenServer):
    @call
    async def crash_other(self, other: Game) -> None:
        with pytest.raises(ServerExited):
            await other.burn()


async def test_a_call_that_ends_with_the_server_is_a_failed_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")
    registry = CollectorRegistry()
    game = await Game.start()
    async with Caller.scope() as caller:
        with RegrowCollector().register(registry):
            await caller.crash_other(game)
            labels = {"kind": "Game", "call": "burn", "outcome": "failed"}
            assert shown(registry, "regrow_call_duration_seconds_count", **labels) == 1
