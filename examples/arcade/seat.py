"""One process a socket: it tells the client at the other end all that happens to the game.

The seat lives as long as the connection (see `at_the_board`), watches its game through a monitor, and is its
socket's only writer. When the game crashes, the seat says so and closes the socket with code 1011; the client
comes back under the same URL and finds the restarted game. That red and yellow are taken once only is the work
of a Registry: a seat's name is (game, colour), and dies with it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from regrow import NORMAL, GenServer, NoProcess, Registry, Stop, cast, is_clean, process
from regrow.process import Down

from .game import Position, find, watchers
from .rules import MARKS, Mark
from .stats import describe

GAME_OVER = 1000
GAME_CRASHED = 1011
NO_SUCH_GAME = 4404
SEAT_TAKEN = 4409

seats = Registry.named("arcade.seats")


class Seat(GenServer, restart="temporary"):
    def __init__(self, game_id: str, mark: Mark | None, socket: WebSocket) -> None:
        self.game_id = game_id
        self.mark = mark  # None watches
        self.socket = socket

    async def init(self) -> None:
        game = find(self.game_id)
        process.monitor(game)
        watchers.register(self.game_id, self.mark)
        try:
            position = await game.look()
        except NoProcess as nobody:
            raise Stop(nobody) from None
        await self.say(
            {"type": "hello", "game": self.game_id, "seat": self.mark or "watch", "pid": position.pid}
        )
        await self.say(as_json(position))

    async def handle_info(self, message: object) -> None:
        if isinstance(message, Position):
            await self.say(as_json(message))
        elif isinstance(message, Down):
            await self.farewell(message.reason)
            raise Stop(NORMAL)

    @cast
    async def refuse(self, why: str) -> None:
        await self.say({"type": "refused", "why": why})

    async def farewell(self, reason: object) -> None:
        if is_clean(reason):
            await self.close(GAME_OVER, "the game is over")
            return
        await self.say({"type": "crashed", "why": describe(reason)})
        await self.close(GAME_CRASHED, "the game crashed and is being restarted")

    async def say(self, frame: dict[str, Any]) -> None:
        try:
            await self.socket.send_json(frame)
        except (WebSocketDisconnect, RuntimeError):  # the client left first; starlette says it in two ways
            raise Stop(NORMAL) from None

    async def close(self, code: int, why: str) -> None:
        try:
            await self.socket.close(code, why)
        except (WebSocketDisconnect, RuntimeError):
            raise Stop(NORMAL) from None


@asynccontextmanager
async def at_the_board(
    game_id: str, wanted: str, socket: WebSocket
) -> AsyncGenerator[tuple[Seat, Mark | None]]:
    """Take the wanted seat ("red", "yellow", "any", else only watch) for as long as the block runs.

    Raises AlreadyStarted if the colour is taken, and StartError if there is no such game.
    """
    mark = wanted_mark(game_id, wanted)
    if mark is None:
        async with Seat.scope(game_id, None, socket) as seat:
            yield seat, None
    else:
        async with Seat.options(name=seats.via((game_id, mark))).scope(game_id, mark, socket) as seat:
            yield seat, mark


def wanted_mark(game_id: str, wanted: str) -> Mark | None:
    """The colour to sit down for: `any` takes what is free, and watches if nothing is."""
    for mark in MARKS:
        if wanted == mark or (wanted == "any" and process.whereis(seats.via((game_id, mark))) is None):
            return mark
    return None


def as_json(position: Position) -> dict[str, Any]:
    board = position.board
    return {
        "type": "board",
        "game": position.game,
        "pid": position.pid,
        "columns": board.columns,
        "moves": board.moves,
        "turn": None if board.over else board.turn,
        "over": board.over,
        "winner": board.winner,
        "line": board.line,
        "last": board.last,
    }
