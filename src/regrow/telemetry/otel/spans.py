"""Spans of messages: who called whom, across any number of processes.

A call makes a CLIENT span in the caller, around all that it waits for, and below it a SERVER span around the handler.
A cast makes a PRODUCER span, which ends at once, and below it a CONSUMER span. Both handlers run with that context as
the current one, although they run in the server's own ``contextvars`` context, inline, queued or in a coroutine: the
context travels with the message. So spans that a handler makes, and its calls to others, are below its own.

Plain messages carry no context, so they make no span. Processes that a handler starts do not inherit its context.

Attributes: ``regrow.kind`` (the server's class), ``regrow.message``, ``regrow.pid``, ``regrow.name``, of a handler
``regrow.inline``; of what ended a server ``regrow.exit_reason``; ``error.type``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider, get_tracer, set_span_in_context

from regrow.kernel.errors import ProcessExit, ServerExited, Stop
from regrow.kernel.probes import Kind
from regrow.kernel.process import ENDING, Process
from regrow.kernel.reasons import is_clean
from regrow.kernel.reports import brief
from regrow.telemetry.handling import Handling

__all__ = ["SCOPE", "SpanProbe"]

SCOPE: Final = "regrow"
"""The name of the instrumentation scope."""


class SpanProbe:
    """Makes the spans of one runtime."""

    def __init__(
        self, provider: TracerProvider | None = None, wanted: Callable[[str, str], bool] | None = None
    ) -> None:
        self._tracer = get_tracer(SCOPE, tracer_provider=provider)
        self._wanted = wanted
        self._asked: Context | None = None  # of the call that has just begun: what is sent next is it

    def asking(self, process: Process, label: str) -> Callable[[BaseException | None], None] | None:
        self._asked = None
        if not self._traces(process, label):
            return None
        span = self._start(process, label, SpanKind.CLIENT, None)
        self._asked = set_span_in_context(span)

        def over(error: BaseException | None) -> None:
            _close(span, error)

        return over

    def sending(
        self, process: Process, function: Callable[..., Any], label: str, kind: Kind
    ) -> Callable[..., Any]:
        if kind == "call":
            parent = self._asked
            return (
                function
                if parent is None
                else _Traced(self, process, function, label, SpanKind.SERVER, parent)
            )
        if kind == "cast" and self._traces(process, label):
            span = self._start(process, label, SpanKind.PRODUCER, None)
            span.end()
            return _Traced(self, process, function, label, SpanKind.CONSUMER, set_span_in_context(span))
        return function

    def _traces(self, process: Process, label: str) -> bool:
        return self._wanted is None or self._wanted(process.behaviour.name, label)

    def _start(
        self, process: Process, label: str, kind: SpanKind, parent: Context | None, **more: Any
    ) -> Span:
        server = process.behaviour.name
        attributes = {"regrow.kind": server, "regrow.message": label, "regrow.pid": process.pid, **more}
        if process.name is not None:
            attributes["regrow.name"] = brief(process.name)
        return self._tracer.start_span(f"{server}/{label}", context=parent, kind=kind, attributes=attributes)


class _Traced(Handling):
    """A handler in a span. Its context is current in the handler's plain part, and again in its coroutine's task."""

    __slots__ = ("_in_task", "_kind", "_label", "_parent", "_probe", "_span", "_token")

    def __init__(
        self,
        probe: SpanProbe,
        process: Process,
        function: Callable[..., Any],
        label: str,
        kind: SpanKind,
        parent: Context,
    ) -> None:
        super().__init__(process, function)
        self._probe = probe
        self._label = label
        self._kind = kind
        self._parent = parent
        self._in_task = False

    def begin(self) -> None:
        self._span = self._probe._start(
            self.process, self._label, self._kind, self._parent, **{"regrow.inline": self.inline}
        )
        self._enter()

    def pause(self) -> None:
        if not self._in_task:  # there it stays: what a coroutine makes current lasts over its steps
            otel_context.detach(self._token)

    def resume(self) -> None:
        if not self._in_task:
            self._in_task = True
            self._enter()

    def _enter(self) -> None:
        self._token = otel_context.attach(set_span_in_context(self._span, self._parent))

    def end(self, error: BaseException | None) -> None:
        if not isinstance(error, GeneratorExit):  # that comes from outside of its context, which has ended
            otel_context.detach(self._token)
        process = self.process
        if isinstance(error, asyncio.CancelledError | GeneratorExit) and process.status >= ENDING:
            reason = process.extra.exit_reason if process.extra is not None else None
            self._span.set_attribute("regrow.exit_reason", brief(reason))
            self._span.set_status(StatusCode.ERROR, "the server had to end")
            self._span.end()
        else:
            _close(self._span, error)


def _close(span: Span, error: BaseException | None) -> None:
    """End *span*, with what is to be known of *error*."""
    if error is not None and span.is_recording():
        if isinstance(error, ServerExited | Stop | ProcessExit):
            span.set_attribute("regrow.exit_reason", brief(error.reason))
        if not (isinstance(error, Stop | ProcessExit) and is_clean(error.reason)):
            span.set_attribute("error.type", type(error).__qualname__)
            span.record_exception(error)
            span.set_status(StatusCode.ERROR, brief(error))
    span.end()
