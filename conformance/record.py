"""``make record``: play the hand-written scenarios on the real Elixir and keep its traces in ``traces/``.

    python -m conformance.record

One file for each file of scenarios, with the versions it came from. What does not agree with regrow is told, and kept
all the same: the record is Elixir's.
"""

from __future__ import annotations

import json
import logging
import sys
from itertools import groupby
from pathlib import Path

from conformance.beam import Beam
from conformance.player import Trace, play
from conformance.scenarios import TRACES, difference, scenarios

__all__ = ["record"]


def record() -> int:
    """How many of them regrow plays otherwise."""
    logging.disable(logging.CRITICAL)
    every = scenarios()
    with Beam() as beam:
        played = beam.play_all(every)
        versions = beam.versions
    for name, trace in played.items():
        if not isinstance(trace, list):
            raise RuntimeError(f"{name}: {trace}")
    for area, members in groupby(every, key=lambda each: each["id"].partition("/")[0]):
        write(TRACES / f"{area}.json", versions, {each["id"]: played[each["id"]] for each in members})
    otherwise = 0
    for each in every:
        if told := difference(each["steps"], played[each["id"]], play(each)):
            otherwise += 1
            print(f"{each['id']}: {told}\n")
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{len(every)} scenarios recorded ({told}); regrow plays {otherwise} of them otherwise.")
    return otherwise


def write(path: Path, versions: dict[str, str], traces: dict[str, Trace]) -> None:
    """One line a step, so that a change of a record can be read."""
    rows = [
        f"  {json.dumps(name)}: [\n" + ",\n".join(f"    {json.dumps(line)}" for line in trace) + "]"
        for name, trace in traces.items()
    ]
    head = "".join(f" {json.dumps(name)}: {json.dumps(version)},\n" for name, version in versions.items())
    path.write_text("{\n" + head + ' "traces": {\n' + ",\n".join(rows) + "}}\n")


if __name__ == "__main__":
    sys.exit(1 if record() else 0)
