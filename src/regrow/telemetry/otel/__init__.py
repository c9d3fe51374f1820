"""``regrow[otel]``: OpenTelemetry spans for calls and casts, and metrics, through the official ``opentelemetry-api``.

    from regrow.telemetry.otel import instrument

    class Shop(Application):
        async def start(self, start_type, args):
            instrument()          # the global providers, or tracer_provider=..., meter_provider=...
            ...

Where spans and metrics go is the business of the SDK that the program sets up. ``spans`` says what is traced, and
``metrics`` what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from regrow.kernel.probes import install, remove
from regrow.kernel.runtime import Runtime, runtime

try:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("opentelemetry"):
        raise
    raise ModuleNotFoundError(
        "regrow.telemetry.otel needs opentelemetry-api, which is not installed. "
        'Install it with:  pip install "regrow[otel]"',
        name=error.name,
    ) from None

from regrow.telemetry.otel.metrics import Metrics
from regrow.telemetry.otel.spans import SpanProbe

__all__ = ["Instrumentation", "instrument"]


class Instrumentation:
    """What ``instrument`` gives: ``close``, or leaving it as a ``with`` block, ends it."""

    def __init__(self, rt: Runtime, probe: SpanProbe | None, metrics: Metrics | None) -> None:
        self._runtime = rt
        self._probe = probe
        self._metrics = metrics
        if probe is not None:
            install(rt, probe)

    def close(self) -> None:
        """Make no more spans, and measure no more. Spans of messages that are on their way come to their end."""
        probe, self._probe = self._probe, None
        metrics, self._metrics = self._metrics, None
        if probe is not None:
            remove(self._runtime, probe)
        if metrics is not None:
            metrics.close()
        if self._runtime.parts.get("telemetry.otel") is self:
            del self._runtime.parts["telemetry.otel"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    spans: bool = True,
    metrics: bool = True,
    wanted: Callable[[str, str], bool] | None = None,
    max_kinds: int = 50,
) -> Instrumentation:
    """Trace and measure the processes of the running event loop, from now until ``close``.

    Without providers the global ones are used. ``wanted(kind, message)`` says whether calls and casts of that name to
    that class are traced; without it all are. The first *max_kinds* kinds of processes have values of their own in
    the metrics, the others are ``other``. RuntimeError if this event loop is instrumented already.

    While there are spans, each call and cast costs more, whether or not it is sampled: mostly what the SDK takes.
    """
    rt = runtime()
    if "telemetry.otel" in rt.parts:
        raise RuntimeError(
            "this event loop is instrumented already; close() the first one, each message has one span"
        )
    made = Instrumentation(
        rt,
        SpanProbe(tracer_provider, wanted) if spans else None,
        Metrics(rt, meter_provider, max_kinds) if metrics else None,
    )
    rt.parts["telemetry.otel"] = made
    return made
