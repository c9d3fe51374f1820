"""``regrow.observer``: what a running program looks like from outside. Erlang's observer, as values and as a page.

``Observer`` is the child that records; ``snapshot()`` is the picture; ``model`` holds the values that it is made of,
and ``as_json`` (``encoding``) makes plain ones of them. ``observing`` records for the length of a block.

Read it in this order. ``recording`` is what is gathered over time: ``ages``, ``crashes``, ``subscriptions``.
``survey`` is the one look at all processes that many share, in stretches that ``pace`` keeps short. ``processes``,
``memory``, ``tree`` and ``registries`` make values of what they find, with ``texts``; ``snapshots`` is the face.
"""

from typing import Any

from regrow.observer.encoding import as_json
from regrow.observer.errors import NoState, NotObserved, TooManySubscriptions, UnknownCrash, UnknownProcess
from regrow.observer.holding import observing, remember_crashes
from regrow.observer.observer import Observer, ObserverApplication
from regrow.observer.recording import Settings
from regrow.observer.snapshots import Snapshot, snapshot
from regrow.observer.subscriptions import Subscription

__all__ = [
    "NoState",
    "NotObserved",
    "Observer",
    "ObserverApplication",
    "Settings",
    "Snapshot",
    "Subscription",
    "TooManySubscriptions",
    "UnknownCrash",
    "UnknownProcess",
    "as_json",
    "asgi",
    "observing",
    "remember_crashes",
    "snapshot",
]


def asgi(**keywords: Any) -> Any:
    """As ``Observer.asgi``."""
    return Observer.asgi(**keywords)
