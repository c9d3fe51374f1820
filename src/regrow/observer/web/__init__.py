"""The live web page: ``Observer.child_spec(port=4000)`` puts it into the tree, ``Observer.asgi()`` into an ASGI app.

It is an extra, ``pip install "regrow[web]"``: starlette, uvicorn and jinja2. Read it in this order. ``options`` is what
can be chosen; ``guards`` is who may come in. ``pages`` says what each page shows, ``rendering`` and the templates how;
``live`` keeps open pages up to date within bounds. ``acting`` is the forms, ``api`` the same as JSON, ``app`` puts it
together, and ``server`` runs it as a child of a supervisor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from regrow.observer.web.options import WebOptions

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from regrow.kernel.process import Pid
    from regrow.servers.child_spec import ChildSpec

__all__ = ["MissingExtra", "WebOptions", "asgi", "child_spec", "urls"]

LIBRARIES = ("starlette", "uvicorn", "h11", "jinja2")
MISSING = """\
the observer's web page needs starlette, uvicorn and jinja2, which are not all installed ({error}).
Install them with:  pip install "regrow[web]"\
"""


class MissingExtra(ImportError):
    """The libraries of an extra are not installed; the message says how to get them."""


def child_spec(options: WebOptions) -> ChildSpec[Pid]:
    """The web server as a child, to be started after the observer that it shows.

    Raises ``MissingExtra`` if ``regrow[web]`` is not installed.
    """
    try:
        from regrow.observer.web import server
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return server.child_spec(options)


def asgi(*, open_to_all: bool = False, **options: Any) -> ASGIApp:
    """The web page as an ASGI app, to be mounted in another: ``app.mount("/observer", asgi())``.

    Without a *token* it answers this machine only, and can't act, unless *open_to_all* says that the app around lets in
    nobody who should not see it. Requests of other sites are refused in any case. Takes ``token``, ``actions``,
    ``show_state`` and ``max_clients`` of ``WebOptions``. Raises ``MissingExtra``.
    """
    if not isinstance(open_to_all, bool):
        raise TypeError(f"open_to_all={open_to_all!r}: must be True or False")
    for name in ("host", "port", "allowed_hosts"):
        if name in options:
            raise TypeError(f"asgi({name}=...): where it listens is up to the app that it is mounted in")
    checked = WebOptions(**options)
    if checked.actions and checked.token is None and not open_to_all:
        raise ValueError(
            "asgi(actions=True) needs a token=..., or else whoever reaches the app could stop its processes. If the "
            "app around lets in only who may do that, say asgi(actions=True, open_to_all=True)"
        )
    try:
        from regrow.observer.web.app import application
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return application(checked, mounted=True, open_to_all=open_to_all)[0]


def urls() -> tuple[str, ...]:
    """Where the web pages of this program are to be found, without a token; none if nobody serves them here."""
    try:
        from regrow.observer.web import server
    except ModuleNotFoundError:
        return ()
    return server.urls()


def _missing(error: ModuleNotFoundError) -> ImportError:
    ours = (error.name or "").partition(".")[0] in LIBRARIES
    return MissingExtra(MISSING.format(error=error), name=error.name) if ours else error
