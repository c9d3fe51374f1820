"""The web server as a supervised child: uvicorn inside the program's own event loop, without its signal handlers.

The start opens the socket, so an address that can't be used fails the start and says why; the process then serves until
its supervisor ends it. What a browser may do to it is bounded: connections, the time until a request must have come,
the time for which nothing is taken. Its end cuts every connection at once, open pages too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator
from typing import Any, Final

import h11
import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from regrow import process
from regrow.kernel import signals
from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import runtime
from regrow.observer.web.app import application
from regrow.observer.web.live import PATIENCE, Live
from regrow.observer.web.options import WebOptions
from regrow.servers.child_spec import ChildSpec
from regrow.servers.tasks.task import Task

__all__ = ["child_spec", "start_server", "urls"]

BACKLOG: Final = 128
SPARE_CONNECTIONS: Final = 64
"""Connections beside those of the open pages."""
WHOLE_REQUEST: Final = 10.0
"""Seconds that a new connection has for its first request, and any later one until it has come in whole."""
LAST_ANSWERS: Final = 0.2
"""Seconds that requests under way have when the server is stopped."""
_PART: Final = "observer.web"

logger = logging.getLogger("regrow.observer")


def child_spec(options: WebOptions) -> ChildSpec[Pid]:
    """The web server as a child. It goes behind the observer in the order of children, for it reads from it."""
    return ChildSpec("web", start_server, (options,), modules=(start_server,))


async def start_server(options: WebOptions) -> Pid:
    """Open the socket, and start the process that serves. ``OSError`` says why the address can't be used."""
    listener = open_listener(options)
    try:
        pid = Task.start_link(serve, listener, options)
    except BaseException:
        listener.close()
        raise
    _urls()[pid] = url_of(listener)

    def ended(_process: Process, _reason: object) -> None:
        _urls().pop(pid, None)
        close_listener(listener)

    signals.watch(runtime().processes[pid], ended)
    return pid


def urls() -> tuple[str, ...]:
    """Where the web pages of this program are to be found, without a token."""
    return tuple(_urls().values())


def _urls() -> dict[Pid, str]:
    found: dict[Pid, str] = runtime().parts.setdefault(_PART, {})
    return found


async def serve(listener: socket.socket, options: WebOptions) -> None:
    """Serve until the process is told to end."""
    url = url_of(listener)
    process.set_label(f"web page at {url}")
    app, live = application(options)
    server = Server(Config(app, limit_concurrency=options.max_clients + SPARE_CONNECTIONS))
    live.hang_up = server.hang_up
    logger.info(
        "the observer's web page is at %s%s", url, "" if options.token is None else " and asks for its token"
    )
    try:
        await server.serve([listener])
    finally:
        await server.end(live)


class Config(uvicorn.Config):
    """uvicorn's settings, with one protocol and no say in how the program logs."""

    def __init__(self, app: Any, *, limit_concurrency: int) -> None:
        super().__init__(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            limit_concurrency=limit_concurrency,
            h11_max_incomplete_event_size=64 * 1024,
        )

    def configure_logging(self) -> None:
        """Nothing: loggers are everybody's, and the program may have a uvicorn of its own."""


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Not at all: signals are the program's business."""
        yield

    def hang_up(self, scope: Scope) -> None:
        """Cut the connection of a client that takes nothing, with all that still waits to be sent."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "scope", None) is scope:
                connection.transport.abort()

    async def end(self, live: Live) -> None:
        """Leave no listener, no connection and no task behind."""
        for accepting in getattr(self, "servers", ()):
            accepting.close()
        live.stop()
        if tasks := list(self.server_state.tasks):
            _, slow = await asyncio.wait(tasks, timeout=LAST_ANSWERS)
            for task in slow:
                task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Connection(H11Protocol):
    """A connection that is not logged, and does not wait for ever: each request comes in whole, and soon.

    Between two requests uvicorn's own timer runs. The first byte that comes stops it, and it has none for the rest.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own says so too
        super().connection_made(transport)
        self._limit = self.loop.call_later(WHOLE_REQUEST, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_limit()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Called for what has come, and after an answer for what had come meanwhile."""
        super().handle_events()
        if not self._unfinished:
            self._no_limit()
        elif self._limit is None and not self.transport.is_closing():  # and a few bytes more are no more time
            self._limit = self.loop.call_later(WHOLE_REQUEST, self.transport.abort)

    @property
    def _unfinished(self) -> bool:
        """Whether a part of a request is here, and the rest is not."""
        theirs = self.conn.their_state
        return theirs is h11.SEND_BODY or (theirs is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _no_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


def open_listener(options: WebOptions) -> socket.socket:
    """A listening socket at the address of the options."""
    found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(
            socket, "TCP_USER_TIMEOUT"
        ):  # the connections get it from here: a browser that has vanished
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(PATIENCE * 2 * 1000))
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno,
            f"the observer's web page can't be at {options.host} port {options.port}: {error.strerror}. "
            "Another port=... may be free; port=0 takes one that is",
        ) from None
    listener.setblocking(False)
    return listener


def close_listener(listener: socket.socket) -> None:
    """Close it, and have the loop forget it.

    Whoever is cut in the middle of ``create_server`` leaves it watched, and the loop would take the next socket of that
    number for this one.
    """
    if listener.fileno() >= 0:
        try:
            asyncio.get_running_loop().remove_reader(listener)
        except NotImplementedError:  # the loop of Windows watches no sockets
            pass
        listener.close()


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
