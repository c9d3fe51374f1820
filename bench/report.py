"""The results as people read them: a table on the terminal, ``RESULTS.md``, and the picture beside it.

``python -m bench.report`` makes them again from the raw records of the last run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bench.contenders import PEERS, TITLES
from bench.environments import CACHE
from bench.figures import STAGES, Cell, Figures, Row, shown
from bench.machine import facts
from bench.picture import PICTURE, draw
from bench.workloads import SHORT, TIMES, WORKLOADS, Workload

__all__ = ["progress", "tell"]

PAGE = Path(__file__).parent / "RESULTS.md"
MAIN = ("regrow", "regrow-gc", "regrow-uvloop", "elixir", "asyncio", "asyncio-uvloop")
FREE = ("regrow-free", "elixir-free", "asyncio-free")
NOT_MEASURED = "–"
FLAT = 1.25
"""What a child costs among many is to be no more than this times what it costs where that is least."""

Table = list[list[str]]


def main() -> None:
    results = json.loads((CACHE / "records.json").read_text())
    if "--clock=cpu" in sys.argv:
        results["clock"] = "cpu"
    tell(results, write="--write" in sys.argv)


def tell(results: Mapping[str, Any], *, write: bool) -> None:
    """Print the tables, and with *write* bring the page and the picture up to date."""
    figures = Figures(results)
    page = "\n".join(sections(figures))
    print(page)
    if write:
        PAGE.write_text(page + "\n", encoding="utf-8")
        draw(figures)
        print(f"\nwritten: bench/{PAGE.name}, bench/{PICTURE.name}")
    else:
        print(f"\nnot the whole, so bench/{PAGE.name} stays as it is (WRITE=1 writes it)")


def progress(record: Mapping[str, Any]) -> str:
    """One line while the rounds go on."""
    unit = next(each.unit for each in WORKLOADS if each.name == record["workload"])
    outcome = record.get("why") or record.get("error") or shown(record.get("value"), unit)
    return (
        f"{record['round'] + 1}  {record['workload']:<16}{record['n']:>9,}  {record['system']:<15} {outcome}"
    )


# --- the page -----------------------------------------------------------------------------------------------------


def sections(figures: Figures) -> list[str]:
    return [
        "# Results of `make bench`",
        "",
        *conditions(figures),
        "",
        "![regrow against Elixir and asyncio, and what grows](RESULTS.png)",
        "",
        "## On one core",
        "",
        "Medians; ± is half the distance between the lowest and the highest run. `/s` is not repeated in the cells.",
        "",
        *markdown(side_by_side(figures)),
        "",
        "## Targets",
        "",
        "regrow's figure over the other's, same run, one core, Python's own gc settings: the median of the rounds'",
        "ratios, since in a round both have the same minute of the machine. Of bytes and times the smaller is better.",
        "",
        *markdown(targets(figures)),
        *others(figures, "## Python peers, on one core", peers(figures)),
        *others(figures, "## On all cores", free(figures)),
        *others(figures, "## Growth: microseconds a child, by how many there are", growth(figures)),
        *others(figures, "## Fairness, latency, leaks", latency(figures)),
        *others(figures, "## What could not be measured, or only otherwise", problems(figures)),
    ]


def conditions(figures: Figures) -> list[str]:
    starved, timed = figures.starved()
    loads = figures.loads()
    lines = [
        f"{date.today():%d %B %Y}. Rounds: {figures.rounds}, interleaved; each run is a process of its own. "
        f"A round has {TIMES} of those whose first one took less than {SHORT:g} s.",
        *(
            ["Rates and growth are by **processor time**, latencies are not."]
            if figures.clock == "cpu"
            else []
        ),
        "",
        *(f"- {fact}" for fact in facts()),
        *(f"- {TITLES[system]}: {version}" for system, version in figures.versions(TITLES)),
    ]
    if loads:
        middle = loads[len(loads) // 2]
        lines.append(f"- load of the machine before a run: median {middle:.1f}, at most {loads[-1]:.1f}")
    if starved:
        lines += [
            "",
            f"**The machine was not quiet: {starved} of {timed} timed runs had less than nine tenths of their core. "
            "The figures by wall clock, and all of fairness and latency, are no claims then.**",
        ]
    return lines


def others(figures: Figures, title: str, table: Table) -> list[str]:
    return ["", title, "", *markdown(table)] if len(table) > 1 else []


def markdown(table: Sequence[Sequence[str]]) -> list[str]:
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ["| " + " | ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)) + " |" for row in table]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def in_cell(cell: Cell, unit: str) -> str:
    if cell.problem:
        return "error" if cell.failed else NOT_MEASURED
    if cell.value is None:
        return NOT_MEASURED
    spread = f" ±{cell.spread:.0%}" if len(cell.values) > 1 else ""
    return shown(cell.value, unit) + spread


def of_interest(figures: Figures, systems: Iterable[str]) -> list[str]:
    measured = figures.systems()
    return [system for system in systems if system in measured]


def side_by_side(figures: Figures) -> Table:
    systems = of_interest(figures, MAIN)
    table = [["workload", *(TITLES[system] for system in systems)]]
    for row in figures.rows("speed", "latency"):
        cells = [in_cell(figures.cell(row, system), row.workload.unit) for system in systems]
        table.append([row.name, *cells])
    return table


def targets(figures: Figures) -> Table:
    table = [["workload", "what", "against", "target", "ratio", "met", "gc = server", "uvloop"]]
    for row in figures.rows("speed", "latency"):
        workload = row.workload
        for system, target in workload.targets.items():
            ratio = figures.ratio(row, system)
            if ratio is None:
                continue
            sign = "≤" if workload.less_is_better else "≥"
            beside = [figures.ratio(row, system, of) for of in ("regrow-gc", "regrow-uvloop")]
            table.append(
                [
                    row.name,
                    workload.what,
                    TITLES[system],
                    f"{sign} {target:.2g}×",
                    f"{ratio:.2f}×",
                    verdict(workload, ratio, target),
                    *(NOT_MEASURED if b is None else f"{b:.2f}×" for b in beside),
                ]
            )
        if workload.limit is not None and (mine := figures.cell(row, "regrow").value) is not None:
            beside_cells = [figures.cell(row, of) for of in ("regrow-gc", "regrow-uvloop")]
            table.append(
                [
                    row.name,
                    workload.what,
                    "",
                    f"≤ {workload.limit:g} {workload.unit}",
                    shown(mine, workload.unit),
                    verdict(workload, mine, workload.limit),
                    *(in_cell(each, workload.unit) for each in beside_cells),
                ]
            )
    return table


def verdict(workload: Workload, got: float, target: float) -> str:
    return "yes" if (got <= target if workload.less_is_better else got >= target) else "**no**"


def peers(figures: Figures) -> Table:
    """Each with the ratio of regrow at its usual size; the cell says what size the peer could do."""
    systems = of_interest(figures, ["regrow", "asyncio", *(each.name for each in PEERS)])
    table = [["workload", *(TITLES[system] for system in systems)]]
    seen = set()
    for row in figures.rows("speed"):
        if row.workload.name in seen:
            continue
        seen.add(row.workload.name)
        cells = [peer_cell(figures, row, system) for system in systems]
        table.append([row.name, *cells])
    return table if len(systems) > 2 else []


def peer_cell(figures: Figures, row: Row, system: str) -> str:
    cell = figures.cell(row, system)
    text = in_cell(cell, row.workload.unit)
    ratio = figures.ratio(row, system)
    if cell.value is None or system == "regrow" or ratio is None:
        return text
    n = row.n if (row.workload.name, row.n, system) in figures.cells else figures.smaller(row, system)[0]
    size = "" if n == row.n else f", n = {n:,}"
    return f"{shown(cell.value, row.workload.unit)} ({shown(ratio)}×{size})"


def free(figures: Figures) -> Table:
    systems = of_interest(figures, FREE)
    table = [["workload", *(TITLES[system] for system in systems), "regrow / Elixir"]]
    for row in figures.rows("speed"):
        ratio = figures.ratio(row, "elixir-free", "regrow-free")
        cells = [in_cell(figures.cell(row, system), row.workload.unit) for system in systems]
        if any(cell != NOT_MEASURED for cell in cells):
            table.append([row.name, *cells, NOT_MEASURED if ratio is None else f"{ratio:.2f}×"])
    return table if systems else []


def growth(figures: Figures) -> Table:
    table = [["system", "children", *STAGES, "together", "over the least", "worst stage", "full collection"]]
    for system in of_interest(figures, MAIN):
        rows = [row for row in figures.rows("growth") if figures.cell(row, system).value is not None]
        for row in rows:
            stages = [figures.stage(row, system, stage) for stage in STAGES]
            worst = max((figures.growth(row, system, [stage]), stage) for stage in STAGES)
            collection = figures.cell(row, system).detail("full_collection_ms")
            table.append(
                [
                    TITLES[system],
                    f"{row.n:,}",
                    *(f"{value:.2f}" for value in stages),
                    f"{sum(stages):.1f}",
                    flatness(figures.growth(row, system, STAGES)),
                    f"{worst[1]} {flatness(worst[0])}",
                    shown(collection, "ms"),
                ]
            )
    return table


def flatness(ratio: float) -> str:
    return f"× {ratio:.2f}" + ("" if ratio <= FLAT else f" (over {FLAT:g})")


def latency(figures: Figures) -> Table:
    table = [["workload", "system", "figure", "beside"]]
    for row in figures.rows("latency"):
        for system in of_interest(figures, MAIN):
            cell = figures.cell(row, system)
            if cell.value is not None:
                table.append([row.name, TITLES[system], in_cell(cell, row.workload.unit), beside_of(cell)])
    return table


def beside_of(cell: Cell) -> str:
    last = cell.details[-1]
    words = [
        f"{key.replace('_', ' ')} {shown(cell.detail(key))}"
        for key, value in last.items()
        if isinstance(value, int | float)
    ]
    if "curve_mb" in last:
        words.append("after each tenth, MB: " + " ".join(f"{low:.0f}" for _, _, low in last["curve_mb"]))
    return ", ".join(words)


def problems(figures: Figures) -> Table:
    found: dict[tuple[str, str], list[str]] = {}
    for (workload, n, system), cell in figures.cells.items():
        for text in {cell.problem, cell.note} - {""}:
            found.setdefault((system, text), []).append(f"{workload} ({n:,})")
    order = list(TITLES)
    rows = sorted(found.items(), key=lambda item: order.index(item[0][0]))
    table = [["system", "workload", "why"]]
    return table + [
        [TITLES[system], ", ".join(sorted(set(where))), " ".join(text.split()).replace("|", "/")]
        for (system, text), where in rows
    ]


if __name__ == "__main__":
    main()
