"""Reports through logging: one line to set them up, JSON that any machine reads, colours for people."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from regrow import KILLED, Supervisor, Task
from regrow.kernel.reasons import strip
from regrow.telemetry import logs
from regrow.telemetry.logs.as_json import JsonFormatter, plain
from regrow.telemetry.logs.on_terminal import TerminalHandler
from tests.application.subprocesses import run_python
from tests.telemetry.servers import Boom, Game
from tests.waiting import turns, until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield
    assert (list(root.handlers), root.level) == before


async def crash() -> None:
    game = await Game.options(name="table 1").start()
    game.note("a")
    game.burn_down()
    await turns()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# --- JSON -------------------------------------------------------------------------------------------------------------


async def test_a_crash_is_one_line_of_json() -> None:
    stream = io.StringIO()
    with logs.configure(format="json", stream=stream):
        await crash()
    (line,) = lines(stream)
    assert line["level"] == "ERROR"
    assert line["logger"] == "regrow"
    assert line["time"].endswith("Z")
    assert "terminating: Boom('as told')" in line["message"]
    report = line["regrow"]
    assert (report["event"], report["kind"], report["name"]) == ("crash", "Game", "'table 1'")
    assert report["message"] == "burn_down()"
    assert isinstance(report["pid"], int)
    error = line["exception"]
    assert (error["type"], error["message"]) == ("tests.telemetry.servers.Boom", "as told")
    assert error["trace"][-1]["function"] == "burn_down"
    assert error["trace"][-1]["code"] == 'raise Boom("as told")'
    assert error["trace"][-1]["file"].endswith("servers.py")


async def test_a_supervisors_report_has_plain_fields() -> None:
    stream = io.StringIO()
    with logs.configure(format="json", stream=stream, logger="regrow.supervisor", level="DEBUG"):
        async with Supervisor.scope([(Game, None)], max_restarts=10) as root:
            (row,) = await root.which_children()
            row.child.burn_down()
            await turns(20)
    started, ended, again = lines(stream)[-3:]
    assert (started["regrow"]["event"], again["regrow"]["event"]) == ("progress", "progress")
    assert ended["regrow"]["reason"] == {"type": "tests.telemetry.servers.Boom", "message": "as told"}
    child = ended["regrow"]["child"]
    assert child["start"] == child["id"] == "tests.telemetry.servers.Game"
    assert (child["restart"], child["shutdown"], child["args"]) == ("permanent", 0.5, "(None,)")


class Unspeakable:
    def __repr__(self) -> str:
        raise Boom("no repr")


class Silent(Exception):
    def __str__(self) -> str:
        raise Boom("no str")


def test_values_become_plain() -> None:
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    values = {
        "infinity": float("inf"),
        "nan": float("nan"),
        "class": Boom,
        "function": crash,
        "reason": KILLED,
        "error": Boom("x"),
        "silent": Silent(),
        "unspeakable": Unspeakable(),
        "bytes": b"x",
        "set": {1},
        "mapping": {(1, 2): {"a": None}},
        "level": logging.INFO,
        "deep": deep,
        7: True,
    }
    shown = plain(values)
    json.dumps(shown, allow_nan=False)
    del shown["deep"]
    assert str(shown["unspeakable"]).startswith("<Unspeakable ")
    assert shown == {
        "infinity": "infinity",
        "nan": "nan",
        "class": "tests.telemetry.servers.Boom",
        "function": "tests.telemetry.test_logs.crash",
        "reason": "KILLED",
        "error": {"type": "tests.telemetry.servers.Boom", "message": "x"},
        "silent": {
            "type": "tests.telemetry.test_logs.Silent",
            "message": "<Silent whose str raised Boom>",
        },
        "unspeakable": shown["unspeakable"],
        "bytes": "b'x'",
        "set": [1],
        "mapping": {"(1, 2)": {"a": None}},
        "level": 20,
        "7": True,
    }


def formatted(error: BaseException | None = None, **extra: Any) -> dict[str, Any]:
    told = None if error is None else (type(error), error, error.__traceback__)
    record = logging.getLogger("shop").makeRecord("shop", 40, "f", 1, "%s sold", ("tea",), told, extra=extra)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_other_records_have_their_extra() -> None:
    line = formatted(order=5, items=["tea"])
    assert (line["message"], line["extra"]) == ("tea sold", {"order": 5, "items": ["tea"]})
    assert "exception" not in line
    assert "regrow" not in line
    assert "extra" not in formatted()


def test_causes_notes_and_groups() -> None:
    try:
        try:
            raise KeyError("seat")
        except KeyError as cause:
            error = Boom("outer")
            error.add_note("look here")
            raise error from cause
    except Boom as caught:
        told = formatted(caught)["exception"]
    assert told["notes"] == ["look here"]
    assert told["cause"]["type"] == "builtins.KeyError"
    assert told["cause"]["trace"][0]["line"] > 0
    assert "context" not in told
    group = formatted(ExceptionGroup("both", [ValueError("a"), OSError("b")]))["exception"]
    assert [each["message"] for each in group["exceptions"]] == ["a", "b"]


def test_circles_and_long_chains_of_causes_end() -> None:
    first, second = Boom("a"), Boom("b")
    first.__context__, second.__context__ = second, first
    assert formatted(first)["exception"]["context"]["message"] == "b"
    chain = Boom("0")
    for number in range(500):
        following = Boom(str(number))
        following.__cause__ = chain
        chain = following
    assert len(str(formatted(chain))) < 5000


def test_the_place_of_a_stripped_error_is_known() -> None:
    try:
        raise Boom("x")
    except Boom as error:
        stripped = strip(error)
    (frame,) = formatted(stripped)["exception"]["trace"]
    assert frame["function"] == "test_the_place_of_a_stripped_error_is_known"


def test_a_very_deep_traceback_keeps_its_end() -> None:
    def sink(depth: int) -> None:
        if depth == 0:
            raise Boom("bottom")
        sink(depth - 1)

    try:
        sink(300)
    except Boom as error:
        trace = formatted(error)["exception"]["trace"]
    assert len(trace) == 100
    assert trace[-1]["code"] == 'raise Boom("bottom")'


# --- people -----------------------------------------------------------------------------------------------------------


async def test_on_a_terminal_a_crash_is_a_headline_a_table_and_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with logs.configure(stream=stream) as configured:
        assert isinstance(configured.handler, logs.StormHandler)
        assert isinstance(configured.handler.target, TerminalHandler)
        await crash()
        logging.getLogger("shop").info("open [bold]now[/bold]")
    text = stream.getvalue()
    assert "\x1b[" in text
    text = re.sub("\x1b.*?m", "", text)
    for each in ("Game", "'table 1'", "crashed", "last message", "burn_down()", "raise", "[bold]now[/bold]"):
        assert each in text
    assert "_turn" not in text or "result = function" not in text, "the kernel's own lines are left out"


async def test_where_there_is_no_terminal_it_is_plain() -> None:
    stream = io.StringIO()
    with logs.configure(stream=stream):
        await crash()
    text = stream.getvalue()
    assert "\x1b[" not in text
    assert "ERROR regrow: <Game" in text
    assert "Boom: as told" in text


def test_without_rich_it_is_plain_and_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import sys\n"
        "sys.modules['rich'] = None\n"
        "from regrow.telemetry import logs\n"
        "sys.stderr.isatty = lambda: True\n"
        "logs.configure()\n"
        "import logging\n"
        "logging.getLogger('shop').info('open')\n"
        "try:\n"
        "    logs.configure(format='rich')\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    done = run_python("program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("INFO shop: open\n")
    assert 'pip install "regrow[cli]"' in done.stdout


# --- setting up -------------------------------------------------------------------------------------------------------


def test_to_configure_again_replaces_and_undo_puts_back() -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    first, second = io.StringIO(), io.StringIO()
    logs.configure(stream=first, level="WARNING")
    configured = logs.configure(stream=second, level=logging.DEBUG)
    assert len(root.handlers) == len(handlers) + 1
    logging.getLogger("shop").debug("open")
    assert (first.getvalue(), second.getvalue().count("open")) == ("", 1)
    configured.undo()
    configured.undo()
    assert (list(root.handlers), root.level) == (handlers, level)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"format": "xml"}, "format='xml': must be one of auto, rich, plain, json"),
        ({"level": "LOUD"}, "level='LOUD': must be one of .*INFO"),
        ({"level": True}, "level=True"),
    ],
)
def test_what_there_is_not_is_refused_and_changes_nothing(options: Mapping[str, Any], error: str) -> None:
    with logs.configure(stream=io.StringIO()) as configured:
        with pytest.raises(ValueError, match=error):
            logs.configure(**options)
        assert configured.handler in logging.getLogger().handlers


def test_by_dict_config() -> None:
    stream = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "reports": {"()": "regrow.telemetry.logs.make_handler", "format": "json", "stream": stream}
            },
            "loggers": {"shop": {"level": "INFO", "handlers": ["reports"], "propagate": False}},
        }
    )
    shop = logging.getLogger("shop")
    shop.info("open")
    for each in tuple(shop.handlers):
        shop.removeHandler(each)
    shop.propagate = True
    assert [line["message"] for line in lines(stream)] == ["open"]


def test_storms_can_be_left_out() -> None:
    assert type(logs.make_handler("plain", storms=False)) is logging.StreamHandler


async def test_a_crashed_task_is_a_report_like_any_other() -> None:
    async def fail() -> None:
        raise Boom("in a task")

    stream = io.StringIO()
    with logs.configure(format="json", stream=stream):
        Task.start(fail)
        await until(lambda: stream.getvalue())
    (line,) = lines(stream)
    assert line["regrow"]["event"] == "crash"
    assert line["exception"]["message"] == "in a task"
