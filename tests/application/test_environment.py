"""The environment of an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from regrow import application
from regrow.application import Application, EnvironmentKeyError
from regrow.kernel.errors import NoCurrentProcess

if TYPE_CHECKING:
    from pathlib import Path


class Shop(Application):
    name = "shop"
    env = {"colour": "red", "size": 1}  # noqa: RUF012


@pytest.mark.behaviour("APP-01")
async def test_keys_are_put_got_and_deleted() -> None:
    assert application.get_env("fresh", "x") is None
    assert application.get_env("fresh", "x", 7) == 7
    application.put_env("fresh", "x", None)
    application.put_env("fresh", "y", 2)
    assert application.get_env("fresh", "x", 7) is None  # set to None is set
    assert application.fetch_env("fresh", "y") == 2
    assert application.get_all_env("fresh") == {"x": None, "y": 2}
    application.delete_env("fresh", "x")
    application.delete_env("fresh", "x")
    application.delete_env("unheard of", "x")
    assert application.get_all_env("fresh") == {"y": 2}
    assert application.get_all_env("unheard of") == {}


@pytest.mark.behaviour("APP-01")
async def test_the_list_of_all_is_a_copy() -> None:
    application.put_env("fresh", "x", 1)
    application.get_all_env("fresh")["x"] = 2
    assert application.get_env("fresh", "x") == 1


@pytest.mark.behaviour("APP-02")
async def test_fetching_says_why_there_is_nothing() -> None:
    with pytest.raises(EnvironmentKeyError) as unloaded:
        application.fetch_env("unheard", "x")
    assert str(unloaded.value) == (
        "could not fetch 'x' of application 'unheard' because the application was not loaded nor configured"
    )
    application.load(Shop)
    with pytest.raises(EnvironmentKeyError) as unset:
        application.fetch_env(Shop, "x")
    assert (
        str(unset.value)
        == "could not fetch 'x' of application 'shop' because configuration at 'x' was not set"
    )
    assert isinstance(unset.value, KeyError)


async def test_loading_brings_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.regrow.env.shop]\nsize = 2\nopen = true\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGROW_SHOP__OPEN", "false")
    application.load(Shop)
    assert application.get_all_env(Shop) == {"colour": "red", "size": 2, "open": False}
    assert application.get_env("shop", "size") == 2  # the name means the same


async def test_what_is_put_before_the_loading_stays() -> None:
    application.put_env(Shop, "colour", "blue")
    application.load(Shop)
    assert application.get_all_env(Shop) == {"colour": "blue", "size": 1}
    application.unload(Shop)
    assert application.get_all_env(Shop) == {}


async def test_a_key_is_a_string() -> None:
    with pytest.raises(TypeError, match="is a string, got 3"):
        application.put_env(Shop, 3, "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is a string, got 3"):
        application.get_env(Shop, 3)  # type: ignore[arg-type]


def test_without_an_event_loop_there_is_none() -> None:
    with pytest.raises(NoCurrentProcess, match="no running event loop"):
        application.get_env(Shop, "colour")
