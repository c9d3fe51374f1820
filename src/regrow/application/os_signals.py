"""SIGINT and SIGTERM for a program under ``run``: the first one asks, the second one ends it at once.

The handlers are Python's own and not the event loop's, for these run even while a handler keeps the loop busy: a
second Ctrl-C always works.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["OsSignals", "signals_wake_the_loop"]

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM)


class OsSignals:
    """A block in which the two signals are ours. Outside of the main thread, where Python has none, it does nothing."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._ask: Callable[[signal.Signals], object] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for each in _HANDLED:
                self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, before in self._before.items():
            signal.signal(each, signal.SIG_DFL if before is None else before)

    def on_first(self, ask: Callable[[signal.Signals], object]) -> None:
        """Call *ask* with the first signal, or now if it has come already. It is called from a signal handler."""
        self._ask = ask
        if self.received is not None:
            ask(self.received)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        if self.received is None:
            self.received = received
            say(f"{received.name}: stopping all applications; a second signal ends the program at once")
            if self._ask is not None:
                try:
                    self._ask(received)
                except RuntimeError:
                    pass  # the event loop has ended by itself just now
        else:
            say(f"{received.name} again: the program ends at once")
            os._exit(128 + number)


@contextmanager
def signals_wake_the_loop() -> Iterator[None]:
    """Inside the block a signal wakes the running event loop, so that Python gets to call its handler.

    One that comes in the instant before the loop goes to sleep is otherwise seen when something else wakes it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    ours, pythons = socket.socketpair()
    with ours, pythons:
        ours.setblocking(False)
        pythons.setblocking(False)
        try:
            loop.add_reader(ours, ours.recv, 4096)
        except NotImplementedError:  # Windows: its event loop sees to that by itself
            yield
            return
        before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(ours)


def say(line: str) -> None:
    """A line on stderr, past Python's buffers: a signal may have come in the middle of a write to them."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, f"regrow: {line}\n".encode())
    except (OSError, ValueError):
        pass  # nobody is there to read it
