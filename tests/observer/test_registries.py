"""Registries, and what stands in them."""

from __future__ import annotations

from typing import Any

import pytest

from regrow import Registry, Supervisor, process
from regrow.observer import registries, snapshot
from tests.observer.programs import program, start_game


async def pid_by(name: str) -> int:
    return next(each.pid for each in await snapshot().registries() if each.name == name)


async def test_all_registries_are_listed() -> None:
    async with Supervisor.scope(
        [
            Registry.child_spec("one", keys="unique"),
            Registry.child_spec("two", keys="duplicate", partitions=3),
            Registry.child_spec("three", keys=("duplicate", "key")),
        ]
    ):
        Registry.named("one").register("a")
        Registry.named("two").register("a")
        Registry.named("two").register("a")
        rows = await snapshot().registries()
        assert [(each.name, each.keys, each.partitions, each.entries) for each in rows] == [
            ("one", "unique", 1, 1),
            ("two", "duplicate by pid", 3, 2),
            ("three", "duplicate by key", 1, 0),
        ]


async def test_entries_come_in_pages_and_values_only_if_asked_for() -> None:
    async with program():
        pids = [process.pid_of(await start_game(number)) for number in range(30)]
        Registry.named("by_id").register("me", value="swordfish")
        look, registry = snapshot(), await pid_by("by_id")
        page = await look.entries(registry, offset=20, limit=20)
        assert [each.key for each in page.rows] == [f"g{number}" for number in range(20, 30)] + ["me"]
        assert (page.total, page.rows[0].pid) == (31, pids[20])
        assert page.rows[0].owner.kind == "Game"
        assert "swordfish" not in repr(page)
        (mine,) = (await look.entries(registry, query="ME", values=True)).rows
        assert mine.value == "swordfish"
        found = await look.entries(registry, query="g2", offset=2, limit=3)
        assert ([each.key for each in found.rows], found.total) == (["g21", "g22", "g23"], 11)


async def test_entries_of_duplicate_keys_are_paged_within_a_key(monkeypatch: Any) -> None:
    monkeypatch.setattr(registries, "PORTION", 2)
    async with Supervisor.scope([Registry.child_spec("many", keys="duplicate", partitions=2)]):
        many = Registry.named("many")
        for number in range(10):
            many.register(number % 5, value=number)
        look, registry = snapshot(), await pid_by("many")
        everything = (await look.entries(registry, values=True)).rows
        assert [each.key for each in everything] == ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"]
        for offset in range(12):
            for query, within in (("", everything), ("3", everything[6:8])):
                page = await look.entries(registry, values=True, query=query, offset=offset, limit=3)
                assert page.rows == within[offset : offset + 3]
                assert page.total == len(within)


async def test_keys_are_shown_as_they_were_given() -> None:
    async with Supervisor.scope([Registry.child_spec("odd", keys="unique")]):
        for key in (1, True, ("game", 1.0), "x" * 1000):
            Registry.named("odd").register(key)
        rows = (await snapshot().entries(await pid_by("odd"))).rows
        assert [each.key for each in rows[:3]] == ["1", "True", "('game', 1.0)"]
        assert len(rows[3].key) <= 200
        with pytest.raises(ValueError, match="limit=0"):
            await snapshot().entries(1, limit=0)
