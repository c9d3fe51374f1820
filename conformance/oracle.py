"""``make oracle N=500``: random scenarios on regrow and on the real Elixir, whose traces must be equal.

    python -m conformance.oracle 500 [seed]

A fresh seed is drawn and told unless one is given. On a mismatch the scenario is made as small as it gets and still
shows one, and told with both traces; the exit code is 1 then.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from conformance.beam import Beam
from conformance.generate import scenarios
from conformance.player import play
from conformance.scenarios import difference
from conformance.scripted import Script

__all__ = ["Mismatch", "generated", "mismatches", "shrink"]

Mismatch = tuple[Script, str]
"""A scenario, and where its traces part."""

PATIENCE: Final = 1000
"""Milliseconds after which a scenario that was cut too much is given up."""
EFFORT: Final = 20.0
"""Seconds to spend on making a scenario small."""


def generated(number: int, start: int) -> list[Script]:
    """So many random scenarios of that seed."""
    found: list[Script] = []

    @seed(start)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
    @given(scenarios())
    def take(scenario: Script) -> None:
        found.append(scenario | {"id": f"generated/{start}/{len(found)}"})

    take()
    return found


def mismatches(beam: Beam, every: list[Script]) -> Iterator[Mismatch]:
    """Those whose traces differ."""
    theirs = beam.play_all(every)
    for scenario in every:
        if told := difference(scenario["steps"], theirs[scenario["id"]], on_regrow(scenario)):
            yield scenario, told


def on_regrow(scenario: Script) -> Any:
    try:
        return play(scenario)
    except Exception as error:
        return f"the player failed: {error!r}"


# --- making it small ------------------------------------------------------------------------------------------------


def shrink(beam: Beam, found: Mismatch) -> Mismatch:
    """The smallest scenario that parts the two as well, by leaving out steps, then parts of what is left."""
    until = time.monotonic() + EFFORT
    smaller: Mismatch | None = found
    while smaller is not None:
        found = smaller
        tried = takewhile(lambda _: time.monotonic() < until, cuts(found[0]))
        smaller = next((hit for each in tried if (hit := still(beam, each))), None)
    return found


def still(beam: Beam, scenario: Script) -> Mismatch | None:
    theirs, ours = beam.play(scenario | {"patience": PATIENCE}), on_regrow(scenario)
    if not isinstance(theirs, list) or not isinstance(ours, list):
        return None  # what was left out is needed to get to an end
    told = difference(scenario["steps"], theirs, ours)
    return (scenario, told) if told else None


def cuts(scenario: Script) -> Iterator[Script]:
    """Every scenario that has a little less than this one, the largest cuts first."""
    steps = scenario["steps"]
    size = len(steps) // 2
    while size:
        for at in range(0, len(steps), size):
            part = steps[at : at + size]
            kept = [each for each in part if needed(each)]
            if kept != part:
                yield scenario | {"steps": [*steps[:at], *kept, *steps[at + size :]]}
        size //= 2
    for at, step in enumerate(steps):
        for less in [] if needed(step) else cut(step):
            yield scenario | {"steps": [*steps[:at], less, *steps[at + 1 :]]}


def needed(step: list[Any]) -> bool:
    """Whether the steps after it would mean something else without it, for a reason that is known: a registry without
    its listener (see differences.json)."""
    return step[0] == "registry" or step[:2] == ["start", {"id": "ear", "link": False, "name": "ear"}]


def cut(value: Any) -> Iterator[Any]:
    """A step with one key less in one of its specs, or one child less."""
    if isinstance(value, dict):
        for key in value:
            if key not in ("id", "is", "children"):
                without = (key, "terminate") if key == "trap" else (key,)  # differences.json says why
                yield {each: held for each, held in value.items() if each not in without}
        for at, child in enumerate(value.get("children", ())):
            others = value["children"]
            yield value | {"children": others[:at] + others[at + 1 :]}
            for less in cut(child):
                yield value | {"children": [*others[:at], less, *others[at + 1 :]]}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            if isinstance(part, (dict, list)):
                for less in cut(part):
                    yield [*value[:at], less, *value[at + 1 :]]


# --- the program ----------------------------------------------------------------------------------------------------


def main(number: int, start: int) -> int:
    logging.disable(logging.CRITICAL)
    print(f"{number} scenarios of seed {start}", flush=True)
    every = generated(number, start)
    with Beam() as beam:
        found = next(mismatches(beam, every), None)
        if found is None:
            steps = sum(len(each["steps"]) for each in every)
            against = f"Elixir {beam.versions['elixir']} on OTP {beam.versions['otp']}"
            print(f"{len(every)} scenarios with {steps} steps, and no mismatch with {against}.")
            return 0
        scenario, told = shrink(beam, found)
        print(f"A mismatch, by {found[0]['id']}: make oracle N={number} SEED={start} finds it again.")
        print("The smallest scenario that shows it:\n")
        print("".join(f"  {json.dumps(step)}\n" for step in scenario["steps"]))
        print(f"{told}\n")
        print("Elixir's trace: " + json.dumps(beam.play(scenario)))
        print("regrow's trace: " + json.dumps(on_regrow(scenario)))
        return 1


if __name__ == "__main__":
    given_ones = [int(each) for each in sys.argv[1:]]
    number = given_ones[0] if given_ones else 500
    sys.exit(main(number, given_ones[1] if len(given_ones) > 1 else random.randrange(10**9)))
