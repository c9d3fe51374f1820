"""The conformance table: which test holds which row of the inventory, and which rows are different on purpose.

``rows.txt`` has the ids of the inventory's rows, each with a short title. A test names the rows that it holds::

    @pytest.mark.behaviour("DS-07")

and where regrow does something else on purpose, what it does instead::

    @pytest.mark.behaviour("GS-45", differs=True)

Such a row also stands in the table of ``docs/differences.md``, with the reason. A scenario that is played against the
real Elixir names its rows in its own ``rows``. The marks are read from the source and nothing is run, so that the table
is there in a moment, and on any machine.

``python -m conformance.table`` prints the table and ends with 1 if something is wrong; with ``--write`` it also brings
``docs/conformance.md`` up to date.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "conformance" / "rows.txt"
SCENARIOS = ROOT / "conformance" / "scenarios"
TESTS = ROOT / "tests"
DIFFERENCES = ROOT / "docs" / "differences.md"
PAGE = ROOT / "docs" / "conformance.md"

MARK = "behaviour"
PLAYS_SCENARIOS = "conformance/test_recorded.py::test_regrow_does_what_elixir_did"
ROW_ID = re.compile(r"[A-Z]+-\d\d")


class TableError(Exception):
    """Something stands where the table can't read it; the text says where, and what can be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the inventory: ``DS-07``, what it is about, and the part of the system that it belongs to."""

    id: str
    title: str
    area: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One id in the mark of one test. The test is ``path/below/tests/test_x.py::test_name``."""

    row: str
    test: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: ``status`` is "held", "different" or "missing"."""

    row: Row
    status: str
    tests: tuple[str, ...]


# --- what is read ---------------------------------------------------------------------------------------------------


def read_rows(text: str) -> list[Row]:
    """The rows of ``rows.txt``: ``DS-07 title`` under ``## area``; other lines that begin with # are comments."""
    rows: list[Row] = []
    area = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            area = line.removeprefix("## ")
        elif line.strip() and not line.startswith("#"):
            row_id, _, title = line.partition(" ")
            if ROW_ID.fullmatch(row_id) is None or not title or not area:
                raise TableError(f"rows.txt:{number}: {line!r} must be an id and a title, below a ## line")
            rows.append(Row(row_id, title, area))
    return rows


def read_marks(source: str, path: str) -> Iterator[Mark]:
    """The marks of one test module. TableError for a mark that is not literal, or not on a test function."""
    tree = ast.parse(source, path)
    seen: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            for decorator in node.decorator_list:
                if _is_mark(decorator):
                    seen.add(id(decorator))
                    yield from _ids_of(decorator, f"{path}::{node.name}")
    for node in ast.walk(tree):
        if _is_mark(node) and id(node) not in seen and not _of_a_scenario(node, path):
            raise TableError(f"{path}:{node.lineno}: the mark must stand on a test function, as a decorator")


