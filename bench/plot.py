"""Draws RESULTS.png from what ``report`` hands over on standard input. Needs matplotlib, and nothing of regrow."""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"elixir": "#6e4a7e", "asyncio": "#3776ab"}
LABELS = {"elixir": "times better than Elixir", "asyncio": "times better than asyncio by hand"}


def main() -> None:
    given = json.load(sys.stdin)
    figure, axes = plt.subplot_mosaic(
        [["bars", "growth"], ["bars", "leak"]], figsize=(13, 8), width_ratios=[3, 2]
    )
    draw_bars(axes["bars"], given["bars"])
    draw_curves(
        axes["growth"], given["growth"], "µs a child, by how many there are", "children alive", log=True
    )
    draw_curves(
        axes["leak"], given["leak"], "MB, after children have come and gone", "children so far", log=False
    )
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=110, metadata={"Software": None})


def draw_bars(axes: Any, rows: list[dict[str, Any]]) -> None:
    rows = rows[::-1]
    for shift, system in ((0.2, "elixir"), (-0.2, "asyncio")):
        at = [(place, row["ratios"][system]) for place, row in enumerate(rows) if system in row["ratios"]]
        places, ratios = [place + shift for place, _ in at], [ratio for _, ratio in at]
        bars = axes.barh(
            places, [ratio - 1 for ratio in ratios], 0.38, left=1, color=COLOURS[system], label=LABELS[system]
        )
        axes.bar_label(
            bars, [f" {ratio:.2g}" if ratio < 100 else f" {ratio:.0f}" for ratio in ratios], fontsize=8
        )
        wanted = [
            (place + shift, row["targets"][system])
            for place, row in enumerate(rows)
            if system in row["targets"]
        ]
        axes.plot(
            [x for _, x in wanted],
            [y for y, _ in wanted],
            "|",
            color="black",
            markersize=12,
            markeredgewidth=2,
        )
    axes.plot([], [], "|", color="black", label="target", linestyle="none", markersize=12, markeredgewidth=2)
    axes.axvline(1, color="grey", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.set_title("regrow against the others, one core")
    axes.legend(loc="lower right", fontsize=8)


def draw_curves(axes: Any, curves: list[dict[str, Any]], title: str, below: str, *, log: bool) -> None:
    for curve in curves:
        axes.plot([x for x, _ in curve["points"]], [y for _, y in curve["points"]], "o-", label=curve["name"])
    if log:
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.set_xlabel(below)
    if curves:
        axes.legend(fontsize=8)


if __name__ == "__main__":
    main()
