"""Live pages: a page that is open gets itself anew, once a second, as server-sent events.

What bounds the cost, whatever browsers do:

- A page is rendered once for all who look at the same address, and only if somebody does. One that takes long is
  rendered less often: an address has about a hundredth of a core, and its turn every 15 s at least.
- Nothing waits in a queue for a client. Whoever is slow gets the newest page when it is ready for one, and has missed
  those between; of a client no more is kept than a digest of what it was sent last.
- A client that takes nothing for ``PATIENCE`` seconds is cut off, and there are never more than ``max_clients``.
- When the server stops, all streams end at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Awaitable, Callable, Coroutine
from math import inf
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from regrow.observer.pace import timed

__all__ = ["Live", "Stream"]

PACE: Final = 1.0
"""Seconds between two looks at an address."""
SHARE: Final = 100
"""An address that costs c seconds to render is rendered every SHARE * c seconds, if that is more than the pace ..."""
SLOWEST: Final = 15.0
"""... and so often at least."""
LEAST: Final = 0.05
"""Seconds between two looks of a client at its address, at least."""
PATIENCE: Final = 10.0
"""Seconds that a client may take nothing."""
SILENCE: Final = 15.0
"""After so many seconds without a change something is sent all the same, to see whether the client is there."""
LIFETIME: Final = 60.0
"""Seconds after which a stream in somebody else's server ends, for the browser to come again: if that server waits for
its connections to close, it shall not wait for ever."""
COME_AGAIN: Final = 1000
"""Milliseconds after which a browser comes again when its stream has ended."""

Render = Callable[[], Coroutine[Any, Any, str]]
Put = Callable[[bytes], Awaitable[None]]


class View:
    """What one address shows now, for all who look at it."""

    __slots__ = ("_lock", "at", "digest", "frame", "pace", "readers", "render")

    def __init__(self, render: Render) -> None:
        self.render = render
        self.readers = 0
        self.frame = self.digest = b""
        self.at = -inf
        self.pace = PACE
        self._lock = asyncio.Lock()

    async def newest(self) -> None:
        """Render it, unless that was done less than a pace ago."""
        async with self._lock:
            if self.wait() > 0:
                return
            html, spent = await timed(self.render())
            digest = hashlib.sha256(html.encode()).digest()
            if digest != self.digest:
                self.frame, self.digest = _event("page", html), digest
            if self.at > -inf:  # the first time costs more than it will again
                self.pace = min(max(PACE, SHARE * spent), SLOWEST)
            self.at = _now()

    def wait(self) -> float:
        """Seconds until it is due; 0 or less if it is."""
        return self.at + self.pace - _now()


class Live:
    """All open pages of one web server."""

    def __init__(self, max_clients: int, *, mounted: bool) -> None:
        self.max_clients = max_clients
        self.mounted = mounted
        self.clients = 0
        self.hang_up: Callable[[Scope], None] = lambda scope: None
        """Cuts a client's connection; set by a server that can."""
        self._views: dict[str, View] = {}
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End all streams."""
        self._stopped.set()

    @property
    def stopping(self) -> bool:
        return self._stopped.is_set() or (self.mounted and _server_stops())

    def enter(self, address: str, render: Render) -> View | None:
        """One more client looks at *address*; None if there are as many as may be."""
        if self.clients >= self.max_clients or self.stopping:
            return None
        self.clients += 1
        view = self._views.get(address)
        if view is None:
            view = self._views[address] = View(render)
        view.readers += 1
        return view

    def leave(self, address: str) -> None:
        self.clients -= 1
        view = self._views[address]
        view.readers -= 1
        if not view.readers:
            del self._views[address]

    async def pause(self, view: View, gone: asyncio.Future[None]) -> bool:
        """Wait until *view* is due. False if the stream is to end."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        due = _now() + max(view.wait(), LEAST)
        try:
            while (left := due - _now()) > 0 and not gone.done() and not self.stopping:
                ends = (gone, stopped)  # and somebody else's server has to be looked at for its end
                await asyncio.wait(ends, timeout=min(left, PACE), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        return not gone.done() and not self.stopping


class Stream:
    """The answer to a browser that wants to see *address* live: an ASGI app of its own."""

    def __init__(self, live: Live, address: str, render: Render) -> None:
        self.live = live
        self.address = address
        self.render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = self.live.enter(self.address, self.render)
        if view is None:
            full = PlainTextResponse("too many pages are open", 503, {"retry-after": "5"})
            await full(scope, receive, send)
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._run(view, gone, send)
        except TimeoutError:
            self.live.hang_up(scope)
        finally:
            gone.cancel()
            self.live.leave(self.address)

    async def _run(self, view: View, gone: asyncio.Future[None], send: Send) -> None:
        async def put(chunk: bytes, more: bool = True) -> None:
            async with asyncio.timeout(PATIENCE):
                await send({"type": "http.response.body", "body": chunk, "more_body": more})

        await view.newest()  # before the answer begins: what fails now is still an answer of its own
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"x-accel-buffering", b"no"),  # a proxy shall not collect it
                ],
            }
        )
        await put(f"retry: {COME_AGAIN}\n\n".encode())
        begun = spoken = _now()
        sent = b""
        while True:
            now = _now()
            if view.digest != sent:
                sent, spoken = view.digest, now
                await put(view.frame)
            elif now - spoken > SILENCE:
                spoken = now
                await put(b": still here\n\n")
            if not await self.live.pause(view, gone) or (self.live.mounted and _now() - begun > LIFETIME):
                break
            await view.newest()
        if not gone.done():
            await put(b"", more=False)


def _now() -> float:
    """By the clock of the loop, by which it sleeps too."""
    return asyncio.get_running_loop().time()


async def _gone(receive: Receive) -> None:
    """Comes back when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(name: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {name}\n{lines}\n".encode()


def _server_stops() -> bool:
    """Whether the uvicorn that we are mounted in is about to stop: it waits for our streams, and tells nobody.

    It takes the signals while it runs, so it is known by the handler.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True


def address_of(request: Request) -> str:
    """What tells one view from another."""
    return f"{request.scope.get('root_path', '')}{request.url.path}?{request.url.query}"
