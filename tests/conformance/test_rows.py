"""Every row of the inventory is held by a test or different on purpose, and what is different is written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance import table
from conformance.table import (
    Line,
    Mark,
    Row,
    TableError,
    judge,
    read_differences,
    read_marks,
    read_rows,
    scenario_marks,
)

FEW = 25
"""So many rows may not be different."""


# --- this checkout ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkout() -> tuple[list[Line], list[str]]:
    return table.table()


def test_every_row_is_held_or_explained(checkout: tuple[list[Line], list[str]]) -> None:
    lines, wrong = checkout
    assert wrong == []
    assert [line.row.id for line in lines if line.status == "missing"] == []


def test_the_inventory_is_whole() -> None:
    rows = read_rows(table.ROWS.read_text(encoding="utf-8"))
    sizes = {
        "DS": 54,
        "SUP": 91,
        "GS": 65,
        "AG": 12,
        "REG": 37,
        "PART": 14,
        "TASK": 40,
        "APP": 15,
        "PROC": 27,
    }
    assert [row.id for row in rows] == [
        f"{area}-{number:02}" for area, size in sizes.items() for number in range(1, size + 1)
    ]


def test_few_rows_are_different(checkout: tuple[list[Line], list[str]]) -> None:
    lines, _ = checkout
    assert sum(line.status == "different" for line in lines) < FEW


def test_the_page_is_up_to_date(checkout: tuple[list[Line], list[str]]) -> None:
    lines, _ = checkout
    page = table.PAGE.read_text(encoding="utf-8")
    assert page == table.page_of(lines), "docs/conformance.md is old: make conformance WRITE=1"


def test_what_is_held_but_for_a_word_is_a_row_that_is_held(checkout: tuple[list[Line], list[str]]) -> None:
    text = table.DIFFERENCES.read_text(encoding="utf-8")
    (rows,) = re.findall(r"held for the rest:\n\n((?:\|.*\n)+)", text)
    lines, _ = checkout
    held = {line.row.id for line in lines if line.status == "held"}
    assert set(table.ROW_ID.findall(rows)) <= held


def test_pytest_sees_the_marks_that_are_read(request: pytest.FixtureRequest) -> None:
    """The marks of this run's own tests, as pytest has collected them, are those of the source."""
    read = set(table.all_marks(table.TESTS, table.SCENARIOS))
    for item in request.session.items:
        path = item.path.resolve()
        if isinstance(item, pytest.Function) and path.is_relative_to(table.TESTS):
            file = path.relative_to(table.TESTS).as_posix()
            one, all_of_it = f"{file}::{item.name}", f"{file}::{item.originalname}"
            test = one if all_of_it == table.PLAYS_SCENARIOS else all_of_it
            for mark in item.iter_markers(table.MARK):
                assert {Mark(row, test, bool(mark.kwargs)) for row in mark.args} <= read


# --- the tool ---------------------------------------------------------------------------------------------------------

A, B = Row("AA-01", "the first", "Letters"), Row("AA-02", "the second", "Letters")
MODULE = """
import pytest

@pytest.mark.behaviour("AA-01", "AA-02")
@pytest.mark.parametrize("n", [1])
async def test_both(n): ...

@pytest.mark.behaviour("AA-02", differs=True)
@pytest.mark.behaviour("AA-01")
def test_one(): ...

def test_none(): ...
"""


def test_rows_are_ids_and_titles_below_their_area() -> None:
    assert read_rows("# a comment\n\n## Letters\nAA-01 the first\nAA-02 the second\n") == [A, B]
    for bad in ("AA-01 no area", "## Letters\nAA-1 x", "## Letters\nAA-01", "## Letters\nplain words"):
        with pytest.raises(TableError, match="must be an id and a title"):
            read_rows(bad)


