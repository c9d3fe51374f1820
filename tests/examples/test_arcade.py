"""The arcade as its visitors see it: real clients, real sockets, against a tree on a free port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
pytest.importorskip("rich")

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from examples.arcade import game as game_module
from examples.arcade.arcade import tree
from examples.arcade.bots import bots
from examples.arcade.game import find, games, open_game
from examples.arcade.rules import OFF_THE_EDGE
from examples.arcade.seat import GAME_CRASHED, GAME_OVER, NO_SUCH_GAME, SEAT_TAKEN
from examples.arcade.settings import Settings
from examples.arcade.stats import Book
from examples.arcade.web import WEB, open_listener, url_of
from regrow import KILL, NORMAL, Supervisor, process
from regrow.process import Down

pytestmark = pytest.mark.real_time("clients and the web server talk through sockets")

Frame = dict[str, Any]


class House:
    """An open arcade without bots, and what a visitor needs."""

    def __init__(self, url: str, book: Book) -> None:
        self.url = url
        self.book = book

    def sit(self, game: str = "new", seat: str = "any") -> connect:
        return connect(f"{self.url.replace('http', 'ws')}/play/{game}?seat={seat}", proxy=None)


@asynccontextmanager
async def house(bots: int = 0) -> AsyncIterator[House]:
    listener, book = open_listener(0), Book()
    settings = Settings(games=bots, plain=True)
    try:
        async with Supervisor.scope(tree(settings, book, listener), strategy="rest_for_one"):
            yield House(url_of(listener), book)
    finally:
        listener.close()


async def hear(socket: ClientConnection, kind: str) -> Frame:
    """The next frame of this kind."""
    while True:
        frame: Frame = json.loads(await socket.recv())
        if frame["type"] == kind:
            return frame


async def position(socket: ClientConnection, moves: int) -> Frame:
    """The board after so many moves."""
    while True:
        frame = await hear(socket, "board")
        if frame["moves"] == moves:
            return frame


async def drop(socket: ClientConnection, column: object) -> None:
    await socket.send(json.dumps({"drop": column}))


async def closing_code(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_two_clients_play_a_game_to_its_end() -> None:
    async with house() as arcade, arcade.sit(seat="red") as red:
        hello = await hear(red, "hello")
        assert hello["seat"] == "red"
        async with arcade.sit(hello["game"]) as yellow:
            assert (await hear(yellow, "hello"))["seat"] == "yellow"
            last: Frame = {}
            for moves, column in enumerate((0, 1, 0, 1, 0, 1, 0), 1):
                mover = (red, yellow)[(moves - 1) % 2]
                await drop(mover, column)
                await position(red, moves)
                last = await position(yellow, moves)
            assert last["over"]
            assert last["winner"] == "red"
            assert sorted(last["line"]) == [[0, 0], [0, 1], [0, 2], [0, 3]]
            assert await closing_code(red) == await closing_code(yellow) == GAME_OVER
        assert (await games.count_children()).active == 0  # a finished game is not restarted


async def test_a_crashed_game_is_back_under_the_same_url_and_its_neighbour_noticed_nothing() -> None:
    async with house() as arcade, arcade.sit() as neighbour:
        await drop(neighbour, 3)
        await position(neighbour, 1)
        async with arcade.sit(seat="red") as red:
            hello = await hear(red, "hello")
            await drop(red, 2)
            await position(red, 1)
            async with arcade.sit(hello["game"], "yellow") as yellow:
                await position(yellow, 1)
                await drop(yellow, OFF_THE_EDGE)
                assert "IndexError" in (await hear(yellow, "crashed"))["why"]
                assert await closing_code(yellow) == GAME_CRASHED
            assert "rules.py" in (await hear(red, "crashed"))["why"]
            assert await closing_code(red) == GAME_CRASHED
        async with arcade.sit(hello["game"], "red") as red:
            again = await hear(red, "hello")
            assert again["seat"] == "red"
            assert again["pid"] != hello["pid"]
            assert (await hear(red, "board"))["moves"] == 0  # the crash lost this board
            await drop(red, 2)
            await position(red, 1)
        async with arcade.sit((await first_game(arcade)), "watch") as watcher:
            assert (await hear(watcher, "board"))["moves"] == 1  # and no other
        assert (arcade.book.started, arcade.book.crashes, arcade.book.restarts) == (2, 1, 1)
        assert arcade.book.complaints() == []


async def first_game(arcade: House) -> str:
    async with httpx.AsyncClient(base_url=arcade.url, trust_env=False) as client:
        running: list[dict[str, Any]] = (await client.get("/api/games")).json()
    return str(running[0]["game"])


async def test_games_outlive_the_web_server() -> None:
    async with house() as arcade:
        async with arcade.sit(seat="red") as red:
            hello = await hear(red, "hello")
            await drop(red, 5)
            await position(red, 1)
            server = process.whereis(WEB)
            process.exit(WEB, KILL)
            with pytest.raises(ConnectionClosed):
                await hear(red, "never")
        async with arcade.sit(hello["game"], "red") as red:  # the restarted server, the same port
            again = await hear(red, "hello")
            assert (again["seat"], again["pid"]) == ("red", hello["pid"])
            assert (await hear(red, "board"))["columns"][5] == ["red"]
        assert process.whereis(WEB) != server


async def test_mistakes_are_answered_and_the_game_goes_on() -> None:
    async with house() as arcade, arcade.sit(seat="red") as red:
        game = (await hear(red, "hello"))["game"]
        for wrong in ("no json", "[]", "{}", '{"drop": "3"}', '{"drop": true}'):
            await red.send(wrong)
            assert "drop" in (await hear(red, "refused"))["why"]
        await drop(red, 8)
        assert "no column 8" in (await hear(red, "refused"))["why"]
        async with arcade.sit(game, "watch") as watcher:
            await drop(watcher, 0)
            assert "watch" in (await hear(watcher, "refused"))["why"]
        async with arcade.sit(game, "red") as second:
            assert await closing_code(second) == SEAT_TAKEN
        async with arcade.sit("g0") as nowhere:
            assert await closing_code(nowhere) == NO_SUCH_GAME
        await drop(red, 3)
        await position(red, 1)


async def test_a_seat_is_free_again_when_its_socket_is_gone() -> None:
    async with house() as arcade, arcade.sit(seat="yellow") as yellow:
        game = (await hear(yellow, "hello"))["game"]
        async with arcade.sit(game, "red") as red:
            await hear(red, "hello")
            async with arcade.sit(game) as third:
                assert (await hear(third, "hello"))["seat"] == "watch"
        async with asyncio.timeout(5):
            while True:  # the server hears of the closed socket a moment later
                async with arcade.sit(game) as next_one:
                    if (await hear(next_one, "hello"))["seat"] == "red":
                        break


async def test_the_page_and_the_api() -> None:
    async with house() as arcade, httpx.AsyncClient(base_url=arcade.url, trust_env=False) as client:
        page = await client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "")  # nothing from elsewhere
        assert "https://" not in page.text
        game = (await client.post("/api/games")).json()["game"]
        assert (await client.get(f"/api/games/{game}")).json()["moves"] == 0
        assert [each["game"] for each in (await client.get("/api/games")).json()] == [game]
        assert (await client.get("/api/arcade")).json()["running"] == 1
        assert (await client.get("/api/games/g0")).status_code == 404
        assert (await client.post("/api/games/g0/bot")).status_code == 404


async def test_a_bot_that_was_called_plays() -> None:
    async with house() as arcade, arcade.sit(seat="red") as red:
        game = (await hear(red, "hello"))["game"]
        async with httpx.AsyncClient(base_url=arcade.url, trust_env=False) as client:
            assert (await client.post(f"/api/games/{game}/bot")).status_code == 201
        await drop(red, 3)
        assert (await position(red, 2))["turn"] == "red"


async def test_a_game_that_nobody_touches_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(game_module, "IDLE_SECONDS", 0.01)
    async with house() as arcade:
        process.monitor(find(await open_game()))
        assert (await process.receive(Down, timeout=5)).reason == NORMAL
        assert (await games.count_children()).specs == 0
        assert arcade.book.crashes == 0


async def test_a_bot_that_dies_is_replaced_and_its_game_is_not_harmed() -> None:
    async with house(bots=1) as arcade:
        async with arcade.sit() as visitor:  # by now the bots are there, too
            await hear(visitor, "hello")
        (before,) = await bots.which_children()
        process.monitor(before.child)
        process.exit(before.child, KILL)
        await process.receive(Down, timeout=5)
        (after,) = await bots.which_children()
        assert after.child != before.child
        assert arcade.book.crashes == 0