def _is_mark(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == MARK


def _of_a_scenario(call: ast.Call, path: str) -> bool:
    """Whether this is the one mark that is made from data, ``behaviour(*scenario["rows"])``: see ``scenario_marks``."""
    return PLAYS_SCENARIOS.startswith(f"{path}::") and [type(each) for each in call.args] == [ast.Starred]


def _ids_of(call: ast.Call, test: str) -> Iterator[Mark]:
    words = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    ids = [getattr(each, "value", None) for each in call.args]
    if words not in ({}, {"differs": True}) or not ids:
        raise TableError(f"{test}: the mark takes ids and differs=True, and not {ast.unparse(call)}")
    for row_id in ids:
        if not isinstance(row_id, str):
            raise TableError(f"{test}: an id must be written out, as in 'DS-07'; this is {ast.unparse(call)}")
        yield Mark(row_id, test, bool(words))


def read_differences(text: str) -> list[str]:
    """The ids that ``docs/differences.md`` has in its table: id, what Elixir does, what regrow does, and why."""
    return re.findall(rf"^\| ({ROW_ID.pattern}) \|[^|\n]+\|[^|\n]+\|[^|\n]+\|$", text, re.MULTILINE)


def scenario_marks(scenarios: Path) -> Iterator[Mark]:
    """The rows that the scenarios name, as marks of the test that plays them."""
    for path in sorted(scenarios.glob("*.json")):
        for scenario in json.loads(path.read_text(encoding="utf-8")):
            for row_id in scenario["rows"]:
                yield Mark(row_id, f"{PLAYS_SCENARIOS}[{scenario['id']}]")


def all_marks(tests: Path, scenarios: Path) -> list[Mark]:
    """The marks of every test module below *tests*, in the order of the files, and those of the scenarios."""
    marks = [
        mark
        for path in sorted(tests.rglob("test_*.py"))
        for mark in read_marks(path.read_text(encoding="utf-8"), path.relative_to(tests).as_posix())
    ]
    return [*marks, *scenario_marks(scenarios)]


# --- what is made of it ---------------------------------------------------------------------------------------------


def judge(
    rows: Iterable[Row], marks: Iterable[Mark], different: Iterable[str]
) -> tuple[list[Line], list[str]]:
    """The lines of the table, and what is wrong with it, a sentence each."""
    listed, lines, wrong = list(different), [], []
    known = {row.id: row for row in rows}
    by_row: dict[str, list[Mark]] = {}
    for mark in marks:
        by_row.setdefault(mark.row, []).append(mark)
        if mark.row not in known:
            wrong.append(f"{mark.test} names {mark.row}, which is no row of conformance/rows.txt")
    for row in known.values():
        found = by_row.get(row.id, [])
        differs = [mark.test for mark in found if mark.differs]
        if row.id in listed or differs:
            status = "different" if differs else "missing"
            if not differs:
                wrong.append(f'{row.id} is in docs/differences.md: mark a test ("{row.id}", differs=True)')
            elif row.id not in listed:
                wrong.append(
                    f"{row.id} is marked as different by {differs[0]}: say so in docs/differences.md"
                )
        else:
            status = "held" if found else "missing"
            if not found:
                wrong.append(f'{row.id} ({row.title}) is missing: mark a test ("{row.id}")')
        lines.append(Line(row, status, tuple(dict.fromkeys(mark.test for mark in found))))
    wrong += [f"docs/differences.md lists {each}, which is no row" for each in listed if each not in known]
    wrong += [
        f"docs/differences.md lists {each} twice" for each in sorted(set(listed)) if listed.count(each) > 1
    ]
    return lines, wrong


def summary(lines: Iterable[Line]) -> str:
    """``held 332, different 23, missing 0``"""
    statuses = [line.status for line in lines]
    return ", ".join(f"{word} {statuses.count(word)}" for word in ("held", "different", "missing"))


def text_of(lines: Iterable[Line]) -> str:
    """The table for a terminal: a row, its status, and the tests below one another."""
    shown = []
    for line in lines:
        first, *others = line.tests or ("",)
        shown.append(f"{line.row.id:<8} {line.status:<10} {first}".rstrip())
        shown += [f"{'':<19} {other}" for other in others]
    return "\n".join(shown)


def page_of(lines: list[Line]) -> str:
    """``docs/conformance.md``: files and no names of tests, so that it changes when a row's place does."""
    parts = [
        "# Conformance\n\n"
        "What Elixir's supervision observably does, row by row, and the tests that hold regrow to it. The titles say\n"
        "what a row is about, the tests what holds. A row that is different on purpose is explained in\n"
        "[Differences from Elixir](differences.md#rows-of-the-inventory-that-differ).\n\n"
        "This page is made from the marks of the tests, by `make conformance WRITE=1`. "
        f"In all: {summary(lines)}.\n"
    ]
    for area in dict.fromkeys(line.row.area for line in lines):
        parts.append(f"\n## {area}\n\n| row | about | status | tests |\n|---|---|---|---|\n")
        for line in lines:
            if line.row.area == area:
                files = ", ".join(
                    f"`{each}`" for each in sorted({each.split("::")[0] for each in line.tests})
                )
                parts.append(f"| {line.row.id} | {line.row.title} | {line.status} | {files} |\n")
    return "".join(parts)


def table() -> tuple[list[Line], list[str]]:
    """The table of this checkout."""
    return judge(
        read_rows(ROWS.read_text(encoding="utf-8")),
        all_marks(TESTS, SCENARIOS),
        read_differences(DIFFERENCES.read_text(encoding="utf-8")),
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.table", description="Which test holds which row."
    )
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} as well")
    write = parser.parse_args(arguments).write
    try:
        lines, wrong = table()
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    print(text_of(lines))
    if write:
        PAGE.write_text(page_of(lines), encoding="utf-8")
    for each in wrong:
        print(each, file=sys.stderr)
    print(f"\n{summary(lines)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
