"""What is counted, and by whom: figures of what happened, none of what ought to have happened.

The scoreboard monitors every game process. A game that starts says so; a game that ends is a `Down` message,
sent by the kernel, with the reason. A *crash* is a `Down` with a reason that is no clean one; a *restart* is a
game that starts under an id that has run before. Whether the two come out equal is the test of the whole demo.

The figures lie in a `Book`, which is no process: it outlives the scoreboard, and the whole tree.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from regrow import NOPROC, NORMAL, GenServer, call, cast, is_clean, process
from regrow.process import Down, Pid


@dataclass(slots=True)
class Crash:
    """One crash: which game, which of its lives, why, and what took its place."""

    game: str
    life: int
    why: str
    at: float
    new_pid: int | None = None


@dataclass(slots=True)
class Track:
    """What is known of one game that is not over."""

    pid: int
    lives: int = 1
    moves: int = 0
    finished: bool = False
    crash: Crash | None = None  # the latest


@dataclass(slots=True)
class Book:
    """All the figures. Only the scoreboard writes here; anybody may read."""

    opened: float = field(default_factory=time.monotonic)
    started: int = 0  # different games
    restarts: int = 0  # games that came back
    finished: int = 0  # played to the end
    abandoned: int = 0  # ended by themselves, with nobody at the board
    stopped: int = 0  # still running when the arcade closed
    crashes: int = 0  # ended by a crash
    lost: int = 0  # ended, and nobody knows why: must stay 0
    moves: int = 0
    planted: int = 0  # crashes that a bot caused, and was told of
    hurt: int = 0  # games that bots saw crash
    healed: int = 0  # games that bots saw crash, and finished all the same
    recovered: int = 0  # finished games that had crashed, by the scoreboard's own count
    closed_in_order: bool = False  # the doors closed, and every bot had finished its game
    too_late: int = 0  # players that were still at it long after closing time
    games: dict[str, Track] = field(default_factory=dict[str, Track])
    crash_log: deque[Crash] = field(default_factory=lambda: deque(maxlen=50))
    returns: deque[float] = field(default_factory=lambda: deque(maxlen=1000))  # seconds, by the bots' clocks

    @property
    def running(self) -> int:
        return len(self.games)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.opened

    def complaints(self) -> list[str]:
        """What does not add up; empty if all is well. Asked when the arcade has closed."""
        found: list[str] = []
        ended = self.finished + self.abandoned + self.stopped + self.running
        if self.started != ended:
            found.append(
                f"{self.started} games started, and {ended} finished, were abandoned, stopped or run"
            )
        if self.lost:
            found.append(f"{self.lost} games ended without a reason that anybody saw")
        if self.planted > self.crashes:
            found.append(f"bots saw {self.planted} crashes, and only {self.crashes} happened")
        if self.too_late:
            found.append(f"{self.too_late} players had not finished long after closing time")
        if not self.closed_in_order:
            return found
        if self.restarts != self.crashes:
            found.append(f"{self.crashes} games crashed, and {self.restarts} were restarted")
        if self.hurt != self.healed:
            found.append(f"bots saw {self.hurt} games crash, and could finish only {self.healed}")
        if self.healed > self.recovered:
            found.append(f"bots finished {self.healed} crashed games, the scoreboard counts {self.recovered}")
        return found


class Scoreboard(GenServer):
    """Writes the book. If it crashed, all that stands below it in the tree would start afresh, in the same book."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.book.stopped += len(book.games)
        self.book.games.clear()
        self.watched: dict[int, str] = {}

    @call
    def born(self, game: str, pid: Pid) -> None:
        """A game process says that it is there: for the first time, or again."""
        self.watched[process.monitor(pid)] = game
        track = self.book.games.get(game)
        if track is None:
            self.book.started += 1
            self.book.games[game] = Track(pid)
            return
        self.book.restarts += 1
        track.pid, track.lives, track.moves = pid, track.lives + 1, 0
        if track.crash is not None:
            track.crash.new_pid = pid

    @cast
    def moved(self, game: str) -> None:
        self.book.moves += 1
        if game in self.book.games:
            self.book.games[game].moves += 1

    @cast
    def finished(self, game: str) -> None:
        if game in self.book.games:
            self.book.games[game].finished = True

    @cast
    def planted(self, first: bool) -> None:
        """A bot played the bad move and was told that the game crashed; `first` in this game."""
        self.book.planted += 1
        self.book.hurt += first

    @cast
    def returned(self, seconds: float) -> None:
        """A player is back at the board, so long after hearing of the crash: closed, reconnected, shown the board."""
        self.book.returns.append(seconds)

    @cast
    def healed(self) -> None:
        """A bot finished a game that it had seen crash."""
        self.book.healed += 1

    def handle_info(self, message: object) -> None:
        if isinstance(message, Down) and message.ref in self.watched:
            self._ended(self.watched.pop(message.ref), message.reason)

    def _ended(self, game: str, reason: object) -> None:
        track = self.book.games[game]
        if reason == NORMAL and track.finished:
            self.book.finished += 1
            self.book.recovered += track.lives > 1
        elif reason == NORMAL:
            self.book.abandoned += 1
        elif is_clean(reason):
            self.book.stopped += 1
        elif reason == NOPROC:
            self.book.lost += 1
        else:
            self.book.crashes += 1
            track.crash = Crash(game, track.lives, describe(reason), time.monotonic())
            self.book.crash_log.append(track.crash)
            return  # its supervisor brings it back
        del self.book.games[game]


def describe(reason: object) -> str:
    """A crash reason in one line, with the place where it happened."""
    if not isinstance(reason, BaseException):
        return str(reason)
    text = f"{type(reason).__name__}: {reason}"
    trace: tuple[tuple[str, int, str], ...] = getattr(reason, "__regrow_trace__", ())
    if trace:
        file, line, function = trace[-1]
        text += f" ({Path(file).name}:{line} in {function})"
    return text


scoreboard = Scoreboard.named(Scoreboard)
