"""Probes: how somebody outside watches messages being sent and handled.

A *probe* is asked at each message what is to run in the handler's place, and so can time it, count it, or carry
something along with it; and it is told when a call begins and ends. While there is none, nothing of it costs
anything: the shortest ways of a message are closed when one is installed, and open again when the last has gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol

from regrow.kernel.process import Process
from regrow.kernel.runtime import Runtime

__all__ = ["Kind", "Probe", "asking", "install", "remove", "sending"]

Kind = Literal["call", "cast", "info"]
"""What a message is: one with an answer, one without, or a plain one that is none of the server's own."""

Handler = Callable[..., Any]
Answered = Callable[[BaseException | None], object]


class Probe(Protocol):
    """What is installed. Both functions run in the middle of things, so they only note down."""

    def sending(self, process: Process, function: Handler, label: str, kind: Kind) -> Handler:
        """Give what is to run in the place of *function*, as ``f(server, *args, **kwargs)``, in the server.

        It is asked for a call and a cast by the sender, and for any other message when its turn has come. What it
        gives returns what *function* returns, a coroutine if that is one, and raises what that raises.
        """
        ...

    def asking(self, process: Process, label: str) -> Answered | None:
        """A call to *process* begins; what this gives is called when the caller goes on, with the error if any."""
        ...


def install(rt: Runtime, probe: Probe) -> None:
    """Let *probe* see the messages of all processes from now on."""
    rt.probes = (*rt.probes, probe)
    rt.heed()


def remove(rt: Runtime, probe: Probe) -> None:
    """Take *probe* away again; messages that are on their way still run what it gave for them."""
    rt.probes = tuple(each for each in rt.probes if each is not probe)
    rt.heed()


def sending(process: Process, function: Handler, label: str, kind: Kind) -> Handler:
    """What runs in the place of *function*, when all probes have been asked."""
    for probe in process.runtime.probes:
        try:
            function = probe.sending(process, function, label, kind)
        except Exception:
            _send_away(process.runtime, probe)
    return function


def asking(process: Process, label: str) -> Answered:
    """What is to be called when this call, which begins now, has ended."""
    answered: list[tuple[Probe, Answered]] = []
    for probe in process.runtime.probes:
        try:
            told = probe.asking(process, label)
        except Exception:
            _send_away(process.runtime, probe)
        else:
            if told is not None:
                answered.append((probe, told))

    def over(error: BaseException | None) -> None:
        for probe, told in reversed(answered):
            try:
                told(error)
            except Exception:
                _send_away(process.runtime, probe)

    return over


def _send_away(rt: Runtime, probe: Probe) -> None:
    """It failed, and whoever sends a message can do nothing for it."""
    remove(rt, probe)
    logging.getLogger("regrow").exception("a probe failed and was taken away: %r", probe)
