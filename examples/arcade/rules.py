"""Connect Four, without processes or sockets: what a board is, which moves it takes, and when it is over.

Two players, red and yellow, drop discs into seven columns of six. Four of one colour in a line win; a
full board is a draw. Boards never change: `drop` answers with a new one.

**One bug is planted here on purpose**, so that the demo has something to heal. Columns count from 0 to 6,
and `drop` lets 7 through (`>` where `>=` is meant): an `IndexError` nobody catches. Mend it, and the demo
has no crashes left to show.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Mark = Literal["red", "yellow"]
Cell = tuple[int, int]  # column from the left, row from the bottom, both from 0

MARKS: tuple[Mark, Mark] = ("red", "yellow")
WIDTH = 7
HEIGHT = 6
IN_A_ROW = 4
OFF_THE_EDGE = WIDTH  # the column that the planted bug falls over
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))


class IllegalMove(Exception):
    """A move the rules refuse. The player is told; the game goes on."""


@dataclass(frozen=True, slots=True)
class Board:
    """The discs so far: each column from the bottom up. Red moves first."""

    columns: tuple[tuple[Mark, ...], ...] = ((),) * WIDTH
    line: tuple[Cell, ...] = ()  # the four discs that won
    last: Cell | None = None

    @property
    def moves(self) -> int:
        return sum(len(column) for column in self.columns)

    @property
    def turn(self) -> Mark:
        return MARKS[self.moves % 2]

    @property
    def winner(self) -> Mark | None:
        if not self.line:
            return None
        column, row = self.line[0]
        return self.columns[column][row]

    @property
    def over(self) -> bool:
        return bool(self.line) or self.moves == WIDTH * HEIGHT

    def open_columns(self) -> list[int]:
        return [number for number, column in enumerate(self.columns) if len(column) < HEIGHT]

    def at(self, cell: Cell) -> Mark | None:
        column, row = cell
        if 0 <= column < WIDTH and 0 <= row < len(self.columns[column]):
            return self.columns[column][row]
        return None


def drop(board: Board, column: int, mark: Mark) -> Board:
    """The board after `mark` drops a disc into `column`. Raises IllegalMove if the rules refuse it."""
    if board.over:
        raise IllegalMove("the game is over")
    if mark != board.turn:
        raise IllegalMove(f"it is {board.turn}'s turn")
    if column < 0 or column > WIDTH:  # the planted bug: column 7 is not on the board either
        raise IllegalMove(f"there is no column {column}: the columns are 0 to {WIDTH - 1}")
    return _place(board, column, mark)


def _place(board: Board, column: int, mark: Mark) -> Board:
    row = len(board.columns[column])
    if row == HEIGHT:
        raise IllegalMove(f"column {column} is full")
    placed = _with_disc(board, column, mark)
    return replace(placed, line=_winning_line(placed, (column, row)), last=(column, row))


def _with_disc(board: Board, column: int, mark: Mark) -> Board:
    columns = list(board.columns)
    columns[column] = (*columns[column], mark)
    return Board(tuple(columns))


def _winning_line(board: Board, start: Cell) -> tuple[Cell, ...]:
    """The line of four or more through `start`, or nothing."""
    for right, up in DIRECTIONS:
        back = list(_run(board, start, -right, -up))
        line = (*reversed(back), start, *_run(board, start, right, up))
        if len(line) >= IN_A_ROW:
            return line
    return ()


def _run(board: Board, start: Cell, right: int, up: int) -> Iterator[Cell]:
    """The cells of the same colour next to `start`, in one direction."""
    column, row = start
    mark = board.at(start)
    while board.at((column + right, row + up)) == mark:
        column, row = column + right, row + up
        yield column, row


def choose(board: Board, rng: random.Random) -> int:
    """A fair move for whoever's turn it is: win if you can, block if you must, else lean to the middle."""
    mine = board.turn
    other: Mark = "yellow" if mine == "red" else "red"
    columns = board.open_columns()
    for mark in (mine, other):
        for column in columns:
            if _winning_line(_with_disc(board, column, mark), (column, len(board.columns[column]))):
                return column
    weights = [1 + min(column, WIDTH - 1 - column) for column in columns]
    return rng.choices(columns, weights)[0]
