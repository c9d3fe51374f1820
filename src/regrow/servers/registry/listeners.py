"""Listeners: processes that a registry tells who has come and who has gone of his own accord.

A listener is named when the registry is started, and gets plain messages, sent by whoever registers. Nobody tells it
of the dead: it monitors whom it cares for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regrow.kernel.mailbox import put_message
from regrow.kernel.names import Name, find
from regrow.kernel.process import Pid
from regrow.kernel.runtime import Runtime

__all__ = ["Registered", "Unregistered", "tell"]


@dataclass(frozen=True, slots=True)
class Registered:
    """A process has registered: Elixir's ``{:register, registry, key, pid, value}``."""

    registry: Name
    key: Any
    pid: Pid
    value: Any


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A process has given up a key: Elixir's ``{:unregister, registry, key, pid}``. None comes when it dies."""

    registry: Name
    key: Any
    pid: Pid


def tell(rt: Runtime, listeners: tuple[Name, ...], message: Registered | Unregistered) -> None:
    """Send *message* to those listeners that are there."""
    for name in listeners:
        process = find(rt, name)
        if process is not None:
            put_message(process, message)
