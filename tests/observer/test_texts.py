"""Values written down as text: bounded, and never an error."""

from __future__ import annotations

from typing import Any

import pytest

from regrow import NoProcess, Registry
from regrow.kernel.reasons import strip
from regrow.observer import texts
from tests.observer.programs import Game


class Sly:
    def __repr__(self) -> str:
        raise RuntimeError("not even this")

    def __str__(self) -> str:
        raise RuntimeError("nor this")


class SlyError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")

    __repr__ = __str__


ODD: list[Any] = [
    None,
    "",
    "x" * 10_000,
    Sly(),
    [Sly()],
    {"a": Sly()},
    {Sly(): 1},
    SlyError(),
    b"\xff" * 9999,
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_whatever_it_is_it_becomes_a_text_in_bounds(value: object) -> None:
    assert len(texts.short(value)) <= 200
    assert len(texts.long_text(value)) <= 16_000
    assert len(texts.reason_text(value)) <= 200
    assert len(texts.name_text(value) or "") <= 200


class Half(Exception):
    def __repr__(self) -> str:
        return "half \ud83d"

    __str__ = __repr__


@pytest.mark.parametrize("value", ["\ud83d", Half(), {"a": Half()}, [Half()]], ids=repr)
def test_half_a_character_can_be_sent(value: Any) -> None:
    for text in (
        texts.short(value),
        texts.long_text(value),
        texts.reason_text(value),
        texts.name_text(value),
    ):
        assert "\\ud83d" in (text or "").encode().decode()


def test_a_traceback_with_half_a_character_can_be_sent() -> None:
    assert "half" in texts.traceback_text(Half()).encode().decode()


def test_an_exception_that_can_not_be_printed_is_named() -> None:
    assert "SlyError" in texts.traceback_text(SlyError())


def test_names_are_short_words() -> None:
    assert texts.name_text(None) is None
    assert texts.name_text("games") == "games"
    assert texts.name_text(Game) == "Game"
    assert texts.name_text(("game", 7)) == "('game', 7)"
    assert texts.name_text(Registry.named("by_id").via("g1", value="secret")) == "g1 in by_id"
    assert texts.name_text(Registry.named(Game).via(("a", 1))) == "('a', 1) in Game"


def test_a_long_text_loses_its_middle() -> None:
    text = texts.cut("a" * 500 + "b" * 500, 100)
    assert len(text) == 100
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert "[...]" in text


def test_where_an_exception_was_raised_is_known_before_and_after_its_frames_are_taken() -> None:
    with pytest.raises(ValueError, match="here") as raised:
        raise ValueError("here")
    before = texts.where_raised(raised.value)
    strip(raised.value)
    assert before == texts.where_raised(raised.value)
    assert before is not None
    assert before.endswith("_before_and_after_its_frames_are_taken")
    assert texts.where_raised("no exception") is None


async def test_the_place_of_an_error_is_in_the_program_as_far_as_it_got_there() -> None:
    with pytest.raises(NoProcess) as raised:  # by regrow, which was asked from here
        await Game.named("nobody").play(1)
    assert (texts.where_raised(raised.value) or "").startswith(__file__)
    strip(raised.value)
    assert (texts.where_raised(raised.value) or "").startswith(__file__)
    assert texts.reason_text(raised.value).endswith(f" at {texts.where_raised(raised.value)}")


def test_states_are_shown_a_line_for_each_attribute() -> None:
    class Plain:
        def __init__(self) -> None:
            self.one = 1
            self.two = ["x"] * 1000

    lines = texts.long_text(Plain()).splitlines()
    assert lines[0] == "one: 1"
    assert lines[1].startswith("two: ['x', 'x'")
    many = texts.long_text({number: number for number in range(1000)})
    assert many.endswith("... and 900 more")
