"""All events of regrow, with their fields: the table that ``attach`` knows and that the page of the docs shows.

A *lifecycle* event comes from the core, at the very spot where it happens. A *message* event is made by a probe, which
is there only while a handler wants one. All times are seconds, all processes are named by their pids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["EVENTS", "MESSAGE_EVENTS", "Event", "as_table"]


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the table."""

    name: str
    when: str
    fields: Mapping[str, str]
    """What each field holds."""


_PROCESS: Final = {
    "pid": "the process",
    "kind": 'its class; "process" of a spawned function, "asyncio task" of an adopted one',
}
_CHILD: Final = {"supervisor": "the pid of its supervisor", "pid": "the child"}
_CALL: Final = {
    "pid": "the server",
    "kind": "its class",
    "message": "the name of the call",
    "caller": "the pid of the process that calls, or None for code that is none",
}

EVENTS: Final[Mapping[str, Event]] = {
    each.name: each
    for each in (
        # --- lifecycle: processes
        Event(
            "process.started",
            "a process is born, before any code of it has run; or an asyncio task has become one",
            {**_PROCESS, "name": "always None: it has no name yet", "parent": "who started it, or None"},
        ),
        Event("process.exited", "a process has ended", {**_PROCESS, "reason": "its exit reason"}),
        Event(
            "process.crashed",
            "a process ends by a crash; process.exited follows",
            {
                **_PROCESS,
                "name": "its name, or None",
                "reason": "the exception, or the reason that is no clean one",
            },
        ),
        Event(
            "mailbox.alarm",
            "a mailbox has grown over the `max_mailbox` of its class; again only after it was below",
            {"pid": "the process", "name": "its name, or None", "length": "how many messages wait"},
        ),
        # --- lifecycle: supervisors
        Event(
            "child.started", "a supervisor has started a child for the first time", {**_CHILD, "id": "its id"}
        ),
        Event(
            "child.restarted",
            "a supervisor has started a child again, after its end or that of a sibling",
            {
                **_CHILD,
                "old_pid": "who it was before",
                "id": "its id",
                "restarts": "how often so far",
                "reason": "why the one before ended",
            },
        ),
        Event(
            "child.terminated",
            "a child has ended, by itself or by its supervisor",
            {
                **_CHILD,
                "id": "its id; None for a temporary child of a DynamicSupervisor, which keeps none",
                "reason": "its exit reason",
            },
        ),
        Event(
            "child.start_failed",
            "a start or restart of a child failed",
            {**_CHILD, "id": "its id", "reason": "why", "pid": "who it was before, or None at a first start"},
        ),
        Event(
            "supervisor.gave_up",
            "a supervisor has reached its restart intensity and ends",
            {"pid": "the supervisor", "reason": "the exit reason of the child that was one too many"},
        ),
        # --- lifecycle: applications
        Event("application.started", "an application has started", {"name": "its name"}),
        Event("application.stopped", "an application has stopped, or ended by itself", {"name": "its name"}),
        # --- messages
        Event("call.started", "a call is about to be made, in the caller", _CALL),
        Event(
            "call.finished",
            "its answer has come, in the caller",
            {**_CALL, "duration": "seconds from start to answer"},
        ),
        Event(
            "call.failed",
            "it ended without an answer: an error of its own, a time-out, the exit of the server, a cancellation",
            {**_CALL, "duration": "seconds", "error": "the exception that the caller gets"},
        ),
        Event(
            "cast.sent",
            "a cast is put into a mailbox, in the sender",
            {
                "pid": "the server",
                "kind": "its class",
                "message": "the name of the cast",
                "sender": "the pid of the process that sends, or None for code that is none",
            },
        ),
        Event(
            "message.handled",
            "a handler is through with a message, in the server",
            {
                "pid": "the server",
                "kind": "its class",
                "message": 'the name of the call or cast; "handle_info" of a plain message',
                "type": '"call", "cast" or "info"',
                "inline": "whether it ran on its caller's stack; else it came from the mailbox",
                "duration": "seconds from begin to end, waiting included",
                "busy": "seconds of these in which its code was running",
                "error": "what the handler raised or was cut by, or None",
            },
        ),
    )
}

MESSAGE_EVENTS: Final = frozenset(
    ("call.started", "call.finished", "call.failed", "cast.sent", "message.handled")
)


def as_table() -> str:
    """The table in Markdown, as docs/telemetry.md has it."""
    rows = ["| event | when | fields |", "|---|---|---|"]
    for event in EVENTS.values():
        fields = "; ".join(f"`{name}`: {what}" for name, what in event.fields.items())
        rows.append(f"| `{event.name}` | {event.when} | {fields} |")
    return "\n".join(rows)
