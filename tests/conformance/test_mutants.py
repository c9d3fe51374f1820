"""The mutants fit the source that they break, and a run of them means what it says. They are run by `make mutants`."""

from __future__ import annotations

import ast

import pytest

from conformance import mutants, table
from conformance.mutants import Mutant, MutantError, Verdict, chosen, failed_test, read_mutants

ENOUGH = 40
"""For at least so many rows it is shown that a test of them notices."""


@pytest.fixture(scope="module")
def listed() -> list[Mutant]:
    return read_mutants(mutants.MUTANTS.read_text(encoding="utf-8"))


# --- the list ---------------------------------------------------------------------------------------------------------


def test_each_mutant_breaks_one_place_of_the_source_and_leaves_it_python(listed: list[Mutant]) -> None:
    for mutant in listed:
        source = (mutants.SOURCE / "regrow" / mutant.path).read_text(encoding="utf-8")
        broken = mutant.broken(source)  # says which one no longer fits
        assert ast.dump(ast.parse(broken, f"{mutant.row}: {mutant.path}")) != ast.dump(ast.parse(source))


def test_each_is_of_a_row_that_has_tests(listed: list[Mutant]) -> None:
    rows = {row.id for row in table.read_rows(table.ROWS.read_text(encoding="utf-8"))}
    assert {mutant.row for mutant in listed} <= rows
    assert {mutant.row for mutant in listed} <= mutants.tests_of_rows().keys()


def test_there_are_mutants_of_enough_rows_and_most_are_of_supervision(listed: list[Mutant]) -> None:
    supervision = {mutant.row for mutant in listed if mutant.path.startswith("supervision/")}
    assert len(supervision) >= ENOUGH


def test_no_two_are_the_same(listed: list[Mutant]) -> None:
    breaks = [(mutant.row, mutant.path, mutant.old, mutant.new) for mutant in listed]
    assert len(breaks) == len(set(breaks))


# --- the tool ---------------------------------------------------------------------------------------------------------

ONE = Mutant("AA-01", "the sum is too large", "sums.py", "one\n    two", "three")
TEXT = """# a comment

AA-01 the sum is too large
sums.py
- one
-     two
+ three

# --- another part

AA-02 nothing is done
sums.py
- act()
+ pass
"""


def test_mutants_are_read_with_their_indentation() -> None:
    assert read_mutants(TEXT) == [ONE, Mutant("AA-02", "nothing is done", "sums.py", "act()", "pass")]


@pytest.mark.parametrize(
    "text",
    [
        "AA-1 no id\nsums.py\n- a\n+ b",
        "AA-01\nsums.py\n- a\n+ b",
        "AA-01 no file",
        "AA-01 no old text\nsums.py\n+ b",
        "AA-01 the new before the old\nsums.py\n+ b\n- a",
        "AA-01 a stray line\nsums.py\n- a\nand more\n+ b",
        "AA-01 no room after the sign\nsums.py\n-a\n+b",
    ],
)
def test_what_is_no_mutant_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(MutantError, match="a mutant is a line of row and words") as raised:
        read_mutants(text)
    assert text in str(raised.value)


def test_a_mutant_is_put_where_its_old_text_stands_once() -> None:
    assert ONE.broken("zero\none\n    two\nfour") == "zero\nthree\nfour"
    for source, count in (("one\ntwo", 0), ("one\n    two, one\n    two", 2)):
        with pytest.raises(MutantError, match=rf"AA-01 .* stands {count} times in src/regrow/sums.py"):
            ONE.broken(source)


def test_a_mutant_is_killed_by_a_test_that_fails_and_by_nothing_else() -> None:
    assert failed_test(0, "7 passed") is None
    assert (
        failed_test(1, "F\nFAILED tests/a/test_b.py::test_c[x - y] - assert 1 == 2\n")
        == "a/test_b.py::test_c[x - y]"
    )
    assert failed_test(1, "E\nERROR tests/a/test_b.py::test_c - Failed: 1 leaked\n") == "a/test_b.py::test_c"
    assert (
        failed_test(1, "FAILED tests/b.py::test_c - Failed: Timeout (>20.0s)") == "b.py::test_c (which hung)"
    )
    assert failed_test(None, "...") == "nobody in 90 s, and was stopped"
    for code in (1, 2, 4, 5):  # a module that can't be imported is a crash, and no test that noticed
        with pytest.raises(MutantError, match=f"pytest ended with {code}"):
            failed_test(code, "ERROR: not found: tests/a/test_b.py::test_c")


def test_rows_can_be_chosen_if_they_have_a_mutant() -> None:
    other = Mutant("AA-02", "nothing is done", "sums.py", "act()", "pass")
    assert chosen([ONE, other], []) == [ONE, other]
    assert chosen([ONE, other], ["AA-02"]) == [other]
    with pytest.raises(MutantError, match="no mutant of AA-03"):
        chosen([ONE, other], ["AA-03", "AA-01"])


def test_the_command_ends_with_1_if_one_survives_or_no_longer_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = [Verdict(ONE, "b.py::test_c")]
    monkeypatch.setattr(mutants, "run", lambda rows: verdicts)
    assert mutants.main([]) == 0
    assert capsys.readouterr().out == "\n1 mutants of 1 rows: killed 1, survived 0\n"
    verdicts.append(Verdict(ONE, None))
    assert mutants.main(["AA-01"]) == 1
    assert "killed 1, survived 1" in capsys.readouterr().out
    assert str(verdicts[0]).endswith("killed by b.py::test_c")
    assert str(verdicts[1]).endswith("SURVIVED")

    def misfit(rows: object) -> list[Verdict]:
        ONE.broken("")
        return []

    monkeypatch.setattr(mutants, "run", misfit)
    assert mutants.main([]) == 1
    assert "no longer fits" in capsys.readouterr().err
