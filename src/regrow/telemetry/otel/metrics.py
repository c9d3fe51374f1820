"""Metrics for OpenTelemetry, from the figures that the loop's thread counts: exporters read from threads of their own.

``regrow.processes``            living processes, by ``regrow.kind``
``regrow.crashes``              processes that ended by a crash, by ``regrow.kind``
``regrow.restarts``             children that were started again, by ``regrow.kind``
``regrow.mailbox.alarms``       mailboxes that grew over their ``max_mailbox``, by ``regrow.kind``
``regrow.start.failures``       starts and restarts that failed
``regrow.supervisors.gave_up``  supervisors that reached their restart intensity
``regrow.call.duration``        seconds that calls took, by ``regrow.kind``, ``regrow.message`` and ``error.type``
``regrow.run_queue.length``     processes that wait for their turn
``regrow.loop.lag``             the worst delay of the event loop in the last 15 seconds
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from regrow.kernel.runtime import Runtime
from regrow.telemetry.counts import BUCKETS, OTHER, Bounded, CallTimes, Counts
from regrow.telemetry.lag import LoopLag

__all__ = ["Metrics"]


MAX_CALLS = 200
"""The first so many calls, by kind and name, are told apart in ``regrow.call.duration``."""


class Metrics:
    """The instruments of one runtime; ``close`` makes them fall silent."""

    def __init__(self, rt: Runtime, provider: MeterProvider | None, max_kinds: int) -> None:
        counts = self._counts = Counts(rt, max_kinds).acquire()
        lag = self._lag = LoopLag(rt).acquire()
        self._calls = Bounded(MAX_CALLS, (OTHER, OTHER))
        meter = get_meter("regrow", meter_provider=provider)
        level, total = meter.create_observable_up_down_counter, meter.create_observable_counter
        gauge = meter.create_observable_gauge
        by_kind, alone = self._by_kind, self._alone
        level("regrow.processes", [by_kind(counts.processes)], "{process}", "Living processes")
        total("regrow.crashes", [by_kind(counts.crashes)], "{crash}", "Processes that ended by a crash")
        total("regrow.restarts", [by_kind(counts.restarts)], "{restart}", "Children that were started again")
        total(
            "regrow.mailbox.alarms", [by_kind(counts.mailbox_alarms)], "{alarm}", "Mailboxes over their limit"
        )
        total(
            "regrow.start.failures", [alone(lambda: counts.start_failures)], "{failure}", "Starts that failed"
        )
        total(
            "regrow.supervisors.gave_up",
            [alone(lambda: counts.gave_up)],
            "{supervisor}",
            "Supervisors that reached their restart intensity",
        )
        gauge("regrow.run_queue.length", [alone(counts.run_queue)], "{process}", "Processes that wait")
        gauge("regrow.loop.lag", [alone(lag.worst)], "s", "The worst delay of the event loop lately")
        self._durations = meter.create_histogram(
            "regrow.call.duration", "s", "How long calls took", explicit_bucket_boundaries_advisory=BUCKETS
        )
        self._times = CallTimes(rt, self._observe).acquire()

    def close(self) -> None:
        """Count no more. An instrument can't be taken away from its meter, but it has nothing to tell any more."""
        if self._counts.on:
            self._counts.release()
            self._lag.release()
            self._times.release()

    def _by_kind(
        self, read: Callable[[], dict[str, int]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(options: CallbackOptions) -> Iterable[Observation]:
            if not self._counts.on:
                return []
            return [Observation(figure, {"regrow.kind": kind}) for kind, figure in read().items()]

        return observe

    def _alone(self, read: Callable[[], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda options: [Observation(read())] if self._counts.on else []

    def _observe(self, kind: str, call: str, seconds: float, error: BaseException | None) -> None:
        kind, call = self._calls((kind, call))
        attributes: dict[str, Any] = {"regrow.kind": kind, "regrow.message": call}
        if error is not None:
            attributes["error.type"] = type(error).__qualname__
        self._durations.record(seconds, attributes)
