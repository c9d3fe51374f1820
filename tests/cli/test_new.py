"""``regrow new``: projects whose own tests pass at once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from regrow.cli.errors import UserError
from regrow.cli.new import make_project, package_name
from tests.application.subprocesses import run_python


@pytest.mark.real_time("another program runs")
@pytest.mark.parametrize("sup", [False, True])
def test_the_tests_of_a_new_project_pass_at_once(tmp_path: Path, sup: bool) -> None:
    made = run_python("-m", "regrow", "new", "my-shop", *(["--sup"] if sup else []), cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / "my-shop"
    assert {"README.md", ".gitignore", "pyproject.toml", "src", "tests"} == {
        each.name for each in project.iterdir()
    }
    done = run_python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error", cwd=project
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("2 passed" if sup else "1 passed") in done.stdout


def test_with_sup_the_application_is_wired_up(tmp_path: Path) -> None:
    said = make_project(tmp_path / "counter", sup=True)
    content = tomllib.loads((tmp_path / "counter" / "pyproject.toml").read_text(encoding="utf-8"))
    assert content["tool"]["regrow"]["application"] == "counter.application:CounterApp"
    assert "class CounterApp(Application)" in (tmp_path / "counter/src/counter/application.py").read_text(
        encoding="utf-8"
    )
    assert "regrow run" in said


def test_without_sup_there_is_no_application(tmp_path: Path) -> None:
    said = make_project(tmp_path / "shop", sup=False)
    content = tomllib.loads((tmp_path / "shop" / "pyproject.toml").read_text(encoding="utf-8"))
    assert content["project"]["name"] == "shop"
    assert "regrow" not in content["tool"]
    assert "regrow run" not in said
    assert not list((tmp_path / "shop").rglob("application.py"))


def test_an_empty_folder_is_taken_and_an_occupied_one_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make_project(tmp_path / "empty", sup=False)
    with pytest.raises(
        UserError, match=r"is there already and holds \.gitignore, README\.md, pyproject\.toml, \.\.\."
    ):
        make_project(tmp_path / "empty", sup=True)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is no folder"):
        make_project(tmp_path / "file", sup=False)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_the_folder_one_stands_in_can_be_named_by_a_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    make_project(Path("."), sup=False)
    assert (tmp_path / "shop" / "src" / "shop" / "__init__.py").is_file()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("MyShop", "beginning with a letter.\nFor example: regrow new my_shop"),
        ("3d", "For example: regrow new d"),
        ("a b", "For example: regrow new a_b"),
        ("ünicode", "For example: regrow new nicode"),
        ("_x", "For example: regrow new x"),
        ("!!", "For example: regrow new counter"),
        ("class", "it is a word of Python itself"),
        ("match", "it is a word of Python itself"),
        ("logging", "there is a module 'logging' already"),
        ("regrow", "For example: regrow new my_regrow"),
        ("tests", "there is a module 'tests' already"),
    ],
)
def test_a_name_that_can_not_be_a_package_is_refused(tmp_path: Path, name: str, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        make_project(tmp_path / name, sup=False)
    assert complaint in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_dash_becomes_an_underscore() -> None:
    assert package_name("my-shop-2") == "my_shop_2"


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"can't write .*file.*: Not a directory"):
        make_project(tmp_path / "file" / "shop", sup=False)
