"""Bots: they play like anybody else, through the web server, over sockets of their own.

A `match` is one supervised process that plays game after game, with two bots and two sockets. Sometimes a bot
drops its disc off the edge of the board, and the game crashes under it (see rules). The bot is told, its socket
is closed, and it comes back under the same URL: there is a game again, with an empty board, and the bots play it
to the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from regrow import DynamicSupervisor, Task, process

from .desk import desk
from .rules import MARKS, OFF_THE_EDGE, Board, Mark, choose
from .seat import GAME_CRASHED, GAME_OVER
from .stats import scoreboard

PATIENCE = 10.0  # seconds that a bot tries to get back to its game


class Bots(DynamicSupervisor, max_restarts=100, max_seconds=1.0):
    """The matches. They crash only where the whole arcade is broken, and then all at once."""


class Partners(DynamicSupervisor):
    """Bots called from the page, to play against you."""


bots = Bots.named(Bots)
partners = Partners.named(Partners)


async def fill_the_house(count: int, url: str, crash_rate: float) -> None:
    """Start `count` matches; after a restart, those that are missing."""
    running = (await bots.count_children()).specs
    for _ in range(count - running):
        await bots.start_child(Task.child_spec(match, url, crash_rate).replace(restart="transient"))


async def match(url: str, crash_rate: float) -> None:
    """Play game after game until the desk lets nobody in any more."""
    rng = random.Random()
    await asyncio.sleep(rng.random() * await desk.pace())  # not all on the same tick
    me = process.current()
    while await desk.admit(me):
        red, yellow = (Bot(url, mark, rng, crash_rate if mark == "red" else 0.0) for mark in MARKS)
        async with asyncio.TaskGroup() as both:
            both.create_task(red.play("new"))
            both.create_task(yellow.play(await red.opened))
        if red.crashes:
            scoreboard.healed()


async def partner(url: str, game: str) -> None:
    """Play one game against whoever sits at the board."""
    await Bot(url, "any", random.Random(), 0.0, thinks=0.4).play(game)


async def call_a_bot(url: str, game: str) -> None:
    await partners.start_child(Task.child_spec(partner, url, game))


class Bot:
    """One player of one game, however many connections and crashes it takes."""

    def __init__(
        self, url: str, wanted: Mark | str, rng: random.Random, crash_rate: float, thinks: float | None = None
    ) -> None:
        self.url = url.replace("http", "ws", 1)
        self.seat = wanted
        self.rng = rng
        self.crash_rate = crash_rate
        self.thinks = thinks
        self.crashes = 0
        self.crashed_at: float | None = None
        self.opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def play(self, game: str) -> None:
        """Until the game is over. Each time round is one connection and, after a crash, a new life of the game."""
        waited = 0.0
        while True:
            try:
                async with connect(
                    f"{self.url}/play/{game}?seat={self.seat}",
                    compression=None,
                    ping_interval=None,
                    open_timeout=30,
                    proxy=None,
                ) as socket:
                    game = await self.sit_down(socket)
                    await self.play_on(socket)
                    return
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else None
                if code == GAME_OVER:
                    return
                if code == GAME_CRASHED:
                    waited = 0.0
                    continue
                reason: Exception = closed
            except (OSError, InvalidHandshake) as refused:
                reason = refused
            if waited > PATIENCE:
                raise reason
            waited += 0.05
            await asyncio.sleep(0.05)

    async def sit_down(self, socket: ClientConnection) -> str:
        hello = await receive(socket)
        if not self.opened.done():
            self.opened.set_result(hello["game"])
        self.seat = hello["seat"]
        return str(hello["game"])

    async def play_on(self, socket: ClientConnection) -> None:
        """This life of the game. Returns if it is over, and raises ConnectionClosed if the socket is."""
        bad_move = self.rng.randrange(0, 12, 2) if self.rng.random() < self.crash_rate else None
        answered = -1
        while True:
            frame = await receive(socket)
            if frame["type"] == "crashed":
                self.crashed_at = time.monotonic()
                if bad_move == answered:
                    scoreboard.planted(first=self.crashes == 0)
                    self.crashes += 1
            if frame["type"] != "board" or frame["moves"] <= answered:
                continue
            if self.crashed_at is not None:
                scoreboard.returned(time.monotonic() - self.crashed_at)
                self.crashed_at = None
            if frame["over"]:
                return
            if frame["turn"] == self.seat:
                answered = frame["moves"]
                await self.think()
                column = OFF_THE_EDGE if answered == bad_move else choose(board_of(frame), self.rng)
                await socket.send(json.dumps({"drop": column}))

    async def think(self) -> None:
        pace = await desk.pace() if self.thinks is None else self.thinks
        if pace:
            await asyncio.sleep(pace * self.rng.uniform(0.5, 1.5))


async def receive(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await socket.recv())
    return frame


def board_of(frame: dict[str, Any]) -> Board:
    return Board(tuple(tuple(column) for column in frame["columns"]))
