"""What a client holds: equality, pickles, errors that teach, names, and use from where it can't work."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import logging
import pickle
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from regrow import (
    DynamicSupervisor,
    GenServer,
    InvalidName,
    NoProcess,
    Reply,
    RuntimeClosed,
    WrongThread,
    call,
    cast,
    process,
    within,
)
from regrow.kernel.runtime import runtime
from tests.waiting import turns


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def with_a_line(*args: Any) -> Any:
        return function(*args)

    return with_a_line


class Game(GenServer):
    """A game."""

    colour = "red"

    def __init__(self) -> None:
        self.moves: list[int] = []

    @call
    def play(self, cell: int, mark: str = "x") -> list[int]:
        """Play on a cell."""
        self.moves.append(cell)
        return list(self.moves)

    @call
    async def look(self) -> list[int]:
        return list(self.moves)

    @call
    def later(self) -> Reply[int]:
        self.reply = Reply[int]()
        return self.reply

    @cast
    def clear(self) -> None:
        self.moves.clear()

    def helper(self) -> None: ...

    @property
    def shade(self) -> str:
        return self._shade

    @shade.setter
    def shade(self, shade: str) -> None:
        self._shade = shade

    @logged
    def paint(self) -> None:
        def brush() -> None:
            self.painted = True

        brush()

    @functools.cached_property
    def deep(self) -> int:
        self.depth = 3
        return self.depth


class Chess(Game):
    pass


class Counter(GenServer):
    def __init__(self) -> None:
        self.moves = [99]


async def test_a_handle_says_it_is_of_the_servers_class_and_is_not_the_server() -> None:
    game = await Chess.start()
    assert isinstance(game, Chess)
    assert isinstance(game, Game)
    assert not isinstance(game, Counter)
    assert not issubclass(type(game), GenServer)
    assert type(game) is type(await Chess.start())
    assert type(game).__slots__ == ()
    assert bool(game)
    assert repr(game) == f"<Chess handle {process.pid_of(game)}>"
    assert repr(Game.named(("room", 1))) == "<Game handle ('room', 1)>"
    assert repr(within(game, 0)) == repr(game)


async def test_its_members_are_the_calls_and_casts_with_their_text_and_signature() -> None:
    game = await Game.start()
    assert dir(game) == ["clear", "later", "look", "play"]
    assert inspect.getdoc(game.play) == "Play on a cell."
    assert list(inspect.signature(game.play).parameters) == ["cell", "mark"]
    assert inspect.iscoroutinefunction(game.play)


@pytest.mark.parametrize(
    "name",
    [
        "moves",
        "colour",
        "helper",
        "handle_info",
        "reply",
        "shade",
        "_shade",
        "paint",
        "painted",
        "child_spec",
    ],
)
async def test_the_state_cannot_be_reached_and_the_error_says_what_can(name: str) -> None:
    game = await Game.start()
    with pytest.raises(AttributeError) as caught:
        getattr(game, name)
    assert f"Game.{name}" in str(caught.value)
    assert "clear, later, look, play" in str(caught.value)
    assert "@call" in str(caught.value)
    with pytest.raises(AttributeError, match="can't be set through a handle"):
        setattr(game, name, 1)
    assert not hasattr(game, name)
    assert isinstance(inspect.getattr_static(game, name).__doc__, str)  # a look at the class raises nothing


async def test_a_name_that_the_server_has_not_either_is_pythons_own_error() -> None:
    game = await Game.start()
    with pytest.raises(AttributeError, match="'Game handle' object has no attribute 'plays'") as caught:
        game.plays  # type: ignore[attr-defined]  # noqa: B018  # that it has none is the point
    assert (caught.value.name, caught.value.obj) == (
        "plays",
        game,
    )  # Python's "Did you mean" goes by these, and dir()
    assert not hasattr(game, "_nonsense")


class Retry:
    def __call__(self, *_: object) -> str:
        return "tried"


def turned_round(function: Any) -> Any:
    function.__wrapped__ = function
    return function


@pytest.mark.parametrize(
    "decorate",
    [functools.wraps(each) for each in (Retry(), Retry, len, functools.partial(len))] + [turned_round],
)
async def test_what_a_method_says_that_it_wraps_may_be_anything(decorate: Callable[..., Any]) -> None:
    class Server(GenServer):
        @decorate
        def helper(self) -> None: ...

        @call
        def get(self) -> int:
            return 2

    async with DynamicSupervisor.scope() as sup:
        server = await sup.start_child(Server)
        with pytest.raises(AttributeError, match=r"Server.helper can't be reached through a handle"):
            server.helper()
        assert await server.get() == 2


async def test_a_handle_is_no_via_for_what_its_server_calls_on_others() -> None:
    class Server(GenServer):
        def find(self, name: Any) -> Any:
            return name.whereis_name(), name.register_name, name.unregister_name, name.send

    server = await Server.start()
    with pytest.raises(InvalidName, match="can't be a name: use a string"):
        Server.options(name=server)


async def test_the_attributes_of_a_handle_are_found_the_short_way() -> None:
    kind: Any = type(await Game.start())
    assert kind.__getattribute__ is object.__getattribute__
    assert not hasattr(kind, "__getattr__")  # with one, Python 3.11 takes a tenth longer for each message


async def test_equal_handles_have_one_address() -> None:
    one, other = await Game.options(name="one").start(), await Game.start()
    by_pid, by_name = Game.of(process.pid_of(one)), Game.named("one")
    assert one == by_pid == within(one, 3) == within(one, 0)
    assert hash(one) == hash(by_pid)
    assert one != other
    assert one != by_name
    assert by_name == Game.named("one")
    assert hash(by_name) == hash(Game.named("one"))
    assert Game.named(("x", 1)) != Game.named(("x", True))
    assert Game.named("one") != Counter.named("one")
    assert len({one, by_pid, other, by_name, Game.named("one")}) == 3
    assert one != 3


async def test_a_handle_can_be_pickled_and_copied_dead_or_alive() -> None:
    game = await Game.options(name="g").start()
    for handle in (game, Game.named("g"), within(game, 0)):
        for again in (pickle.loads(pickle.dumps(handle)), copy.copy(handle), copy.deepcopy(handle)):
            assert again == handle
            assert isinstance(again, Game)
    packed = pickle.dumps(game)
    process.exit(game, "x")
    dead = pickle.loads(packed)
    assert dead == game
    with pytest.raises(NoProcess):
        await dead.play(1)


async def test_a_name_survives_restarts_and_a_pid_does_not() -> None:
    named = Game.named("g")
    with pytest.raises(NoProcess, match="'g'"):
        await named.play(1)
    first = await Game.options(name="g").start()
    assert await named.play(1) == [1]
    process.monitor(first)
    process.exit(named, "x")
    await process.receive()
    await Game.options(name="g").start()
    assert await named.play(2) == [2]
    with pytest.raises(NoProcess):
        await first.play(3)


async def test_of_gives_the_handle_of_the_real_class_and_refuses_another() -> None:
    chess = await Chess.options(name="chess").start()
    for target in (process.pid_of(chess), "chess", chess):
        assert Game.of(target) == chess
        assert type(Game.of(target)) is type(chess)
    with pytest.raises(TypeError, match="is no Counter"):
        Counter.of(chess)
    with pytest.raises(TypeError, match="is no Game"):
        Game.of(process.current())
    process.exit(chess, "x")
    with pytest.raises(NoProcess):
        Chess.of("chess")
    with pytest.raises(InvalidName):
        Chess.of(3.5)


async def test_a_name_that_leads_to_another_class_is_refused_and_harms_nobody() -> None:
    counter = await Counter.options(name="c").start()
    wrong = Game.named("c")
    with pytest.raises(TypeError, match=r"<Game handle 'c'> leads to <Counter \d+ 'c'>, which is no Game"):
        await wrong.play(1)
    with pytest.raises(TypeError, match="has no clear of it"):
        wrong.clear()
    assert process.alive(counter)
    await Chess.options(name="chess").start()
    assert await Game.named("chess").play(1) == [1]
    reloaded: Any = type("Game", (GenServer,), {**vars(Game)})
    assert await reloaded.named("chess").play(2) == [1, 2]


async def test_calls_and_casts_check_their_arguments_where_they_run() -> None:
    game = await Game.start()
    process.monitor(game)
    with pytest.raises(Exception, match="play"):
        await game.play()  # type: ignore[call-arg]


# --- from where it can't work --------------------------------------------------------------------------------------


async def in_a_thread(work: Callable[[], Coroutine[Any, Any, Any]]) -> BaseException | None:
    def run() -> BaseException | None:
        try:
            asyncio.run(work())
        except BaseException as error:
            return error
        return None

    return await asyncio.to_thread(run)


@pytest.mark.real_time("a thread answers")
async def test_another_thread_is_refused_and_told_how() -> None:
    game = await Game.start()
    waiting = asyncio.create_task(game.later())
    await turns()
    reply = runtime().processes[process.pid_of(game)].server.reply

    async def calls() -> None:
        await game.play(1)

    async def asks() -> None:
        await game.look()

    async def casts() -> None:
        game.clear()

    async def replies() -> None:
        reply.send(1)

    for work in (calls, asks, casts, replies):
        error = await in_a_thread(work)
        assert isinstance(error, WrongThread), work
        assert "run_coroutine_threadsafe" in str(error)
    assert await game.play(2) == [2]
    reply.send(5)
    assert await waiting == 5


def test_another_loop_of_the_same_thread_is_refused_and_the_end_of_a_loop_ends_its_handles() -> None:
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    game = one.run_until_complete(Game.start())

    async def calls() -> None:
        await game.play(1)

    async def asks() -> None:
        await game.look()

    async def casts() -> None:
        game.clear()

    for work in (calls, asks, casts):
        with pytest.raises(WrongThread, match="another event loop"):
            other.run_until_complete(work())
    one.run_until_complete(one.shutdown_asyncgens())
    one.close()
    for work in (calls, asks, casts):
        with pytest.raises(RuntimeClosed, match="has ended"):
            other.run_until_complete(work())
    other.run_until_complete(other.shutdown_asyncgens())
    other.close()


def test_a_handle_outlives_the_loop_only_as_an_error() -> None:
    game = asyncio.run(Game.start())

    async def calls() -> None:
        await game.play(1)

    with pytest.raises(RuntimeClosed):
        asyncio.run(calls())
    with pytest.raises(RuntimeClosed):
        game.clear()


async def test_the_server_itself_is_no_handle() -> None:
    game = Game()
    assert await game.play(1) == [1]
    assert Game.play(game, 2) == [1, 2]
    game.clear()
    assert game.moves == []


def test_what_every_server_has_cannot_be_a_call() -> None:
    with pytest.raises(TypeError, match=r"Wrong.start: a server.s start is no call"):

        class Wrong(GenServer):
            @call
            def start(self) -> None: ...  # type: ignore[override]
