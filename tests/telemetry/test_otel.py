"""OpenTelemetry: spans hang together across processes whatever way a message takes, and metrics are what they say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from regrow import (
    KILL,
    CallTimeout,
    GenServer,
    ServerExited,
    Shutdown,
    Supervisor,
    call,
    cast,
    process,
    within,
)
from regrow.kernel.runtime import runtime
from regrow.telemetry.otel import instrument
from tests.telemetry.servers import Game, Refused
from tests.waiting import forever, turns, until


class Traced:
    """The SDK with everything kept in memory."""

    def __init__(self) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(
            self.exporter.get_finished_spans(), key=lambda span: (span.start_time or 0, span.kind.value)
        )

    def one(self, name: str, kind: SpanKind) -> ReadableSpan:
        (span,) = [each for each in self.spans if each.name == name and each.kind is kind]
        return span

    def lineage(self, span: ReadableSpan) -> list[str]:
        """Its name and kind, and those of its parents."""
        by_id = {each.context.span_id: each for each in self.spans}
        rows = []
        at: ReadableSpan | None = span
        while at is not None:
            rows.append(f"{at.name} {at.kind.name}")
            at = None if at.parent is None else by_id[at.parent.span_id]
        return rows


@pytest.fixture
def traced() -> Traced:
    return Traced()


class Inner(GenServer):
    def __init__(self, tracer: trace.Tracer) -> None:
        self.tracer = tracer
        self.seen: list[trace.Span] = []

    @call
    def plain(self) -> str:
        with self.tracer.start_as_current_span("work"):
            return str(baggage.get_baggage("user"))

    @call
    async def waits(self) -> str:
        with self.tracer.start_as_current_span("outer work"):
            await asyncio.sleep(0.01)
            with self.tracer.start_as_current_span("inner work"):
                await asyncio.sleep(0.01)
        self.seen.append(trace.get_current_span())
        return str(baggage.get_baggage("user"))

    @cast
    def told(self) -> None:
        self.seen.append(trace.get_current_span())

    @call
    def current(self) -> bool:
        return trace.get_current_span() is trace.INVALID_SPAN

    @call
    async def hang(self) -> None:
        await forever()


class Outer(GenServer):
    def __init__(self, inner: Inner) -> None:
        self.inner = inner

    @call
    async def through(self) -> str:
        return await self.inner.plain()

    @call
    async def twice(self) -> None:
        await asyncio.gather(self.inner.plain(), self.inner.plain())

    @cast
    def pass_on(self) -> None:
        self.inner.told()


@pytest.mark.parametrize("mode", ["on", "off", "random"])
async def test_a_handlers_span_is_below_the_callers(
    mode: str, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime(), "inline", mode)
    async with Inner.scope(traced.tracer) as inner, Outer.scope(inner) as outer:
        with instrument(tracer_provider=traced.provider, metrics=False):
            with traced.tracer.start_as_current_span("request"):
                await inner.plain()
                assert trace.get_current_span().get_span_context().is_valid
                await outer.through()
    lineages = [traced.lineage(span) for span in traced.spans if span.name == "work"]
    below_request = ["Inner/plain SERVER", "Inner/plain CLIENT"]
    assert lineages == [
        ["work INTERNAL", *below_request, "request INTERNAL"],
        [
            *("work INTERNAL", *below_request),
            *("Outer/through SERVER", "Outer/through CLIENT", "request INTERNAL"),
        ],
    ]
    assert len({span.context.trace_id for span in traced.spans}) == 1


@pytest.mark.parametrize("mode", ["on", "off"])
async def test_a_coroutines_own_spans_stay_current_over_its_steps(
    mode: str, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime(), "inline", mode)
    async with Inner.scope(traced.tracer) as inner:
        with instrument(tracer_provider=traced.provider, metrics=False):
            await inner.waits()
    span = next(each for each in traced.spans if each.name == "inner work")
    assert traced.lineage(span) == [
        *("inner work INTERNAL", "outer work INTERNAL"),
        *("Inner/waits SERVER", "Inner/waits CLIENT"),
    ]


async def test_calls_beside_each_other_have_the_same_parent(traced: Traced) -> None:
    async with Inner.scope(traced.tracer) as inner, Outer.scope(inner) as outer:
        with instrument(tracer_provider=traced.provider, metrics=False):
            await outer.twice()
    works = [traced.lineage(each) for each in traced.spans if each.name == "work"]
    assert len(works) == 2
    assert works[0] == works[1]
    assert works[0][-1] == "Outer/twice CLIENT"


async def test_a_cast_is_followed_over_processes(traced: Traced) -> None:
    async with Inner.scope(traced.tracer) as inner, Outer.scope(inner) as outer:
        with instrument(tracer_provider=traced.provider, metrics=False):
            with traced.tracer.start_as_current_span("request"):
                outer.pass_on()
            await turns(20)
    assert traced.lineage(traced.one("Inner/told", SpanKind.CONSUMER)) == [
        *("Inner/told CONSUMER", "Inner/told PRODUCER"),
        *("Outer/pass_on CONSUMER", "Outer/pass_on PRODUCER", "request INTERNAL"),
    ]


@pytest.mark.parametrize("mode", ["on", "off"])
async def test_baggage_travels_and_nothing_of_it_stays(
    mode: str, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime(), "inline", mode)
    async with Inner.scope(traced.tracer) as inner:
        with instrument(tracer_provider=traced.provider, metrics=False):
            token = otel_context.attach(baggage.set_baggage("user", "ann"))
            assert await inner.plain() == "ann"
            assert await inner.waits() == "ann"
            otel_context.detach(token)
            assert await inner.plain() == "None"
        assert await inner.current(), "without instrumentation nothing is current in the server"


async def test_attributes_say_who_and_how(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime(), "inline", "off")
    async with Game.options(name="table 1").scope() as game:
        with instrument(tracer_provider=traced.provider, metrics=False):
            await game.play(1)
        pid = process.pid_of(game)
    client, server = (traced.one("Game/play", kind) for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    who = {"regrow.kind": "Game", "regrow.message": "play", "regrow.pid": pid, "regrow.name": "'table 1'"}
    assert dict(client.attributes or {}) == who
    assert dict(server.attributes or {}) == {**who, "regrow.inline": False}
    assert client.status.status_code is StatusCode.UNSET
    assert client.instrumentation_scope is not None
    assert client.instrumentation_scope.name == "regrow"


def told(span: ReadableSpan) -> tuple[StatusCode, Any, list[str]]:
    attributes = span.attributes or {}
    return span.status.status_code, attributes.get("error.type"), [each.name for each in span.events]


async def test_an_error_is_recorded_on_both_sides(traced: Traced) -> None:
    async with Game.scope() as game:
        with instrument(tracer_provider=traced.provider, metrics=False):
            with pytest.raises(Refused):
                await game.play(-1)
    for kind in (SpanKind.CLIENT, SpanKind.SERVER):
        assert told(traced.one("Game/play", kind)) == (StatusCode.ERROR, "Refused", ["exception"])


async def test_a_crash_ends_both_spans(traced: Traced, caplog: pytest.LogCaptureFixture) -> None:
    game = await Game.start()
    with instrument(tracer_provider=traced.provider, metrics=False):
        with pytest.raises(ServerExited):
            await game.burn()
    server, client = (traced.one("Game/burn", kind) for kind in (SpanKind.SERVER, SpanKind.CLIENT))
    assert told(server) == (StatusCode.ERROR, "Boom", ["exception"])
    assert told(client) == (StatusCode.ERROR, "ServerExited", ["exception"])
    assert (client.attributes or {})["regrow.exit_reason"] == "Boom('as asked')"


async def test_a_clean_stop_is_no_error_of_the_server(traced: Traced) -> None:
    game = await Game.start()
    with instrument(tracer_provider=traced.provider, metrics=False):
        with pytest.raises(ServerExited):
            await game.finish(Shutdown("closing time"))
    server, client = (traced.one("Game/finish", kind) for kind in (SpanKind.SERVER, SpanKind.CLIENT))
    assert told(server) == (StatusCode.UNSET, None, [])
    assert "closing time" in str((server.attributes or {})["regrow.exit_reason"])
    assert told(client)[0] is StatusCode.ERROR


async def test_a_server_that_is_killed_ends_its_span(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    inner = await Inner.start(traced.tracer)
    with instrument(tracer_provider=traced.provider, metrics=False):
        waiting = asyncio.create_task(inner.hang())
        queued = asyncio.create_task(inner.plain())
        await turns(20)
        process.exit(inner, KILL)
        for each in (waiting, queued):
            with pytest.raises(ServerExited):
                await each
        await turns()
    server = traced.one("Inner/hang", SpanKind.SERVER)
    assert server.status.status_code is StatusCode.ERROR
    assert (server.attributes or {})["regrow.exit_reason"] == "KILLED"
    assert told(traced.one("Inner/plain", SpanKind.CLIENT))[:2] == (StatusCode.ERROR, "ServerExited")
    assert "Failed to detach" not in caplog.text


async def test_one_that_has_to_be_fenced_ends_its_span_too(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(GenServer):
        @call
        async def stay(self) -> None:
            while True:
                try:
                    await forever()
                except asyncio.CancelledError:
                    pass

    stubborn = await Stubborn.start()
    with instrument(tracer_provider=traced.provider, metrics=False):
        waiting = asyncio.create_task(stubborn.stay())
        await turns(20)
        process.exit(stubborn, KILL)
        with pytest.raises(ServerExited):
            await waiting
    assert traced.one("Stubborn/stay", SpanKind.SERVER).status.status_code is StatusCode.ERROR
    assert "Failed to detach" not in caplog.text


async def test_a_time_out_ends_the_callers_span_and_not_the_servers(traced: Traced) -> None:
    async with Game.scope() as game:
        with instrument(tracer_provider=traced.provider, metrics=False):
            with pytest.raises(CallTimeout):
                await within(game, 0.1).think(1.0)
            assert [each.kind for each in traced.spans] == [SpanKind.CLIENT]
            await asyncio.sleep(2)
    assert told(traced.one("Game/think", SpanKind.CLIENT))[1] == "CallTimeout"
    assert told(traced.one("Game/think", SpanKind.SERVER)) == (StatusCode.UNSET, None, [])


async def test_a_call_that_was_never_sent_has_no_spans(traced: Traced) -> None:
    async with Game.scope() as game:
        with instrument(tracer_provider=traced.provider, metrics=False):
            with pytest.raises(TypeError):
                await game.play()  # type: ignore[call-arg]  # that is the point
            assert await game.play(1) == 1
    assert [told(each)[1] for each in traced.spans] == [None, None]


async def test_only_what_is_wanted_is_traced(traced: Traced) -> None:
    async with Game.scope() as game:
        with instrument(
            tracer_provider=traced.provider, metrics=False, wanted=lambda kind, message: message == "play"
        ):
            await game.play(1)
            game.note(1)
            await game.all()
    assert {each.name for each in traced.spans} == {"Game/play"}


async def test_closed_it_costs_nothing_and_open_it_is_once(traced: Traced) -> None:
    rt = runtime()
    probes, listeners = rt.probes, list(rt.listeners)
    first = instrument(tracer_provider=traced.provider, meter_provider=MeterProvider(shutdown_on_exit=False))
    with pytest.raises(RuntimeError, match="instrumented already"):
        instrument(tracer_provider=traced.provider)
    first.close()
    first.close()
    assert (rt.probes, rt.listeners) == (probes, listeners)
    with instrument(tracer_provider=traced.provider, metrics=False):
        pass


# --- metrics ----------------------------------------------------------------------------------------------------------


class Measured:
    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def points(self) -> dict[tuple[str, Any], Any]:
        """Each figure by the metric's name and the values of its attributes."""
        found: dict[tuple[str, Any], Any] = {}
        data = self.reader.get_metrics_data()
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        values = tuple(value for _, value in sorted((point.attributes or {}).items()))
                        found[metric.name, values] = point
        return found


