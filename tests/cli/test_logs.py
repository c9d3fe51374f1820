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


def test_where_there_is_no_terminal_nothing_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with reports_as(None):
        assert logging.getLogger("regrow").handlers == []
    monkeypatch.setattr(sys, "stderr", None)  # pythonw
    with reports_as(None):
        pass
