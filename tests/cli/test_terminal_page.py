"""The page docs/terminal.md: its program runs, and what it prints there is what is printed."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regrow.observer.operations import offered
from tests.application.subprocesses import Program
from tests.cli.shops import regrow

pytestmark = pytest.mark.real_time("another program runs")

PAGE = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SESSIONS = [block for kind, block in BLOCKS if kind == "console"]


def commands(session: str) -> Iterator[tuple[str, str]]:
    """Each command, with what it prints."""
    for part in re.split(r"^\$ regrow ", session, flags=re.MULTILINE)[1:]:
        command, _, told = part.partition("\n")
        yield command, told


def same(wanted: str, told: str) -> bool:
    """But for numbers, and what is left out by three dots; and how far columns are apart."""
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return checker.check_output(plain(wanted), plain(told), flags)


def plain(text: str) -> str:
    marks = re.compile(r"^[ ~^]+\n", re.MULTILINE)  # where in the line it was: Pythons differ in that
    return re.sub(r"\d+", "0", marks.sub("", text)).strip() + "\n"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield {"XDG_RUNTIME_DIR": folder, "TMPDIR": folder}


@pytest.fixture
def shop(tmp_path: Path, env: dict[str, str]) -> Iterator[Program]:
    code = next(block for kind, block in BLOCKS if kind == "python" and block.startswith("# shop.py"))
    text = code.replace("        return root\n", '        print("open", flush=True)\n        return root\n')
    (tmp_path / "shop.py").write_text(text, encoding="utf-8")
    with Program("-m", "regrow", "run", "shop:Shop", cwd=tmp_path, env=env) as program:
        program.wait_for("open")
        while not json.loads(regrow(env, "crashes", "--json").stdout)["rows"]:
            assert program.process.poll() is None
        yield program


def test_what_the_commands_print(shop: Program, env: dict[str, str]) -> None:
    seen = 0
    for session in SESSIONS[1:]:
        for command, wanted in commands(session):
            done = regrow(env, *shlex.split(command))
            told = done.stdout
            assert done.returncode == 0, done.stderr
            assert same(wanted, told), f"$ regrow {command}\n{told}"
            seen += 1
    assert seen == 5


async def test_what_top_shows(shop: Program, env: dict[str, str]) -> None:
    pytest.importorskip("textual")
    from regrow.cli.top.app import Top
    from regrow.control.attachment import Attachment
    from tests.cli.test_top import screen_text
    from tests.cli.test_top_live import until

    ((command, wanted),) = commands(SESSIONS[0])
    assert command == "top"
    attachment = Attachment()
    await attachment.find()
    top = Top(attachment, interval=0.5)
    async with top.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(top.samples) > 1 and "watched for 0 " not in screen_text(top))
        told = screen_text(top).splitlines()
    lines = wanted.splitlines()
    for ours, theirs in zip(lines[:2], told[:2], strict=True):
        assert re.sub(r"\d[\w.,]*", "0", ours).split() == re.sub(r"\d[\w.,]*", "0", theirs).split()
    for line in lines[2:]:
        assert any(same(line, each) for each in told), f"{line!r} is not in:\n" + "\n".join(told)


def test_the_tools_of_the_page_are_those_that_there_are() -> None:
    agents = PAGE.partition("## For agents")[2]
    for operation in offered(actions=True):
        assert f"`{operation.name}`" in agents
    (config,) = (json.loads(block) for kind, block in BLOCKS if kind == "json")
    assert config["mcpServers"]["regrow"] == {"command": "regrow", "args": ["mcp"]}


def test_the_app_of_the_page_is_one() -> None:
    pytest.importorskip("mcp")
    code = next(block for kind, block in BLOCKS if kind == "python" and "mcp.asgi" in block)
    names: dict[str, object] = {}
    exec(code, names)
    assert callable(names["app"])
