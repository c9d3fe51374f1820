"""From a server class to what the kernel knows of it."""

from __future__ import annotations

from typing import Any

from regrow.kernel.process import Behaviour

__all__ = ["behaviour_of", "keywords_of"]


def behaviour_of(server: type[Any]) -> Behaviour:
    """The behaviour of *server*'s processes, made when it is first needed."""
    found: Behaviour | None = getattr(server, "_regrow_behaviour", None)
    if found is None or found.kind is not server:  # the one of a base class
        found = server._regrow_behaviour = _make(server)
    return found


def keywords_of(server: type[Any]) -> dict[str, Any]:
    """What the headers of *server* and its bases say."""
    found: dict[str, Any] = getattr(server, "_keywords", {})
    return found


def _make(server: type[Any]) -> Behaviour:
    keywords = keywords_of(server)
    shutdown = keywords.get("shutdown")
    supervises = getattr(server, "_is_supervisor", False)
    if shutdown is None:
        shutdown = float("inf") if supervises else 5.0
    elif shutdown == "brutal_kill":
        shutdown = 0.0
    return Behaviour(
        server.__name__,
        kind=server,
        boot=server._boot if _overrides(server, "_boot") or hasattr(server, "init") else None,
        handle_info=server.handle_info,
        handle_continue=server.handle_continue,
        terminate=server.terminate if _overrides(server, "terminate") else None,
        format_status=server.format_status if _overrides(server, "format_status") else None,
        shutdown=shutdown,
        trap_exits=keywords.get("trap_exits", False) or supervises,
        children=server._child_pids if supervises else None,
        max_mailbox=keywords.get("max_mailbox"),
        name_for=getattr(server, "name_for", None),
    )


def _overrides(server: type[Any], name: str) -> bool:
    """Whether a class of the user's, or a supervisor's, has its own function of that name."""
    for each in server.__mro__:
        if name in vars(each):
            return not vars(each).get("_is_base_of_servers", False)
    return False
