"""Does a row's test fail when the row's behaviour is broken? Here it is broken on purpose, row by row.

``mutants.txt`` has the mutants: a row, what is broken, and the text of ``src/regrow`` that another takes the place of::

    DS-23 a temporary child that crashed is restarted
    supervision/dynamic_supervisor.py
    - (spec.restart == "transient" and not is_clean(reason))
    + (spec.restart != "permanent" and not is_clean(reason))

Each is put into a copy of ``src``, and only the tests that are marked with its row are run against that copy. At least
one of them must fail: a mutant that survives shows a test that would not notice. A run that hangs has noticed too, and
is said to have been stopped.

``python -m conformance.mutants [ROW...]`` runs them all, or those of some rows, and ends with 1 if one survives or no
longer fits the source.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from conformance.table import ROOT, ROW_ID, SCENARIOS, TESTS, TableError, all_marks

MUTANTS = ROOT / "conformance" / "mutants.txt"
SOURCE = ROOT / "src"

JOBS = 2
TEST_TIMEOUT = 10.0
"""Seconds after which one test counts as hanging, and fails."""
RUN_TIMEOUT = 90.0
"""The same for all tests of a row together."""


class MutantError(Exception):
    """A mutant can't be read, fits its file no more, or could not be run; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One break: in *path*, below ``src/regrow``, *new* stands where *old* did. *about* says what that breaks."""

    row: str
    about: str
    path: str
    old: str
    new: str

    def broken(self, source: str) -> str:
        """*source* with the break in it. MutantError unless the old text stands in it exactly once."""
        count = source.count(self.old)
        if count != 1:
            raise MutantError(
                f"{self.row} ({self.about}) no longer fits: its old text stands {count} times in "
                f"src/regrow/{self.path}, and must stand there once:\n{self.old}"
            )
        return source.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a mutant: the test that failed, or None if it survived."""

    mutant: Mutant
    test: str | None

    def __str__(self) -> str:
        end = f"killed by {self.test}" if self.test else "SURVIVED"
        return f"{self.mutant.row:<8} {self.mutant.about}\n{'':<8} {end}"


# --- what is read -----------------------------------------------------------------------------------------------------


def read_mutants(text: str) -> list[Mutant]:
    """The mutants of ``mutants.txt``, which stand apart by blank lines; a line that begins with # is a comment."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    blocks = re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines).strip("\n"))
    return [_read_one(block) for block in blocks]


def _read_one(block: str) -> Mutant:
    head, _, rest = block.partition("\n")
    row, _, about = head.partition(" ")
    path, *changes = rest.split("\n")
    old = [line[2:] for line in changes if line[:1] == "-"]
    new = [line[2:] for line in changes if line[:1] == "+"]
    in_order = changes == [f"- {line}".rstrip() for line in old] + [f"+ {line}".rstrip() for line in new]
    if ROW_ID.fullmatch(row) is None or not about or not path or not old or not in_order:
        raise MutantError(
            f"mutants.txt: a mutant is a line of row and words, a line of its file, the old text after '- ' "
            f"and the new after '+ ', and not:\n{block}"
        )
    return Mutant(row, about, path, "\n".join(old), "\n".join(new))


def tests_of_rows() -> dict[str, tuple[str, ...]]:
    """The tests that are marked with each row, as pytest is told them."""
    found: dict[str, dict[str, None]] = {}
    for mark in all_marks(TESTS, SCENARIOS):
        found.setdefault(mark.row, {})[f"tests/{mark.test}"] = None
    return {row: tuple(tests) for row, tests in found.items()}


# --- what is run ------------------------------------------------------------------------------------------------------


def check(source: Path, tests: Sequence[str]) -> None:
    """MutantError if one of *tests* fails with nothing broken: then its failing for a mutant would say nothing."""
    failed = failed_test(*_pytest(source, tests, limit=5 * RUN_TIMEOUT))
    if failed is not None:
        raise MutantError(f"fails with nothing broken, so no mutant was tried: {failed}")


