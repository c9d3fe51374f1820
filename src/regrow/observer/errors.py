"""What the observer says no to."""

from __future__ import annotations

__all__ = ["NoState", "NotObserved", "TooManySubscriptions", "UnknownCrash", "UnknownProcess"]


class UnknownProcess(LookupError):
    """No process with that pid lives here: ``pid``."""

    def __init__(self, pid: object, wanted: str = "process") -> None:
        super().__init__(f"there is no living {wanted} with the pid {pid!r}; it may have ended meanwhile")
        self.pid = pid


class UnknownCrash(LookupError):
    """No crash with that number is remembered: ``id``."""

    def __init__(self, id: object) -> None:
        super().__init__(f"no crash {id!r} is remembered; only the last ones are")
        self.id = id


class NoState(LookupError):
    """That process is no server, so it has no state to show."""


class NotObserved(RuntimeError):
    """What was asked for is gathered by an ``Observer``, and none is running."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs a running observer: put Observer.child_spec() under a supervisor, "
            'or "observer" into extra_applications'
        )


class TooManySubscriptions(RuntimeError):
    """As many readers as the observer allows are subscribed already."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"there are {limit} subscriptions already; close some, "
            "or allow more by Observer.child_spec(max_subscriptions=...)"
        )
