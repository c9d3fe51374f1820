"""The rules of the arcade's game, played without any process."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.arcade.rules import HEIGHT, OFF_THE_EDGE, WIDTH, Board, IllegalMove, choose, drop


def played(*columns: int) -> Board:
    board = Board()
    for column in columns:
        board = drop(board, column, board.turn)
    return board


def test_red_moves_first_and_discs_pile_up() -> None:
    board = played(3, 3, 3)
    assert board.columns[3] == ("red", "yellow", "red")
    assert board.turn == "yellow"
    assert board.last == (3, 2)
    assert not board.over


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ((0, 0, 1, 1, 2, 2, 3), {(0, 0), (1, 0), (2, 0), (3, 0)}),
        ((0, 1, 0, 1, 0, 1, 0), {(0, 0), (0, 1), (0, 2), (0, 3)}),
        ((0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3), {(0, 0), (1, 1), (2, 2), (3, 3)}),
        ((6, 5, 5, 4, 4, 3, 4, 3, 3, 0, 3), {(6, 0), (5, 1), (4, 2), (3, 3)}),
    ],
    ids=["row", "column", "rising", "falling"],
)
def test_four_in_a_line_win(columns: tuple[int, ...], line: set[tuple[int, int]]) -> None:
    board = played(*columns)
    assert board.winner == "red"
    assert set(board.line) == line
    assert board.over


def test_the_last_disc_may_fill_a_gap() -> None:
    board = played(0, 0, 1, 1, 3, 3, 2)
    assert board.winner == "red"
    assert set(board.line) == {(0, 0), (1, 0), (2, 0), (3, 0)}


def test_a_full_board_without_a_line_is_a_draw() -> None:
    board = played(*map(int, "330254564223355224331121550404466660106011"))
    assert board.moves == WIDTH * HEIGHT
    assert board.over
    assert board.winner is None


@pytest.mark.parametrize(
    ("columns", "column", "mark", "words"),
    [
        ((), -1, "red", "no column -1"),
        ((), 8, "red", "no column 8"),
        ((), 0, "yellow", "red's turn"),
        ((0,) * HEIGHT, 0, "red", "full"),
        ((0, 0, 1, 1, 2, 2, 3), 4, "yellow", "over"),
    ],
)
def test_illegal_moves_say_why(columns: tuple[int, ...], column: int, mark: str, words: str) -> None:
    board = played(*columns)
    with pytest.raises(IllegalMove, match=words):
        drop(board, column, mark)  # type: ignore[arg-type]


def test_the_planted_bug_is_there() -> None:
    with pytest.raises(IndexError):
        drop(Board(), OFF_THE_EDGE, "red")


def test_choose_wins_and_blocks() -> None:
    rng = random.Random(1)
    assert choose(played(0, 6, 0, 6, 0, 5), rng) == 0  # red wins
    assert choose(played(0, 6, 0, 6, 0), rng) == 0  # yellow blocks


@given(st.integers())
def test_bots_always_finish_a_game(seed: int) -> None:
    rng = random.Random(seed)
    board = Board()
    while not board.over:
        board = drop(board, choose(board, rng), board.turn)
    assert board.winner is not None or not board.open_columns()
