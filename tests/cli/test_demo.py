"""``regrow demo`` finds the arcade, wherever regrow was installed from, and hands its options on."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import regrow
from regrow import Application
from regrow.cli import demo
from regrow.cli.errors import UserError
from tests.application.subprocesses import run_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.real_time("another program runs")
def test_the_arcade_of_the_checkout_is_found_from_anywhere(tmp_path: Path) -> None:
    done = run_python("-m", "regrow", "demo", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--seconds" in done.stdout
    assert "--port" in done.stdout


@pytest.mark.real_time("another program runs")
def test_an_option_that_the_arcade_refuses_is_an_error(tmp_path: Path) -> None:
    done = run_python("-m", "regrow", "demo", "--games", "many", cwd=tmp_path)
    assert done.returncode == 2
    assert "many is not a whole number" in done.stderr


def test_the_arcade_of_a_wheel_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    package, entry = ModuleType("regrow._arcade"), ModuleType("regrow._arcade.__main__")
    package.__spec__ = importlib.util.spec_from_loader("regrow._arcade", loader=None, is_package=True)
    entry.Arcade = type("Arcade", (Application,), {"name": "arcade"})  # type: ignore[attr-defined]
    entry.main = lambda options, beside: len(options) + len(beside)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "regrow._arcade", package)
    monkeypatch.setitem(sys.modules, "regrow._arcade.__main__", entry)
    assert demo.run_demo(["--seconds", "1"]) == 3  # the options, and the control socket beside it


def test_without_its_libraries_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "NEEDED", ("rich", "starlette_that_is_not_there"))
    with pytest.raises(UserError, match="the demo needs starlette_that_is_not_there") as caught:
        demo.run_demo([])
    assert 'pip install "regrow[demo]"' in str(caught.value)


def test_without_an_arcade_it_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(regrow, "__file__", str(tmp_path / "lib" / "regrow" / "__init__.py"))
    with pytest.raises(UserError, match="the arcade is not there"):
        demo.run_demo([])
