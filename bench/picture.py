"""What RESULTS.png shows: the numbers for ``plot.py``, which draws them in an environment that has matplotlib."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.contenders import TITLES
from bench.environments import NotAvailable, environment
from bench.figures import STAGES, Figures

__all__ = ["PICTURE", "draw"]

PICTURE = Path(__file__).parent / "RESULTS.png"


def draw(figures: Figures) -> None:
    """Have ``plot.py`` draw it, in an environment that has matplotlib."""
    try:
        python = environment("plot", ("matplotlib>=3.8",), (3, 11))
    except NotAvailable as why:
        print(f"no picture: {why}", file=sys.stderr)
        return
    given = json.dumps({"bars": bars(figures), "growth": curves(figures), "leak": leaks(figures)})
    plot = str(Path(__file__).parent / "plot.py")
    subprocess.run([str(python), plot, str(PICTURE)], input=given, text=True, check=True)


def bars(figures: Figures) -> list[dict[str, Any]]:
    """For each workload how many times better regrow is than each, and what the target is."""
    found = []
    for row in figures.rows("speed"):
        ratios = {system: figures.ratio(row, system) for system in ("elixir", "asyncio")}
        less = row.workload.less_is_better
        found.append(
            {
                "name": row.name,
                "ratios": {system: 1 / ratio if less else ratio for system, ratio in ratios.items() if ratio},
                "targets": {s: 1 / target if less else target for s, target in row.workload.targets.items()},
            }
        )
    return found


def curves(figures: Figures) -> list[dict[str, Any]]:
    found = []
    for stage in STAGES:
        points = [(row.n, figures.stage(row, "regrow", stage)) for row in figures.rows("growth")]
        found.append({"name": stage, "points": [(n, value) for n, value in points if value]})
    return found


def leaks(figures: Figures) -> list[dict[str, Any]]:
    found = []
    for row in figures.rows("latency"):
        for system in ("regrow", "elixir", "asyncio"):
            details = figures.cell(row, system).details
            if details and "curve_mb" in details[-1]:
                points = [(0, details[-1]["start_mb"]), *((n, low) for n, _, low in details[-1]["curve_mb"])]
                found.append({"name": TITLES[system], "points": points})
    return found
