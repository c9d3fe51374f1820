"""The probe behind the message events: it is installed only while a handler wants one of them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from regrow.kernel.probes import Kind
from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import Runtime
from regrow.servers.rendezvous import who_asks_quietly
from regrow.telemetry.handling import Handling

__all__ = ["MessageProbe"]

Tell = Callable[[str, dict[str, Any]], None]


class MessageProbe:
    """Makes those events of messages that are *wanted*, and nothing for the others."""

    def __init__(self, rt: Runtime, wanted: frozenset[str], tell: Tell) -> None:
        self.runtime = rt
        self.wanted = wanted
        self.tell = tell
        self._calls = bool(wanted & {"call.started", "call.finished", "call.failed"})
        self._casts = "cast.sent" in wanted
        self._handled = "message.handled" in wanted

    def asking(self, process: Process, label: str) -> Callable[[BaseException | None], None] | None:
        if not self._calls:
            return None
        tell = self.tell
        fields = {
            "pid": process.pid,
            "kind": process.behaviour.name,
            "message": label,
            "caller": self._who(),
        }
        tell("call.started", fields)
        began = perf_counter()

        def over(error: BaseException | None) -> None:
            duration = perf_counter() - began
            if error is None:
                tell("call.finished", {**fields, "duration": duration})
            else:
                tell("call.failed", {**fields, "duration": duration, "error": error})

        return over

    def sending(
        self, process: Process, function: Callable[..., Any], label: str, kind: Kind
    ) -> Callable[..., Any]:
        if self._casts and kind == "cast":
            self.tell(
                "cast.sent",
                {"pid": process.pid, "kind": process.behaviour.name, "message": label, "sender": self._who()},
            )
        return _Told(self.tell, process, function, label, kind) if self._handled else function

    def _who(self) -> Pid | None:
        process = who_asks_quietly(self.runtime)
        return None if process is None else process.pid


class _Told(Handling):
    """A handler whose end is an event."""

    __slots__ = ("_began", "_busy", "_kind", "_label", "_resumed", "_tell")

    def __init__(
        self, tell: Tell, process: Process, function: Callable[..., Any], label: str, kind: Kind
    ) -> None:
        super().__init__(process, function)
        self._tell = tell
        self._label = label
        self._kind = kind
        self._busy = 0.0

    def begin(self) -> None:
        self._began = self._resumed = perf_counter()

    def resume(self) -> None:
        self._resumed = perf_counter()

    def pause(self) -> None:
        self._busy += perf_counter() - self._resumed

    def end(self, error: BaseException | None) -> None:
        now = perf_counter()
        self._tell(
            "message.handled",
            {
                "pid": self.process.pid,
                "kind": self.process.behaviour.name,
                "message": self._label,
                "type": self._kind,
                "inline": self.inline,
                "duration": now - self._began,
                "busy": self._busy + now - self._resumed,
                "error": error,
            },
        )
