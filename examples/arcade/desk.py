"""The front desk: it knows the opening hours, lets players in, and closes the arcade when the last has left.

At closing time nobody new is admitted, and bots stop pausing to think. When every player that was let in is
gone, the desk stops the system: all applications end in order, and the program with them.
"""

from __future__ import annotations

from regrow import GenServer, call, process
from regrow.application import stop_system
from regrow.process import Down, Pid

from .settings import Settings
from .stats import Book

CLOSING_TIME = "closing time"
LAST_CALL = "last call"
PATIENCE = 30.0  # seconds that running games have to come to an end


class Desk(GenServer):
    def __init__(self, settings: Settings, book: Book) -> None:
        self.settings = settings
        self.book = book
        self.closing = False
        self.players: dict[Pid, int] = {}

    def init(self) -> None:
        if self.settings.seconds is not None:
            left = self.settings.seconds - self.book.seconds  # less than all, if the desk was restarted
            process.send_after(process.current(), CLOSING_TIME, max(0.0, left))

    @call
    def admit(self, player: Pid) -> bool:
        """May this process play one more game?"""
        if not self.closing and player not in self.players:
            self.players[player] = process.monitor(player)
        return not self.closing

    @call
    def pace(self) -> float:
        """How many seconds a bot should think about a move."""
        return 0.0 if self.closing else self.settings.pace

    def handle_info(self, message: object) -> None:
        if message == CLOSING_TIME:
            self.closing = True
            process.send_after(process.current(), LAST_CALL, PATIENCE)
        elif message == LAST_CALL:
            self.book.too_late = len(self.players)
            stop_system()
        elif isinstance(message, Down):
            self.players = {pid: ref for pid, ref in self.players.items() if ref != message.ref}
        if self.closing and not self.players:
            self.book.closed_in_order = True
            stop_system()


desk = Desk.named(Desk)
