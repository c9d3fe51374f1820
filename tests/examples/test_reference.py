"""The examples of the four reference documents print what the documents print."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.reference import article_class_session, lesson_13_strategies, migration
from regrow import AlreadyStarted, DynamicSupervisor, GenServer, Registry, process
from regrow.application.boot import resolve
from regrow.application.config import find_settings
from regrow.servers.child_spec import ChildSpec

ROOT = Path(__file__).parents[2]

AGENTS = ["{'key': 'value'}", "{}", "Counts(specs=2, active=2, supervisors=0, workers=2)"]

PRINTED = {
    "dynamic_supervisor_docs": AGENTS,
    "lesson_13": AGENTS,
    "module_based": [
        "MyDynamicSupervisor supervisor",
        "True",
        "Counts(specs=0, active=0, supervisors=0, workers=0)",
    ],
    "migration": ["('initial', 1, 2, 3)", "('initial', 1, 2, 3)"],
    "limits": [
        "already started: True",
        "ignored",
        "erroneous value: nonsense",
        "failed: this worker fails to start",
        "info: warm",
        "max_children: 2",
        "not found",
        "Counts(specs=1, active=1, supervisors=0, workers=1)",
    ],
    "article_class_session": [
        "joe@example.org in Elixir",
        "Counts(specs=2, active=2, supervisors=0, workers=2)",
        "None",
        "Counts(specs=1, active=1, supervisors=0, workers=1)",
    ],
    "lesson_13_strategies": [
        "one_for_one: second",
        "rest_for_one: second, third",
        "one_for_all: first, second, third",
        "the counter is back at 0",
    ],
    "tutorial.step_1": ["Counts(specs=0, active=0, supervisors=0, workers=0)"],
    "tutorial.__main__": [
        "['logging', 'dynamic_supervisor_example']",
        "Counts(specs=1, active=1, supervisors=1, workers=0)",
        "Counts(specs=0, active=0, supervisors=0, workers=0)",
        "Counts(specs=1, active=1, supervisors=0, workers=1)",
    ],
}


@pytest.mark.parametrize("name", PRINTED)
async def test_an_example_prints_what_its_document_prints(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await importlib.import_module(f"examples.reference.{name}").main()
    assert capsys.readouterr().out.splitlines() == PRINTED[name]


@pytest.mark.real_time("another program runs")
def test_all_examples_run_as_programs() -> None:
    script = "import runpy, sys\nfor each in sys.argv[1:]:\n    runpy.run_module(each, run_name='__main__')"
    names = [f"examples.reference.{name}" for name in PRINTED]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [line for lines in PRINTED.values() for line in lines]


def test_every_example_is_run() -> None:
    folder = ROOT / "examples" / "reference"
    found = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if "async def main()" in path.read_text(encoding="utf-8")
    }
    assert found == set(PRINTED)


# --- the migration ----------------------------------------------------------------------------------------------------


async def test_a_migrated_worker_is_restarted_with_all_its_arguments() -> None:
    supervisor = await migration.MySupervisor.start_link("initial")
    for start in (migration.start_child, migration.start_child_by_map):
        worker = await start(4, 5, 6)
        process.monitor(worker)
        process.exit(worker, "crash")
        await process.receive(process.Down)
        await supervisor.count_children()  # served after the restart
        children: list[Any] = [row.child for row in await supervisor.which_children()]
        assert worker not in children
        assert [await child.started_with() for child in children] == [("initial", 4, 5, 6)] * len(children)


# --- the article ------------------------------------------------------------------------------------------------------


def test_the_articles_spec_is_made_from_the_arguments() -> None:
    course = article_class_session.Course("Elixir")
    spec = article_class_session.ClassSession.child_spec(course, "a@b.c")
    assert spec.id == (article_class_session.ClassSession, ("Elixir", "a@b.c"))
    assert (spec.args, spec.restart) == ((course, "a@b.c"), "temporary")


class AsPrinted(GenServer):
    """The article's session with the article's via: the same key whoever it is."""

    def __init__(self, name: tuple[str, str]) -> None:
        self.name = name

    @classmethod
    def name_for(cls, name: tuple[str, str]) -> Any:
        return Registry.named("as printed").via(cls, name)


async def test_the_articles_via_as_printed_has_room_for_one_session() -> None:
    await Registry.start_link("as printed", keys="unique")
    async with DynamicSupervisor.scope() as sessions:
        first = await sessions.start_child(AsPrinted.child_spec(("Elixir", "a@b.c")))
        with pytest.raises(AlreadyStarted) as refused:
            await sessions.start_child(AsPrinted.child_spec(("Elixir", "d@e.f")))
        assert refused.value.pid == process.pid_of(first)


async def test_a_session_is_found_by_its_name_and_not_restarted() -> None:
    await Registry.start_link(article_class_session.REGISTRY, keys="unique")
    async with DynamicSupervisor.scope() as sessions:
        spec: ChildSpec[Any] = article_class_session.ClassSession.child_spec(
            article_class_session.Course("Elixir"), "a@b.c"
        )
        session = await sessions.start_child(spec)
        name = article_class_session.via("Elixir", "a@b.c")
        assert process.whereis(name) == process.pid_of(session)
        process.monitor(session)
        process.exit(session, "crash")
        await process.receive(process.Down)
        assert process.whereis(name) is None
        assert (await sessions.count_children()).specs == 0


# --- the lesson and the tutorial --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["second"]),
        ("rest_for_one", ["second", "third"]),
        ("one_for_all", ["first", "second", "third"]),
    ],
)
async def test_the_three_strategies(strategy: Any, expected: list[str]) -> None:
    assert await lesson_13_strategies.restarted(strategy) == expected


def test_the_tutorials_pyproject_names_its_application(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "examples" / "reference" / "tutorial"
    monkeypatch.syspath_prepend(str(folder))
    settings = find_settings(folder)
    assert settings.path == folder / "pyproject.toml"
    assert settings.application is not None
    application = resolve(settings.application, {})
    assert application.name == "dynamic_supervisor_example"
    assert list(application.extra_applications) == ["logging"]
    for module in [each for each in sys.modules if each.split(".")[0] == "dynamic_supervisor_example"]:
        monkeypatch.delitem(sys.modules, module)
