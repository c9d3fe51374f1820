"""What ``run`` does with reports where nobody has said where they go."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest

from regrow.telemetry.logs.by_default import reports_by_default
from tests.application.subprocesses import run_python


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def nobody_has_set_it_up(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> io.StringIO:
    """With *stderr* in its place. Called by the test, for pytest sets logging up just before it."""
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    return stderr


def burn(number: int) -> None:
    try:
        raise OSError(f"till {number} is on fire")
    except OSError as error:
        fields = {"event": "crash", "reason": error}
        logging.getLogger("regrow").error("oh no", exc_info=True, extra={"regrow": fields})


def test_a_terminal_shows_the_reports_of_regrow_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = nobody_has_set_it_up(monkeypatch, Terminal())
    with reports_by_default():
        logging.getLogger("regrow").warning("the till is on fire")
        logging.getLogger("regrow").info("a detail")
        logging.getLogger("shop").info("its own affair")
    assert "WARNING" in screen.getvalue()
    assert "the till is on fire" in screen.getvalue()
    assert "a detail" not in screen.getvalue()
    assert "its own affair" not in screen.getvalue()
    assert logging.getLogger("regrow").handlers == []


def test_it_is_silent_as_soon_as_the_program_sets_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = nobody_has_set_it_up(monkeypatch, Terminal())
    with reports_by_default():
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
        logging.getLogger("regrow").warning("the till is on fire")
    assert screen.getvalue() == ""


def test_it_is_silent_as_well_about_a_part_that_the_program_sees_to(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = nobody_has_set_it_up(monkeypatch, Terminal())
    with reports_by_default():
        monkeypatch.setattr(logging.getLogger("regrow.observer"), "handlers", [logging.NullHandler()])
        logging.getLogger("regrow.observer").warning("a page is open")
        logging.getLogger("regrow").warning("the till is on fire")
    assert "a page is open" not in screen.getvalue()
    assert "the till is on fire" in screen.getvalue()


@pytest.mark.parametrize("name", [None, "regrow"])
def test_nothing_is_added_where_somebody_has_set_it_up(
    monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    nobody_has_set_it_up(monkeypatch, Terminal())
    theirs = [logging.NullHandler()]
    monkeypatch.setattr(logging.getLogger(name), "handlers", theirs)
    with reports_by_default():
        assert logging.getLogger("regrow").handlers == (theirs if name else [])


def test_nothing_is_added_where_python_is_to_write_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_has_set_it_up(monkeypatch, Terminal())
    monkeypatch.setattr(logging, "lastResort", None)
    with reports_by_default():
        assert logging.getLogger("regrow").handlers == []
    monkeypatch.undo()
    nobody_has_set_it_up(monkeypatch, Terminal())
    monkeypatch.setattr(sys, "stderr", None)  # Windows without a console
    with reports_by_default():
        assert logging.getLogger("regrow").handlers == []


def test_what_stands_in_for_stderr_may_be_closed_or_know_nothing_but_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Writer:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

    writer = Writer()
    with (tmp_path / "stderr").open("w") as closed:
        pass
    monkeypatch.setattr(logging, "raiseExceptions", False)
    for stream in (closed, writer):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        with reports_by_default():
            burn(1)
    assert "till 1 is on fire" in writer.text


def test_without_a_terminal_a_report_is_what_python_writes_and_a_storm_is_summed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = nobody_has_set_it_up(monkeypatch, io.StringIO())
    logger = logging.getLogger("regrow")
    level = logger.level
    burn(0)
    plainly = file.getvalue()
    assert plainly.startswith("oh no\nTraceback")
    file.truncate(0)
    file.seek(0)
    with reports_by_default():
        assert logger.level == level
        burn(0)
        logger.info("a detail")
        assert file.getvalue() == plainly
        for number in range(1, 500):
            burn(number)
        assert file.getvalue().count("Traceback") == 3
    assert "the same crash 497 more times" in file.getvalue()
    file.truncate(0)
    file.seek(0)
    burn(0)
    assert file.getvalue() == plainly  # it was Python's own handler, and still works


PROGRAM = """\
import logging, sys
from regrow import Application, DynamicSupervisor, GenServer, StartType, application, cast, run


class Till(GenServer, restart="temporary"):
    @cast
    def burn(self):
        raise OSError("the till is on fire")


class Shop(Application):
    async def start(self, start_type, args):
        if "set up" in sys.argv:
            logging.basicConfig(format="mine: %(message)s")
        tills = await DynamicSupervisor.start_link()
        for _ in range(300):
            (await tills.start_child(Till)).burn()
        application.stop_system()
        return tills


run(Shop)
print("handlers", len(logging.getLogger("regrow").handlers))
"""


def test_a_program_under_run_sums_a_storm_up_without_a_word_about_logging(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    done = run_python("shop.py", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("terminating: OSError('the till is on fire')") == 3
    assert "the same crash of Till 297 more times" in done.stderr
    assert done.stdout == "handlers 0\n"


def test_a_program_that_sets_logging_up_in_its_start_has_it_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    done = run_python("shop.py", "set up", cwd=tmp_path)
    assert done.stderr.count("terminating: OSError('the till is on fire')") == 300
    assert done.stderr.count("mine: <Till") == 300
    assert "more times" not in done.stderr
