"""What a command is, and what it is given: its arguments, a way to tell how it goes, and the wish to end early."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

__all__ = ["Command", "Request"]


class Request:
    """One request for a command."""

    def __init__(
        self, program: str, arguments: Mapping[str, Any], tell: Callable[[dict[str, Any]], object]
    ) -> None:
        self.program = program
        """The name of the application that runs here."""
        self.arguments = arguments
        self.program_ends = False
        """Whether it is the program that wants the command to end, because it is being stopped itself."""
        self._tell = tell
        self._stop: Callable[[], object] | None = None
        self._stopped = False

    def tell(self, **event: Any) -> None:
        """Let the client know of something, while the command goes on. One who doesn't read misses some."""
        self._tell(event)

    def when_stopped(self, stop: Callable[[], object]) -> None:
        """Call *stop* when the client wants the command to come to its end, or now if he has wanted it before."""
        self._stop = stop
        if self._stopped:
            stop()

    def stop(self, *, program_ends: bool = False) -> None:
        """The client wants it to end, or the program, if he has not wanted it before."""
        if program_ends and not self._stopped:
            self.program_ends = True
        self._stopped = True
        if self._stop is not None:
            self._stop()


Command = Callable[[Request], Awaitable[Any]]
"""A coroutine function; what it returns, plain values, is the answer. ``Refused`` is an answer too."""
