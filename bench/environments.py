"""An environment for each system, made on the first run and kept in ``bench/.cache``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CACHE", "NotAvailable", "environment", "find_elixir"]

CACHE = Path(__file__).parent / ".cache"


class NotAvailable(Exception):
    """The system can't be measured on this machine; the text says why."""


def environment(name: str, packages: tuple[str, ...], least: tuple[int, int]) -> Path:
    """The Python of the environment *name*, with *packages* installed. NotAvailable says what is missing."""
    home = CACHE / "envs" / name
    python = home / "bin" / "python"
    mark = home / "holds"
    interpreter = _interpreter(least)
    wanted = "\n".join([interpreter, _version(interpreter), *packages])
    if python.exists() and mark.exists() and mark.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    try:
        _run([interpreter, "-m", "venv", str(home)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        shutil.rmtree(home, ignore_errors=True)
        raise NotAvailable(
            f"not available: could not install {' '.join(packages)} ({' '.join(last)[:160]})"
        ) from None
    mark.write_text(wanted)
    return python


def find_elixir() -> str:
    """The path of ``elixir``, or NotAvailable."""
    found = shutil.which("elixir")
    if found is None:
        raise NotAvailable(
            "not available: there is no `elixir` on this machine (Debian: apt-get install elixir)"
        )
    return found


def _interpreter(least: tuple[int, int]) -> str:
    """The first Python found that is new enough and can make environments."""
    for each in _candidates(least):
        try:
            found = subprocess.run(
                [each, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue  # a shim without a Python behind it, or one that can't make environments
        if tuple(map(int, found.stdout.split())) >= least:
            return each
    raise NotAvailable(f"not available: needs Python {least[0]}.{least[1]}")


def _candidates(least: tuple[int, int]) -> Iterator[str]:
    """The distribution's own comes first, as Elixir's does. It is built with what the compiler has learnt from a run of
    it; one that is built by hand, or by pyenv, is not unless somebody asked for that, and is up to a quarter slower.
    """
    yield "/usr/bin/python3"
    yield str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")
    minors = [f"{least[0]}.{minor}" for minor in range(least[1], least[1] + 4)]
    for minor in minors:
        if path := shutil.which(f"python{minor}"):
            yield path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in minors:
        yield from map(str, sorted(pyenv.glob(f"{minor}*/bin/python")))
    if uv := shutil.which("uv"):
        asked = [uv, "python", "find", "--no-python-downloads", f">={minors[0]}"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            yield found.stdout.strip()


def _version(interpreter: str) -> str:
    return _run([interpreter, "--version"]).strip()


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
