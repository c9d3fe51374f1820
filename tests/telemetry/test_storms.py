"""Storms: many equal reports become a few and one line; the first of a kind is never held back, nor a different one."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from regrow import DynamicSupervisor, GenServer, cast
from regrow.telemetry.logs import StormHandler
from regrow.telemetry.logs.storms import MOST
from tests.application.subprocesses import run_python
from tests.telemetry.servers import Boom
from tests.waiting import turns, until


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.flushed = self.closed = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def flush(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        self.closed += 1
        super().close()

    @property
    def texts(self) -> list[str]:
        return [each.getMessage() for each in self.records]


class Timer:
    def __init__(self, clock: Clock, at: float, callback: Any) -> None:
        self.clock, self.at, self.callback = clock, at, callback

    def cancel(self) -> None:
        self.clock.timers.remove(self)


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Any, /) -> Timer:
        self.timers.append(Timer(self, self.now + delay, callback))
        return self.timers[-1]

    def turn(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [each for each in self.timers if each.at <= end]:
            first = min(due, key=lambda each: each.at)
            self.timers.remove(first)
            self.now = first.at
            first.callback()
        self.now = end


class Storm:
    """A handler before one that keeps what comes, a clock, and ways to report."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.kept = Kept()
        self.handler = StormHandler(self.kept, clock=self.clock, **options)

    @property
    def texts(self) -> list[str]:
        return self.kept.texts

    def crash(self, pid: int = 1, kind: str = "Game", reason: str = "Boom('x')", error: Any = None) -> None:
        told = None if error is None else (type(error), error, error.__traceback__)
        fields = {"event": "crash", "pid": pid, "kind": kind, "reason": reason}
        self._report("regrow", f"<{kind} {pid}> terminating: {reason}", fields, told)

    def terminated(self, pid: int = 1, child_id: object = None, supervisor: object = "games") -> None:
        child = {"pid": pid, "id": child_id, "start": Storm}
        fields = {"event": "child_terminated", "supervisor": supervisor, "reason": Boom("x"), "child": child}
        self._report("regrow.supervisor", f"child {child_id} terminated", fields, None)

    def _report(self, name: str, text: str, fields: dict[str, Any], told: Any, level: int = 40) -> None:
        logger = logging.getLogger(name)
        record = logger.makeRecord(name, level, __file__, 1, text, (), told, extra={"regrow": fields})
        self.handler.handle(record)


def raised(line: int) -> Boom:
    try:
        if line == 1:
            raise Boom("x")
        raise Boom("x")
    except Boom as error:
        return error


def test_ten_thousand_equal_crashes_are_three_reports_and_a_line() -> None:
    storm = Storm()
    for pid in range(10_001):
        storm.crash(pid)
    assert storm.texts == [f"<Game {pid}> terminating: Boom('x')" for pid in range(3)]
    storm.clock.turn(5)
    assert storm.texts[3:] == [
        "the same crash of Game 9,998 more times in 5.0 s, last from pid 10000: Boom('x')"
    ]
    summary = storm.kept.records[-1]
    assert (summary.name, summary.levelno) == ("regrow", logging.ERROR)
    assert summary.__dict__["regrow"] == {
        "event": "storm",
        "of": "crash",
        "kind": "Game",
        "reason": "Boom('x')",
        "count": 9998,
        "seconds": 5.0,
        "pid": 10000,
    }


def test_a_storm_that_goes_on_has_a_line_every_five_seconds_and_then_is_over() -> None:
    storm = Storm(burst=1)
    for _ in range(12):
        storm.crash()
        storm.clock.turn(1)
    assert len(storm.texts) == 3
    assert ["4 more times" in storm.texts[1], "5 more times" in storm.texts[2]] == [True, True]
    storm.clock.turn(5)
    assert "2 more times" in storm.texts[3]
    storm.clock.turn(5)
    assert storm.clock.timers == []
    storm.crash(pid=77)
    assert storm.texts[4:] == ["<Game 77> terminating: Boom('x')"], "in full again"


def test_few_crashes_are_no_storm() -> None:
    storm = Storm()
    for _ in range(10):
        storm.crash()
        storm.clock.turn(2)
    storm.clock.turn(100)
    assert len(storm.texts) == 10
    assert not any("more times" in each for each in storm.texts)


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "Player"},
        {"reason": "Boom('y')"},
        {"error": raised(1)},
        {"error": ValueError("x")},
    ],
)
def test_a_different_crash_is_never_held_back(other: dict[str, Any]) -> None:
    storm = Storm(burst=1)
    for _ in range(100):
        storm.crash()
    storm.crash(**other)
    assert len(storm.texts) == 2


def test_the_line_that_raised_tells_crashes_apart() -> None:
    storm = Storm(burst=1)
    for line in (1, 1, 2, 2):
        storm.crash(error=raised(line))
    assert len(storm.texts) == 2


def test_numbers_in_the_text_do_not() -> None:
    storm = Storm(burst=1)
    for seat in range(50):
        storm.crash(seat, reason=f"Full('seat {seat} of <Room at 0x7f{seat:04x}>')")
    storm.clock.turn(5)
    assert len(storm.texts) == 2


