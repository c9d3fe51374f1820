"""The page "Telemetry": its examples run as they stand there, and print what it says."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

import pytest

from regrow.telemetry.events import EVENTS, as_table
from tests.application.subprocesses import run_python

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, str] = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, flags=re.DOTALL))
PRINTED: dict[str, str] = dict(
    re.findall(r"```python\n# (\w+\.py)\n(?:[^`]|`(?!``))*```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)
)
PROGRAMS = [name for name in EXAMPLES if name.startswith("run_")]


def test_every_example_has_a_file_name_and_every_program_what_it_prints() -> None:
    assert len(EXAMPLES) == PAGE.count("```python")
    assert sorted(PRINTED) == sorted(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_prints_what_the_page_says(name: str, tmp_path: Path) -> None:
    for each in ("games.py", name):
        (tmp_path / each).write_text(EXAMPLES[each])
    done = run_python("-W", "error", name, cwd=tmp_path, env={"REGROW_INLINE": "on"})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    fits = doctest.OutputChecker().check_output(PRINTED[name], done.stdout, doctest.ELLIPSIS)
    assert fits, f"it printed\n{done.stdout}\nand not\n{PRINTED[name]}"


def test_the_table_is_the_librarys() -> None:
    assert as_table() in PAGE


def test_the_table_reads_well() -> None:
    for event in EVENTS.values():
        assert "|" not in event.when + "".join(event.fields.values())


def test_the_configuration_is_toml() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    config = tomllib.loads(table)["tool"]["regrow"]["env"]["logging"]["config"]
    assert config["handlers"]["reports"]["()"] == "regrow.telemetry.logs.make_handler"
