"""The programs of the benchmarks do their work and check it; here those that need no other package, at small sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "start_child": 20,
    "memory": 20,
    "call": 100,
    "call_clients": 1000,
    "call_async": 20,
    "cast": 100,
    "restart": 5,
    "restart_latency": 5,
    "shutdown": 20,
    "start_via": 20,
}


def told_by(program: str, *args: str) -> dict[str, Any]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    line = [sys.executable, str(ROOT / "bench" / "systems" / program), *args]
    ended = subprocess.run(line, capture_output=True, text=True, env=env, check=False, timeout=30)
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize(
    ("program", "workload"),
    [*(("regrow_.py", each) for each in SMALL), ("asyncio_.py", "restart"), ("asyncio_.py", "start_via")],
)
def test_a_program_gives_a_figure_when_the_result_is_right(program: str, workload: str) -> None:
    told = told_by(program, workload, str(SMALL[workload]))
    assert told.get("error") is None
    assert told["workload"] == workload
    assert isinstance(told["value"], int | float)


def test_a_wrong_result_is_an_error_and_no_figure() -> None:
    told = told_by("regrow_.py", "ring", "15")  # no whole lap: the places are not passed equally often
    assert told["error"].startswith("WrongResult: laps of each")
    assert "value" not in told


def test_what_is_not_done_says_why() -> None:
    told = told_by("asyncio_.py", "growth", "10")
    assert "regrow alone" in told["why"]
