"""``attach``, ``detach``, ``emit``: how somebody hears of events. Erlang's ``telemetry``, for one runtime.

>>> import asyncio
>>> from regrow import GenServer, call
>>> class Game(GenServer):
...     @call
...     def play(self, cell: int) -> int:
...         return cell
>>> async def main():
...     seen = []
...     def note(event, fields):
...         seen.append((event, fields.get("message")))
...     with attach("my.notes", ["process.exited", "call.*"], note):
...         async with Game.scope() as game:
...             await game.play(4)
...     return seen
>>> asyncio.run(main())
[('call.started', 'play'), ('call.finished', 'play'), ('process.exited', None)]

A handler is a plain function of the event's name and its fields. It runs at the very spot where things happen, so it
only notes down and returns. One that raises is reported once, and detached.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from regrow.application.errors import did_you_mean
from regrow.kernel.errors import ProcessExit
from regrow.kernel.probes import install, remove
from regrow.kernel.runtime import Runtime, runtime
from regrow.telemetry.events import EVENTS, MESSAGE_EVENTS
from regrow.telemetry.messages import MessageProbe

__all__ = ["Attachment", "Handler", "attach", "attached", "detach", "emit"]

Handler = Callable[[str, Mapping[str, Any]], object]

logger = logging.getLogger("regrow.telemetry")

MOST_NAMES: Final = 1000
"""Names of the program's own events that are remembered."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")
_OURS: Final = frozenset(name.partition(".")[0] for name in EVENTS)


