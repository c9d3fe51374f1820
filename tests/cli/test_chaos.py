"""``regrow chaos`` against programs in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.application.subprocesses import Program, clean_environment, run_python

pytestmark = pytest.mark.real_time("other programs run")

SHOP = """\
from regrow import Application, DynamicSupervisor, GenServer, Supervisor, application, cast, process, sys
import asyncio, logging

logging.disable()


class Till(GenServer, restart="permanent"): ...


class Tills(DynamicSupervisor, max_restarts=100_000): ...


async def watch() -> None:
    tills = Tills.named(Tills)
    while True:
        await asyncio.sleep(0.05)
        rows = await tills.which_children()
        held = [row for row in rows if (await sys.get_status(row.child)).status == "suspended"]
        print("tills", len(rows), "held", len(held), flush=True)


def say_when_open():
    if application.get_supervisor(Shop) is None:
        asyncio.get_running_loop().call_later(0.001, say_when_open)
    else:
        print("open", flush=True)


class Shop(Application):
    name = "shop"

    async def start(self, start_type, args):
        root = await Supervisor.start_link([Tills.options(name=Tills).child_spec()])
        for _ in range(20):
            await Tills.named(Tills).start_child(Till)
        if "watch" in args:
            process.spawn(watch)
        say_when_open()
        return root
