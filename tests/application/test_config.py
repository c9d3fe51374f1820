"""[tool.regrow] and the variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from regrow.application import Application, ConfigError
from regrow.application.config import Settings, environment_for, find_settings

if TYPE_CHECKING:
    from pathlib import Path


class Arcade(Application):
    name = "arcade"
    env = {"port": 4040, "title": "Arcade", "bots": True}  # noqa: RUF012


def written(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(content, encoding="utf-8")
    return folder


def test_the_nearest_file_with_the_table_is_found_upwards(tmp_path: Path) -> None:
    written(
        tmp_path,
        '[tool.regrow]\napplication = "arcade:Arcade"\nargs = ["--fast"]\ntype = "transient"\ngc = "server"\n',
    )
    below = written(tmp_path / "packages" / "one", '[project]\nname = "one"\n')
    found = find_settings(below / "src")
    assert found == Settings(
        path=tmp_path / "pyproject.toml",
        application="arcade:Arcade",
        args=["--fast"],
        restart_type="transient",
        gc="server",
    )


def test_without_a_file_everything_is_at_its_default(tmp_path: Path) -> None:
    assert find_settings(tmp_path) == Settings()
    assert Settings().restart_type == "permanent"


def test_defaults_then_file_then_variables(tmp_path: Path) -> None:
    written(tmp_path, "[tool.regrow.env.arcade]\nport = 8000\ndepth = 3\n[tool.regrow.env.other]\nport = 1\n")
    variables = {
        "REGROW_ARCADE__DEPTH": "7",
        "REGROW_ARCADE__BOTS": "false",
        "REGROW_ARCADE__TITLE": "1999",  # a string by default, so it stays one
        "REGROW_ARCADE__WORD": "hello there",
        "REGROW_ARCADE__LIST": '["a", "b"]',
        "REGROW_INLINE": "off",
        "REGROW_OTHER__DEPTH": "9",
    }
    assert environment_for(Arcade, find_settings(tmp_path), variables) == {
        "port": 8000,
        "depth": 7,
        "bots": False,
        "title": "1999",
        "word": "hello there",
        "list": ["a", "b"],
    }


def test_a_name_with_dots_is_written_with_underscores_in_a_variable() -> None:
    class Dotted(Application):
        name = "my.app-two"

    assert environment_for(Dotted, Settings(), {"REGROW_MY_APP_TWO__SIZE": "1.5"}) == {"size": 1.5}


@pytest.mark.parametrize("text", ["1\nother = 2", "[1, ", "", '"open', "a = b"])
def test_what_is_no_single_value_is_text(text: str) -> None:
    assert environment_for(Arcade, Settings(), {"REGROW_ARCADE__X": text})["x"] == text


def test_args_belong_to_the_application_that_the_table_names() -> None:
    here = f"{Arcade.__module__}:Arcade"
    assert Settings(args=["a"], application=here).args_for(Arcade) == ["a"]
    assert Settings(args=["a"]).args_for(Arcade) == ["a"]
    assert Settings(args=["a"], application="else:Where").args_for(Arcade) == []


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("aplication = 'a:B'", "has no key 'aplication'; did you mean 'application'?"),
        ("application = 3", 'must be written as "module:Class", got 3'),
        ("args = 'x'", "args must be a list of strings, got 'x'"),
        ("args = [1]", "args must be a list of strings, got [1]"),
        ("type = 'eternal'", "type must be one of permanent, transient, temporary, got 'eternal'"),
        ("gc = 'off'", "gc must be \"server\" or left out, got 'off'"),
        ("env = 1", "env must hold a table for each application"),
        ("[tool.regrow.env]\nport = 1", "env must hold a table for each application"),
    ],
)
def test_a_bad_table_names_the_value_and_what_is_allowed(tmp_path: Path, table: str, complaint: str) -> None:
    written(tmp_path, f"[tool.regrow]\n{table}\n")
    with pytest.raises(ConfigError) as caught:
        find_settings(tmp_path)
    assert complaint in str(caught.value)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    written(tmp_path, "[tool.regrow\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml is no valid TOML"):
        find_settings(tmp_path)


def test_the_table_must_be_one(tmp_path: Path) -> None:
    written(tmp_path, "[tool]\nregrow = 1\n")
    with pytest.raises(ConfigError, match=r"\[tool\.regrow\] must be a table, got 1"):
        find_settings(tmp_path)
