"""``regrow.telemetry``: hearing of what happens, counting it, and telling the rest of the world.

``events`` is the table of all events, and ``handlers`` how a function is attached to them. ``handling`` is what a
watched handler runs in; ``messages`` and ``meters`` are made of it. ``counts`` and ``lag`` are the figures that a
scrape asks for, from any thread: ``prometheus`` and ``otel`` (extras of these names) show them, and ``otel`` makes
spans. ``health`` says whether the program lives and is ready, ``systemd`` tells the service manager. ``logs`` sets up
the reports that go through ``logging``. The page docs/telemetry.md shows their use.
"""

from regrow.telemetry.events import EVENTS, Event
from regrow.telemetry.handlers import Attachment, attach, attached, detach, emit
from regrow.telemetry.meters import Metered, Meters, meters

__all__ = [
    "EVENTS",
    "Attachment",
    "Event",
    "Metered",
    "Meters",
    "attach",
    "attached",
    "detach",
    "emit",
    "meters",
]
