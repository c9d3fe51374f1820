"""``run``: real programs, real signals, exit codes, and what they say on stderr."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from regrow import KILL, Supervisor, application, process, run
from regrow.application import Application, ConfigError, InvalidApplication, StartType, UnknownApplication
from regrow.application.collector import SERVER_THRESHOLDS
from regrow.application.os_signals import signals_wake_the_loop
from tests.application.subprocesses import Program, run_python

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
import asyncio, logging, sys
from regrow import INFINITY, Application, GenServer, Supervisor, application, process, run, stop


class Child(GenServer):
    def __init__(self):
        print("child up", flush=True)

    def handle_info(self, message):
        match message:
            case "crash":
                raise ValueError("planted")
            case "exit":
                raise SystemExit(9)
            case "interrupt":
                raise KeyboardInterrupt
            case "spin":
                print("spinning", flush=True)
                while True:
                    pass

    async def terminate(self, reason):
        print("child", reason, flush=True)
        if "stubborn" in sys.argv:
            await asyncio.Event().wait()


class Base(Application):
    name = "base"

    async def start(self, start_type, args):
        return await Supervisor.start_link([])

    def stop(self, state):
        print("base stopped", flush=True)


class Arcade(Application):
    name = "arcade"
    extra_applications = [Base]

    async def start(self, start_type, args):
        return await Supervisor.start_link(
            [Child.options(name=Child, shutdown=INFINITY).child_spec()], max_restarts=1
        )

    def stop(self, state):
        print("arcade stopped", flush=True)


class Slow(Arcade):
    name = "slow"

    async def start(self, start_type, args):
        await super().start(start_type, args)
        print("starting for ever", flush=True)
        await asyncio.Event().wait()


class Broken(Arcade):
    name = "broken"

    async def start(self, start_type, args):
        raise OSError("no disk")


async def act(*messages):
    for message in messages:
        process.send(Child, message)


class Acting(Arcade):
    name = "acting"

    async def start(self, start_type, args):
        root = await super().start(start_type, args)
        match args:
            case ["crash"]:
                process.monitor(Child)
                process.send(Child, "crash")
                await process.receive(process.Down)
                await root.count_children()  # answered when the child is back
                process.send_after(Child, "crash", 0.01)  # when the application has started
            case ["normal"]:
                process.send_after(root, "x", 0)
                asyncio.get_running_loop().call_soon(asyncio.ensure_future, stop(root))
            case ["spin" | "exit" | "interrupt" as message]:
                process.send_after(Child, message, 0.01)
            case ["halt"]:
                application.stop_system(7)
            case _:
                print("args", args, flush=True)
        return root


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("regrow.application").setLevel("INFO")
    _, name, type, *args = sys.argv
    run(globals()[name], type=type, args=[each for each in args if each != "stubborn"])
    print("run returned", flush=True)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def told(program: Program) -> list[str]:
    """The lines that the program itself prints."""
    own = ("child ", "arcade ", "base ", "run returned")
    return [line for line in program.output.splitlines() if line.startswith(own)]


@pytest.mark.real_time("another program runs")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order_and_the_exit_code_is_0(script: Path, number: signal.Signals) -> None:
    with Program(str(script), "Arcade", "permanent", cwd=script.parent) as program:
        program.wait_for("application 'arcade' started")
        program.send(number)
        assert program.end() == 0
    assert f"\nregrow: {number.name}: stopping all applications; a second signal ends" in program.output
    assert told(program) == ["child up", "child SHUTDOWN", "arcade stopped", "base stopped", "run returned"]


@pytest.mark.real_time("another program runs")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_the_program_at_once(script: Path, number: signal.Signals, code: int) -> None:
    with Program(str(script), "Arcade", "permanent", "stubborn", cwd=script.parent) as program:
        program.wait_for("application 'arcade' started")
        program.send(signal.SIGTERM)
        program.wait_for("child SHUTDOWN")  # and there it stays
        program.send(number)
        assert program.end() == code
    assert f"regrow: {number.name} again: the program ends at once" in program.output
    assert told(program) == ["child up", "child SHUTDOWN"]


@pytest.mark.real_time("another program runs")
def test_a_second_signal_ends_even_a_busy_loop(script: Path) -> None:
    with Program(str(script), "Acting", "permanent", "spin", cwd=script.parent) as program:
        program.wait_for("spinning")
        program.send(signal.SIGINT)
        program.wait_for("SIGINT: stopping")
        program.send(signal.SIGINT)
        assert program.end() == 130


@pytest.mark.real_time("another program runs")
def test_a_signal_during_the_start_breaks_it_off_and_stops_what_it_needs_last(script: Path) -> None:
    with Program(str(script), "Slow", "permanent", cwd=script.parent) as program:
        program.wait_for("starting for ever")
        program.send(signal.SIGTERM)
        assert program.end() == 0
    assert told(program)[:2] == ["child up", "child SHUTDOWN"]
    assert told(program)[2:] == ["base stopped", "run returned"]


@pytest.mark.real_time("another program runs")
@pytest.mark.behaviour("APP-12")
def test_a_permanent_root_that_gives_up_ends_the_program_and_says_why(script: Path) -> None:
    done = run_python(str(script), "Acting", "permanent", "crash", cwd=script.parent)
    assert done.returncode == 1
    assert (
        "regrow: the permanent application 'acting' has ended: SHUTDOWN (its root supervisor gave up"
        in done.stderr
    )
    assert "ValueError: planted" in done.stderr
    assert "reached_max_restart_intensity" in done.stderr
    assert done.stdout.splitlines()[-2:] == ["arcade stopped", "base stopped"]


@pytest.mark.real_time("another program runs")
@pytest.mark.behaviour("APP-12")
def test_a_permanent_root_that_ends_normally_ends_the_program_with_0(script: Path) -> None:
    done = run_python(str(script), "Acting", "permanent", "normal", cwd=script.parent)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "run returned")


@pytest.mark.real_time("another program runs")
@pytest.mark.parametrize(("type", "argument"), [("temporary", "crash"), ("transient", "normal")])
@pytest.mark.behaviour("APP-11", "APP-12")
def test_the_program_goes_on_after_the_end_of_others(script: Path, type: str, argument: str) -> None:
    with Program(str(script), "Acting", type, argument, cwd=script.parent) as program:
        program.wait_for("arcade stopped")
        program.send(signal.SIGTERM)
        assert program.end() == 0
    assert "base stopped" in program.output  # by the signal, and not before
    assert program.output.index("SIGTERM") < program.output.index("base stopped")


@pytest.mark.real_time("another program runs")
def test_stop_system_ends_the_program_with_its_exit_code(script: Path) -> None:
    done = run_python(str(script), "Acting", "permanent", "halt", cwd=script.parent)
    assert done.returncode == 7
    assert "stop_system(7) was called" in done.stderr
    assert "base stopped" in done.stdout


@pytest.mark.real_time("another program runs")
@pytest.mark.parametrize(("argument", "code"), [("exit", 9), ("interrupt", 130)])
def test_a_handler_that_raises_for_the_whole_program_ends_it_in_order(
    script: Path, argument: str, code: int
) -> None:
    done = run_python(str(script), "Acting", "permanent", argument, cwd=script.parent)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-2:] == ["arcade stopped", "base stopped"]


@pytest.mark.real_time("another program runs")
def test_a_failed_start_ends_the_program_and_says_why(script: Path) -> None:
    done = run_python(str(script), "Broken", "permanent", cwd=script.parent)
    assert done.returncode == 1
    assert "regrow: application 'broken' did not start: OSError('no disk')" in done.stderr
    assert "base stopped" in done.stdout


@pytest.mark.real_time("another program runs")
def test_args_come_from_the_nearest_pyproject(script: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.regrow]\nargs = ["a", "b"]\n', encoding="utf-8")
    line = (
        "import sys; sys.path.insert(0, sys.argv[1]); from program import *\n"
        "class Once(Acting):\n"
        "    async def start(self, start_type, args):\n"
        "        root = await super().start(start_type, args)\n"
        "        application.stop_system()\n"
        "        return root\n"
        "run(Once)"
    )
    done = run_python("-c", line, str(script.parent), cwd=tmp_path)
    assert "args ['a', 'b']" in done.stdout, done.stderr


# --- in this process ----------------------------------------------------------------------------------------------


class Brief(Application):
    """Starts and stops the system; keeps what it saw."""

    name = "brief"
    seen: Any = None

    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        root = await Supervisor.start_link([])
        application.stop_system()
        type(self).seen = application.get_all_env(Brief)
        return root


def test_run_returns_and_leaves_the_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(Brief, env={"port": 1})
    assert Brief.seen == {"port": 1}
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.real_time("a thread has a loop of its own")
def test_run_works_in_another_thread_without_signals() -> None:
    thread = threading.Thread(target=run, args=(Brief,))
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()


@pytest.mark.parametrize("asked", [False, True])
def test_gc_is_set_for_a_server_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, asked: bool
) -> None:
    before = gc.get_threshold()
    seen: list[tuple[tuple[int, int, int], bool]] = []

    class Looking(Application):
        name = "looking"

        async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
            process.spawn(self.look)
            return await Supervisor.start_link([])

        async def look(self) -> None:
            """Stop the system when all is set."""
            while not application.started_applications() or (asked and gc.get_threshold() == before):
                await asyncio.sleep(0)
            application.stop_system()

        def stop(self, state: object) -> None:
            seen.append((gc.get_threshold(), gc.get_freeze_count() > 1000))

    if asked:
        (tmp_path / "pyproject.toml").write_text('[tool.regrow]\ngc = "server"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, "regrow.application")
    run(Looking)
    assert seen == [(SERVER_THRESHOLDS, True) if asked else (before, False)]
    assert gc.get_threshold() == before
    assert sum("gc = server" in each.message for each in caplog.records) == asked


async def test_run_inside_an_event_loop_says_what_to_do_instead() -> None:
    with pytest.raises(RuntimeError, match=r"await application\.ensure_all_started"):
        run(Brief)


def test_what_can_not_be_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidApplication, match="is a subclass of Application or its name, got 3"):
        run(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 'eternal'"):
        run(Brief, type="eternal")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got 'x'"):
        run(Brief, args="x")
    (tmp_path / "pyproject.toml").write_text("[tool.regrow]\ngc = 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        run(Brief)


def test_the_exit_code_leaves_run_as_system_exit() -> None:
    class Failing(Application):
        async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
            root = await Supervisor.start_link([])
            application.stop_system(5)
            return root

    with pytest.raises(SystemExit) as caught:
        run(Failing)
    assert caught.value.code == 5


# --- what runs along ------------------------------------------------------------------------------------------------


def running() -> list[str]:
    return [each.name for each in application.started_applications()]


class Noting(Application):
    """Writes down its start and its stop."""

    seen: ClassVar[list[str]] = []

    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        self.seen.append(" ".join([self.name, "starts after", *(running() or ["nobody"])]))
        return await Supervisor.start_link([])

    def stop(self, state: object) -> None:
        self.seen.append(f"{self.name} stops")


class Looker(Noting):
    name = "looker"


class Shop(Noting):
    name = "shop"


class Ending(Noting):
    name = "ending"

    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        self._end_when_all_run()
        return await super().start(start_type, args)

    def _end_when_all_run(self) -> None:
        if self.name in running():
            application.stop_system()
        else:
            asyncio.get_running_loop().call_later(0.001, self._end_when_all_run)


@pytest.fixture
def seen() -> list[str]:
    Noting.seen.clear()
    return Noting.seen


def test_what_runs_before_the_application_is_there_first_and_stopped_first(seen: list[str]) -> None:
    run(Shop, before=[Looker], beside=[Ending])
    assert seen == [
        *("looker starts after nobody", "shop starts after looker", "ending starts after shop looker"),
        *("ending stops", "looker stops", "shop stops"),
    ]


def test_what_the_application_needs_is_stopped_after_it_even_if_it_was_to_run_before(seen: list[str]) -> None:
    class Needing(Shop):
        name = "shop"
        extra_applications = [Looker]  # noqa: RUF012  # ClassVar in the base

    run(Needing, before=[Looker], beside=[Ending])
    assert seen[3:] == ["ending stops", "shop stops", "looker stops"]


def test_what_runs_before_is_stopped_when_the_application_does_not_start(seen: list[str]) -> None:
    class Broken(Shop):
        async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
            raise OSError("no disk")

    class Misled(Shop):
        extra_applications = ["no_such:App"]  # noqa: RUF012  # ClassVar in the base

    with pytest.raises(UnknownApplication):
        run(Misled, before=[Looker])
    assert seen == []
    with pytest.raises(SystemExit):
        run(Broken, before=[Looker])
    assert seen == ["looker starts after nobody", "looker stops"]


def test_what_the_application_needs_is_of_its_type_even_if_one_that_runs_before_needs_it_too() -> None:
    class Shared(Noting):
        name = "shared"

        async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
            self.root = await super().start(start_type, args)
            asyncio.get_running_loop().call_later(0.01, process.exit, self.root, KILL)
            asyncio.get_running_loop().call_later(5, application.stop_system)
            return self.root

    class Looking(Noting):
        name = "looking"
        extra_applications = [Shared]  # noqa: RUF012  # ClassVar in the base

    class Needing(Shop):
        extra_applications = [Shared]  # noqa: RUF012  # ClassVar in the base

    with pytest.raises(SystemExit) as ended:
        run(Needing, before=[Looking])
    assert ended.value.code == 1


def test_an_unknown_application_before_is_refused_at_once(seen: list[str]) -> None:
    with pytest.raises(UnknownApplication, match="no_such"):
        run(Shop, before=["no_such:App"])
    assert seen == []


@pytest.mark.real_time("a signal comes through a socket")
async def test_a_signal_wakes_the_loop_inside_the_block_only() -> None:
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    read = loop.add_reader
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)

    def add_reader(fd: Any, callback: Any, *args: Any) -> None:
        def readable() -> None:
            callback(*args)
            woken.set()

        read(fd, readable)

    loop.add_reader = add_reader  # type: ignore[method-assign,assignment]
    try:
        with signals_wake_the_loop():
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.wait_for(woken.wait(), 5)
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, before)
