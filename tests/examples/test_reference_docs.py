"""The docs pages about Elixir name nothing that is not there, and leave out no line of the audit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import regrow
from regrow import Agent, DynamicSupervisor, PartitionSupervisor, Registry, Supervisor, Task, TaskSupervisor

ROOT = Path(__file__).parents[2]
DIFFERENCES = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
TABLES = (ROOT / "docs" / "elixir-to-regrow.md").read_text(encoding="utf-8")

NUMBERS = {int(found) for found in re.findall(r"^\*\*(\d+)\. ", DIFFERENCES, re.MULTILINE)}
MEANT: dict[str, Any] = {
    "by_id": Registry,
    "games": DynamicSupervisor,
    "sup": (Supervisor, PartitionSupervisor),
    "tasks": TaskSupervisor,
    "task": Task,
    "agent": Agent,
    "spec": regrow.ChildSpec,
}
"""What the handles of the tables stand for."""
ELSEWHERE = {
    "asyncio",
    "importlib",
    "contextvars",
    "typing",
    "logging",
    "record",
    "self",
    "reply",
    "list",
    "tool",
    "pyproject",
    "regrow",  # names of loggers
}
INVENTED = {"Game", "Games", "Tree", "App", "Arcade", "Stock", "S", "SomeError", "T", "Worker", "game"}
"""Classes of the text itself."""


def words(code: str) -> list[tuple[str, str]]:
    """``(owner, name)`` for each ``owner.name`` in *code*, strings left out."""
    return re.findall(r"(?<![\w.\"/])([A-Za-z_]\w*)\.([A-Za-z_]\w*)", re.sub(r'"[^"]*"', '""', code))


def right_hand_cells() -> list[str]:
    """The second cell of every row, the code in it."""
    rows = [line for line in TABLES.splitlines() if line.startswith("| ") and " | " in line]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.split(" | ", 1)[1])]


def exists(owner: str, name: str) -> bool:
    if owner in MEANT:
        kinds = MEANT[owner] if isinstance(MEANT[owner], tuple) else (MEANT[owner],)
        return any(hasattr(kind, name) for kind in kinds)
    found = getattr(regrow, owner, None)
    return found is not None and (hasattr(found, name) or name in getattr(found, "__slots__", ()))


def test_the_tables_name_nothing_that_is_not_there() -> None:
    missing = {
        f"{owner}.{name}"
        for code in right_hand_cells()
        for owner, name in words(code)
        if owner not in ELSEWHERE | INVENTED and not exists(owner, name)
    }
    assert missing == set()


def test_every_class_of_the_tables_is_there() -> None:
    text = re.sub(r'"[^"]*"', "", " ".join(right_hand_cells()))
    named = set(re.findall(r"(?<![\w.])(?:[A-Z][a-z]+)+\b", text))
    assert {name for name in named - INVENTED - {"None", "True"} if not hasattr(regrow, name)} == set()


def test_the_tables_point_to_differences_that_exist() -> None:
    found = {
        int(number) for cell in re.findall(r"\((\d+(?:, \d+)*)\)", TABLES) for number in cell.split(", ")
    }
    assert found
    assert found <= NUMBERS


def test_the_differences_are_numbered_without_a_gap() -> None:
    assert sorted(NUMBERS) == list(range(1, max(NUMBERS) + 1))
    named = {
        int(number)
        for found in re.findall(r"differences? (\d+(?:(?:, | and )\d+)*)", DIFFERENCES)
        for number in re.findall(r"\d+", found)
    }
    assert named <= NUMBERS


def test_every_line_of_the_audit_is_settled() -> None:
    """Lines 1 to 53 of the four documents, then 1 to 20 of what a veteran misses: each once, each built or told."""
    rows = re.findall(r"^\| (\d+) \| .*\| (.*) \|$", DIFFERENCES, re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 54), *range(1, 21)]
    assert [row for row in rows if not re.search(r"built: |differences? \d|see \[above\]", row[1])] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_0-9/]+(?:\.py|/))`", DIFFERENCES))))
def test_the_places_exist(path: str) -> None:
    if path in ("isolation/", "cluster/"):  # named as not built
        return
    within_examples = path.removeprefix("examples/")
    places = [ROOT / path, ROOT / "src" / "regrow" / path, ROOT / "examples" / "reference" / within_examples]
    assert any(place.exists() for place in places)
