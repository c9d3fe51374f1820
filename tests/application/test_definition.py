"""The class that is subclassed: what it is called, and what is refused when it is made."""

from __future__ import annotations

import pytest

from regrow.application import Application, InvalidApplication, StartType
from regrow.application.definition import address_of, has_tree, name_of, summary_of


class Shop(Application):
    """Sells.

    More about it.
    """

    def start(self, start_type: StartType, args: list[str]) -> int:  # type: ignore[override]
        raise AssertionError("never started here")


class Library(Application):
    name = "library"


def test_the_name_is_that_of_the_class_unless_given() -> None:
    assert Shop.name == f"{__name__}.Shop"
    assert Library.name == "library"


def test_a_subclass_is_another_application() -> None:
    class Annex(Library):
        pass

    assert Annex.name != "library"
    assert Annex.name.endswith(".Annex")


def test_what_is_told_of_a_class() -> None:
    assert address_of(Shop) == f"{__name__}:Shop"
    assert summary_of(Shop) == "Sells."
    assert summary_of(Library) == "Library"
    assert has_tree(Shop)
    assert not has_tree(Library)
    assert name_of(Library) == name_of("library") == "library"


@pytest.mark.parametrize("value", [Library(), int, 3, None])
def test_only_a_class_or_a_name_names_an_application(value: object) -> None:
    with pytest.raises(InvalidApplication, match="named by its class or its name, got"):
        name_of(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"name": "two words"}, "got 'two words'"),
        ({"name": ""}, "got ''"),
        ({"name": 3}, "got 3"),
        ({"extra_applications": "logging"}, "must be a list of application classes and names, got 'logging'"),
        ({"extra_applications": [3]}, "holds 3; each must be an application class or a name"),
        ({"extra_applications": [int]}, "holds <class 'int'>"),
        ({"env": [("a", 1)]}, "env must be a mapping"),
    ],
)
def test_a_class_that_can_not_work_is_refused_when_it_is_made(
    members: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidApplication) as caught:
        type("Bad", (Application,), members)
    assert complaint in str(caught.value)
