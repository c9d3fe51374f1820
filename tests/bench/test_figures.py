"""The arithmetic behind the tables of the benchmarks: medians, ratios, verdicts, and what is no figure."""

from __future__ import annotations

from typing import Any

import pytest

from bench.figures import Figures, shown
from bench.report import growth, problems, side_by_side, targets
from bench.run import oftener_if_short


def record(
    workload: str, system: str, value: float | None = None, n: int = 100_000, **more: Any
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "workload": workload,
        "n": n,
        "system": system,
        "round": 0,
        "version": "1",
        "load": 0.5,
    }
    if value is not None:
        told |= {"value": value, "wall": 1.0, "cpu": 1.0, "detail": {}}
    return {**told, **more}


def figures(*records: dict[str, Any], clock: str = "wall") -> Figures:
    return Figures({"rounds": 1, "clock": clock, "records": list(records)})


def row_of(table: list[list[str]], start: str) -> list[str]:
    return next(row for row in table if row[0].startswith(start))


def test_a_cell_is_the_median_of_the_rounds() -> None:
    found = figures(*(record("call", "regrow", value) for value in (100.0, 900.0, 300.0)))
    assert found.cell(found.rows("speed")[0], "regrow").value == 300.0


@pytest.mark.parametrize(("mine", "verdict"), [(150.0, "yes"), (149.0, "**no**")])
def test_more_calls_a_second_meet_a_target(mine: float, verdict: str) -> None:
    table = targets(figures(record("call", "regrow", mine), record("call", "elixir", 100.0)))
    assert row_of(table, "call")[5] == verdict


@pytest.mark.parametrize(("mine", "verdict"), [(1000.0, "yes"), (1001.0, "**no**")])
def test_fewer_bytes_meet_a_target(mine: float, verdict: str) -> None:
    table = targets(figures(record("memory", "regrow", mine), record("memory", "elixir", 3000.0)))
    assert row_of(table, "memory")[5] == verdict


def test_a_limit_is_for_regrow_alone() -> None:
    table = targets(figures(record("flood", "regrow", 21.0, n=1_000_000)))
    assert row_of(table, "flood")[3:6] == ["≤ 20 ms", "21 ms", "**no**"]


def test_one_wrong_result_takes_the_figure_away() -> None:
    found = figures(record("cast", "regrow", 5.0), record("cast", "regrow", error="WrongResult: sum: 1"))
    assert found.cell(found.rows("speed")[0], "regrow").value is None
    assert row_of(side_by_side(found), "cast")[1] == "error"
    assert problems(found)[1][1:] == ["cast (100,000)", "WrongResult: sum: 1"]


def test_what_a_system_cannot_do_is_told_with_its_reason() -> None:
    found = figures(record("restart", "regrow", 5.0), record("restart", "asyncio", why="no supervisor"))
    assert row_of(side_by_side(found), "restart")[2] == "–"
    assert problems(found)[1] == ["asyncio by hand", "restart (100,000)", "no supervisor"]


def test_a_rate_by_processor_time_leaves_out_the_time_without_the_core() -> None:
    mine = record("call", "regrow", 100.0, wall=2.0, cpu=0.5)
    assert figures(mine).cell(figures(mine).rows("speed")[0], "regrow").value == 100.0
    by_cpu = figures(mine, clock="cpu")
    assert by_cpu.cell(by_cpu.rows("speed")[0], "regrow").value == 400.0
    assert by_cpu.starved() == (1, 1)


def test_a_peer_at_a_smaller_size_is_compared_with_the_usual_one() -> None:
    found = figures(record("call", "regrow", 400.0), record("call", "pykka", 100.0, n=10))
    row = found.rows("speed")[0]
    assert row.n == 100_000
    assert found.ratio(row, "pykka") == 4.0


def test_a_ratio_is_of_what_was_measured_in_one_round() -> None:
    """In the first round the machine was twice as fast as in the second, and in the third half as fast."""
    rounds = [(300.0, 100.0), (150.0, 50.0), (70.0, 25.0)]
    found = figures(
        *(record("call", "regrow", mine, round=number) for number, (mine, _) in enumerate(rounds)),
        *(record("call", "regrow", mine + 2, round=number) for number, (mine, _) in enumerate(rounds)),
        *(record("call", "elixir", other, round=number) for number, (_, other) in enumerate(rounds[:2])),
    )
    assert found.ratio(found.rows("speed")[0], "elixir") == (301 / 100 + 151 / 50) / 2


def test_growth_is_over_the_least_of_its_round() -> None:
    def stages(start: float, crash: float) -> dict[str, float]:
        return {"start": start, "call": 1.0, "crash": crash, "shutdown": 1.0}

    found = figures(
        record("growth", "regrow", 8.0, n=1000, round=0, detail=stages(2.0, 4.0)),
        record("growth", "regrow", 9.0, n=10_000, round=0, detail=stages(3.0, 4.0)),
        record("growth", "regrow", 16.0, n=1000, round=1, detail=stages(10.0, 4.0)),
        record("growth", "regrow", 8.0, n=10_000, round=1, detail=stages(2.0, 4.0)),
    )
    small, large = found.rows("growth")
    assert found.growth(small, "regrow", ["start"]) == (1 + 5) / 2
    assert found.growth(large, "regrow", ["start"]) == (1.5 + 1) / 2
    assert found.growth(small, "regrow", ["call", "crash"]) == 1
    table = growth(found)
    assert row_of(table[1:], "regrow")[-3:-1] == ["× 1.50 (over 1.25)", "start × 3.00 (over 1.25)"]
    assert table[2][-3:-1] == ["× 1.06", "start × 1.25"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1_234_567.0, "/s", "1.23M"), (736.8, "B", "737 B"), (47e6, "B", "47.0 MB"), (12.345, "ms", "12.3 ms")],
)
def test_figures_are_shown_in_three_digits(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("wall", "times", "runs"),
    [(0.1, None, 3), (0.5, None, 1), (0.0, None, 1), (None, None, 1), (0.1, 1, 1), (0.5, 3, 3)],
    ids=["short", "long", "without a clock", "failed", "long before", "short before"],
)
def test_a_short_run_is_made_several_times_a_round(wall: float | None, times: int | None, runs: int) -> None:
    told: dict[str, Any] = {"error": "x"} if wall is None else {"value": 1.0, "wall": wall}
    assert len(list(oftener_if_short(lambda: told, times))) == runs
