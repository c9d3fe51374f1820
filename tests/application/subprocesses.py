"""Programs under test in a process of their own: real signals, exit codes and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

SRC = Path(__file__).resolve().parents[2] / "src"
PATIENCE = 30  # seconds until a program that does not end is killed; none should come near it


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment with regrow on the path and no terminal's width or colours in the output."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    # Rich, which typer prints its help with, takes GitHub's variable for a terminal.
    for each in ("FORCE_COLOR", "GITHUB_ACTIONS", "REGROW_TRACEBACK"):
        inherited.pop(each, None)
    fixed = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(SRC), inherited.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "200",
    }
    return {**inherited, **fixed, **(extra or {})}


def run_python(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=clean_environment(env),
        input=input if input is not None else "",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Program:
    """A Python program that runs beside the test; what it prints, to stdout or stderr, is one stream of lines."""

    def __init__(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.seen: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=clean_environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, text: str) -> str:
        """Read lines until one holds *text*."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without {text!r}; it printed:\n{''.join(self.seen)}")

    def type_in(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Its exit code, after the rest of its output."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.seen.append(rest)
        return self.process.returncode

    @property
    def output(self) -> str:
        return "".join(self.seen)
