"""What can go wrong with applications: each error names the application, and says what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from regrow.kernel.errors import StartError
from regrow.kernel.reasons import Shutdown, describe
from regrow.supervision.errors import FailedToStartChild

__all__ = [
    "ApplicationAlreadyLoaded",
    "ApplicationAlreadyStarted",
    "ApplicationNotLoaded",
    "ApplicationNotStarted",
    "ApplicationStartError",
    "ConfigError",
    "DependencyCycle",
    "EnvironmentKeyError",
    "InvalidApplication",
    "UnknownApplication",
    "did_you_mean",
]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about *word*: the known word that it is most like, if there is one."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


class ApplicationStartError(StartError):
    """The application did not start: Elixir's ``{:error, {app, reason}}``.

    ``application`` is the name of the one that failed, which may be a dependency of the one that was asked for.
    ``reason`` is the exception that its ``start`` raised, or what is wrong with the value that it returned.
    """

    def __init__(self, application: str, reason: object) -> None:
        super().__init__(reason)
        self.args = (application, reason)
        self.application = application

    def __str__(self) -> str:
        return f"application {self.application!r} did not start: {_why(self.reason)}"


def _why(reason: object) -> str:
    """*reason* from the outside in: the child that failed, its child that failed, and at last the cause."""
    if type(reason) is StartError:
        return _why(reason.reason)
    if isinstance(reason, StartError):  # taken name, full supervisor, ignored: their own words are the best
        return str(reason)
    if isinstance(reason, Shutdown) and isinstance(reason.detail, FailedToStartChild):
        child = reason.detail.id
        return f"its child {getattr(child, '__qualname__', None) or repr(child)} failed: {_why(reason.detail.reason)}"
    return describe(reason)


class ApplicationAlreadyStarted(ApplicationStartError):
    """It runs already, or is being started now: Elixir's ``{:already_started, app}``."""

    def __init__(self, application: str) -> None:
        super().__init__(application, "already_started")
        self.args = (application,)

    def __str__(self) -> str:
        return f"application {self.application!r} is already started; ensure_all_started is content with that"


class ApplicationNotStarted(LookupError):
    """There is nothing to stop, or a dependency does not run: Elixir's ``{:not_started, app}``."""

    def __init__(self, application: str, needed_by: str | None = None) -> None:
        super().__init__(application, needed_by)
        self.application = application
        self.needed_by = needed_by

    def __str__(self) -> str:
        if self.needed_by is None:
            return f"application {self.application!r} is not started"
        return (
            f"application {self.needed_by!r} needs {self.application!r}, which is not started; "
            "ensure_all_started starts the applications that it needs first"
        )


class ApplicationAlreadyLoaded(ValueError):
    """Elixir's ``{:already_loaded, app}``."""

    def __init__(self, application: str) -> None:
        super().__init__(application)
        self.application = application

    def __str__(self) -> str:
        return f"application {self.application!r} is already loaded"


class ApplicationNotLoaded(LookupError):
    """Elixir's ``{:not_loaded, app}``."""

    def __init__(self, application: str) -> None:
        super().__init__(application)
        self.application = application

    def __str__(self) -> str:
        return f"application {self.application!r} is not loaded"


class UnknownApplication(LookupError):
    """No application has this name. ``known`` lists those that could have been meant."""

    def __init__(self, name: str, known: Sequence[str], needed_by: str | None = None) -> None:
        super().__init__(name, tuple(known), needed_by)
        self.name = name
        self.known = tuple(sorted(known))
        self.needed_by = needed_by

    def __str__(self) -> str:
        where = f" in extra_applications of {self.needed_by}" if self.needed_by else ""
        return (
            f"there is no application {self.name!r}{where}{did_you_mean(self.name, self.known)} "
            f"Known are: {', '.join(self.known) or 'none'}. An application class, or its address as "
            "'module:Class', may stand there too"
        )


class DependencyCycle(ValueError):
    """Applications that need each other can't be put in an order; ``circle`` names them, the first one again last."""

    def __init__(self, circle: Sequence[str]) -> None:
        super().__init__(circle)
        self.circle = tuple(circle)

    def __str__(self) -> str:
        return (
            f"these applications need each other, so none can be started first: {' -> '.join(self.circle)}. "
            "Take one of them out of the other's extra_applications"
        )


class InvalidApplication(TypeError):
    """Something that is no application, or an application class that can't work; the text says why."""


class ConfigError(ValueError):
    """The configuration can't be used; the text names the file or variable, the value, and what is allowed."""


class EnvironmentKeyError(KeyError):
    """The environment of an application has no such key: what Elixir's ``fetch_env!`` raises."""

    def __init__(self, application: str, key: str, configured: bool) -> None:
        super().__init__(application, key, configured)
        self.application = application
        self.key = key
        self.configured = configured

    def __str__(self) -> str:
        because = (
            f"configuration at {self.key!r} was not set"
            if self.configured
            else "the application was not loaded nor configured"
        )
        return f"could not fetch {self.key!r} of application {self.application!r} because {because}"
