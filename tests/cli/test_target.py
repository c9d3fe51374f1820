"""Which application is meant, and what is said when it can't be found."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest

from regrow.application.config import Settings, find_settings
from regrow.cli.errors import UserError
from regrow.cli.target import find_application

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODULE = """\
from regrow import Application

class Arcade(Application):
    name = "arcade"

number = 3

class Other:
    pass
"""

_numbers = count()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a package into ``src`` of a new project, stand in the project, give the package's name."""

    def make(content: str = MODULE) -> str:
        package = f"shop{next(_numbers)}"
        folder = tmp_path / "src" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("", encoding="utf-8")
        (folder / "main.py").write_text(content, encoding="utf-8")
        return package

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return make


def complaint(target: str | None, settings: Settings | None = None) -> str:
    with pytest.raises(UserError) as caught:
        find_application(target, settings or Settings())
    return str(caught.value)


def test_it_is_found_in_src_and_in_the_working_directory(project: Callable[..., str], tmp_path: Path) -> None:
    package = project()
    assert find_application(f"{package}.main:Arcade", Settings()).name == "arcade"
    (tmp_path / f"{package}_flat.py").write_text(MODULE, encoding="utf-8")
    assert find_application(f"{package}_flat:Arcade", Settings()).name == "arcade"


def test_it_comes_from_pyproject_when_none_is_named(
    project: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = project()
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.regrow]\napplication = "{package}.main:Arcade"\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path / "src")  # the project's folder counts, and not the one that one stands in
    assert find_application(None, find_settings()).name == "arcade"


def test_a_module_with_one_application_needs_no_class(project: Callable[..., str]) -> None:
    assert find_application(f"{project()}.main", Settings()).name == "arcade"


def test_none_named_anywhere_says_how_to_name_one() -> None:
    said = complaint(None)
    assert "which application?" in said
    assert 'application = "MODULE:App"' in said


@pytest.mark.parametrize("target", ["", ":", "a b:C", "a.b:", "a:B:C", "3:x", "src/a.py:App", ".a:B"])
def test_what_is_no_address_is_refused(target: str) -> None:
    assert "is no address of an application" in complaint(target)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("shop.py", "Say: shop"),
        ("./shop.py:Shop", "Say: shop:Shop"),
        ("src/toys/app.py:Toys", "Say: toys.app:Toys"),
        ("../there/shop.py:Shop", "Go to the folder that the module is in"),
    ],
)
def test_a_file_is_not_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, hint: str
) -> None:
    for path in ("here/shop.py", "there/shop.py", "here/src/toys/app.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path / "here")
    said = complaint(target)
    assert f"{target!r} on the command line names a file" in said
    assert hint in said


def test_a_module_that_is_not_there(project: Callable[..., str], tmp_path: Path) -> None:
    package = project()
    said = complaint(f"{package[:-1]}x.main:Arcade")
    assert f"there is no module {package[:-1] + 'x'!r} (named on the command line)" in said
    assert f"Looked in {tmp_path / 'src'} and {tmp_path}" in said
    assert f"Did you mean {package + '.main'!r}?" in said
    said = complaint(f"{package}.mian:Arcade")
    assert f"Did you mean {package + '.main'!r}?" in said
    assert f"{package}.main is a module and no package" in complaint(f"{package}.main.more:Arcade")


def test_a_class_that_is_not_there(project: Callable[..., str]) -> None:
    package = project()
    said = complaint(f"{package}.main:Arcde")
    assert f"the module '{package}.main' has no 'Arcde'" in said
    assert "Applications in" in said
    assert f"Did you mean '{package}.main:Arcade'?" in said


@pytest.mark.parametrize(
    ("name", "what"), [("number", "is 3"), ("Other", "is the class Other"), ("Application", "is the class")]
)
def test_something_else_than_an_application(project: Callable[..., str], name: str, what: str) -> None:
    package = project()
    said = complaint(f"{package}.main:{name}")
    assert f"{package}.main:{name} {what}" in said
    assert "which is no application" in said
    assert f"Applications in {package}.main: Arcade" in said


def test_a_module_with_several_applications_needs_a_class(project: Callable[..., str]) -> None:
    package = project(MODULE + "class Two(Application): pass\n")
    assert f"Applications in {package}.main: Arcade, Two. Say: {package}.main:App" in complaint(
        f"{package}.main"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import nowhere_at_all\n", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("x = 1\nx.y\n", "AttributeError"),
        ("def f(:\n", "SyntaxError"),
    ],
)
def test_a_module_that_fails_is_told_with_its_line(
    project: Callable[..., str], content: str, said: str
) -> None:
    package = project(content)
    told = complaint(f"{package}.main:Arcade")
    assert f"the module '{package}.main' can't be imported: {said}" in told
    assert f"main.py, line {2 if 'x = 1' in content else 1}" in told
