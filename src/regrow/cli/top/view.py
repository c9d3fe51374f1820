"""What a view is: something that asks the program, and shows the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from regrow.control import Program
from regrow.control.attachment import Attached, Lost, Told

__all__ = ["Source", "View"]


class Source(Protocol):
    """Where the answers come from: an ``Attachment``, or what a test puts in its place."""

    @property
    def program(self) -> Program | None: ...

    @property
    def attached(self) -> bool: ...

    async def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any: ...

    async def keep(self, tell: Callable[[Attached | Lost | Told], object]) -> None: ...


class View(Protocol):
    """One of the views, or a page over them."""

    async def look(self, source: Source) -> None:
        """Ask for what is to be seen, and show it. ``ControlError`` is for who calls it."""
        ...
