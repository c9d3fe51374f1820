"""``regrow shell``: a prompt with ``await`` beside a running application."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from regrow.cli.new import make_project
from tests.application.subprocesses import Program, run_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    make_project(tmp_path / "shop", sup=True)
    return tmp_path / "shop"


@pytest.mark.real_time("another program runs")
def test_what_is_typed_runs_beside_the_application(shop: Path) -> None:
    typed = """\
from shop.counter import Counter
counter = Counter.named(Counter)
await counter.add(3)
await counter.add()
App.name, root() == application.get_supervisor(App)
(await Supervisor.of(root()).count_children()).active
async def twice():
    return await counter.add() + await counter.add()

await twice()
tree()
1 / 0
await counter.ad()
"""
    done = run_python("-m", "regrow", "shell", cwd=shop, input=typed)
    assert done.returncode == 0, done.stderr
    for each in ("3", "4", "('shop', True)", "1", "11"):
        assert f">>> {each}\n" in done.stdout or f"... {each}\n" in done.stdout, (each, done.stdout)
    assert "Supervisor" in done.stdout
    assert "Counter" in done.stdout
    assert "shop is running" in done.stderr
    assert 'File "<console>", line 1, in <module>\nZeroDivisionError: division by zero' in done.stderr
    assert "AttributeError" in done.stderr
    assert "application 'shop' stopped" in done.stderr
    assert "evaluator.py" not in done.stderr


@pytest.mark.real_time("another program runs")
def test_a_supervisor_started_at_the_prompt_stays(shop: Path) -> None:
    typed = """\
games = await DynamicSupervisor.start_link()
me = process.current()
(await games.count_children()).active, process.current() == me
process.alive(games)
"""
    done = run_python("-m", "regrow", "shell", cwd=shop, input=typed)
    assert ">>> (0, True)\n>>> True\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.real_time("another program runs")
def test_an_exit_signal_ends_the_process_and_keeps_the_variables(shop: Path) -> None:
    typed = """\
x = 5
me = process.current()
pid = process.spawn_link(process.receive)
process.exit(pid, "over"); await asyncio.Event().wait()
x, process.current() == me
exit(4)
"""
    done = run_python("-m", "regrow", "shell", cwd=shop, input=typed)
    assert "*** the process of this prompt was ended: 'over'; a new one takes over" in done.stderr
    assert ">>> (5, False)" in done.stdout
    assert done.returncode == 4


@pytest.mark.real_time("another program runs")
def test_the_end_of_the_application_leaves_the_prompt(shop: Path) -> None:
    typed = """\
process.monitor(root())
process.exit(root(), KILL)
(await process.receive(process.Down)).reason
await application.ensure_all_started(App)
"""
    done = run_python("-m", "regrow", "shell", cwd=shop, input=typed)
    assert ">>> KILLED\n" in done.stdout, done.stderr
    assert "['shop']" in done.stdout
    assert "the temporary application 'shop' has ended: KILLED; the program goes on" in done.stderr


@pytest.mark.real_time("another program runs")
def test_the_args_of_pyproject_are_for_the_application_that_it_names(shop: Path) -> None:
    (shop / "pyproject.toml").write_text(
        '[tool.regrow]\napplication = "shop.application:Shop"\nargs = ["for the shop"]\n', encoding="utf-8"
    )
    (shop / "stall.py").write_text(
        "from regrow import Application, Supervisor\n"
        "class Stall(Application):\n"
        "    async def start(self, start_type, args):\n"
        "        print('args', args)\n"
        "        return await Supervisor.start_link([])\n",
        encoding="utf-8",
    )
    assert "args []" in run_python("-m", "regrow", "shell", "stall:Stall", cwd=shop).stdout
    given = run_python("-m", "regrow", "shell", "stall:Stall", "--arg", "for the stall", cwd=shop)
    assert "args ['for the stall']" in given.stdout


@pytest.mark.real_time("another program runs")
def test_it_works_without_an_application(tmp_path: Path) -> None:
    done = run_python(
        "-m", "regrow", "shell", cwd=tmp_path, input="App, root()\nawait asyncio.sleep(0, 'slept')\n"
    )
    assert done.returncode == 0
    assert ">>> (None, None)\n>>> 'slept'\n" in done.stdout
    assert "no application is running" in done.stderr


@pytest.mark.real_time("another program runs")
def test_stop_system_leaves_with_its_exit_code(shop: Path) -> None:
    with Program("-m", "regrow", "shell", cwd=shop) as program:
        program.wait_for("shop is running")
        program.type_in("application.stop_system(3)\n")
        assert program.end() == 3
    assert "application 'shop' stopped" in program.output


@pytest.mark.real_time("another program runs")
@pytest.mark.parametrize("going_on", ["await asyncio.Event().wait()", "all(True for _ in iter(int, 1))"])
def test_ctrl_c_breaks_off_a_statement_that_waits_or_spins(shop: Path, going_on: str) -> None:
    with Program("-m", "regrow", "shell", cwd=shop) as program:
        program.wait_for("shop is running")
        program.type_in(f"print('sitting', flush=True); {going_on}\n")
        program.wait_for("sitting")
        program.send(signal.SIGINT)
        program.type_in("print(6 * 7)\n")
        program.wait_for("42")
        program.type_in("exit()\n")
        assert program.end() == 0
    assert "KeyboardInterrupt" in program.output


@pytest.mark.real_time("another program runs")
def test_sigterm_stops_the_application_in_order(shop: Path) -> None:
    with Program("-m", "regrow", "shell", cwd=shop) as program:
        program.wait_for("shop is running")
        program.send(signal.SIGTERM)
        assert program.end() == 0
    assert "application 'shop' stopped" in program.output


@pytest.mark.real_time("another program runs")
def test_an_application_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from regrow import Application\nclass App(Application):\n    def start(self, start_type, args): return None\n",
        encoding="utf-8",
    )
    done = run_python("-m", "regrow", "shell", "broken:App", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: application 'broken.App' did not start: InvalidApplication" in done.stderr
