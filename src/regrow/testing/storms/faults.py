"""How each fault is done to a process, and taken back.

None of it is in anybody's way while no storm is on: a kill is the exit signal ``KILL``; a crash is a message that
raises, put into the mailbox like any other; a delay is a suspension, as ``sys.suspend`` would do it, for a time. Who is
in the middle of a message finishes that first. What has not taken effect yet can be called off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from regrow.kernel.mailbox import put
from regrow.kernel.process import ENDING, Process, Request
from regrow.kernel.signals import exit_signal, kill

__all__ = ["Crash", "Delay", "can_crash", "can_delay", "kill"]


def can_crash(process: Process) -> bool:
    """Whether ``Crash`` means anything to it: a function that traps exits would get a mere message."""
    return process.behaviour.handle_info is not None or not process.trapping


def can_delay(process: Process) -> bool:
    """Whether it is a server that is not suspended already: by somebody else, that is nobody's to end but his."""
    return process.behaviour.handle_info is not None and not (
        process.extra is not None and process.extra.suspended
    )


class Crash:
    """*process* crashes with *error*, a server when it comes to that message; *done* is called just before."""

    def __init__(self, process: Process, error: Exception, done: Callable[[], None]) -> None:
        self._error: Exception | None = error
        self._done = done
        if process.behaviour.handle_info is None:
            self._done()
            exit_signal(process, error, None)
        else:
            put(process, (self.chaos, (), {}, None))

    def chaos(self, _server: Any) -> None:
        if self._error is not None:
            self._done()
            raise self._error

    def call_off(self) -> None:
        self._error = None


class Delay:
    """*process*, a server, takes no messages but system messages for *seconds*; the others wait in their order.

    *begun* is called when it has come to it, and *over* when it goes on, or has ended. A suspension by somebody else is
    left alone: if there is one when the delay's turn comes, nothing is done; if one comes meanwhile, it outlasts the
    delay.
    """

    def __init__(
        self, process: Process, seconds: float, begun: Callable[[], None], over: Callable[[], None]
    ) -> None:
        self._process = process
        self._seconds = seconds
        self._begun = begun
        self._over = over
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = True
        put(process, (self._hold, (), {}, _system_message(process, "chaos: delay")))

    def _hold(self, _server: Any) -> None:
        extra = self._process.more()
        if extra.suspended:
            self.call_off()
        elif self._wanted:
            extra.suspended = self
            self._timer = self._process.runtime.loop.call_later(self._seconds, self.call_off)
            self._begun()

    def call_off(self) -> None:
        """Let it go on now."""
        if not self._wanted:
            return
        self._wanted = False
        if self._timer is not None:
            self._timer.cancel()
            self._go_on()
        self._over()

    def _go_on(self) -> None:
        extra = self._process.extra
        if extra is not None and extra.suspended is self and self._process.status < ENDING:
            request = _system_message(self._process, "chaos: the delay is over")
            put(self._process, (self._let_go, (), {}, request))

    def _let_go(self, _server: Any) -> None:
        extra = self._process.more()
        if extra.suspended is self:  # and nobody else's since: his request may have come before this one
            extra.suspended = False


def _system_message(process: Process, label: str) -> Request:
    """A request of nobody: what makes a suspended server take a message."""
    future: asyncio.Future[Any] = process.runtime.loop.create_future()
    future.cancel()
    return Request(process, future, None, label, system=True)
