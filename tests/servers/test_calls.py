"""`@call` and `@cast` before there is any process: what they refuse, and what class and instance show."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pytest

from regrow.servers.calls import DEFAULT, Call, Cast, Client, call, cast, client
from regrow.servers.reply import Reply, ReplyDropped

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Cheater(Exception):
    pass


class Game:
    def __init__(self) -> None:
        self.cells = [""] * 9
        self.waiting: list[Reply[str]] = []

    @call(timeout=2, raises=Cheater)
    def play(self, cell: int, mark: str = "x") -> list[str]:
        """Put *mark* into a cell."""
        if self.cells[cell]:
            raise Cheater(cell)
        self.cells[cell] = mark
        return list(self.cells)

    @call
    async def play_twice(self) -> list[str]:
        await self.play(0)
        return await self.play(1, "o")

    @call
    def delegated(self) -> Coroutine[Any, Any, list[str]]:
        return Game.play_twice(self)

    @call
    def turn(self) -> Reply[str]:
        answer = Reply[str]()
        self.waiting.append(answer)
        return answer

    @call
    async def turn_later(self) -> Reply[str]:
        await asyncio.sleep(0)
        return Game.turn(self)

    @cast
    def clear(self, mark: str = "") -> None:
        self.cells = [mark] * 9

    @cast
    async def clear_slowly(self) -> None:
        self.cells = []

    @client
    def describe(self) -> str:
        return "asked of a handle"


def declared(name: str) -> Any:
    return inspect.getattr_static(Game, name)


def test_the_class_shows_the_plain_function() -> None:
    game = Game()
    assert Game.play(game, 4, "x")[4] == "x"
    assert inspect.isfunction(Game.play)
    Game.clear(game, "-")
    assert game.cells == ["-"] * 9
    assert Game.describe(game) == "asked of a handle"


async def test_on_self_a_call_runs_there_and_then_and_is_awaited() -> None:
    game = Game()
    assert (await game.play(4, mark="o"))[4] == "o"
    assert await game.play_twice() == ["x", "o", "", "", "o", "", "", "", ""]
    with pytest.raises(Cheater):
        await game.play(4)


async def test_what_returns_a_coroutine_is_async_however_it_was_declared() -> None:
    assert (await Game().delegated())[:2] == ["x", "o"]


async def test_super_runs_the_inherited_function() -> None:
    class Loud(Game):
        @call
        async def play(self, cell: int, mark: str = "x") -> list[str]:
            return [each.upper() for each in await super().play(cell, mark)]

    assert (await Loud().play(0))[0] == "X"


@pytest.mark.parametrize("name", ["turn", "turn_later"])
async def test_on_self_a_reply_is_waited_for(name: str) -> None:
    game = Game()
    turn = asyncio.ensure_future(getattr(game, name)())
    while not game.waiting:
        await asyncio.sleep(0)
    game.waiting.pop().send("yours")
    assert await turn == "yours"


async def test_on_self_a_reply_that_is_dropped_ends_the_wait() -> None:
    game = Game()
    turn = asyncio.ensure_future(game.turn())
    while not game.waiting:
        await asyncio.sleep(0)
    game.waiting.clear()
    with pytest.raises(ReplyDropped, match=r"Game\.turn"):
        await turn


def test_on_self_a_cast_runs_now() -> None:
    game = Game()
    game.clear("o")
    assert game.cells == ["o"] * 9


def test_on_self_an_async_cast_says_what_to_write_instead() -> None:
    game = Game()
    with pytest.raises(TypeError, match=r"await Game\.clear_slowly\(self\)"):
        game.clear_slowly()
    assert game.cells


def test_a_client_function_is_not_for_the_server() -> None:
    with pytest.raises(TypeError, match="use a handle"):
        Game().describe()


def test_what_was_declared_is_kept() -> None:
    play, turn, clear = declared("play"), declared("turn"), declared("clear")
    assert [type(each) for each in (play, clear, declared("describe"))] == [Call, Cast, Client]
    assert (play.name, play.timeout, play.raises) == ("play", 2, (Cheater,))
    assert (turn.timeout, turn.raises) == (DEFAULT, ())
    assert play.function is Game.play
    assert repr(play) == "<@call Game.play>"
    renamed = type("Other", (), {"go": call(Game.play)})
    assert inspect.getattr_static(renamed, "go").name == "go"


def test_help_and_inspect_see_the_method() -> None:
    assert Game.play.__doc__ == Game().play.__doc__ == "Put *mark* into a cell."
    assert str(inspect.signature(Game().play)) == "(cell: 'int', mark: 'str' = 'x') -> 'list[str]'"
    assert inspect.iscoroutinefunction(Game().play)
    assert inspect.getdoc(declared("play")) == "Put *mark* into a cell."


@pytest.mark.parametrize("order", ["call outside", "abstractmethod outside"])
def test_an_abstract_call_stays_abstract(order: str) -> None:
    def price(self: Any) -> int: ...

    made = call(abstractmethod(price)) if order == "call outside" else abstractmethod(call(price))

    class Priced(ABC):  # noqa: B024  # the abstract method is hidden in `made`
        price = made

    assert inspect.isabstract(Priced)
    with pytest.raises(TypeError, match="abstract"):
        Priced()


def generator(self: object) -> Any:
    yield 1


async def async_generator(self: object) -> Any:
    yield 1


@pytest.mark.parametrize("decorate", [call, cast, client, call(timeout=3)])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (staticmethod(generator), "take the @staticmethod off"),
        (classmethod(generator), "take the @classmethod off"),
        (property(generator), "take the @property off"),
        (functools.cached_property(generator), "take the @cached_property off"),
        (generator, "it yields"),
        (async_generator, "it yields"),
        (call(Game.play), "it is a @call already"),
        (cast(Game.clear), "it is a @cast already"),
        (Game, "must be a method"),
        (3, "must be a method"),
        (lambda: 3, "must take the server as its first argument"),
        (Game.__init__, "special methods"),
    ],
)
def test_what_is_no_method_is_refused_at_decoration(decorate: Any, wrong: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        decorate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        Exception,
        BaseException,
        asyncio.CancelledError,
        KeyboardInterrupt,
        GeneratorExit,
        (Cheater, Exception),
        [Cheater],
        Cheater("instance"),
        "Cheater",
        int,
        None,
    ],
)
def test_what_cannot_be_declared_is_refused_at_decoration(wrong: Any) -> None:
    with pytest.raises(TypeError, match="raises="):
        call(raises=wrong)


@pytest.mark.parametrize("wrong", [-1, -0.5, math.nan, True, "5", -math.inf])
def test_a_timeout_that_is_no_time_is_refused_at_decoration(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must be seconds, 0 or more"):
        call(timeout=wrong)


@pytest.mark.parametrize(("given", "kept"), [(None, None), (math.inf, None), (0, 0), (0.5, 0.5)])
def test_infinity_and_none_are_both_no_limit(given: float | None, kept: float | None) -> None:
    assert (
        inspect.getattr_static(type("Any", (), {"go": call(timeout=given)(Game.play)}), "go").timeout == kept
    )
