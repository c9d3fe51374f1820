"""Handlers of events: who hears what, what is refused, and that the table says what there is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from regrow import (
    KILL,
    Application,
    CallTimeout,
    DynamicSupervisor,
    GenServer,
    ServerExited,
    Supervisor,
    application,
    process,
    within,
)
from regrow.kernel.runtime import runtime
from regrow.telemetry import EVENTS, Attachment, attach, attached, detach, emit
from regrow.telemetry.events import MESSAGE_EVENTS
from regrow.telemetry.handlers import MOST_NAMES, hub
from tests.telemetry.servers import Boom, Game, Refused
from tests.waiting import turns, until

Seen = list[tuple[str, Mapping[str, Any]]]


def listening(*events: str) -> tuple[Seen, Attachment]:
    seen: Seen = []
    return seen, attach("test", events, lambda event, fields: seen.append((event, fields)))


def names(seen: Seen) -> list[str]:
    return [event for event, _ in seen]


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_a_call_starts_and_finishes_in_the_caller() -> None:
    async with Game.scope() as game:
        pid = process.pid_of(game)
        seen, _ = listening("call.*")
        await game.play(4)
    (started, begun), (finished, ended) = seen[:2]
    assert (started, finished) == ("call.started", "call.finished")
    assert dict(begun) == {"pid": pid, "kind": "Game", "message": "play", "caller": process.current()}
    assert {**begun, "duration": ended["duration"]} == dict(ended)
    assert 0 <= ended["duration"] < 1


async def test_the_caller_is_the_server_that_calls() -> None:
    async with Game.scope() as other, Game.scope(other) as game:
        seen, _ = listening("call.started")
        await game.ask_other(3)
        assert [fields["caller"] for _, fields in seen[:2]] == [process.current(), process.pid_of(game)]


@pytest.mark.parametrize(
    ("error", "message"), [(Refused, "play"), (ServerExited, "burn"), (CallTimeout, "think")]
)
async def test_a_call_that_ends_without_an_answer_has_failed(error: type[Exception], message: str) -> None:
    game = await Game.start()
    seen, _ = listening("call.failed", "call.finished")
    with pytest.raises(error):
        if message == "play":
            await game.play(-1)
        elif message == "burn":
            await game.burn()
        else:
            await within(game, 0.5).think(3600)
    ((event, fields),) = seen
    assert event == "call.failed"
    assert isinstance(fields["error"], error)
    assert fields["message"] == message
    process.exit(game, KILL)


async def test_a_cancelled_call_has_failed() -> None:
    async with Game.scope() as game:
        seen, _ = listening("call.failed")
        waiting = asyncio.create_task(game.think(0.1))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert isinstance(seen[0][1]["error"], asyncio.CancelledError)


async def test_a_cast_is_sent() -> None:
    async with Game.scope() as game:
        seen, _ = listening("cast.sent")
        await game.play(1)
        game.note(1)
        ((_, fields),) = seen
        assert dict(fields) == {
            "pid": process.pid_of(game),
            "kind": "Game",
            "message": "note",
            "sender": process.current(),
        }


async def test_every_message_that_is_handled_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime(), "inline", "on")
    async with Game.scope() as game:
        await game.play(0)  # so that this frame has opened its slice
        seen, attachment = listening("message.handled")
        await game.play(4)
        game.note(1)
        process.send(game, "hello")
        await turns()
        await game.think(4)
        with pytest.raises(Refused):
            await game.play(-1)
        attachment.detach()
        rows = [(each["message"], each["type"], each["inline"]) for _, each in seen]
        assert rows == [
            ("play", "call", True),
            ("note", "cast", False),
            ("handle_info", "info", False),
            ("think", "call", True),
            ("play", "call", True),
        ]
        assert all(0 < each["busy"] <= each["duration"] for _, each in seen)
        assert [type(each["error"]) for _, each in seen] == [type(None)] * 4 + [Refused]


# --- handlers ---------------------------------------------------------------------------------------------------------


async def test_prefixes_and_names_choose() -> None:
    heard: list[str] = []
    attach("prefix", "process.*", lambda event, fields: heard.append("prefix " + event))
    attach("name", ["process.exited"], lambda event, fields: heard.append("name " + event))
    attach("all", "*", lambda event, fields: heard.append("all " + event))
    async with Game.scope():
        pass
    assert heard[0].split()[1] == "process.started"
    last = [each for each in heard if each.endswith("process.exited")]
    assert last[:3] == ["prefix process.exited", "name process.exited", "all process.exited"]
    assert [each.id for each in attached()] == ["prefix", "name", "all"]
    assert [each.id for each in attached("process.started")] == ["prefix", "all"]


async def test_who_is_detached_hears_no_more() -> None:
    seen, _ = listening("shop.*")
    emit("shop.sold", item="tea")
    assert detach("test")
    assert not detach("test")
    emit("shop.sold", item="milk")
    assert [fields["item"] for _, fields in seen] == ["tea"]


async def test_an_attachment_is_a_block() -> None:
    seen: Seen = []
    with attach("a", "shop.sold", lambda event, fields: seen.append((event, fields))):
        emit("shop.sold")
    emit("shop.sold")
    assert names(seen) == ["shop.sold"]
    first = attach("a", "shop.sold", print)
    detach("a")
    attach("a", "shop.sold", print)
    first.detach()
    assert [each.id for each in attached()] == ["a"], "another one with its id is not its business"


async def test_one_that_raises_is_reported_once_and_detached(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: str, fields: Mapping[str, Any]) -> None:
        raise Boom(event)

    attach("broken", ["call.started", "process.*"], broken)
    seen, _ = listening("call.started")
    async with Game.scope() as game:
        await game.play(1)
        assert await game.play(2) == 2
    (record,) = [each for each in caplog.records if each.name == "regrow.telemetry"]
    assert "'broken' failed at process.started and was detached" in record.getMessage()
    assert record.__dict__["regrow"]["event"] == "handler_failed"
    assert names(seen) == ["call.started", "call.started"]


async def test_nothing_is_installed_that_nobody_wants() -> None:
    rt = runtime()
    probes, listeners = rt.probes, list(rt.listeners)
    with attach("a", "shop.sold", print):
        assert (rt.probes, rt.listeners) == (probes, listeners)
        with attach("b", "process.*", print):
            assert rt.probes == probes
            assert len(rt.listeners) == len(listeners) + 1
            with attach("c", "call.finished", print):
                assert len(rt.probes) == len(probes) + 1
        assert (rt.probes, rt.listeners) == (probes, listeners)


async def test_one_probe_serves_all_handlers_of_messages() -> None:
    rt = runtime()
    before = len(rt.probes)
    with attach("a", "call.*", print), attach("b", "message.handled", print), attach("c", "*", print):
        assert len(rt.probes) == before + 1
    assert len(rt.probes) == before


async def test_a_handler_may_attach_and_detach() -> None:
    heard: list[str] = []

    def once(event: str, fields: Mapping[str, Any]) -> None:
        heard.append("once")
        detach("once")
        attach("next", "shop.sold", lambda event, fields: heard.append("next"))

    attach("once", "shop.sold", once)
    emit("shop.sold")
    emit("shop.sold")
    assert heard == ["once", "next"]


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ("process.strated", "did you mean 'process.started'"),
        ("process.ended.*", "no event 'process.ended"),
        ("call", "names no event"),
        ("*.started", "names no event"),
        ("Shop.Sold", "names no event"),
        ([], "would hear nothing"),
    ],
)
async def test_what_names_no_event_is_refused(events: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error.replace("*", r"\*")):
        attach("a", events, print)
    assert attached() == []


async def test_other_mistakes_are_told() -> None:
    attach("a", "process.*", print)
    with pytest.raises(ValueError, match="'a' is attached already"):
        attach("a", "process.*", print)
    with pytest.raises(TypeError, match="named by a string"):
        attach("b", [4], print)  # type: ignore[list-item]  # that is the point
    with pytest.raises(TypeError, match=r"function of \(event, fields\)"):
        attach("b", "process.*", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="are regrow's own"):
        emit("process.sold")
    with pytest.raises(ValueError, match="no name of an event"):
        emit("sold")


async def test_names_of_ones_own_are_checked_although_somebody_hears_all() -> None:
    with attach("all", "*", print):
        for event in EVENTS:
            with pytest.raises(ValueError, match="regrow's own"):
                emit(event, pid=1)


async def test_ever_new_names_are_not_kept() -> None:
    seen, _ = listening("shop.*")
    for number in range(MOST_NAMES + 10):
        emit(f"shop.item_{number}")
    assert len(seen) == MOST_NAMES + 10
    assert len(hub().others) <= MOST_NAMES


# --- the table --------------------------------------------------------------------------------------------------------


class Fickle(GenServer):
    """Starts, and then never again."""

    started = 0

    def __init__(self) -> None:
        Fickle.started += 1
        if Fickle.started > 1:
            raise Boom("not again")

    def handle_info(self, message: object) -> None:
        raise Boom(message)


class Crammed(GenServer, max_mailbox=1):
    def handle_info(self, message: object) -> None: ...


class Shop(Application):
    name = "shop"

    async def start(self, start_type: Any, args: list[str]) -> Supervisor:
        return await Supervisor.start_link([])


async def all_that_happens() -> None:
    """Makes every event happen at least once."""
    await application.ensure_all_started(Shop)
    await application.stop("shop")
    async with Supervisor.scope([Game], max_restarts=100) as root:
        (row,) = await root.which_children()
        game = Game.of(process.pid_of(row.child))
        await game.play(1)
        game.note(1)
        with pytest.raises(ServerExited):
            await game.burn()
        await turns()
        await root.terminate_child(Game)
    async with DynamicSupervisor.scope(max_restarts=100) as games:
        game = await games.start_child(Game)
        game.burn_down()
        await turns()
        await games.terminate_child(next(iter([each.child async for each in games.iter_children()])))
    crammed = await Crammed.start()
    for _ in range(3):
        process.send(crammed, "more")
    await turns()
    process.exit(crammed, KILL)
    Fickle.started = 0
    root_ = await Supervisor.start([Fickle], max_restarts=2)
    (row,) = await root_.which_children()
    process.send(row.child, "go")
    await until(lambda: not process.alive(root_))


async def test_the_table_has_the_fields_of_every_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")
    seen, _ = listening("*")
    await all_that_happens()
    assert {event: sorted(fields) for event, fields in seen} == {
        event: sorted(row.fields) for event, row in EVENTS.items()
    }
    for event, fields in seen:
        assert sorted(fields) == sorted(EVENTS[event].fields), event


async def test_what_the_core_tells_is_in_the_table(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")
    heard: set[str] = set()
    runtime().listeners.append(lambda event, fields: heard.add(event))
    await all_that_happens()
    assert heard == set(EVENTS) - MESSAGE_EVENTS
