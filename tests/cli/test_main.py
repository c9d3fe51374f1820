"""The command itself: help, version, and mistakes told without a traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from regrow.cli.main import main
from tests.application.subprocesses import run_python

if TYPE_CHECKING:
    from pathlib import Path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """Exit code, stdout and stderr of ``regrow`` with these *words*."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    out, err = capsys.readouterr()
    return caught.value.code or 0, " ".join(out.split()), err


@pytest.fixture(autouse=True)
def wide_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    for each in ("FORCE_COLOR", "GITHUB_ACTIONS", "REGROW_TRACEBACK"):
        monkeypatch.delenv(each, raising=False)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--version")
    assert code == 0
    assert out.startswith("regrow ")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    for each in ("new", "run", "shell", "demo", "--version", "--traceback"):
        assert each in out


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        ("new", ["NAME", "--sup", "with tests that pass at once"]),
        ("run", ["MODULE:App", "--type", "permanent|transient|temporary", "--arg", "130 or 143"]),
        ("shell", ["MODULE:App", "root()", "tree()", "process.current()", "Ctrl-D"]),
    ],
)
def test_each_command_has_help(capsys: pytest.CaptureFixture[str], command: str, texts: list[str]) -> None:
    code, out, _ = said(capsys, command, "--help")
    assert code == 0
    for each in texts:
        assert each in out


def test_a_mistyped_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "rum")
    assert code == 2
    assert "run" in err


def test_a_mistake_is_told_in_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "new", "MyShop")
    assert code == 2
    assert err.splitlines()[0].startswith("error: 'MyShop' can't be the name of a project")
    assert err.splitlines()[1] == "For example: regrow new my_shop"
    assert len(err.splitlines()) == 2


@pytest.mark.real_time("another program runs")
def test_a_traceback_is_shown_on_request(tmp_path: Path) -> None:
    for words, env in ((["--traceback"], {}), ([], {"REGROW_TRACEBACK": "1"})):
        done = run_python("-m", "regrow", *words, "new", "MyShop", cwd=tmp_path, env=env)
        assert done.returncode == 1
        assert "Traceback" in done.stderr


def test_a_bad_pyproject_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.regrow]\naplication = 'x:Y'\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, _, err = said(capsys, "run")
    assert code == 2
    assert "did you mean 'application'?" in err


def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in [name for name in sys.modules if name.startswith("regrow.cli.commands")]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, "typer", None)
    code, _, err = said(capsys, "--version")
    assert code == 1
    assert 'pip install "regrow[cli]"' in err
