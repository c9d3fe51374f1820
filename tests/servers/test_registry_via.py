"""Registry as a keeper of names: ``via``."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from regrow import (
    KILL,
    AlreadyStarted,
    GenServer,
    NameTaken,
    NoProcess,
    NotRegistered,
    Registry,
    RegistryVia,
    StartError,
    Stop,
    UnknownRegistry,
    Via,
    call,
    cast,
    process,
)
from tests.servers.registry_members import Member, end, pid_of

by_id = Registry.named("games.by_id")


class Game(GenServer):
    def __init__(self, game_id: str) -> None:
        self.game_id = game_id
        self.named_in_init = by_id.lookup(game_id)

    @call
    def who(self) -> str:
        return self.game_id

    @call
    def found_itself(self) -> bool:
        return self.named_in_init == [(process.current(), None)]

    @cast
    def ping(self) -> None: ...


@pytest.mark.behaviour("REG-25")
async def test_a_server_is_started_called_and_found_by_its_key() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    game = await Game.options(name=by_id.via("g1")).start("g1")
    assert process.whereis(by_id.via("g1")) == pid_of(game)
    assert by_id.lookup("g1") == [(pid_of(game), None)]
    by_key = Game.named(by_id.via("g1"))
    assert await by_key.who() == "g1"
    assert await game.found_itself()
    process.send(by_id.via("g1"), "hello")


@pytest.mark.behaviour("REG-25")
async def test_a_second_start_under_the_same_key_is_already_started() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    game = await Game.options(name=by_id.via("g1")).start("g1")
    living = process.processes()
    with pytest.raises(AlreadyStarted, match=r"Registry.named\('games.by_id'\).via\('g1'\)") as failure:
        await Game.options(name=by_id.via("g1")).start("g1")
    assert failure.value.pid == pid_of(game)
    assert process.processes() == living


@pytest.mark.behaviour("REG-25")
async def test_keys_of_other_types_are_other_names() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    games = [
        await Member.options(name=by_id.via(key)).start() for key in (1, True, 1.0, ("g", 1), ("g", 1.0))
    ]
    assert len(set(map(pid_of, games))) == 5
    assert process.whereis(by_id.via(("g", True))) is None


@pytest.mark.behaviour("REG-26")
async def test_a_via_registers_with_its_value_or_none() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    plain = await Member.options(name=by_id.via("a")).start()
    valued = await Member.options(name=by_id.via("b", {"board": 3})).start()
    assert by_id.lookup("a") == [(pid_of(plain), None)]
    assert by_id.lookup("b") == [(pid_of(valued), {"board": 3})]
    assert by_id.select(value=dict) == [("b", pid_of(valued), {"board": 3})]


@pytest.mark.behaviour("REG-27")
@pytest.mark.parametrize("keys", ["duplicate", ("duplicate", "key")])
async def test_a_duplicate_registry_names_nobody_and_starts_nobody(keys: Any) -> None:
    await Registry.start_link("games.by_id", keys=keys)
    living = process.processes()
    with pytest.raises(ValueError, match="is a duplicate registry"):
        await Game.options(name=by_id.via("g1")).start("g1")
    with pytest.raises(ValueError, match="is a duplicate registry"):
        process.whereis(by_id.via("g1"))
    with pytest.raises(ValueError, match="is a duplicate registry"):
        process.register(by_id.via("g1"))
    assert process.processes() == living


@pytest.mark.behaviour("REG-35")
async def test_a_free_key_sends_to_nobody() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    nobody = Game.named(by_id.via("g1"))
    with pytest.raises(NotRegistered, match=r"via\('g1'\)"):
        process.send(by_id.via("g1"), "hello")
    with pytest.raises(LookupError):
        by_id.via("g1").send("hello")
    with pytest.raises(NoProcess):
        await nobody.who()
    nobody.ping()
    assert process.whereis(by_id.via("g1")) is None


@pytest.mark.behaviour("REG-24")
async def test_a_via_of_an_unknown_registry_says_so_and_starts_nobody() -> None:
    with pytest.raises(UnknownRegistry, match=r"unknown registry: 'games.by_id'"):
        await Game.options(name=by_id.via("g1")).start("g1")
    with pytest.raises(UnknownRegistry):
        await Game.named(by_id.via("g1")).who()


async def test_the_name_is_free_before_anybody_hears_of_the_death() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    game = await Game.options(name=by_id.via("g1")).start("g1")
    process.monitor(game)
    process.exit(game, KILL)
    assert by_id.lookup("g1") == []
    down = await process.receive(process.Down)
    assert down.target == pid_of(game)
    assert by_id.keys(game) == []
    again = await Game.options(name=by_id.via("g1")).start("g1")
    await by_id.settled()
    assert by_id.lookup("g1") == [(pid_of(again), None)]


async def test_a_dead_owner_is_nobody_though_lookup_still_shows_it() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    member = await Member.start()
    await member.do(by_id.register, "g1")
    process.exit(member, KILL)
    assert by_id.lookup("g1") != []
    assert process.whereis(by_id.via("g1")) is None
    game = await Game.options(name=by_id.via("g1")).start("g1")
    await by_id.settled()
    assert by_id.lookup("g1") == [(pid_of(game), None)]


async def test_a_failed_start_leaves_the_key_free() -> None:
    class Doomed(GenServer):
        async def init(self) -> None:
            assert by_id.lookup("g1") == [(process.current(), None)]
            raise Stop("no")

    await Registry.start_link("games.by_id", keys="unique")
    with pytest.raises(StartError):
        await Doomed.options(name=by_id.via("g1")).start()
    assert by_id.lookup("g1") == []


async def test_a_name_that_was_given_up_stays_with_its_next_owner() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    first = await Member.options(name=by_id.via("g1")).start()
    await first.do(by_id.unregister, "g1")
    second = await Member.options(name=by_id.via("g1")).start()
    await end(first)
    await by_id.settled()
    assert by_id.lookup("g1") == [(pid_of(second), None)]


async def test_a_living_process_takes_a_key_as_one_more_name() -> None:
    await Registry.start_link("games.by_id", keys="unique")
    member, other = await Member.start(), await Member.start()
    process.register(by_id.via("g1", 7), member)
    assert by_id.lookup("g1") == [(pid_of(member), 7)]
    with pytest.raises(NameTaken):
        process.register(by_id.via("g1"), other)
    process.unregister(by_id.via("g1"))
    assert by_id.lookup("g1") == []
    assert process.alive(member)


def test_a_via_is_a_value() -> None:
    via = by_id.via("g1", 3)
    assert isinstance(via, Via)
    assert via == Registry.named("games.by_id").via("g1") == RegistryVia("games.by_id", "g1")
    assert hash(via) == hash(by_id.via("g1"))
    assert len({by_id.via(1), by_id.via(1.0), by_id.via(True), by_id.via(1)}) == 3
    assert via != by_id.via("g2")
    assert via != Registry.named("other").via("g1")
    assert via != "g1"
    assert repr(via) == "Registry.named('games.by_id').via('g1', 3)"
    copy = pickle.loads(pickle.dumps(via))
    assert (copy, copy.value, copy.key) == (via, 3, "g1")
    assert Game.named(via) == Game.named(by_id.via("g1"))
