"""A small program with an observer's page, and a client for it: what the tests of the web page share."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from regrow import DynamicSupervisor, GenServer, Registry, ServerExited, Supervisor, call, process
from regrow.observer import Observer
from regrow.observer.web.app import application
from regrow.observer.web.live import Live
from regrow.observer.web.options import WebOptions

BROWSER = {"accept": "text/html", "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
TOKEN = "a-token-that-is-long-enough"


class Game(GenServer, restart="transient"):
    """Nine cells, and a secret."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.secret = f"hunter{number}"
        self.cells = [""] * 9

    @call
    def play(self, cell: int, mark: str) -> str:
        self.cells[cell] = mark
        return mark


class Games(DynamicSupervisor, max_restarts=1000): ...


@dataclass
class Program:
    http: httpx.AsyncClient
    games: list[Game]
    live: Live
    app: Any

    async def crash(self, number: int = 0) -> None:
        try:
            await self.games[number].play(99, "x")
        except ServerExited:
            pass

    async def page(self, path: str, status: int = 200, **headers: str) -> str:
        answer = await self.http.get(path, headers={**BROWSER, **headers})
        assert answer.status_code == status, answer.text
        return answer.text

    def pid(self, number: int = 0) -> int:
        return process.pid_of(self.games[number])


@asynccontextmanager
async def program(
    games: int = 3, *, base: str = "http://localhost:4000", mounted: bool = False, **options: Any
) -> AsyncGenerator[Program]:
    """A registry, some games, an observer, and the page of all that; *options* are those of the page."""
    app, live = application(WebOptions(**options), mounted=mounted)
    tree = [
        Registry.child_spec("games.by_id", keys="unique"),
        Games.options(name=Games).child_spec(),
        Observer.child_spec(),
    ]
    async with Supervisor.scope(tree):
        by_id, supervisor = Registry.named("games.by_id"), Games.named(Games)
        started = [
            await supervisor.start_child(Game.options(name=by_id.via(f"g{number}")).child_spec(number))
            for number in range(games)
        ]
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            yield Program(client, started, live, app)


def text_of(html: str) -> str:
    """What one reads of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.partition("<main")[2]))


def csrf_of(html: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', html)
    assert found is not None
    return found[1]
