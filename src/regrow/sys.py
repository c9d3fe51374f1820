"""``regrow.sys``: system messages to servers (Elixir's ``:sys``). The functions are those of ``servers.sys``."""

from __future__ import annotations

from regrow.servers.sys import (
    Statistics,
    Status,
    change_code,
    get_state,
    get_status,
    install,
    log,
    no_debug,
    remove,
    replace_state,
    resume,
    statistics,
    suspend,
    terminate,
    trace,
)

__all__ = [
    "Statistics",
    "Status",
    "change_code",
    "get_state",
    "get_status",
    "install",
    "log",
    "no_debug",
    "remove",
    "replace_state",
    "resume",
    "statistics",
    "suspend",
    "terminate",
    "trace",
]
