"""One process a game. It holds the board, takes the moves, and shows every new position to who watches.

A game is started on demand under `Games`, and found by its id through a `Registry`: whoever has the id has the
game, also after a crash, when another process sits behind the same id. A crash loses the board of this game and
nothing else.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from regrow import NORMAL, TIMEOUT, DynamicSupervisor, GenServer, Registry, Stop, call, process
from regrow.process import Pid

from .rules import Board, IllegalMove, Mark, drop
from .stats import scoreboard

IDLE_SECONDS = 600.0  # a game that nobody touches for so long goes away
_numbers = itertools.count(1)

by_id = Registry.named("arcade.games")
watchers = Registry.named("arcade.watchers")


@dataclass(frozen=True, slots=True)
class Position:
    """What the watchers of a game are sent: the board, and which process it comes from."""

    game: str
    pid: Pid
    board: Board


class Game(GenServer, restart="transient", shutdown=2.0):
    """Transient: a game that was played to the end stays ended, a game that crashed comes back."""

    def __init__(self, game_id: str) -> None:
        self.game_id = game_id
        self.board = Board()

    def init(self) -> None:
        # Not here: while a child is in its init, the supervisor can neither start nor restart any other.
        self.continue_with("announce")

    async def handle_continue(self, term: object) -> None:
        """Before the first move: a call, so that no move is taken from a game that nobody counts."""
        await scoreboard.born(self.game_id, process.current())
        self.show()
        self.set_timeout(IDLE_SECONDS)

    @call(raises=IllegalMove)
    def play(self, mark: Mark, column: int) -> None:
        """Drop a disc. A move against the rules is the player's fault, and the player hears of it; an
        exception that nobody declared is ours, and ends this process."""
        self.set_timeout(IDLE_SECONDS)
        self.board = drop(self.board, column, mark)
        scoreboard.moved(self.game_id)
        self.show()
        if self.board.over:
            scoreboard.finished(self.game_id)
            self.stopping(None, NORMAL)

    @call
    def look(self) -> Position:
        self.set_timeout(IDLE_SECONDS)
        return self.position()

    def handle_info(self, message: object) -> None:
        if message is TIMEOUT:
            raise Stop(NORMAL)

    def position(self) -> Position:
        return Position(self.game_id, process.current(), self.board)

    def show(self) -> None:
        watchers.broadcast(self.game_id, self.position())


# A planted crash costs one restart, and bots plant dozens a second. Elixir's default, 3 restarts in 5 seconds,
# would make the supervisor give up at once and take every game with it. Its purpose is to tell "a game crashed"
# from "nothing works any more": here that border is a thousand crashes within one second.
class Games(DynamicSupervisor, max_restarts=1000, max_seconds=1.0): ...


games = Games.named(Games)


async def open_game() -> str:
    """Start a new game, on demand, and give its id."""
    game_id = f"g{next(_numbers)}"
    await games.start_child(Game.options(name=by_id.via(game_id)).child_spec(game_id))
    return game_id


def find(game_id: str) -> Game:
    """The game of this id, whichever process it is by now."""
    return Game.named(by_id.via(game_id))