def try_mutant(mutant: Mutant, source: Path, tests: Sequence[str]) -> Verdict:
    """Run *tests* against a copy of *source* with the break in it."""
    with tempfile.TemporaryDirectory(prefix="regrow-mutant-") as folder:
        copy = Path(folder, "src")
        shutil.copytree(source, copy)  # with what Python has compiled of it, when the unbroken was checked
        path = copy / "regrow" / mutant.path
        Path(cache_from_source(path)).unlink(missing_ok=True)
        path.write_text(mutant.broken(path.read_text(encoding="utf-8")), encoding="utf-8")
        try:
            return Verdict(mutant, failed_test(*_pytest(copy, tests)))
        except MutantError as error:
            raise MutantError(f"{mutant.row} ({mutant.about}): {error}") from None


def _pytest(source: Path, tests: Sequence[str], limit: float = RUN_TIMEOUT) -> tuple[int | None, str]:
    """The exit code of a run against the copy *source*, None if it was stopped, and what it printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-o", f"pythonpath={source} .", f"--timeout={TEST_TIMEOUT:g}", *tests]
    environment = os.environ | {"PYTHONPATH": str(source), "COLUMNS": "400"}
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = run.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)  # and the programs that a test has started
        output, _ = run.communicate()
        return None, output
    return run.returncode, output


def failed_test(code: int | None, output: str) -> str | None:
    """The test that failed in a run of pytest, or None if all passed. MutantError if the tests could not be run."""
    if code is None:
        return f"nobody in {RUN_TIMEOUT:g} s, and was stopped"
    if code == 0:
        return None
    failed = re.search(
        r"^(?:FAILED|ERROR) tests/([^\s\[]+(?:\[.*?\](?= - |$))?)(?: - (.*))?$", output, re.MULTILINE
    )
    if code != 1 or failed is None:
        raise MutantError(f"pytest ended with {code}, which is no test that failed:\n{output}")
    hung = (failed[2] or "").startswith("Failed: Timeout")
    return f"{failed[1]} (which hung)" if hung else failed[1]


# --- the command ------------------------------------------------------------------------------------------------------


def chosen(mutants: Iterable[Mutant], rows: Sequence[str]) -> list[Mutant]:
    """Those of *rows*, or all if there are none. MutantError for a row without a mutant."""
    mutants = list(mutants)
    if unknown := set(rows) - {each.row for each in mutants}:
        raise MutantError(f"no mutant of {', '.join(sorted(unknown))} is in conformance/mutants.txt")
    return [each for each in mutants if not rows or each.row in rows]


def run(rows: Sequence[str]) -> list[Verdict]:
    """Try the mutants of *rows*, a few at a time, and print each verdict as it comes."""
    mutants = chosen(read_mutants(MUTANTS.read_text(encoding="utf-8")), rows)
    tests = tests_of_rows()
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="regrow-sound-") as folder, ThreadPoolExecutor(JOBS) as pool:
        source = Path(folder, "src")  # which nobody edits meanwhile
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        for each in mutants:
            each.broken((source / "regrow" / each.path).read_text(encoding="utf-8"))
            if each.row not in tests:
                raise MutantError(f"{each.row} has no test, so none can fail for {each.about!r}")
        check(source, list(dict.fromkeys(test for each in mutants for test in tests[each.row])))
        for verdict in pool.map(lambda each: try_mutant(each, source, tests[each.row]), mutants):
            print(verdict, flush=True)
            verdicts.append(verdict)
    return verdicts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.mutants", description="Break behaviours, and see their tests fail."
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only the mutants of these rows: DS-23")
    try:
        verdicts = run(parser.parse_args(arguments).rows)
    except (MutantError, TableError) as error:
        print(error, file=sys.stderr)
        return 1
    survived = sum(verdict.test is None for verdict in verdicts)
    rows = len({verdict.mutant.row for verdict in verdicts})
    print(f"\n{len(verdicts)} mutants of {rows} rows: killed {len(verdicts) - survived}, survived {survived}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
