"""What can be asked over the control socket: the operations, the stream of samples, and what is not allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest

from regrow import Registry, process, sys
from regrow.control import Connection, Refused, ask, connect
from regrow.control.places import socket_paths
from regrow.kernel.runtime import runtime
from regrow.observer import model, observing, recording
from regrow.observer.commands import observing_commands
from regrow.observer.crashes import history_of
from regrow.observer.operations import MOST, OPERATIONS, BadArgument
from regrow.testing import Reports, eventually
from tests.control import shops
from tests.observer.programs import Game, program, start_game

pytestmark = pytest.mark.real_time("it is about sockets")
home = shops.home

LOOKING = {
    *("overview", "tree", "children", "processes", "process", "memory", "registries", "entries"),
    *("crashes", "crash", "restarts", "watch", "web"),
}
ACTING = {"stop", "kill", "suspend", "resume", "restart_child"}


@asynccontextmanager
async def served(**allowed: bool) -> AsyncIterator[Connection]:
    """Some games, and a control socket that shows them; gives a connection with it."""
    async with program():
        for number in range(3):
            await start_game(number)
        async with shops.program(**observing_commands(**allowed)) as path, connect(path) as connection:
            yield connection


async def test_every_operation_answers() -> None:
    async with served(show_state=True) as shop:
        overview = await shop.ask("overview")
        assert overview["processes"] >= 7
        assert overview["series"]["samples"] == []  # nobody watches
        forest = await shop.ask("tree", {"root": "Games"})
        (games,) = forest["roots"]
        assert [child["name"] for child in games["children"]] == ["g0 in by_id", "g1 in by_id", "g2 in by_id"]
        page = await shop.ask("processes", {"filter": "game", "sort": "pid", "limit": 2})
        assert [row["kind"] for row in page["rows"]] == ["Games", "Game"]
        assert page["total"] == 4
        game_pid = page["rows"][1]["pid"]
        assert len((await shop.ask("processes", {"parent": "Games"}))["rows"]) == 3
        detail = await shop.ask("process", {"pid": game_pid})
        assert [each["name"] for each in detail["ancestors"]][:2] == ["Games", "root"]
        assert "secret" not in str(detail)
        assert (await shop.ask("memory", {"pid": game_pid}))["bytes"] > 0
        assert "swordfish" in (await shop.ask("state", {"pid": game_pid}))["text"]
        children = await shop.ask("children", {"pid": "Games", "offset": 1, "limit": 1})
        assert (children["total"], [each["name"] for each in children["rows"]]) == (3, ["g1 in by_id"])
        (registry,) = (await shop.ask("registries"))["rows"]
        assert (registry["name"], registry["entries"]) == ("by_id", 3)
        entries = await shop.ask("entries", {"registry": "by_id", "filter": "g2"})
        assert [(each["key"], each["value"]) for each in entries["rows"]] == [("g2", "None")]
        assert (await shop.ask("crashes"))["rows"] == []
        assert (await shop.ask("restarts"))["rows"] == []
        assert await shop.ask("web") == {"urls": []}


async def test_crashes_and_restarts_are_told_while_somebody_watches() -> None:
    with Reports() as reports:
        async with served() as shop:
            told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            async with connect(socket_paths()[0]) as second:
                watching = asyncio.ensure_future(second.ask("watch", tell=told.put_nowait))
                sample = (await told.get())["sample"]
                assert sample["processes"] >= 7
                page = await shop.ask("processes", {"filter": "g0 in"})
                async with reports.expect(RuntimeError, match="told to burn"):
                    Game.of(page["rows"][0]["pid"]).fall("burn")
                    while "crash" not in (event := await told.get()):
                        pass
                assert event["crash"]["reason"] == "RuntimeError('told to burn')"
                crash = await shop.ask("crash", {"id": event["crash"]["id"]})
                assert "told to burn" in crash["traceback"]
                assert crash["state"] is None
                watching.cancel()


@pytest.mark.parametrize("show", [False, True])
async def test_what_messages_and_values_hold_is_told_only_where_that_is_allowed(show: bool) -> None:
    with Reports() as reports:
        async with observing(), served(show_state=show) as shop:
            game, other = [Game.named(Registry.named("by_id").via(each)) for each in ("g0", "g1")]
            await sys.suspend(game)
            game.note("my-password")
            detail = await shop.ask("process", {"pid": "g0 in by_id"})
            assert detail["mailbox"] == ["note('my-password')" if show else "note(…)"]
            async with reports.expect(RuntimeError, match="told to burn"):
                other.fall("burn")
                await eventually(lambda: history_of(runtime()).crashed == 1, timeout=10)
            crash = await shop.ask("crash", {"id": 1})
            assert crash["message"] == ("fall('burn')" if show else "fall(…)")
            assert ("swordfish" in (crash["state"] or "")) is show
            entries = await shop.ask("entries", {"registry": "by_id", "filter": "g2"})
            assert entries["rows"][0]["value"] == ("None" if show else None)
            await sys.resume(game)


async def test_nothing_is_recorded_unless_somebody_watches() -> None:
    async with served() as shop:
        recorded = recording.recording_of(runtime())
        for command in ("overview", "processes", "tree", "registries", "crashes"):
            await shop.ask(command)
        assert not recorded.on
        assert runtime().listeners == []
        (path,) = socket_paths()
        watching = [asyncio.ensure_future(ask(path, "watch")) for _ in range(2)]
        await eventually(lambda: recorded.on, timeout=10)
        watching[0].cancel()
        assert (await shop.ask("overview"))["messages"] is not None
        watching[1].cancel()
        await eventually(lambda: not recorded.on, timeout=10)
        assert runtime().listeners == []
        assert (await shop.ask("overview"))["messages"] is None


async def test_a_watch_ends_when_it_is_asked_to() -> None:
    async with served():
        stop = asyncio.Event()
        assert await ask(socket_paths()[0], "watch", tell=lambda event: stop.set(), stop=stop) is None
        assert not recording.recording_of(runtime()).on
        with pytest.raises(Refused, match=r"^watch takes no arguments, and was given often$"):
            await ask(socket_paths()[0], "watch", {"often": True})


async def test_only_looking_is_allowed_unless_more_is() -> None:
    assert set(observing_commands()) == LOOKING
    assert set(observing_commands(show_state=True)) == LOOKING | {"state"}
    assert set(observing_commands(actions=True)) == LOOKING | ACTING
    async with served() as shop:
        for command in (*ACTING, "state"):
            with pytest.raises(Refused, match=f"there is no command '{command}'"):
                await shop.ask(command, {"pid": "Games"})


async def test_actions_where_they_are_allowed() -> None:
    async with served(actions=True) as shop:
        page = await shop.ask("processes", {"parent": "Games"})
        first, second, third = (row["pid"] for row in page["rows"])
        assert "is suspended" in (await shop.ask("suspend", {"pid": first}))["done"]
        assert (await shop.ask("process", {"pid": first}))["row"]["status"] == "suspended"
        assert "goes on" in (await shop.ask("resume", {"pid": first}))["done"]
        assert "was killed" in (await shop.ask("kill", {"pid": first}))["done"]
        assert first not in runtime().processes
        assert "has stopped" in (await shop.ask("stop", {"pid": second}))["done"]
        done = (await shop.ask("restart_child", {"pid": third}))["done"]
        assert "is in its place" in done
        with pytest.raises(Refused, match=f"there is no process {third}: it has ended"):
            await shop.ask("kill", {"pid": third})


@pytest.mark.parametrize(
    ("command", "given", "complaint"),
    [
        ("processes", {"sort": "size"}, "sort='size': must be one of pid, name, kind"),
        ("processes", {"limit": 0}, "limit=0: must be 1 or more"),
        ("processes", {"limit": MOST + 1}, "limit=1001: must be 1000 or less"),
        ("processes", {"limit": True}, "limit=True: must be of type integer"),
        ("processes", {"limit": 2.5}, "limit=2.5: must be of type integer"),
        (
            "processes",
            {"sorted": "pid"},
            "processes takes no sorted; it takes sort, descending, filter, parent,",
        ),
        ("registries", {"limit": 3}, "registries takes no limit; it takes nothing"),
        ("process", {}, "process needs pid: The process: its pid, or a name"),
        ("process", {"pid": [3]}, r"pid=\[3\]: must be a pid or a name"),
        ("process", {"pid": 999_999}, "there is no living process with the pid 999999"),
        ("process", {"pid": "Nobody"}, "no process is called 'Nobody'"),
        ("process", {"pid": "Game"}, r"3 processes are called 'Game': say a pid, as \d+, \d+, \d+"),
        ("crash", {"id": 7}, "no crash 7 is remembered"),
        ("tree", {"depth": 65}, "depth=65: must be 50 or less"),
    ],
)
async def test_what_is_wrong_is_said(command: str, given: dict[str, Any], complaint: str) -> None:
    async with served() as shop:
        with pytest.raises(Refused, match=f"^{complaint}"):
            await shop.ask(command, given)
        assert await shop.ask("registries")  # the connection is as good as before


async def test_a_process_is_known_by_its_name_its_class_or_its_pid_as_text() -> None:
    async with served() as shop:
        games = process.whereis("root")
        for wanted in ("root", str(games), games):
            assert (await shop.ask("process", {"pid": wanted}))["row"]["pid"] == games
        by_class = await shop.ask("process", {"pid": "RegistryPartition"})
        assert by_class["row"]["kind"] == "RegistryPartition"


def test_the_table_of_operations() -> None:
    assert OPERATIONS["processes"].arguments["sort"].choices == get_args(model.ProcessSort)
    for operation in OPERATIONS.values():
        assert operation.does.endswith(".")
        for name, argument in operation.arguments.items():
            assert argument.meaning.endswith("."), (operation.name, name)
            if argument.type in ("integer",) and name in ("limit", "nodes", "samples", "depth"):
                assert argument.most is not None
    with pytest.raises(BadArgument, match="filter=3: must be of type string"):
        OPERATIONS["processes"].check({"filter": 3})
