"""A program to look into, in a process of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from regrow.cli.main import main
from tests.application.subprocesses import Program, run_python

SHOP = """\
import asyncio, logging

from regrow import Application, DynamicSupervisor, GenServer, Supervisor, application, cast, process

logging.disable()


class Till(GenServer, restart="permanent"):
    def __init__(self):
        self.secret = "swordfish"

    @cast
    def burn(self):
        raise OSError("the till is on fire")


class Tills(DynamicSupervisor, max_restarts=100_000): ...


def say_when_open():
    # which it is when its start is over
    if application.get_supervisor("shop") is None:
        asyncio.get_running_loop().call_later(0.001, say_when_open)
    else:
        print("open", flush=True)


class Shop(Application):
    name = "shop"

    async def start(self, start_type, args):
        tree = [Till.options(name="main till").child_spec(), Tills.options(name=Tills).child_spec()]
        root = await Supervisor.options(name="root").start_link(tree)
        for _ in range(30):
            await Tills.named(Tills).start_child(Till)
        if "burn" in args:
            process.monitor("main till")
            Till.named("main till").burn()
            await process.receive(process.Down)
            await root.count_children()
        say_when_open()
        return root
"""


def write_shop(folder: Path) -> Path:
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    return folder


def running(cwd: Path, env: Mapping[str, str], *options: str) -> Program:
    return Program("-m", "regrow", "run", *options, "shop:Shop", cwd=cwd, env=env)


def regrow(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as if typed, but in this process: a new one takes longer than all that it does."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with patch.dict(os.environ, {**env, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}):
        with patch.object(tempfile, "tempdir", env["TMPDIR"]), redirect_stdout(out), redirect_stderr(err):
            try:
                main(arguments)
            except SystemExit as end:
                code = end.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def regrow_run(cwd: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`regrow run` to its end."""
    return run_python("-m", "regrow", "run", *arguments, cwd=cwd, env=env)


def stopped(program: Program) -> None:
    program.send(signal.SIGTERM)
    assert program.end() == 0
