"""What can be chosen when the arcade starts, and how it reads on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PORT = 4040  # where the arcade is found if nobody says otherwise and nobody else sits there


@dataclass(frozen=True, slots=True)
class Settings:
    games: int = 200
    seconds: float | None = None  # None: until Ctrl-C
    port: int | None = None  # None: 4040 or, if that is taken, any; 0: any
    crash_rate: float = 0.2
    pace: float = 0.2
    plain: bool = False  # lines instead of the live view
    log: str | None = None  # file for the crash reports

    @classmethod
    def parse(cls, argv: Sequence[str]) -> Settings:
        given = _parser().parse_args(argv)
        plain = bool(given.plain) or not sys.stdout.isatty()
        seconds: float | None = given.seconds
        if seconds is None and not sys.stdout.isatty():
            seconds = 5.0
        games = 0 if given.no_bots else given.games
        return cls(games, seconds, given.port, given.crash_rate, given.pace, plain, given.log)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="regrow demo",
        description="Hundreds of games at once, one supervised process each. Some crash; watch them heal.",
    )
    parser.add_argument(
        "--seconds", type=_number(0.1, 86_400), help="close after so long (5 without a terminal)"
    )
    parser.add_argument(
        "--games", type=_whole(1, 20_000), default=200, help="games that bots play at once (200)"
    )
    parser.add_argument("--no-bots", action="store_true", help="nobody plays but you, in the browser")
    parser.add_argument(
        "--port", type=_whole(0, 65_535), help=f"port to listen on; 0 is any free one ({PORT})"
    )
    parser.add_argument(
        "--crash-rate",
        type=_number(0, 0.9),
        default=0.2,
        help="how likely a bot crashes its game, from 0 to 0.9; a restarted game may crash again (0.2)",
    )
    parser.add_argument(
        "--pace", type=_number(0, 60), default=0.2, help="seconds a bot thinks about a move (0.2)"
    )
    parser.add_argument("--plain", action="store_true", help="a line each second instead of the live view")
    parser.add_argument("--log", metavar="FILE", help="write all crash reports to this file")
    return parser


def _number(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {low:g} to {high:g}")
        return value

    return number


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")
        return value

    return whole
