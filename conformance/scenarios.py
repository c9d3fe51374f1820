"""The scenarios and traces that are kept in the repository, and what it takes to compare two traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from conformance.player import Trace
from conformance.scripted import Script

__all__ = ["compact", "difference", "recorded", "scenarios"]

HERE: Final = Path(__file__).parent
SCENARIOS: Final = HERE / "scenarios"
TRACES: Final = HERE / "traces"


def scenarios() -> list[Script]:
    """Those written by hand, file by file. ValueError for an id that is taken or misplaced."""
    found: dict[str, Script] = {}
    for path in sorted(SCENARIOS.glob("*.json")):
        for each in json.loads(path.read_text()):
            if each["id"] in found or not each["id"].startswith(f"{path.stem}/"):
                raise ValueError(f"{path.name}: {each['id']!r} is taken, or does not begin with {path.stem}/")
            found[each["id"]] = each
    return list(found.values())


def recorded() -> dict[str, Trace]:
    """The trace that the real Elixir gave for each of them."""
    return {
        name: trace
        for path in sorted(TRACES.glob("*.json"))
        for name, trace in json.loads(path.read_text())["traces"].items()
    }


def difference(steps: list[Any], elixir: Any, regrow: Any) -> str:
    """The first step where two traces part, for a reader; "" if they are equal."""
    if not isinstance(elixir, list) or not isinstance(regrow, list):
        return "" if elixir == regrow else f"Elixir: {elixir}\nregrow: {regrow}"
    for number, (step, theirs, ours) in enumerate(zip(steps, elixir, regrow, strict=True), 1):
        if theirs != ours:
            return (
                f"step {number} {compact(step)}\n"
                f"Elixir saw {compact(theirs['saw'])}, then {compact(theirs['then'])}\n"
                f"regrow saw {compact(ours['saw'])}, then {compact(ours['then'])}"
            )
    return ""


def compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
