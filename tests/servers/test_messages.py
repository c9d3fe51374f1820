"""The methods of handles: they take what their handlers take, whatever that is and however it is called."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import linecache
import re
import traceback
import weakref
from collections.abc import Callable
from contextvars import Context
from keyword import iskeyword
from typing import Any

import pytest

from regrow import DynamicSupervisor, GenServer, Reply, ReplyDropped, ServerExited, call, cast
from regrow.kernel.runtime import runtime
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
    def fields(this, **fields: int) -> dict[str, int]:  # that is the point
        return fields

    @call
    def process(process, **fields: int) -> dict[str, int]:  # as above
        return fields

    @cast
    def note(self, **fields: int) -> None:
        self.cast_with = fields

    @call
    @functools.lru_cache  # noqa: B019  # it is written in C, and says nothing of its parameters
    def square(self, n: int) -> int:
        return n * n

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
        assert await taking.fields(self=1, process=2) == {"self": 1, "process": 2}
        assert await taking.process(self=1, this=2) == {"self": 1, "this": 2}
        assert await taking.square(4) == 16
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
        (lambda one: one.fields(this=1), "Taking.fields() got multiple values for argument 'this'"),
        (lambda one: one.process(process=1), "Taking.process() got multiple values for argument 'process'"),
        (lambda one: one.note(**{"self": 1}), "Taking.note() got multiple values for argument 'self'"),
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


class Collecting(GenServer):
    def __init__(self) -> None:
        self.got: list[object] = []

    @cast
    def note(self, what: object) -> None:
        self.got.append(what)

    @call
    def all(self) -> list[object]:
        return self.got


class Circle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


async def test_no_cast_is_lost_to_one_that_a_finalizer_sends_meanwhile() -> None:
    collecting = await Collecting.start()
    before = gc.get_threshold()
    for offset in range(20):
        gc.collect()
        weakref.finalize(Circle(), collecting.note, "finalized").atexit = False
        gc.set_threshold(gc.get_count()[0] + offset, 1000, 1000)
        try:
            collecting.note("sent")
        finally:
            gc.set_threshold(*before)
        gc.collect()
        await asyncio.sleep(0)
        assert sorted(map(str, await collecting.all())) == ["finalized", "sent"], offset
        (await collecting.all()).clear()


class Promising(GenServer):
    @call
    def promise(self) -> Reply[int]:
        return Reply()

    @cast
    def note(self, seen: list[bool], waiting: asyncio.Task[int]) -> None:
        seen.append(not promised_to(waiting))


def promised_to(waiting: asyncio.Task[int]) -> bool:
    """Whether who waits is still waiting for a reply that may come."""
    future: Any = getattr(waiting, "_fut_waiter", None)
    return future is not None and not future.done()


async def test_a_dropped_reply_is_told_before_the_next_process_has_its_turn() -> None:
    async def main() -> list[bool]:
        async with DynamicSupervisor.scope() as sup:
            one, other = [await sup.start_child(Promising.child_spec()) for _ in range(2)]
            runtime().inline = "off"  # both have to queue
            seen: list[bool] = []
            waiting = asyncio.create_task(ask(one))
            await asyncio.sleep(0)
            other.note(seen, waiting)
            with pytest.raises(ReplyDropped):
                await waiting
        return seen

    # Processes with an empty context take their turns one right after the other.
    assert await asyncio.create_task(main(), context=Context()) == [True]


async def ask(server: Promising) -> int:
    return await server.promise()
