"""The command ``chaos`` of a program's control socket: what is the client's mistake, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from regrow import Application, DynamicSupervisor, GenServer, Supervisor, application
from regrow.control import Refused, Request
from regrow.supervision import starts
from regrow.testing import Storm, chaos
from regrow.testing.storms.command import chaos_command


class Till(GenServer): ...


class Tills(DynamicSupervisor, max_restarts=1000): ...


class Shop(Application):
    name = "shop"

    async def start(self, start_type: Any, args: list[str]) -> Supervisor:
        root = await Supervisor.start_link([Tills.options(name=Tills).child_spec()])
        await Tills.named(Tills).start_child(Till)
        return root


@asynccontextmanager
async def shop() -> AsyncIterator[None]:
    await application.ensure_all_started(Shop)
    try:
        yield
    finally:
        await application.stop(Shop)
    assert starts.attendants == ()


def request(events: list[dict[str, Any]] | None = None, **arguments: Any) -> Request:
    return Request("shop", {"supervisor": "Tills", **arguments}, ([] if events is None else events).append)


async def test_it_tells_that_it_began_and_each_fault_and_answers_with_the_report() -> None:
    events: list[dict[str, Any]] = []
    async with shop():
        report = await chaos_command(request(events, seed=3, faults=5, kill=1.0))
    assert events[0] == {"began": "seed 3, kill 1/s"}
    assert [each["fault"].split()[-2:] for each in events[1:]] == [["Till", "1"]] * 5
    assert (report["ok"], report["restarts"], report["text"].splitlines()[-1]) == (
        True,
        5,
        "the tree stood it",
    )


async def test_what_cant_be_is_refused_also_what_only_the_beginning_of_the_storm_shows() -> None:
    async with shop():
        for arguments, complaint in (
            ({}, "a storm must come to an end: say seconds or faults"),
            ({"faults": 1, "pace": 2}, "chaos takes no pace; it takes supervisor, seed"),
            ({"seconds": float("nan")}, "seconds=nan: must be seconds"),
            ({"seconds": 1, "settle": None}, "settle=None: must be seconds"),
            ({"seconds": 1, "only": [99_999_999]}, "99999999 is no process below the supervisor"),
        ):
            with pytest.raises(Refused, match=complaint):
                await chaos_command(request(**arguments))
            assert starts.attendants == ()


@pytest.mark.parametrize("bug", [TypeError("a bug"), ValueError("a bug")])
async def test_a_bug_in_the_storm_is_no_refusal(bug: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def settled(_storm: Storm) -> None:
        raise bug

    async with shop():
        monkeypatch.setattr(Storm, "_settled", settled)
        with pytest.raises(type(bug), match="a bug"):
            await chaos_command(request(faults=1))


async def test_the_end_of_the_program_is_told_apart_from_the_clients_wish() -> None:
    for wished in (False, True):
        asked = request(seconds=30, kill=0.001)
        async with shop():
            storm = asyncio.ensure_future(chaos_command(asked))
            await asyncio.sleep(1)
            if wished:
                asked.stop()
            asked.stop(program_ends=True)
            report = await storm
        told = "NOT ok: the program ended: it was stopped after 1 s of 30 s"
        assert report["ok"] is wished
        assert report["text"].splitlines()[-1] == ("the tree stood it" if wished else told)


async def test_a_second_storm_is_refused() -> None:
    async with shop(), chaos(Tills, kill=0.001):
        with pytest.raises(Refused, match="a storm is on already below Tills"):
            await chaos_command(request(seconds=1))


async def test_who_wanted_it_to_stop_before_it_began_gets_its_report() -> None:
    events: list[dict[str, Any]] = []
    asked = request(events, seconds=1000)
    asked.stop()
    async with shop():
        report = await chaos_command(asked)
    assert (report["seconds"], len(events)) == (0.0, 1)
