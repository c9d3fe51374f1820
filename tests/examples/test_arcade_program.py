"""The arcade as a program: it closes by itself, tells what it counted, and ends in order when it is interrupted."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
pytest.importorskip("rich")

from rich.console import Console

from examples.arcade.picture import Picture
from examples.arcade.settings import Settings
from examples.arcade.stats import Book, Crash, Track
from examples.arcade.view import summary

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-u", "-m", "examples.arcade", "--port", "0"]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.real_time("another program runs")
def test_without_a_terminal_it_closes_by_itself_and_its_figures_add_up() -> None:
    program = subprocess.run(
        [*COMMAND, "--seconds", "2", "--games", "40", "--pace", "0.02", "--crash-rate", "0.4"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert program.returncode == 0, program.stdout + program.stderr
    assert program.stderr == ""
    assert "All of it adds up." in program.stdout
    started, finished, abandoned, cut = numbers(
        r"games +(\d+) started = (\d+) finished \+ (\d+) abandoned \+ (\d+) cut off", program.stdout
    )
    crashes, planted = numbers(r"crashes +(\d+), of them (\d+) planted", program.stdout)
    (restarts,) = numbers(r"restarts +(\d+) by", program.stdout)
    healed, hurt = numbers(r"healed +(\d+) of (\d+)", program.stdout)
    assert started == finished > 0
    assert cut == abandoned == 0
    assert crashes == planted == restarts > 0
    assert healed == hurt > 0


def numbers(pattern: str, text: str) -> list[int]:
    found = re.search(pattern, text)
    assert found is not None, text
    return [int(each) for each in found.groups()]


@pytest.mark.real_time("another program runs")
def test_ctrl_c_closes_it_in_order() -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "60", "--games", "20"],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stderr is not None
        assert "arcade open at http://127.0.0.1:" in program.stdout.readline()
        program.stdout.readline()  # the first line of figures: the games are under way
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=20)
    assert program.returncode == 0, rest + errors
    assert "All of it adds up." in rest
    assert "Traceback" not in errors


@pytest.mark.real_time("another program runs")
def test_a_port_that_is_taken_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        program = subprocess.run(
            [*COMMAND, "--port", port, "--seconds", "1"],
            cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert program.returncode == 1
    assert f"port {port} cannot be used" in program.stderr
    assert "--port 0" in program.stderr


@pytest.mark.parametrize(
    "wrong", [["--games", "0"], ["--games", "x"], ["--crash-rate", "1"], ["--seconds", "nan"]]
)
def test_wrong_arguments_say_what_is_allowed(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        Settings.parse(wrong)
    assert end.value.code == 2
    assert "number from" in capsys.readouterr().err


def test_a_crashed_game_that_never_came_back_is_a_complaint() -> None:
    book = Book(started=2, crashes=1, planted=1, hurt=1, finished=1, closed_in_order=True)
    book.games["g1"] = Track(7)
    assert any("restarted" in each for each in book.complaints())
    assert any("finish only 0" in each for each in book.complaints())
    assert "WRONG" in summary(book)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 16), (200, 60)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    book = Book()
    for number in range(300):
        book.games[f"g{number}"] = Track(number, lives=1 + number % 3 // 2)
    book.crash_log.append(Crash("g1", 1, "IndexError", 0.0, 77))
    console = Console(width=width, height=height, force_terminal=True)
    picture = Picture(Settings(), book, "http://127.0.0.1:4040")
    picture.tick()
    lines = console.render_lines(picture.draw(width, height))
    assert len(lines) <= height
    book.games.clear()
    assert console.render_lines(picture.draw(width, height))