def test_marks_are_read_from_the_decorators_of_tests() -> None:
    assert list(read_marks(MODULE, "t.py")) == [
        Mark("AA-01", "t.py::test_both"),
        Mark("AA-02", "t.py::test_both"),
        Mark("AA-02", "t.py::test_one", True),
        Mark("AA-01", "t.py::test_one"),
    ]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("ROW = 'AA-01'\n@pytest.mark.behaviour(ROW)\ndef test_x(): ...", "must be written out"),
        ("@pytest.mark.behaviour()\ndef test_x(): ...", "takes ids and differs=True"),
        ("@pytest.mark.behaviour('AA-01', differs=False)\ndef test_x(): ...", "takes ids and differs=True"),
        ("@pytest.mark.behaviour('AA-01', differ=True)\ndef test_x(): ...", "takes ids and differs=True"),
        ("@pytest.mark.behaviour('AA-01')\ndef helper(): ...", "t.py:1: the mark must stand on a test"),
        ("\npytestmark = pytest.mark.behaviour('AA-01')", "t.py:2: the mark must stand on a test"),
        ("pytest.param(1, marks=pytest.mark.behaviour(*ROWS))", "t.py:1: the mark must stand on a test"),
    ],
)
def test_a_mark_that_cannot_be_read_is_an_error_and_not_overlooked(source: str, says: str) -> None:
    with pytest.raises(TableError, match=re.escape(says)):
        list(read_marks(source, "t.py"))


def test_the_rows_of_a_scenario_are_marks_of_the_test_that_plays_it(tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text(
        '[{"id": "some/one", "rows": ["AA-01", "AA-02"]}, {"id": "x", "rows": []}]'
    )
    test = f"{table.PLAYS_SCENARIOS}[some/one]"
    assert list(scenario_marks(tmp_path)) == [Mark("AA-01", test), Mark("AA-02", test)]
    made_from_data = "pytest.param(1, marks=pytest.mark.behaviour(*ROWS))"
    assert list(read_marks(made_from_data, table.PLAYS_SCENARIOS.split("::")[0])) == []


def test_differences_are_full_lines_of_the_table() -> None:
    text = "| row | a | b | c |\n| AA-01 | a | b | c |\n| AA-02 | a | b |\nAA-03\n| x | AA-04, AA-05 |\n"
    assert read_differences(text) == ["AA-01"]


HELD, DIFFERS = Mark("AA-01", "t.py::test_a"), Mark("AA-01", "t.py::test_b", True)


@pytest.mark.parametrize(
    ("marks", "listed", "status", "wrong"),
    [
        ([HELD], [], "held", []),
        ([HELD, DIFFERS], ["AA-01"], "different", []),
        ([], [], "missing", ["AA-01 (the first) is missing"]),
        ([HELD], ["AA-01"], "missing", ["AA-01 is in docs/differences.md: mark a test"]),
        ([DIFFERS], [], "different", ["AA-01 is marked as different by t.py::test_b: say so in docs"]),
        ([DIFFERS], ["AA-01", "AA-01"], "different", ["docs/differences.md lists AA-01 twice"]),
        ([HELD], ["AA-09"], "held", ["docs/differences.md lists AA-09, which is no row"]),
        ([HELD, Mark("AA-07", "t.py::test_c")], [], "held", ["t.py::test_c names AA-07, which is no row"]),
    ],
)
def test_a_row_is_held_different_or_missing_and_what_is_wrong_is_said(
    marks: list[Mark], listed: list[str], status: str, wrong: list[str]
) -> None:
    (line,), said = judge([A], marks, listed)
    assert (line.row, line.status) == (A, status)
    assert [text[: len(start)] for text, start in zip(said, wrong, strict=True)] == wrong


def test_the_table_is_shown_with_every_test_and_the_page_with_every_file() -> None:
    lines = [Line(A, "held", ("b.py::test_b", "a.py::test_a", "a.py::test_c")), Line(B, "missing", ())]
    assert table.text_of(lines).splitlines() == [
        "AA-01    held       b.py::test_b",
        "                    a.py::test_a",
        "                    a.py::test_c",
        "AA-02    missing",
    ]
    page = table.page_of(lines)
    assert "\n## Letters\n" in page
    assert "\n| AA-01 | the first | held | `a.py`, `b.py` |\n" in page
    assert "In all: held 1, different 0, missing 1." in page


def test_the_command_prints_the_table_and_ends_with_1_if_a_row_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert table.main([]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("DS-01    held ")
    assert re.search(r"\nheld \d+, different \d+, missing 0\n$", out)
    assert err == ""
    rows = [*read_rows(table.ROWS.read_text(encoding="utf-8")), B]
    monkeypatch.setattr(table, "read_rows", lambda text: rows)
    assert table.main([]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("missing 1\n")
    assert err == 'AA-02 (the second) is missing: mark a test ("AA-02")\n'
