"""What a client or the writer of a class does wrong is told to whoever did it, and nobody else suffers."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from regrow import Agent, GenServer, ServerExited, StartError, call, cast, process


class Shelf(GenServer):
    def __init__(self) -> None:
        self.books: list[str] = []

    @call
    def put(self, book: str) -> int:
        self.books.append(book)
        return len(self.books)

    @call
    async def put_later(self, book: str) -> int:
        return await self.put(book)

    @call
    def broken(self) -> None:
        len(3)

    @cast
    def drop(self, book: str) -> None:
        self.books.remove(book)


@pytest.mark.parametrize("wrong", [("a", "b"), ()])
@pytest.mark.parametrize("name", ["put", "put_later"])
async def test_a_call_with_wrong_arguments_is_the_callers_type_error_and_the_server_lives(
    name: str, wrong: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    shelf = await Shelf.start_link()
    await shelf.put("Emma")
    with pytest.raises(TypeError, match=rf"{name}\(\)"):
        getattr(shelf, name)(*wrong)  # nothing is there to be awaited
    assert await shelf.put("Persuasion") == 2
    assert not caplog.records


async def test_a_cast_with_wrong_arguments_is_refused_where_it_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf: Any = await Shelf.start_link()
    with pytest.raises(TypeError, match=r"^Shelf\.drop\(\) missing 1 required positional argument: 'book'$"):
        shelf.drop()
    assert await shelf.put("Emma") == 1
    assert not caplog.records


async def test_a_type_error_inside_a_handler_is_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    shelf = await Shelf.start()
    with pytest.raises(ServerExited, match=r"has no len\(\)") as caught:
        await shelf.broken()
    assert isinstance(caught.value.reason, TypeError)
    assert not process.alive(shelf)
    assert len(caplog.records) == 1


async def test_the_place_in_the_text_of_an_error_is_the_users_own_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = await Shelf.start()
    with pytest.raises(ServerExited, match=r"test_client_mistakes\.py:\d+ in broken"):
        await shelf.broken()


async def test_an_agent_is_not_asked_with_what_is_no_function() -> None:
    agent = await Agent.start_link(dict[str, str])
    for ask in (agent.get, agent.update, agent.get_and_update):
        with pytest.raises(TypeError, match="function of its value, not 5"):
            await ask(5)
    assert await agent.get(len) == 0


async def test_asyncio_still_tells_of_an_exception_that_nobody_saw_in_a_task_that_is_a_process() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    async def unseen() -> None:
        process.current()
        raise KeyError("unseen")

    task = asyncio.create_task(unseen())
    ref = process.monitor(process.pid_of(await started(task)))
    assert (await process.receive(process.Down)).ref == ref
    del task
    gc.collect()
    assert [repr(each["exception"]) for each in told] == ["KeyError('unseen')"]


async def started(task: asyncio.Task[None]) -> Any:
    """The pid that *task* has once it is a process."""
    before = set(process.processes())
    while not (new := set(process.processes()) - before - {process.current()}):
        await asyncio.sleep(0)
    return new.pop()


# --- the writer of a class ----------------------------------------------------------------------------------------


def test_a_callback_is_no_call() -> None:
    for name in ("handle_info", "terminate", "init", "stopping"):
        with pytest.raises(TypeError, match=f"Wrong.{name}: a server's {name} is no call"):
            type("Wrong", (GenServer,), {name: call(named(name))})


def named(name: str) -> Any:
    def function(self: object) -> None: ...

    function.__name__ = name
    return function


def test_a_static_or_class_method_round_a_call_is_refused() -> None:
    for wrap in (staticmethod, classmethod):
        with pytest.raises(
            TypeError, match=f"Wrong.f: a call is a plain method; take the @{wrap.__name__} off"
        ):
            type("Wrong", (GenServer,), {"f": wrap(call(named("f")))})


def test_an_async_constructor_is_refused() -> None:
    async def __init__(self: object) -> None: ...

    with pytest.raises(TypeError, match=r"Wrong.__init__ can't be async.*async def init"):
        type("Wrong", (GenServer,), {"__init__": __init__})


@pytest.mark.behaviour("GS-16")
@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_an_init_returns_nothing(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    class Plain(GenServer):
        def init(self) -> int:
            return 3

    class Async(GenServer):
        async def init(self) -> int:
            return 3

    with pytest.raises(StartError, match=r"init returned 3: it must return nothing"):
        await (Plain if kind == "plain" else Async).start()
