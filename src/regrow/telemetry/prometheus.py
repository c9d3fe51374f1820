"""``regrow[prometheus]``: a collector for the ``prometheus-client`` package.

    from prometheus_client import start_http_server
    from regrow.telemetry.prometheus import RegrowCollector

    class Shop(Application):
        async def start(self, start_type, args):
            RegrowCollector().register()      # in the default registry
            start_http_server(9464)           # serves from a thread of its own
            ...

It shows

``regrow_processes{kind}``                            living processes
``regrow_crashes_total{kind}``                        processes that ended by a crash
``regrow_restarts_total{kind}``                       children that were started again
``regrow_mailbox_alarms_total{kind}``                 mailboxes that grew over their ``max_mailbox``
``regrow_start_failures_total``                       starts and restarts that failed
``regrow_supervisors_gave_up_total``                  supervisors that reached their restart intensity
``regrow_call_duration_seconds{kind,call,outcome}``   a histogram; outcome is ``ok`` or ``failed``
``regrow_run_queue_length``                           processes that wait for their turn
``regrow_loop_lag_seconds``                           the worst delay of the event loop in the last 15 seconds

A scrape may come from any thread: it reads figures that were counted in the loop's own, and no table of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from regrow.kernel.runtime import Runtime, runtime
from regrow.telemetry.counts import BUCKETS, OTHER, Bounded, CallTimes, Counts
from regrow.telemetry.lag import LoopLag

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Histogram
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":
        raise
    raise ModuleNotFoundError(
        "regrow.telemetry.prometheus needs prometheus-client, which is not installed. "
        'Install it with:  pip install "regrow[prometheus]"',
        name="prometheus_client",
    ) from None

__all__ = ["BUCKETS", "RegrowCollector"]


class RegrowCollector(Collector):
    """The figures of one runtime, those of the running event loop if no other is given.

    It counts from when it is made until ``close``, and is shown where it is registered: by ``register``, or by
    ``registry.register(collector)``. The first *max_kinds* kinds of processes have labels of their own, and the first
    *max_calls* calls; the others are ``other``. With ``calls=False`` calls are not timed, and cost nothing more.
    """

    def __init__(
        self,
        rt: Runtime | None = None,
        *,
        max_kinds: int = 50,
        max_calls: int = 200,
        calls: bool = True,
        buckets: Sequence[float] = BUCKETS,
    ) -> None:
        rt = rt or runtime()
        self._counts = Counts(rt, max_kinds).acquire()
        self._lag = LoopLag(rt).acquire()
        self._calls = Bounded(max_calls, (OTHER, OTHER))
        self._durations = Histogram(
            "regrow_call_duration_seconds",
            "How long calls took, from the caller's side",
            ("kind", "call", "outcome"),
            buckets=buckets,
            registry=None,
        )
        self._series: dict[tuple[str, str, bool], Any] = {}
        self._times = CallTimes(rt, self._observe).acquire() if calls else None
        self._registry: CollectorRegistry | None = None

    def register(self, registry: CollectorRegistry = REGISTRY) -> Self:
        """Show it in *registry*; ``close`` takes it away from there again."""
        registry.register(self)
        self._registry = registry
        return self

    def close(self) -> None:
        """Count no more, in the loop's own thread, and leave the registry that ``register`` was given."""
        registry, self._registry = self._registry, None
        if registry is not None:
            registry.unregister(self)
        if self._counts.on:
            self._counts.release()
            self._lag.release()
            if self._times is not None:
                self._times.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def describe(self) -> Iterator[Metric]:
        """The names that it shows, so that a registry can refuse a second one."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """What a registry asks for at each scrape, from whichever thread."""
        counts = self._counts
        by_kind = ("kind",)
        processes = GaugeMetricFamily("regrow_processes", "Living processes", labels=by_kind)
        yield _filled(processes, counts.processes())
        crashes = CounterMetricFamily("regrow_crashes", "Processes that ended by a crash", labels=by_kind)
        yield _filled(crashes, counts.crashes())
        restarts = CounterMetricFamily("regrow_restarts", "Children that were started again", labels=by_kind)
        yield _filled(restarts, counts.restarts())
        alarms = CounterMetricFamily(
            "regrow_mailbox_alarms", "Mailboxes that grew over their max_mailbox", labels=by_kind
        )
        yield _filled(alarms, counts.mailbox_alarms())
        yield CounterMetricFamily(
            "regrow_start_failures", "Starts and restarts of children that failed", counts.start_failures
        )
        yield CounterMetricFamily(
            "regrow_supervisors_gave_up", "Supervisors that reached their restart intensity", counts.gave_up
        )
        yield GaugeMetricFamily(
            "regrow_run_queue_length", "Processes that wait for their turn", counts.run_queue()
        )
        yield GaugeMetricFamily(
            "regrow_loop_lag_seconds",
            "The worst delay of the event loop in the last 15 seconds",
            self._lag.worst(),
        )
        yield from self._durations.collect()

    def _observe(self, kind: str, call: str, seconds: float, error: BaseException | None) -> None:
        key = (*self._calls((kind, call)), error is None)
        series = self._series.get(key)
        if series is None:
            kind, call, fine = key
            series = self._series[key] = self._durations.labels(kind, call, "ok" if fine else "failed")
        series.observe(seconds)


def _filled(family: Any, figures: dict[str, int]) -> Metric:
    for kind, figure in figures.items():
        family.add_metric((kind,), figure)
    filled: Metric = family
    return filled