def test_reports_of_supervisors_are_summed_up_on_their_own() -> None:
    storm = Storm(burst=1)
    for pid in range(10):
        storm.crash(pid)
        storm.terminated(pid)
    storm.terminated(child_id="tills")
    storm.terminated(supervisor="shops")
    assert len(storm.texts) == 4
    storm.clock.turn(5)
    assert storm.texts[4:] == [
        "the same crash of Game 9 more times in 5.0 s, last from pid 9: Boom('x')",
        "the same report (child_terminated) 9 more times in 5.0 s, last from pid 9: Boom('x')",
    ]


def test_other_records_go_on_as_they_are() -> None:
    storm = Storm(burst=1)
    for _ in range(5):
        storm.handler.handle(logging.makeLogRecord({"msg": "hello", "levelno": logging.ERROR}))
        storm._report("regrow.supervisor", "started", {"event": "progress"}, None, level=logging.DEBUG)
    assert len(storm.texts) == 10


def test_flush_and_close_tell_what_is_held() -> None:
    storm = Storm(burst=1)
    storm.crash(1)
    storm.crash(2)
    storm.clock.turn(2)
    storm.handler.flush()
    assert storm.texts[1:] == ["the same crash of Game 1 more time in 2.0 s, last from pid 2: Boom('x')"]
    assert (storm.clock.timers, storm.kept.flushed) == ([], 1)
    storm.crash(3)
    storm.crash(4)
    storm.handler.close()
    assert len(storm.texts) == 4
    assert storm.kept.closed == 1


def test_nothing_of_a_report_is_kept_but_texts() -> None:
    import gc
    import weakref

    storm = Storm(burst=1)
    error = raised(1)
    kept = weakref.ref(error)
    storm.crash(error=error)
    storm.crash(error=error)
    storm.kept.records.clear()
    del error
    gc.collect()
    assert kept() is None


def test_very_many_kinds_are_bounded_and_nothing_is_lost() -> None:
    storm = Storm(burst=1)
    for number in range(MOST + 10):
        storm.crash(kind=f"Kind{chr(number + 0x4E00)}")
        storm.crash(kind=f"Kind{chr(number + 0x4E00)}")
    assert len(storm.handler._storms) == MOST
    storm.handler.flush()
    assert len([each for each in storm.texts if "1 more time " in each]) == MOST + 10


def test_ones_own_idea_of_what_is_the_same() -> None:
    storm = Storm(
        burst=1, same=lambda record: record.__dict__["regrow"]["kind"] if record.levelno >= 40 else None
    )
    storm.crash(reason="a")
    storm.crash(reason="b")
    storm.crash(kind="Player")
    assert len(storm.texts) == 2


def test_the_targets_level_and_format_are_its_own() -> None:
    storm = Storm()
    storm.kept.setLevel(logging.CRITICAL)
    storm.crash()
    assert storm.texts == []
    storm.handler.setFormatter(logging.Formatter("%(message)s"))
    assert storm.kept.formatter is not None


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": -1.0}, {"burst": 0}, {"burst": True}])
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        StormHandler(Kept(), **options)


# --- real crashes, clocks and ends ------------------------------------------------------------------------------------


class Fragile(GenServer):
    @cast
    def crash(self) -> None:
        raise Boom("again")


async def test_real_crashes_on_the_clock_of_the_loop() -> None:
    kept = Kept()
    handler = StormHandler(kept, clock=asyncio.get_running_loop())
    regrow = logging.getLogger("regrow")
    regrow.addHandler(handler)
    try:
        async with DynamicSupervisor.scope(max_restarts=10**6) as games:
            children = [await games.start_child(Fragile) for _ in range(200)]
            for each in children:
                each.crash()
            await turns(20)
            await until(lambda: len(kept.records) >= 6)
            assert len(kept.records) == 6
            await asyncio.sleep(5.1)
    finally:
        regrow.removeHandler(handler)
        handler.close()
    assert [each.partition(" more")[0] for each in kept.texts[6:]] == [
        "the same crash of Fragile 197",
        "the same report (child_terminated) 197",
    ]


@pytest.mark.real_time("a thread wakes the handler")
def test_without_a_loop_a_thread_ends_the_storm() -> None:
    storm = Storm(burst=1)
    handler = StormHandler(storm.kept, seconds=0.05, burst=1)
    storm.handler = handler
    storm.crash(1)
    storm.crash(2)
    for _ in range(400):
        if len(storm.texts) == 2:
            break
        time.sleep(0.01)
    assert "1 more time " in storm.texts[1]
    handler.close()
    for each in threading.enumerate():
        if isinstance(each, threading.Timer):
            each.join(1.0)  # it was told, and not merely forgotten
            assert not each.is_alive()


@pytest.mark.real_time("threads report at the same time")
def test_threads_may_report_at_the_same_time() -> None:
    storm = Storm()
    storm.handler = StormHandler(storm.kept, seconds=0.01)

    def report() -> None:
        for _ in range(500):
            storm.crash()

    threads = [threading.Thread(target=report) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    storm.handler.close()
    told = sum(each.__dict__["regrow"].get("count", 1) for each in storm.kept.records)
    assert told == 2000


def test_the_end_of_the_program_tells_what_is_held(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import logging\n"
        "from regrow.telemetry import logs\n"
        "logs.configure(format='plain')\n"
        "for pid in range(10):\n"
        "    fields = {'event': 'crash', 'pid': pid, 'kind': 'Game', 'reason': 'x'}\n"
        "    logging.getLogger('regrow').error('crash', extra={'regrow': fields})\n"
    )
    done = run_python("program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("ERROR regrow: crash") == 3
    assert "the same crash of Game 7 more times" in done.stderr
