"""A record of ours is the record that ``logging`` would have made, on every version of Python."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from regrow.kernel.records import _patterns, make_record


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    _patterns.known.clear()
    yield
    _patterns.known.clear()


@pytest.fixture
def log() -> logging.Logger:
    return logging.getLogger("tests.records")


def made(log: logging.Logger, text: str = "%s of %s", *args: object) -> logging.LogRecord:
    return make_record(log, logging.ERROR, text, args, None, {"event": "crash"})


def usual(log: logging.Logger, text: str, *args: object, error: Any = None) -> logging.LogRecord:
    like = made(log)
    extra = {"regrow": {"event": "crash"}}
    return log.makeRecord(
        log.name, logging.ERROR, like.pathname, like.lineno, text, args, error, like.funcName, extra
    )


CLOCKS = ("created", "msecs", "relativeCreated")


def without_clocks(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in CLOCKS}


async def test_it_holds_what_a_record_of_logging_holds(log: logging.Logger) -> None:
    for _ in range(3):  # the first is of logging's own making, and the others are copies
        ours, theirs = made(log, "%s of %s", "one", 2), usual(log, "%s of %s", "one", 2)
        assert without_clocks(ours) == without_clocks(theirs)
        assert vars(ours).keys() == vars(theirs).keys()
        assert ours.getMessage() == "one of 2"


def test_its_clocks_are_those_of_its_moment(log: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(log)
    monkeypatch.setattr("regrow.kernel.records.time", lambda: first.created + 0.75)
    record = made(log)
    assert record.created == first.created + 0.75
    assert record.relativeCreated == pytest.approx(first.relativeCreated + 750, abs=1)
    assert record.msecs == int(record.created % 1 * 1000)


def test_the_error_is_its_own(log: logging.Logger) -> None:
    try:
        raise ValueError("no")
    except ValueError as caught:
        error = caught
    told = make_record(log, logging.ERROR, "x", (), error, {}).exc_info
    assert told == (ValueError, error, error.__traceback__)
    assert made(log).exc_info is None


def test_what_a_handler_adds_is_in_no_other_record(log: logging.Logger) -> None:
    made(log).added = "by a filter"
    assert not hasattr(made(log), "added")


def test_each_level_and_each_thread_has_its_own(log: logging.Logger) -> None:
    made(log)
    assert make_record(log, logging.INFO, "x", (), None, {}).levelname == "INFO"
    seen: list[logging.LogRecord] = []
    other = Thread(target=lambda: seen.append(made(log)), name="another")
    other.start()
    other.join()
    assert (seen[0].threadName, seen[0].thread) == ("another", other.ident)
    assert made(log).threadName != "another"


def test_a_thread_that_gets_the_number_of_one_before_is_not_taken_for_it(log: logging.Logger) -> None:
    seen: list[logging.LogRecord] = []
    for name in ("alpha", "beta", "gamma"):  # one after another, and their numbers are used again
        thread = Thread(target=lambda: seen.append(made(log)), name=name)
        thread.start()
        thread.join()
    assert [each.threadName for each in seen] == ["alpha", "beta", "gamma"]


def test_another_name_of_a_level_is_taken_up_in_a_second(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = made(log)
    logging.addLevelName(logging.ERROR, "FAULT")
    try:
        monkeypatch.setattr("regrow.kernel.records.time", lambda: record.created + 1.5)
        assert made(log).levelname == "FAULT"
    finally:
        logging.addLevelName(logging.ERROR, "ERROR")


def test_a_factory_of_somebodys_own_makes_them(log: logging.Logger) -> None:
    class Own(logging.LogRecord):
        pass

    made(log)
    logging.setLogRecordFactory(Own)
    try:
        assert type(made(log)) is Own
        assert made(log).__dict__["regrow"] == {"event": "crash"}
    finally:
        logging.setLogRecordFactory(logging.LogRecord)


def test_a_class_of_loggers_of_somebodys_own_makes_them() -> None:
    class Loud(logging.Logger):
        def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
            record = super().makeRecord(*args, **kwargs)
            record.loud = True
            return record

    assert made(Loud("tests.loud")).__dict__["loud"] is True


async def test_the_task_is_the_one_that_runs(log: logging.Logger) -> None:
    if not hasattr(made(log), "taskName"):
        pytest.skip("records know their task since Python 3.12")

    async def work() -> str | None:
        name: str | None = made(log).__dict__["taskName"]
        return name

    assert [await asyncio.create_task(work(), name=name) for name in ("one", "two")] == ["one", "two"]
