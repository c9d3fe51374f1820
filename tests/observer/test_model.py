"""The values: plain all the way down, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from regrow import ServerExited
from regrow.observer import as_json, encoding, model, observing
from tests.observer.programs import Game, program, start_game

KINDS = [each for each in vars(model).values() if dataclasses.is_dataclass(each)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_value_is_frozen_small_and_public(kind: Any) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__dict__" not in dir(kind)
    assert kind.__name__ in model.__all__


def plain(value: object) -> bool:
    if dataclasses.is_dataclass(value):
        return all(plain(getattr(value, each.name)) for each in dataclasses.fields(value))
    if isinstance(value, tuple):
        return all(map(plain, value))
    return value is None or type(value) in (str, int, float, bool)


async def test_all_that_is_given_is_plain_and_goes_as_json() -> None:
    async with observing() as look, program() as games:
        game = await start_game(1)
        await game.play(3)
        crashed = await games.start_child(Game.options(restart="temporary").child_spec(2))
        with pytest.raises(ServerExited):
            await crashed.crash({"a": object()})
        (registry,) = await look.registries()
        rows = (await look.processes()).rows
        given = [
            await look.overview(),
            await look.processes(sort="name"),
            *[await look.process(each.pid) for each in rows],
            *[await look.memory(each.pid) for each in rows],
            await look.state(rows[-1].pid),
            await look.tree(),
            *[await look.children(each.pid) for each in rows if each.supervisor],
            await look.registries(),
            await look.entries(registry.pid, values=True),
            look.crashes(),
            look.crash(1, state=True),
            look.restarts(),
            look.scheduler(),
            look.series(),
        ]
    for each in given:
        assert plain(each), each
        text = json.dumps(as_json(each), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        assert json.loads(text) == as_json(each) == await encoding.plain(each)
        assert await encoding.json_text(as_json(each)) == text.encode()


def test_what_is_not_plain_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        as_json(object())
