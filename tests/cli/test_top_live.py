"""``regrow top`` against a program that really runs, and in a terminal that really is one."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

from regrow.cli.top.app import Top
from regrow.cli.top.pages import ProcessPage
from regrow.cli.top.table import ProcessTable
from regrow.cli.top.tree import TreeView
from regrow.control.attachment import Attachment
from tests.application.subprocesses import clean_environment
from tests.cli.shops import regrow, running, write_shop
from tests.cli.test_top import press, screen_text

pytestmark = pytest.mark.real_time("another program runs")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield {"XDG_RUNTIME_DIR": folder, "TMPDIR": folder}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path)


async def until(pilot: Pilot[None], seen: Callable[[], bool]) -> None:
    for _ in range(150):
        if seen():
            return
        await pilot.pause(0.1)
    raise AssertionError(f"not seen:\n{screen_text(pilot.app)}")  # type: ignore[arg-type]


async def test_a_running_program_is_watched_acted_on_and_found_again(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--allow-actions") as first:
        await asyncio.to_thread(first.wait_for, "open")
        attachment = Attachment()
        await attachment.find()
        top = Top(attachment, interval=0.3)
        async with top.run_test(size=(100, 30), notifications=True) as pilot:
            await until(pilot, lambda: f"shop (pid {first.process.pid})  watched for" in screen_text(top))
            await until(pilot, lambda: bool(top.samples))
            await press(pilot, "slash", *"main")
            table = top.query_one(ProcessTable)
            await until(pilot, lambda: table.row_count == 1)
            chosen = table.chosen
            assert chosen is not None
            before = chosen["pid"]
            await press(pilot, "enter", "enter")
            assert isinstance(top.screen, ProcessPage)
            await until(pilot, lambda: "permanent worker" in screen_text(top))
            await press(pilot, "k", "y")
            await until(pilot, lambda: "has ended; this is how it was" in screen_text(top))
            await press(pilot, "escape")
            await until(pilot, lambda: table.chosen is not None and table.chosen["pid"] != before)
            await press(pilot, "2")
            tree = top.query_one(TreeView)
            await until(pilot, lambda: any("main till" in line.text.plain for line in tree.lines))

            first.process.kill()
            first.process.wait()
            await until(pilot, lambda: "waiting for its next run" in screen_text(top))
            with running(shop, env) as second:
                await until(
                    pilot, lambda: f"shop (pid {second.process.pid})  watched for" in screen_text(top)
                )
                await until(pilot, lambda: any("main till" in line.text.plain for line in tree.lines))
                second.process.kill()


def test_in_a_terminal_it_takes_the_screen_and_gives_it_back(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as program:
        program.wait_for("open")
        ours, theirs = pty.openpty()
        top = subprocess.Popen(
            [sys.executable, "-m", "regrow", "top", "shop"],
            cwd=shop,
            env={**clean_environment(env), "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        told = read_until(ours, b"main till")
        os.write(ours, b"q")
        told += read_until(ours, b"\x1b[?1049l")
        assert b"\x1b[?1049h" in told
        assert top.wait(30) == 0
        os.close(ours)
        program.send(signal.SIGTERM)
        assert program.end() == 0  # it did not notice


def read_until(end: int, text: bytes) -> bytes:
    told, patience = b"", time.monotonic() + 30
    while text not in told:
        assert time.monotonic() < patience, told[-2000:]
        if select.select([end], [], [], 1.0)[0]:
            told += os.read(end, 65536)
    return told


def test_a_program_that_can_not_be_looked_into_is_said_before_the_screen_is_taken(
    shop: Path, env: dict[str, str]
) -> None:
    done = regrow(env, "top", "shop")
    assert (done.returncode, done.stdout) == (2, "")
    assert "regrow run MODULE:App" in done.stderr


def test_without_textual_it_says_how_to_get_it(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("regrow.cli.top")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [each for each in sys.modules if each == "textual" or each.startswith("textual.")]:
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    done = regrow(env, "top")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: regrow top needs textual, which is not installed.",
        'Install it with:  pip install "regrow[top]"',
    ]
