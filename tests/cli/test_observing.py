"""``regrow ps``, ``tree``, ``crashes`` and ``observe`` against programs in processes of their own."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from regrow.cli.columns import COLUMNS, SORTS, that_fit
from regrow.observer import model
from tests.application.subprocesses import Program, clean_environment
from tests.cli.shops import regrow, regrow_run, running, stopped, write_shop

pytestmark = pytest.mark.real_time("other programs run")


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        yield {"XDG_RUNTIME_DIR": folder, "TMPDIR": folder}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path)


def test_processes_are_printed(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as program:
        program.wait_for("open")
        done = regrow(env, "ps")
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0].split() == [
            "PID",
            "NAME",
            "CLASS",
            "STATUS",
            "MAILBOX",
            "LINKS",
            "MONITORS",
            "PARENT",
        ]
        (till,) = (line.split() for line in lines if "main till" in line)
        assert till[1:6] == ["main", "till", "Till", "idle", "0"]
        assert not lines[-1].startswith("50 of")

        done = regrow(env, "ps", "shop", "--filter", "till", "--sort", "name", "--limit", "3")
        lines = done.stdout.splitlines()
        assert len(lines) == 5
        assert lines[-1] == "3 of 32 processes, by name; --limit 6 shows more"

        for title in ("CLASS", "class"):  # as it stands over the column
            done = regrow(env, "ps", "--sort", title, "--limit", "1")
            assert "processes, by kind;" in done.stdout

        page = json.loads(regrow(env, "ps", "--json", "--filter", "main till").stdout)
        (row,) = page["rows"]
        assert (row["name"], row["kind"], row["messages"]) == ("main till", "Till", None)
        assert page["total"] == 1
        down, up = (
            [each["pid"] for each in json.loads(regrow(env, "ps", "--json", which).stdout)["rows"]]
            for which in ("--descending", "--ascending")
        )
        assert down == sorted(down, reverse=True)
        assert up == sorted(up)
        done = regrow(env, "ps", "--filter", "nothing like it")
        assert done.stdout == "no process has 'nothing like it' in its pid, name, class or label\n"
        stopped(program)


def test_the_tree_is_printed(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as program:
        program.wait_for("open")
        done = regrow(env, "tree", "--limit", "2")
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0] == "shop  running, permanent"
        root, till, tills, first, _, more = (line.split("  ") for line in lines[1:7])
        assert root[:2] == ["└── root", "Supervisor"]
        assert root[3:] == ["2 children", "one_for_one", "0/3 in 5s"]
        assert till[:3] == ["", "", "├── main till"]
        assert tills[2] == "└── Tills"
        assert first[-3:-1] == ["", "├── Till"]
        assert more[-1] == "└── ... 28 more"
        assert "regrow.control  running, temporary" in lines

        lines = regrow(env, "tree", "--root", "Tills", "--depth", "0").stdout.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("Tills  ")
        assert lines[1] == "└── ... 30 more"
        forest = json.loads(regrow(env, "tree", "--json").stdout)
        assert forest["applications"][0]["tree"]["name"] == "root"
        stopped(program)


def test_crashes_of_the_start_which_nobody_saw_are_printed(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--arg", "burn") as program:
        program.wait_for("open")
        done = regrow(env, "crashes")
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0].split() == ["ID", "TIME", "WHO", "REASON", "NOW", "WHERE"]
        assert "main till" in lines[1]
        assert "OSError('the till is on fire')" in lines[1]
        assert "shop.py:14 in burn" in lines[1]
        assert lines[2] == "1 of 1; one of them in full:  regrow crashes --id 1"
        full = regrow(env, "crashes", "--id", "1").stdout
        assert "main till" in full.splitlines()[0]
        assert 'raise OSError("the till is on fire")' in full
        assert "  last message burn()" in full
        assert "swordfish" not in full
        crash = json.loads(regrow(env, "crashes", "--id", "1", "--json").stdout)
        assert crash["row"]["reason"] == "OSError('the till is on fire')"
        page = json.loads(regrow(env, "crashes", "--json").stdout)
        assert page["total"] == 1
        done = regrow(env, "crashes", "--filter", "ValueError")
        assert done.stdout == f"no crash in shop (pid {program.process.pid}) has 'ValueError' in it\n"
        done = regrow(env, "crashes", "--id", "7")
        assert (done.returncode, done.stderr) == (
            2,
            "error: no crash 7 is remembered; only the last ones are.\n",
        )
        stopped(program)


def test_where_there_is_no_program_the_line_to_start_one_is_said(shop: Path, env: dict[str, str]) -> None:
    for command in ("ps", "tree", "crashes", "observe", "top"):
        done = regrow(env, command)
        assert done.returncode == 2
        assert done.stderr.splitlines()[:2] == [
            "error: no running program can be asked. Running: none that can be asked.",
            "Start one with:  regrow run MODULE:App",
        ]


def test_which_one_is_meant_has_to_be_said(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as first, running(shop, env) as second:
        first.wait_for("open")
        second.wait_for("open")
        done = regrow(env, "ps")
        assert done.returncode == 2
        assert done.stderr.startswith("error: which of them? Say its pid: shop (pid ")
        done = regrow(env, "ps", str(first.process.pid), "--limit", "1")
        assert done.returncode == 0
        stopped(first)
        stopped(second)


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_program_without_a_control_socket_can_not_be_looked_into(
    shop: Path, env: dict[str, str], how: str
) -> None:
    given = {**env, "REGROW_CONTROL": "0"} if how == "variable" else env
    options = ["--no-control"] if how == "option" else []
    with running(shop, given, *options) as program:
        program.wait_for("open")
        done = regrow(env, "ps", str(program.process.pid))
        assert done.returncode == 2
        assert "was not started so that it can be asked" in done.stderr
        assert "REGROW_CONTROL=0" in done.stderr
        assert list(Path(env["XDG_RUNTIME_DIR"]).iterdir()) == []
        stopped(program)
    done = regrow_run(shop, given, *options, "--allow-actions", "shop:Shop")
    assert done.returncode == 2
    assert "error: --allow-actions needs the control socket, and --no-control" in done.stderr


def test_a_program_that_can_not_open_its_socket_runs_unless_it_was_asked_for(
    shop: Path, env: dict[str, str]
) -> None:
    folder = Path(env["XDG_RUNTIME_DIR"]) / "regrow"
    folder.mkdir()
    folder.chmod(0o755)
    (shop / "shop.py").write_text((shop / "shop.py").read_text().replace("logging.disable()", ""))
    with running(shop, env) as program:
        program.wait_for("nobody can look into this program with regrow top or ps")
        stopped(program)
    for option in ("--control", "--allow-actions", "--show-state"):
        done = regrow_run(shop, env, option, "shop:Shop")
        assert done.returncode == 1
        assert "must be a folder that is yours alone" in done.stderr


def test_the_web_observer_is_named_or_how_to_have_one(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as program:
        program.wait_for("open")
        done = regrow(env, "observe")
        assert done.returncode == 1
        assert f"shop (pid {program.process.pid}) has no web observer." in done.stdout
        assert "Observer.child_spec(port=4000)" in done.stdout
        assert json.loads(regrow(env, "observe", "--json").stdout) == {"urls": []}
        stopped(program)


def test_what_can_not_be_sorted_by_is_refused(shop: Path, env: dict[str, str]) -> None:
    done = regrow(env, "ps", "--sort", "size")
    assert done.returncode == 2
    assert "'size' is none of pid, name, kind" in done.stderr


def test_on_a_terminal_lines_are_cut_to_its_width(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--arg", "burn") as program:
        program.wait_for("open")
        for command in (["ps"], ["crashes"]):
            lines = on_a_terminal(60, *command, cwd=shop, env=env).splitlines()
            assert len(lines) > 2
            assert max(len(line) for line in lines[:-1]) <= 60, lines
            assert max(len(line) for line in lines[:-1]) > 40
        stopped(program)


def on_a_terminal(columns: int, *arguments: str, cwd: Path, env: dict[str, str]) -> str:
    """What `regrow` prints where its output is a terminal, without the colours."""
    ours, theirs = pty.openpty()
    environment = {**clean_environment(env), "COLUMNS": str(columns), "TERM": "xterm"}
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd)
        os.dup2(theirs, 1)
        os.execve(sys.executable, [sys.executable, "-m", "regrow", *arguments], environment)
    os.close(theirs)
    told = b""
    try:
        while chunk := os.read(ours, 65536):
            told += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert os.waitpid(pid, 0)[1] == 0
    plain = told.decode().replace("\r\n", "\n")
    for code in ("\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    return plain


# --- logging --------------------------------------------------------------------------------------------------------


def test_reports_are_json_if_that_is_said(shop: Path, env: dict[str, str]) -> None:
    (shop / "shop.py").write_text((shop / "shop.py").read_text().replace("logging.disable()", ""))
    with running(shop, env, "--log", "json", "--arg", "burn") as program:
        line = program.wait_for("the till is on fire")
        record = json.loads(line)
        assert record["level"] == "ERROR"
        started = program.wait_for("application 'shop' started")
        assert json.loads(started)["message"] == "application 'shop' started"
        program.send(signal.SIGTERM)
        assert program.end() == 0


def test_reports_are_text_if_that_is_said_and_nothing_is_set_up_otherwise(
    shop: Path, env: dict[str, str]
) -> None:
    (shop / "shop.py").write_text((shop / "shop.py").read_text().replace("logging.disable()", ""))
    with running(shop, env, "--log", "text") as program:
        program.wait_for("INFO regrow.application: application 'shop' started")
        stopped(program)
    with Program("-m", "regrow", "run", "shop:Shop", cwd=shop, env=env) as program:
        program.wait_for("open")
        stopped(program)
    assert "INFO" not in program.output


# --- columns --------------------------------------------------------------------------------------------------------


def test_the_columns_are_those_that_the_observer_sorts_by() -> None:
    assert sorted(SORTS) == sorted(get_args(model.ProcessSort))


@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 140, 300])
def test_columns_fit_the_width(width: int) -> None:
    found = that_fit(width)
    assert sum(each + 2 for _, each in found) <= width
    names = [column.sort for column, _ in found]
    assert names == [each.sort for each in COLUMNS if each.sort in names]
    assert names[:2] == ["pid", "name"]
