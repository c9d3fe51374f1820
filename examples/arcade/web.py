"""The web server: the page, a small JSON API, and the sockets that games are played through.

    GET  /                      the page
    GET  /api/arcade            the figures
    GET  /api/games             some games that are running
    POST /api/games             open a game
    GET  /api/games/{game}      its position
    POST /api/games/{game}/bot  call a bot to play against
    POST /api/web/kill          kill this web server, to see it come back
    WS   /play/{game}?seat=red|yellow|any|watch    play; `new` instead of an id opens a game

uvicorn runs in a supervised process of its own (`serve`). It is given a copy of a socket that the arcade keeps
open: while a crashed server is being restarted, clients that connect wait in line, and nobody is turned away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Generator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from regrow import KILL, AlreadyStarted, NoProcess, ServerExited, StartError, process

from .bots import call_a_bot
from .game import by_id, find, open_game
from .rules import IllegalMove, Mark
from .seat import NO_SUCH_GAME, SEAT_TAKEN, Seat, as_json, at_the_board, seats
from .settings import PORT
from .stats import Book

PAGE = Path(__file__).with_name("page.html")
BACKLOG = 4096
WEB = "arcade.web"


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: Ctrl-C is the application's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(listener: socket.socket, book: Book) -> None:
    """The web server as a child: runs until its supervisor ends it, and leaves no connection behind."""
    process.register(WEB)
    config = uvicorn.Config(
        application(book),
        log_config=None,
        access_log=False,
        lifespan="off",
        backlog=BACKLOG,
        ws_ping_interval=None,
    )
    server = QuietServer(config)
    door = listener.dup()
    try:
        await server.serve([door])
    finally:
        await _hang_up(server)
        _close(door)


async def _hang_up(server: uvicorn.Server) -> None:
    """End what a cut server leaves: its listeners, its connections and the tasks that serve them."""
    for accepting in getattr(server, "servers", ()):
        accepting.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()  # a WebSocket is told 1012, "service restart"
    tasks = list(server.server_state.tasks)
    if tasks:
        _, slow = await asyncio.wait(tasks, timeout=0.2)
        for task in slow:
            task.cancel()


def _close(door: socket.socket) -> None:
    """Close it, if it is open, and have the loop forget it: who is cut in `create_server` leaves it watched."""
    if door.fileno() >= 0:
        with contextlib.suppress(NotImplementedError):  # the loop of Windows watches no sockets
            asyncio.get_running_loop().remove_reader(door)
        door.close()


def open_listener(port: int | None) -> socket.socket:
    """The socket to listen on. Nobody's choice (None) is 4040 or, where that is taken, any free port."""
    for candidate in (PORT, 0) if port is None else (port,):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError as error:
            listener.close()
            if port is not None:
                raise OSError(
                    f"port {port} cannot be used ({error.strerror}); --port 0 takes a free one"
                ) from None
            continue
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener
    raise OSError("no port is free on 127.0.0.1")


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def application(book: Book) -> Starlette:
    async def figures(request: Request) -> Response:
        return JSONResponse(
            {
                "running": book.running,
                "started": book.started,
                "finished": book.finished,
                "moves": book.moves,
                "crashes": book.crashes,
                "restarts": book.restarts,
                "sockets": seats.count(),
                "seconds": round(book.seconds, 1),
            }
        )

    async def list_games(request: Request) -> Response:
        running = list(book.games.items())[-50:]
        return JSONResponse(
            [{"game": game, "lives": track.lives, "moves": track.moves} for game, track in running]
        )

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/arcade", figures),
            Route("/api/games", list_games, methods=["GET"]),
            Route("/api/games", new_game, methods=["POST"]),
            Route("/api/games/{game}", one_game),
            Route("/api/games/{game}/bot", new_bot, methods=["POST"]),
            Route("/api/web/kill", kill, methods=["POST"]),
            WebSocketRoute("/play/{game}", play),
        ]
    )


async def page(request: Request) -> Response:
    return FileResponse(PAGE, media_type="text/html; charset=utf-8")


async def new_game(request: Request) -> Response:
    game = await open_game()
    return JSONResponse({"game": game, "play": f"/play/{game}"}, status_code=201)


async def one_game(request: Request) -> Response:
    game = request.path_params["game"]
    try:
        return JSONResponse(as_json(await find(game).look()))
    except NoProcess:
        return _no_such_game(game)


async def new_bot(request: Request) -> Response:
    game = request.path_params["game"]
    if process.whereis(by_id.via(game)) is None:
        return _no_such_game(game)
    await call_a_bot(str(request.base_url).rstrip("/"), game)
    return JSONResponse({"game": game}, status_code=201)


def _no_such_game(game: str) -> Response:
    return JSONResponse({"error": f"there is no game {game!r}: POST /api/games opens one"}, status_code=404)


async def kill(request: Request) -> Response:
    """Kill the process that serves this very request. The answer may not arrive; the next one will."""
    process.exit(WEB, KILL)
    return Response(status_code=202)


async def play(websocket: WebSocket) -> None:
    """One client at one game, for as long as its socket is open."""
    await websocket.accept()
    game = websocket.path_params["game"]
    if game == "new":
        game = await open_game()
    wanted = websocket.query_params.get("seat", "any")
    try:
        async with at_the_board(game, wanted, websocket) as (seat, mark):
            async for text in websocket.iter_text():
                await obey(text, game, mark, seat)
    except AlreadyStarted:
        await websocket.close(SEAT_TAKEN, f"{wanted} is taken")
    except StartError:
        await websocket.close(NO_SUCH_GAME, f"there is no game {game!r}")


async def obey(text: str, game: str, mark: Mark | None, seat: Seat) -> None:
    """One frame from the client: `{"drop": 3}`. What is wrong with it, the client is told."""
    try:
        frame = json.loads(text)
        column = frame["drop"]
        if type(column) is not int:
            raise TypeError
    except (ValueError, TypeError, KeyError):
        seat.refuse('a frame is {"drop": column}, and the columns are 0 to 6')
        return
    if mark is None:
        seat.refuse("you only watch this game")
        return
    try:
        await find(game).play(mark, column)
    except IllegalMove as error:
        seat.refuse(str(error))
    except ServerExited:
        pass  # the game ended under the move: the seat, which watches it, is telling the client
