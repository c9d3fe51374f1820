"""The methods of handles: they take what their handlers take, whatever that is and however it is called."""

from __future__ import annotations

import functools
import inspect
import linecache
import re
import traceback
from collections.abc import Callable
from keyword import iskeyword
from typing import Any

import pytest

from regrow import GenServer, ServerExited, call, cast
from regrow.servers import messages


def doubled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that gives the handler one argument more than clients give."""

    @functools.wraps(function)
    def wrapper(self: object, n: int) -> Any:
        return function(self, n, 2 * n)

    return wrapper


MARKS = ["x"]


class Taking(GenServer):
    def __init__(self) -> None:
        self.cast_with: object = None

    @call
    def nothing(self) -> tuple[Any, ...]:
        return ()

    @call
    def places(self, a: int, b: int, /, c: int = 3) -> tuple[Any, ...]:
        return a, b, c

    @call
    def all_kinds(self, a: int, b: int = 2, *more: int, k: int, j: int = 5, **rest: int) -> Any:
        return a, b, more, k, j, rest

    @call
    def only_names(self, *, k: int) -> int:
        return k

    @call
    def many(*args: Any) -> Any:
        return args[1:]

    @call
    def this_is_no_self(this, self: int) -> int:  # that is the point
        return self

    @call
    def marked(self, marks: list[str] = MARKS) -> list[str]:
        return marks

    @call
    @doubled
    def decorated(self, n: int, twice: int) -> tuple[int, int]:
        return n, twice

    @call
    def crash(self, cell: int) -> None:
        raise RuntimeError(cell)

    @cast
    def put(self, a: int, *more: int, k: int = 1, **rest: int) -> None:
        self.cast_with = a, more, k, rest

    @call
    def was_cast(self) -> object:
        return self.cast_with


async def test_every_kind_of_parameter_is_passed_on() -> None:
    async with Taking.scope() as server:
        taking: Any = server
        assert await taking.nothing() == ()
        assert await taking.places(1, 2) == (1, 2, 3)
        assert await taking.places(1, 2, c=4) == (1, 2, 4)
        assert await taking.all_kinds(1, k=4) == (1, 2, (), 4, 5, {})
        assert await taking.all_kinds(1, 7, 8, 9, k=4, j=0, z=6) == (1, 7, (8, 9), 4, 0, {"z": 6})
        assert await taking.all_kinds(b=0, a=1, k=4) == (1, 0, (), 4, 5, {})
        assert await taking.only_names(k=3) == 3
        assert await taking.many(1, 2) == (1, 2)
        assert await taking.this_is_no_self(5) == 5
        assert await taking.decorated(4) == (4, 8)
        taking.put(1)
        assert await taking.was_cast() == (1, (), 1, {})
        taking.put(1, 2, 3, k=4, z=5)
        assert await taking.was_cast() == (1, (2, 3), 4, {"z": 5})


async def test_a_default_is_the_handlers_own_object() -> None:
    async with Taking.scope() as taking:
        assert await taking.marked() is MARKS


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda one: one.nothing(1), "Taking.nothing() takes 1 positional argument but 2 were given"),
        (
            lambda one: one.places(1, b=2),
            "Taking.places() got some positional-only arguments passed as keyword arguments: 'b'",
        ),
        (lambda one: one.only_names(), "Taking.only_names() missing 1 required keyword-only argument: 'k'"),
        (lambda one: one.only_names(j=1), "Taking.only_names() got an unexpected keyword argument 'j'"),
        (lambda one: one.put(), "Taking.put() missing 1 required positional argument: 'a'"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    wrong: Callable[[Any], object], error: str
) -> None:
    async with Taking.scope() as taking:
        with pytest.raises(TypeError, match=re.escape(error)):
            wrong(taking)


def names_in(text: str) -> set[str]:
    """Every word of a text that a parameter could be called by."""
    return {each for each in re.findall(r"[A-Za-z_]\w*", text) if not iskeyword(each)}


USED = sorted(names_in(messages.CALL.text) | names_in(messages.CAST.text) | {"NO_KEYWORDS", "_defaults"})


async def test_a_parameter_may_have_any_name_that_the_texts_use() -> None:
    assert {"process", "rt", "function", "type", "BaseException", "self", "cast", "parameters"} <= {*USED}
    for name in USED:
        space: dict[str, Any] = {}
        exec(f"def takes(me, {name}, *, also):\n    me.seen = {name}, also\n    return me.seen", space)
        kind: Any = type(
            "Kind", (GenServer,), {"ask": call(space["takes"]), "tell": cast(space["takes"]), "seen": None}
        )
        space["takes"].__name__ = "ask"

        @call
        def last(self: Any) -> object:
            return self.seen

        kind.last = last
        async with kind.scope() as server:
            assert await server.ask(1, also=2) == (1, 2), name
            server.tell(**{name: 3}, also=4)
            server.tell(**{name: 5}, also=6)
            assert await server.last() == (5, 6), name


async def test_a_traceback_shows_the_line_of_the_text_that_ran() -> None:
    taking: Any = await Taking.start()
    with pytest.raises(ServerExited) as caught:
        await taking.crash(4)
    lines = linecache.getlines(messages.__file__)
    (frame,) = [each for each in traceback.extract_tb(caught.tb) if each.filename == messages.__file__]
    assert frame.lineno is not None
    assert "await" in lines[frame.lineno - 1]
    assert frame.line == lines[frame.lineno - 1].strip()


async def test_help_shows_the_handler() -> None:
    async with Taking.scope() as taking:
        shown = inspect.signature(taking.places)
    assert str(shown) == "(a: 'int', b: 'int', /, c: 'int' = 3) -> 'tuple[Any, ...]'"
