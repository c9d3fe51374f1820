"""The ASGI app: pages, forms, JSON, health, and the guards before them."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from regrow.observer.web import probes
from regrow.observer.web.acting import Forms, Notes
from regrow.observer.web.api import Api
from regrow.observer.web.files import static
from regrow.observer.web.guards import Guard
from regrow.observer.web.live import Live
from regrow.observer.web.options import WebOptions
from regrow.observer.web.pages import Views
from regrow.observer.web.rendering import Pages, wants_json

__all__ = ["application"]


def application(
    options: WebOptions, *, mounted: bool = False, open_to_all: bool = False
) -> tuple[ASGIApp, Live]:
    """The app, and what is live in it, for who has to end that.

    *mounted*: within somebody else's app. *open_to_all*: who says so lets in only whom he wants to.
    """
    pages = Pages(actions=options.actions, show_state=options.show_state)
    live = Live(options.max_clients, mounted=mounted)
    notes = Notes()

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if wants_json(request):
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)
        why = (
            "There is no such page."
            if error.status_code == 404
            else f"It was refused: {error.status_code} {error.detail}."
        )
        return pages.answer(
            request, "message.html", status=error.status_code, title=error.detail, why=why, back=None
        )

    app = Starlette(
        routes=[
            *probes.routes(),
            Route("/static/{name}", static, methods=["GET"]),
            *_agents(options),
            *Api(options).routes(),
            Forms(pages, notes, actions=options.actions).route(),
            *Views(options, pages, live, notes).routes(),
        ],
        exception_handlers={HTTPException: refused},
    )
    guard = Guard(app, options=options, pages=pages, mounted=mounted, open_to_all=open_to_all)
    return guard, live


def _agents(options: WebOptions) -> list[BaseRoute]:
    """The MCP endpoint, where the library for it is installed."""
    return [] if find_spec("mcp") is None else [Route("/mcp", Agents(options))]


class Agents:
    """``/mcp``: the same for agents. Its library is a large one, so it is loaded when the first of them comes."""

    def __init__(self, options: WebOptions) -> None:
        self.options = options
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if app is None:
            try:
                module = await asyncio.to_thread(import_module, "regrow.observer.mcp")
            except ImportError as error:  # an older one, say: it tells what is needed
                await JSONResponse({"error": str(error)}, 501)(scope, receive, send)
                return
            app = self.app = module.asgi(
                actions=self.options.actions, show_state=self.options.show_state, guarded=True
            )
        await app(scope, receive, send)