class Attachment:
    """What ``attach`` gives: a handler that is attached. Leaving it as a ``with`` block detaches it."""

    __slots__ = ("_hub", "events", "function", "id")

    def __init__(self, hub: Hub, id: Hashable, events: tuple[str, ...], function: Handler) -> None:
        self._hub = hub
        self.id = id
        self.events = events
        """The names and prefixes that it was attached to."""
        self.function = function

    def wants(self, event: str) -> bool:
        """Whether one of its names is *event*, or the beginning of it."""
        return any(
            each in ("*", event) or (each.endswith(".*") and event.startswith(each[:-1]))
            for each in self.events
        )

    def detach(self) -> None:
        """Detach it, whatever else has its id by now."""
        self._hub.drop(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        return f"<handler {self.id!r} of {', '.join(self.events)}>"


class Hub:
    """The handlers of one runtime, and what has to be installed in it for them."""

    def __init__(self, rt: Runtime) -> None:
        self.runtime = rt
        self.attached: dict[Hashable, Attachment] = {}
        self.others: set[str] = set()  # names of the program's own events that have been looked at
        self._routes: dict[str, tuple[Attachment, ...]] = {}  # who wants an event, asked once
        self._probe: MessageProbe | None = None

    def add(self, new: Attachment) -> None:
        if new.id in self.attached:
            raise ValueError(
                f"a handler with the id {new.id!r} is attached already: {self.attached[new.id]!r}. "
                "Take another id, or detach that one first"
            )
        self.attached[new.id] = new
        self._changed()

    def drop(self, old: Attachment) -> None:
        if self.attached.get(old.id) is old:
            del self.attached[old.id]
            self._changed()

    def route(self, event: str) -> tuple[Attachment, ...]:
        """Who wants *event*, in the order in which they were attached."""
        found = self._routes.get(event)
        if found is None:
            found = self._routes[event] = tuple(each for each in self.attached.values() if each.wants(event))
        return found

    def tell(self, event: str, fields: dict[str, Any]) -> None:
        for each in self.route(event):
            try:
                each.function(event, fields)
            except (
                ProcessExit
            ):  # of who is current: it is not the handler's fault, nor the end of what is told
                pass
            except Exception:
                self.drop(each)
                logger.exception(
                    "the telemetry handler %r failed at %s and was detached",
                    each.id,
                    event,
                    extra={"regrow": {"event": "handler_failed", "handler": repr(each.id), "at": event}},
                )

    def forget_names(self) -> None:
        """Somebody makes up ever new names."""
        self.others.clear()
        self._routes.clear()

    def _changed(self) -> None:
        """Listen to what somebody wants, and to nothing else."""
        self._routes.clear()
        listeners, listen = self.runtime.listeners, self.tell
        if any(self.route(event) for event in EVENTS if event not in MESSAGE_EVENTS):
            if listen not in listeners:
                listeners.append(listen)
        elif listen in listeners:
            listeners.remove(listen)
        wanted = frozenset(event for event in MESSAGE_EVENTS if self.route(event))
        if self._probe is not None and self._probe.wanted != wanted:
            remove(self.runtime, self._probe)
            self._probe = None
        if self._probe is None and wanted:
            self._probe = MessageProbe(self.runtime, wanted, self.tell)
            install(self.runtime, self._probe)


def attach(id: Hashable, events: str | Iterable[str], function: Handler) -> Attachment:
    """Call *function* with ``(event, fields)`` at each of these *events* of the running loop's processes.

    *events* are names of the table ``EVENTS``, or of events of your own, or beginnings such as ``"process.*"``; ``"*"``
    is all of them. While a handler wants a message event (``call.*``, ``cast.sent``, ``message.handled``), messages
    cost more; nothing costs anything while nobody listens. It is for one event loop, and gone with it.

    Raises ``ValueError`` for an id that is taken and for an event that there is not; ``TypeError`` for a *function*
    that can't be called. Erlang: ``telemetry:attach_many/4``.
    """
    names = (events,) if isinstance(events, str) else tuple(events)
    if not names:
        raise ValueError('attach(..., events=[]) would hear nothing: give names, such as ["process.*"]')
    for each in names:
        _check_pattern(each)
    if not callable(function):
        raise TypeError(f"a telemetry handler is a function of (event, fields), got {function!r}")
    here = hub()
    attachment = Attachment(here, id, names, function)
    here.add(attachment)
    return attachment


def detach(id: Hashable) -> bool:
    """Call the handler of this id no more; whether there was one. Erlang: ``telemetry:detach/1``."""
    here = hub()
    found = here.attached.get(id)
    if found is not None:
        here.drop(found)
    return found is not None


def attached(event: str | None = None) -> list[Attachment]:
    """All handlers, or those that hear of *event*. Erlang: ``telemetry:list_handlers/1``."""
    here = hub()
    return list(here.attached.values() if event is None else here.route(event))


def emit(event: str, /, **fields: Any) -> None:
    """Tell the handlers of an event of your own program: ``emit("shop.sold", item="tea", price=3)``.

    Raises ``ValueError`` for a name that is not made of words with dots between them, or that is one of regrow's own.
    Erlang: ``telemetry:execute/3``.
    """
    here = hub()
    if event not in here.others:
        _check_name(event)
        if len(here.others) >= MOST_NAMES:
            here.forget_names()
        here.others.add(event)
    here.tell(event, fields)


def _check_name(event: str) -> None:
    if not _NAME.match(event):
        raise ValueError(f'{event!r} is no name of an event: write it as "shop.sold", lower case, with a dot')
    first = event.partition(".")[0]
    if first in _OURS:
        raise ValueError(f"{event!r}: events that begin with {first}. are regrow's own; take another word")


def _check_pattern(pattern: object) -> None:
    if not isinstance(pattern, str):
        raise TypeError(f'an event is named by a string, such as "process.crashed", got {pattern!r}')
    if pattern == "*":
        return
    name = pattern.removesuffix(".*")
    first = name.partition(".")[0]
    if not (_NAME.match(name) or (name != pattern and _NAME.match(f"{name}.x"))):
        raise ValueError(
            f'{pattern!r} names no event: write "process.crashed", "process.*" for all that begin so, or "*"'
        )
    if first in _OURS and pattern != f"{first}.*" and pattern not in EVENTS:
        raise ValueError(
            f"there is no event {pattern!r}{did_you_mean(pattern, EVENTS)} There are: {', '.join(EVENTS)}"
        )


def hub() -> Hub:
    """The one of the running event loop."""
    rt = runtime()
    found: Hub | None = rt.parts.get("telemetry.hub")
    if found is None:
        found = rt.parts["telemetry.hub"] = Hub(rt)
    return found
