"""``/healthz`` and ``/readyz``, for Kubernetes and its like, who have no token.

Anybody may ask, so an answer holds for a second, and one is found out at a time: to ask more often costs the program
and its checks nothing. Why it is not well has names of processes in it, and is told only to who may see the page.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from regrow.kernel.runtime import runtime
from regrow.observer.web.guards import MAY_SEE, route_path
from regrow.telemetry import health

__all__ = ["routes"]

HOLDS: Final = 1.0
"""Seconds for which an answer is good."""


class Probe:
    """What one of the paths answers in one program."""

    __slots__ = ("_answer", "_at", "_lock")

    def __init__(self) -> None:
        self._answer: health.Response | None = None
        self._at = -inf
        self._lock = asyncio.Lock()

    async def newest(self, path: str) -> health.Response:
        async with self._lock:
            clock = asyncio.get_running_loop()
            if self._answer is None or clock.time() - self._at >= HOLDS:
                self._answer = await health.respond(path)
                self._at = clock.time()
            assert self._answer is not None
            return self._answer


def routes() -> list[BaseRoute]:
    return [Route(path, answer, methods=["GET"]) for path in health.PATHS]


async def answer(request: Request) -> Response:
    path = route_path(request)
    probes: dict[str, Probe] = runtime().parts.setdefault("observer.web.probes", {})
    told = await probes.setdefault(path, Probe()).newest(path)
    body = told.body
    if not request.scope.get(MAY_SEE):
        body = b'{"ok": true}' if told.status == 200 else b'{"ok": false}'
    return Response(body, told.status, dict(told.headers))
