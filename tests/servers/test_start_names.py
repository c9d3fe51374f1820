"""The names that servers are started under: local, global, kept by a via, or made from the arguments."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from regrow import AlreadyStarted, GenServer, Global, InvalidName, InvalidSpec, call, process, stop
from regrow.kernel.errors import KeeperGone


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


class Server(GenServer):
    @call
    def ping(self) -> str:
        return "pong"


class Key(GenServer):
    pass


@pytest.mark.behaviour("GS-03", "GS-09")
@pytest.mark.parametrize("name", ["text", Key, ("room", 7), Global("everywhere"), None], ids=repr)
async def test_a_server_is_called_by_the_name_it_was_started_with(name: Any) -> None:
    server = await Server.options(name=name).start()
    info = process.info(server)
    assert info is not None
    assert info.name == name
    if name is not None:
        assert await Server.named(name).ping() == "pong"
        with pytest.raises(AlreadyStarted) as caught:
            await Server.options(name=name).start_link()
        assert caught.value.pid == process.pid_of(server)
        assert repr(name) in str(caught.value)
        await stop(server)
        assert process.whereis(name) is None


@pytest.mark.behaviour("GS-02")
@pytest.mark.parametrize("name", [3, b"x", ("a", None), [], 3j], ids=repr)
async def test_what_is_no_name_is_refused_before_anything_starts(name: Any) -> None:
    before = process.processes()
    with pytest.raises(InvalidName, match="use a string") as refused:
        Server.options(name=name)
    assert repr(name) in str(refused.value)
    with pytest.raises(InvalidName, match="use a string"):
        Server.named(name)
    assert process.processes() == before


async def test_a_name_that_can_be_no_id_is_refused_where_the_spec_is_made() -> None:
    class Unhashable(Via):
        __eq__ = object.__eq__  # so it has no hash

    with pytest.raises(InvalidSpec, match="must be hashable"):
        Server.options(name=Unhashable()).child_spec()
    assert Server.options(name=Unhashable(), id="one").child_spec().id == "one"


async def test_the_class_of_a_via_need_not_be_hashable() -> None:
    class Meta(type):
        __eq__ = type.__eq__

    class Odd(Via, metaclass=Meta): ...

    via = Odd()
    server = await Server.options(name=via).start()
    assert process.whereis(via) == process.pid_of(server)
    with pytest.raises(InvalidName, match="can't be a name"):
        Server.options(name=Meta("Other", (), {})())


class Via:
    held: Any = None
    fails: BaseException | None = None

    def register_name(self, pid: int) -> bool:
        if self.fails is not None:
            raise self.fails
        if self.held is not None and process.alive(self.held):
            return False
        self.held = pid
        return True

    def unregister_name(self) -> None:
        if self.fails is not None:
            raise self.fails
        self.held = None

    def whereis_name(self) -> Any:
        return self.held

    def send(self, message: object) -> None:
        if self.held is None:
            raise LookupError("nobody")
        process.send(self.held, message)


@pytest.mark.behaviour("GS-03")
async def test_a_via_keeps_a_name_in_its_own_way() -> None:
    via = Via()
    server = await Server.options(name=via).start()
    assert via.held == process.pid_of(server)
    assert await Server.named(via).ping() == "pong"
    with pytest.raises(AlreadyStarted):
        await Server.options(name=via).start()
    await stop(via)
    assert via.held is None


async def test_a_via_that_fails_leaves_no_process_behind(caplog: pytest.LogCaptureFixture) -> None:
    via = Via()
    via.fails = RuntimeError("no storage")
    me = process.current()
    before = set(process.processes())
    with pytest.raises(RuntimeError, match="no storage"):
        await Server.options(name=via).start_link()
    assert set(process.processes()) == before
    assert process.alive(me)
    for error in (KeeperGone("gone"), RuntimeError("no storage")):
        via.fails, via.held = None, None
        server = await Server.options(name=via).start()
        via.fails = error
        await stop(server)


async def test_a_class_may_name_its_servers_from_their_arguments() -> None:
    class Room(GenServer):
        def __init__(self, number: int) -> None:
            self.number = number

        @classmethod
        def name_for(cls, number: int) -> Any:
            return (cls, number)

    room = await Room.start(3)
    assert process.whereis((Room, 3)) == process.pid_of(room)
    with pytest.raises(AlreadyStarted):
        await Room.start(3)
    named = await Room.options(name="other").start(3)
    assert process.whereis("other") == process.pid_of(named)


async def test_a_via_that_lacks_a_function_is_refused_by_name() -> None:
    class Half:
        def whereis_name(self) -> None:
            return None

    with pytest.raises(InvalidName, match="it has no register_name, unregister_name, send"):
        Server.options(name=Half())
