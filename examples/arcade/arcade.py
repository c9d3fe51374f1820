"""The application: the tree that holds the arcade together.

    Arcade                    rest_for_one: who stands below may lean on who stands above
    ├── Registry × 3          games by id, seats, watchers
    ├── Scoreboard            counts what happens
    ├── Games                 one child a game, started on demand: the DynamicSupervisor this is all about
    ├── Desk                  opening hours; it closes the arcade
    ├── Front                 one_for_one: the web server, and the bots that you can call to play with you
    ├── Players               the bots, and who starts them
    └── View                  what you see in the terminal

If a registry died, all that is found through it would start afresh; if the web server dies, it alone is restarted.
"""

from __future__ import annotations

import socket
from typing import Any, ClassVar

from regrow import Application, ChildSpec, Registry, StartType, Supervisor, Task

from .bots import Bots, Partners, fill_the_house
from .census import ROOT
from .desk import Desk
from .game import Games
from .settings import Settings
from .stats import Book, Scoreboard
from .view import show
from .web import open_listener, serve, url_of


def tree(settings: Settings, book: Book, listener: socket.socket) -> list[ChildSpec[Any]]:
    """The children of the arcade, in the order in which they start."""
    url = url_of(listener)
    return [
        Registry.child_spec("arcade.games", keys="unique"),
        Registry.child_spec("arcade.seats", keys="unique"),
        Registry.child_spec("arcade.watchers", keys="duplicate"),
        Scoreboard.options(name=Scoreboard).child_spec(book),
        Games.options(name=Games).child_spec(),
        Desk.options(name=Desk).child_spec(settings, book),
        Supervisor.child_spec(
            [
                Task.child_spec(serve, listener, book).replace(id="web server", restart="permanent"),
                Partners.options(name=Partners).child_spec(),
            ],
            strategy="one_for_one",
        ).replace(id="Front"),
        Supervisor.child_spec(
            [
                Bots.options(name=Bots).child_spec(),
                Task.child_spec(fill_the_house, settings.games, url, settings.crash_rate).replace(
                    restart="transient"
                ),
            ],
            strategy="rest_for_one",
        ).replace(id="Players"),
        Task.child_spec(show, settings, book, url).replace(id="view", restart="permanent"),
    ]


class Arcade(Application):
    name = "arcade"
    last_book: ClassVar[Book | None] = None  # the figures of the latest run, for who asks when it is over

    async def start(self, start_type: StartType, args: list[str]) -> tuple[Supervisor, socket.socket]:
        settings = Settings.parse(args)
        listener = open_listener(settings.port)
        type(self).last_book = book = Book()
        root = await Supervisor.options(name=ROOT).start_link(
            tree(settings, book, listener), strategy="rest_for_one"
        )
        return root, listener

    def stop(self, state: socket.socket) -> None:
        state.close()