@pytest.fixture
def measured() -> Iterator[Measured]:
    made = Measured()
    yield made
    made.provider.shutdown()


async def test_metrics(measured: Measured, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")
    with instrument(meter_provider=measured.provider, spans=False):
        async with Supervisor.scope([Game], max_restarts=10) as root:
            (row,) = await root.which_children()
            for _ in range(3):
                await row.child.play(1)
            with pytest.raises(ServerExited):
                await row.child.burn()
            await turns(20)
            points = measured.points()
            assert points["regrow.processes", ("Game",)].value == 1
            assert points["regrow.crashes", ("Game",)].value == 1
            assert points["regrow.restarts", ("Game",)].value == 1
            assert points["regrow.start.failures", ()].value == 0
            assert points["regrow.supervisors.gave_up", ()].value == 0
            assert points["regrow.run_queue.length", ()].value == 0
            assert 0 <= points["regrow.loop.lag", ()].value < 3
            calls = points["regrow.call.duration", ("Game", "play")]
            assert (calls.count, calls.explicit_bounds[0]) == (3, 0.00001)
            assert points["regrow.call.duration", ("ServerExited", "Game", "burn")].count == 1
    assert {name for name, _ in measured.points()} == {"regrow.call.duration"}, "the others fall silent"


async def test_a_mailbox_alarm_is_a_metric(measured: Measured) -> None:
    class Crammed(GenServer, max_mailbox=1):
        def handle_info(self, message: object) -> None: ...

    with instrument(meter_provider=measured.provider, spans=False):
        async with Crammed.scope() as crammed:
            await until(lambda: process.info(crammed).status == "idle")
            for _ in range(4):
                process.send(crammed, "more")
            assert measured.points()["regrow.mailbox.alarms", ("Crammed",)].value == 1
