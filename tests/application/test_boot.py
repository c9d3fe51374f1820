"""The order of start, and what can't be put in one."""

from __future__ import annotations

import pytest

from regrow.application import Application, DependencyCycle, InvalidApplication, UnknownApplication
from regrow.application.boot import resolve, start_order


class Base(Application):
    name = "base"


class Left(Application):
    name = "left"
    extra_applications = [Base]  # noqa: RUF012


class Right(Application):
    name = "right"
    extra_applications = (Base, "left")


class Top(Application):
    name = "top"
    extra_applications = [Left, Right]  # noqa: RUF012


def test_what_is_needed_comes_first_and_once() -> None:
    assert start_order(Top, {}) == [Base, Left, Right, Top]


def test_a_known_name_stands_for_its_class() -> None:
    assert start_order(Right, {"left": Left}) == [Base, Left, Right]


def test_an_address_stands_for_its_class() -> None:
    assert resolve("regrow.application.builtin:Logging", {}).name == "logging"


def test_a_circle_is_named() -> None:
    class One(Application):
        name = "one"

    class Two(Application):
        name = "two"
        extra_applications = (One,)

    One.extra_applications = (Two,)
    with pytest.raises(DependencyCycle, match="one -> two -> one") as caught:
        start_order(One, {})
    assert caught.value.circle == ("one", "two", "one")


def test_a_circle_away_from_the_start_names_only_itself() -> None:
    class One(Application):
        name = "one"
        extra_applications = ("two",)

    class Two(Application):
        name = "two"
        extra_applications = (One,)

    class Outer(Application):
        name = "outer"
        extra_applications = (Two,)

    with pytest.raises(DependencyCycle) as caught:
        start_order(Outer, {"two": Two})
    assert caught.value.circle == ("two", "one", "two")


@pytest.mark.parametrize("name", ["loging", "nowhere:App", "regrow.application.builtin:Loging"])
def test_an_unknown_one_is_an_error_with_the_list_of_known_ones(name: str) -> None:
    class Lost(Application):
        extra_applications = (name,)

    with pytest.raises(UnknownApplication) as caught:
        start_order(Lost, {"logging": Base, "arcade": Base})
    assert caught.value.known == ("arcade", "logging", "observer", "systemd")
    assert f"there is no application {name!r} in extra_applications of" in str(caught.value)
    assert "Known are: arcade, logging" in str(caught.value)
    assert ("did you mean 'logging'?" in str(caught.value)) == (name == "loging")


def test_two_with_one_name_are_refused() -> None:
    class Other(Application):
        name = "base"

    class Both(Application):
        extra_applications = (Base, Other)

    with pytest.raises(InvalidApplication, match="are both named 'base'"):
        start_order(Both, {})


@pytest.mark.parametrize("value", [3, None, Application, int, Base()])
def test_what_is_no_application_is_refused(value: object) -> None:
    with pytest.raises(InvalidApplication, match="an application is a subclass of Application or its name"):
        resolve(value, {})  # type: ignore[arg-type]


def test_an_address_of_something_else_is_refused() -> None:
    with pytest.raises(InvalidApplication, match="it must be a subclass of Application"):
        resolve("os:path", {})
