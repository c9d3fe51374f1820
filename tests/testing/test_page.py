"""The page "Testing your tree": its examples run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import regrow.testing
from tests.testing.runners import run

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, str] = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, flags=re.DOTALL))
TESTS = [name for name in EXAMPLES if name.startswith("test_")]


def test_every_example_has_a_file_name() -> None:
    assert len(EXAMPLES) == PAGE.count("```python")


@pytest.mark.parametrize("name", TESTS)
def test_an_example_passes(name: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.syspath_prepend(pytester.path)
    (pytester.path / "rooms.py").write_text(EXAMPLES["rooms.py"])
    result = run(pytester, EXAMPLES[name], "asyncio", preamble="")
    result.assert_outcomes(passed=EXAMPLES[name].count("def test_") + EXAMPLES[name].count(".TestCase\n"))


def test_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "run_it.py").write_text(EXAMPLES["run_it.py"])
    source = str(Path(regrow.testing.__file__).parents[2])
    subprocess.run([sys.executable, "run_it.py"], cwd=tmp_path, env={"PYTHONPATH": source}, check=True)


def test_the_page_names_every_fixture_and_field() -> None:
    from regrow.testing import CrashReport, SupervisorReport
    from regrow.testing.pytest_plugin import FIXTURES

    for name in FIXTURES:
        assert f"`{name}" in PAGE, name
    for kind, hidden in ((CrashReport, {"fields"}), (SupervisorReport, {"supervisor_pid"})):
        for name in set(kind.__slots__) - hidden:
            assert f"`{name}`" in PAGE, name