"""


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        yield {"XDG_RUNTIME_DIR": folder, "TMPDIR": folder}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def running(cwd: Path, env: Mapping[str, str], *options: str) -> Program:
    return Program("-m", "regrow", "run", *options, "shop:Shop", cwd=cwd, env=env)


def storm(cwd: Path, env: Mapping[str, str], *options: str) -> Program:
    return Program("-m", "regrow", "chaos", *options, cwd=cwd, env=env)


def stopped(program: Program) -> None:
    program.send(signal.SIGTERM)
    assert program.end() == 0


def test_a_storm_in_a_running_program(shop: Path, env: dict[str, str]) -> None:
    options = (
        "--seed",
        "3",
        "--faults",
        "25",
        "--seconds",
        "60",
        "--kill",
        "200",
        "--delay",
        "50",
        "--depth",
        "1",
    )
    with running(shop, env, "--allow-chaos") as program:
        program.wait_for("open")
        done = run_python(
            "-m", "regrow", "chaos", "shop", *options, "--supervisor", "Tills", cwd=shop, env=env
        )
        told = done.stdout.splitlines()
        assert (done.returncode, done.stderr) == (0, "")
        assert told[0].startswith(f"a storm in shop (pid {program.process.pid}), seed 3, kill 200/s")
        faults = [line for line in told if " s  " in line]
        assert len(faults) == 25
        assert all(" Till " in line for line in faults)
        assert not any("healed" in line for line in faults)  # that is not known yet
        harmed = sum("delay" not in line for line in faults)
        assert f"  restarts  {harmed}" in told
        assert f"  healing   {harmed} of {harmed}, median" in done.stdout
        assert told[-1] == "the tree stood it"
        again = run_python(
            *("-m", "regrow", "chaos", str(program.process.pid), *options, "--json"), cwd=shop, env=env
        )
        report = json.loads(again.stdout)
        assert (report["seed"], report["ok"]) == (3, False)
        assert report["gave_up"] == ["Supervisor"]  # whose child Tills needed more than three restarts
        assert "needed more than 3 restarts in 5 s" in report["ended"]
        assert again.returncode == 1
        assert program.end() == 1


def test_chaos_is_off_unless_it_is_enabled(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as program:
        program.wait_for("open")
        done = run_python("-m", "regrow", "chaos", "shop", cwd=shop, env=env)
        assert done.returncode == 2
        assert f"error: shop (pid {program.process.pid}) does not allow chaos." in done.stderr
        assert "regrow run --allow-chaos MODULE:App" in done.stderr
        stopped(program)


def test_of_two_programs_the_one_is_meant_that_allows_it(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env) as other, running(shop, env, "--allow-chaos") as program:
        other.wait_for("open")
        program.wait_for("open")
        done = storm_once(shop, env)
        assert done.startswith(f"a storm in shop (pid {program.process.pid}), ")
        stopped(program)
        stopped(other)


def storm_once(shop: Path, env: dict[str, str]) -> str:
    options = ("--faults", "1", "--kill", "100", "--only", "Till")
    done = run_python("-m", "regrow", "chaos", *options, cwd=shop, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_program_that_can_not_open_its_socket_does_not_run(shop: Path, env: dict[str, str]) -> None:
    folder = Path(env["XDG_RUNTIME_DIR"]) / "regrow"
    folder.mkdir()
    folder.chmod(0o755)
    done = run_python("-m", "regrow", "run", "--allow-chaos", "shop:Shop", cwd=shop, env=env)
    assert done.returncode == 1
    assert done.stdout == ""  # that is known before anything of it has started
    assert "regrow: application 'regrow.control' did not start" in done.stderr
    assert "must be a folder that is yours alone" in done.stderr


def test_it_may_be_enabled_by_a_variable_and_what_is_wrong_is_said(shop: Path, env: dict[str, str]) -> None:
    with running(shop, {**env, "REGROW_ALLOW_CHAOS": "1"}) as program:
        program.wait_for("open")
        for options, complaint in (
            (("--kill", "-1"), "error: the program refuses: kill=-1.0: must be a number of faults a second"),
            (("--kill", "inf"), "error: the program refuses: kill=inf: must be a number of faults a second"),
            (
                ("--delay", "nan"),
                "error: the program refuses: delay=nan: must be a number of faults a second",
            ),
            (
                ("--seconds", "nan"),
                "Invalid value for '--seconds'",
            ),
            (
                ("--seconds", "inf"),
                "error: the program refuses: seconds=inf: must be seconds, 0 or more, and not",
            ),
            (("--supervisor", "Toys"), "no supervisor is called 'Toys'; there are: Supervisor, Tills"),
            (("--only", "Till", "--supervisor", "Till"), "no supervisor is called 'Till'"),
        ):
            done = run_python("-m", "regrow", "chaos", *options, cwd=shop, env=env)
            assert done.returncode == 2
            assert complaint in done.stderr
        stopped(program)


def test_ctrl_c_ends_the_storm_and_gives_the_report(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--allow-chaos") as program:
        program.wait_for("open")
        with storm(shop, env, "--seconds", "1000", "--kill", "50", "--supervisor", "Tills") as client:
            client.wait_for(" Till ")
            client.send(signal.SIGINT)
            assert client.end() == 0
            assert "ending the storm, and waiting for its report" in client.output
            assert "the tree stood it" in client.output
        stopped(program)


def test_a_reader_who_goes_away_ends_the_storm_without_a_word(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--allow-chaos") as program:
        program.wait_for("open")
        client = subprocess.Popen(  # regrow chaos | head -1
            [
                sys.executable,
                "-m",
                "regrow",
                "chaos",
                "--seconds",
                "1000",
                "--kill",
                "50",
                "--supervisor",
                "Tills",
            ],
            cwd=shop,
            env=clean_environment(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with client:
            assert client.stdout is not None
            assert client.stdout.readline().startswith("a storm in shop")
            client.stdout.close()
            assert client.wait(30) == 1
            assert client.stderr is not None
            assert client.stderr.read() == ""
        stopped(program)


def test_nothing_stays_when_the_client_vanishes(shop: Path, env: dict[str, str]) -> None:
    options = (
        "--seconds",
        "1000",
        "--delay",
        "200",
        "--delay-seconds",
        "900",
        "900",
        "--supervisor",
        "Tills",
    )
    with running(shop, env, "--allow-chaos", "--arg", "watch") as program:
        program.wait_for("tills 20 held 0")
        with storm(shop, env, *options) as client:
            program.wait_for("tills 20 held 20")
            client.process.kill()
            client.process.wait()
            program.wait_for("tills 20 held 0")
        stopped(program)


def test_a_program_that_stops_in_the_storm_lets_it_report(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--allow-chaos") as program:
        program.wait_for("open")
        with storm(shop, env, "--seconds", "1000", "--kill", "20", "--supervisor", "Tills") as client:
            client.wait_for(" Till ")
            stopped(program)
            assert client.end() == 1
            last = client.output.splitlines()[-1]
            assert re.fullmatch(
                r"NOT ok: the program ended: it was stopped after [\d.]+ s of 1000 s", last
            ), client.output


def test_a_storm_that_nobody_was_meant_by_is_no_success(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--allow-chaos") as program:
        program.wait_for("open")
        done = run_python(
            *("-m", "regrow", "chaos", "--faults", "3", "--kill", "100", "--only", "Nobody"),
            cwd=shop,
            env=env,
        )
        assert done.returncode == 1
        assert done.stdout.splitlines()[-1] == (
            "NOT ok: the storm hit nobody; there was nobody for only='Nobody'"
        )
        stopped(program)


def test_a_program_is_known_by_what_run_was_given_and_by_its_parts(shop: Path, env: dict[str, str]) -> None:
    (shop / "shop.py").write_text(SHOP.replace('    name = "shop"\n', ""), encoding="utf-8")
    (shop / "front.py").write_text("from shop import Shop", encoding="utf-8")
    with Program("-m", "regrow", "run", "--allow-chaos", "front:Shop", cwd=shop, env=env) as program:
        program.wait_for("open")
        pid = program.process.pid
        for target in ("shop", "shop.Shop", "shop:Shop", "front:Shop", str(pid)):
            done = run_python(
                *("-m", "regrow", "chaos", target, "--faults", "1", "--kill", "100", "--only", "Till"),
                cwd=shop,
                env=env,
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith(f"a storm in shop.Shop (pid {pid}), ")
        for target, problem in (
            ("toys", "no running program is called 'toys'."),
            (str(os.getpid()), f"process {os.getpid()} runs, and was not started so that it can be asked."),
        ):
            done = run_python("-m", "regrow", "chaos", target, cwd=shop, env=env)
            assert (done.returncode, done.stderr.strip()) == (
                2,
                f"error: {problem} Running: shop.Shop (pid {pid}).",  # which allows it: no word of how
            )
        stopped(program)


def test_a_program_that_is_killed_in_the_storm(shop: Path, env: dict[str, str]) -> None:
    with running(shop, env, "--allow-chaos") as program:
        program.wait_for("open")
        with storm(shop, env, "--seconds", "1000", "--kill", "1", "--only", "nobody") as client:
            client.wait_for("a storm in shop")
            program.process.kill()
            assert client.end() == 1
            assert "the program ended before it had answered" in client.output
    with running(shop, env, "--allow-chaos") as program:  # what the killed one has left is in nobody's way
        program.wait_for("open")
        done = run_python("-m", "regrow", "chaos", "--faults", "1", "--only", "Till", cwd=shop, env=env)
        assert done.returncode == 0
        assert "1 of 1" in done.stdout
        stopped(program)
