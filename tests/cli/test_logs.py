"""How `regrow run` lets reports be written where nobody has said anything."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from regrow.cli.logs import reports_as


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in the place of stderr, and nobody who has set logging up. Pytest does both just before a test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    return screen


def test_a_terminal_shows_reports_of_a_program_that_has_not_set_logging_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = terminal(monkeypatch)
    with reports_as(None):
        logging.getLogger("regrow").warning("the till is on fire")
        logging.getLogger("regrow").info("a detail")
        logging.getLogger("shop").info("its own affair")
    assert "the till is on fire" in screen.getvalue()
    assert "a detail" not in screen.getvalue()
    assert "its own affair" not in screen.getvalue()
    assert logging.getLogger("regrow").handlers == []


def test_it_is_silent_as_soon_as_the_program_has(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with reports_as(None):
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
        logging.getLogger("regrow").warning("the till is on fire")
    assert screen.getvalue() == ""


def test_it_is_silent_as_well_if_only_a_part_has(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with reports_as(None):
        monkeypatch.setattr(logging.getLogger("regrow.observer"), "handlers", [logging.NullHandler()])
        logging.getLogger("regrow.observer").warning("a page is open")
        logging.getLogger("regrow").warning("the till is on fire")
    assert "a page is open" not in screen.getvalue()
    assert "the till is on fire" in screen.getvalue()


def test_without_a_terminal_a_report_is_what_python_writes_and_a_storm_is_summed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logger = logging.getLogger("regrow")

    def burn(number: int) -> None:
        try:
            raise OSError(f"till {number} is on fire")
        except OSError as error:
            logger.error("oh no", exc_info=True, extra={"regrow": {"event": "crash", "reason": error}})

    level = logger.level
    burn(0)
    plainly = file.getvalue()
    assert plainly.startswith("oh no\nTraceback")
    file.truncate(0)
    file.seek(0)
    with reports_as(None):
        assert logger.level == level
        burn(0)
        logger.info("a detail")
        assert file.getvalue() == plainly
        for number in range(1, 500):
            burn(number)
        assert file.getvalue().count("Traceback") == 3
    assert "the same crash 497 more times" in file.getvalue()
    assert logger.handlers == []


def test_without_stderr_nothing_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # pythonw
    with reports_as(None):
        assert logging.getLogger("regrow").handlers == []
