"""The public API under mypy --strict and pyright strict: what is right passes, and each wrong line is refused.

A line of `rejected.py` that must be an error says so, `# E: why`; all other lines of all files must not be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
FILES = ("north_star.py", "accepted.py", "accepted_tasks.py", "rejected.py")

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("REGROW_INLINE", "on") != "on",
        reason="types don't depend on how a call runs: once is enough",
    ),
    pytest.mark.timeout(300),  # two type checkers from a cold start, on a machine that may be busy
]

Lines = dict[str, dict[int, str]]


def expected() -> Lines:
    marked = {name: re.compile(r"# E: (.+)$") for name in FILES}
    return {
        name: {
            number: found[1]
            for number, line in enumerate((HERE / name).read_text("utf-8").splitlines(), 1)
            if (found := pattern.search(line))
        }
        for name, pattern in marked.items()
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files as a project of their own, so that no configuration of this repository softens the verdict."""
    for name in FILES:
        shutil.copy(HERE / name, tmp_path)
    settings = {
        "typeCheckingMode": "strict",
        "extraPaths": [*search_path(), str(SOURCE)],
        "pythonVersion": "3.11",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    return tmp_path


def search_path() -> list[str]:
    """Where to look before `src`: MYPYPATH, to try other signatures against these files."""
    return [each for each in os.environ.get("MYPYPATH", "").split(os.pathsep) if each]


@pytest.mark.real_time("another program runs")
def test_mypy_strict(project: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    command += ["--enable-error-code=unused-awaitable", "--no-pretty", "--hide-error-context", *FILES]
    path = os.pathsep.join([*search_path(), str(SOURCE)])
    output = run(command, project, MYPYPATH=path)
    found: Lines = {name: {} for name in FILES}
    for name, number, message in re.findall(r"^(\w+\.py):(\d+): error: (.+)$", output, re.MULTILINE):
        found[name].setdefault(int(number), message)
    compare(found, output)


@pytest.mark.real_time("another program runs")
def test_pyright_strict(project: Path) -> None:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", "."]
    output = run(command, project)
    found: Lines = {name: {} for name in FILES}
    for each in json.loads(output)["generalDiagnostics"]:
        if each["severity"] == "error":
            line = each["range"]["start"]["line"] + 1
            found[Path(each["file"]).name].setdefault(line, each["message"])
    compare(found, output)


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def compare(found: Lines, output: str) -> None:
    wanted = expected()
    accepted = [
        f"{name}:{number} must be refused ({why})"
        for name in FILES
        for number, why in wanted[name].items()
        if number not in found[name]
    ]
    refused = [
        f"{name}:{number} must be accepted, but: {message}"
        for name in FILES
        for number, message in found[name].items()
        if number not in wanted[name]
    ]
    assert wanted["rejected.py"], output
    assert not accepted + refused, "\n".join(["", *accepted, *refused])
