"""``regrow run``, as it is typed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from regrow.cli.new import make_project
from tests.application.subprocesses import Program, run_python

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """\
import asyncio

from regrow import Agent, Application, application, process


async def give_up(root):
    while "telling" not in [each.name for each in application.started_applications()]:
        await asyncio.sleep(0.001)
    process.exit(root, "broken")


class Telling(Application):
    name = "telling"

    async def start(self, start_type, args):
        print("args", args, flush=True)
        root = await Agent.start_link(dict)
        if "give up" in args:
            process.spawn(give_up, root)
        return root
"""


@pytest.mark.real_time("another program runs")
def test_a_new_project_runs_until_a_signal(tmp_path: Path) -> None:
    make_project(tmp_path / "shop", sup=True)
    with Program(
        "-m", "regrow", "run", cwd=tmp_path / "shop", env={"REGROW_SHOP__GREETING": "good day"}
    ) as program:
        assert "INFO shop.application: good day" in program.wait_for("shop.application")
        program.wait_for("application 'shop' started")
        program.send(signal.SIGINT)
        assert program.end() == 0
    assert "application 'shop' stopped" in program.output


@pytest.mark.real_time("another program runs")
def test_type_and_args_come_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.regrow]\nargs = ["file"]\ntype = "temporary"\n', encoding="utf-8"
    )
    done = run_python(
        "-m",
        "regrow",
        "run",
        "telling:Telling",
        "--type",
        "permanent",
        "--arg",
        "give up",
        "--arg",
        "x",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "args ['give up', 'x']" in done.stdout
    assert "regrow: the permanent application 'telling' has ended: 'broken'" in done.stderr


@pytest.mark.real_time("another program runs")
def test_type_and_args_come_from_pyproject(tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.regrow]\napplication = "telling:Telling"\nargs = ["give up"]\ntype = "temporary"\n',
        encoding="utf-8",
    )
    with Program("-m", "regrow", "run", cwd=tmp_path) as program:
        program.wait_for("the temporary application 'telling' has ended: 'broken'; the program goes on")
        program.send(signal.SIGTERM)
        assert program.end() == 0


@pytest.mark.real_time("another program runs")
def test_an_unknown_dependency_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text(
        'from regrow import Application\nclass Lost(Application):\n    extra_applications = ["loging"]\n',
        encoding="utf-8",
    )
    done = run_python("-m", "regrow", "run", "lost:Lost", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: there is no application 'loging' in extra_applications of lost:Lost" in done.stderr
    assert "Known are: logging" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.real_time("another program runs")
def test_a_mistake_has_exit_code_2_and_no_traceback(tmp_path: Path) -> None:
    done = run_python("-m", "regrow", "run", "nowhere:App", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no module 'nowhere' (named on the command line).")
    assert "Traceback" not in done.stderr
