"""The files of a new project. In them ``$name`` is the project, ``$package`` its package, ``$App`` the class."""

from __future__ import annotations

from string import Template

__all__ = ["application_files", "library_files"]

_GITIGNORE = """\
__pycache__/
*.egg-info/
.venv/
.pytest_cache/
dist/
"""

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$name"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["regrow"]

[project.optional-dependencies]
dev = ["pytest", "regrow[cli]"]

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
"""

_PYPROJECT_REGROW = """
[tool.regrow]
application = "$package.application:$App"

[tool.regrow.env.$package]  # read with application.get_env($App, "greeting")
greeting = "hello"
"""

_README_LIBRARY = """\
# $name

    python -m venv .venv && . .venv/bin/activate
    pip install -e '.[dev]'
    pytest

To make it an application with a supervisor, write a subclass of `regrow.Application` whose `start` returns
`await Supervisor.start_link([...])`, and name it in `pyproject.toml`:

    [tool.regrow]
    application = "$package.application:$App"

`regrow new NAME --sup` makes a project that has all that.
"""

_README_APPLICATION = """\
# $name

    python -m venv .venv && . .venv/bin/activate
    pip install -e '.[dev]'
    pytest
    regrow run        # Ctrl-C stops it in order
    regrow shell      # a prompt beside it; there, for example:

        >>> from $package.counter import Counter
        >>> await Counter.named(Counter).add(3)
        3

- `src/$package/application.py`: the application and its supervisor. What must always run is listed there.
- `src/$package/counter.py`: a server, to be replaced by yours.
- `pyproject.toml`: `[tool.regrow]` names the application; `[tool.regrow.env.$package]` configures it. A variable
  such as `REGROW_${VARIABLE}__GREETING=hi` overrides one value.
"""

_INIT_LIBRARY = '''\
"""$name."""


def hello() -> str:
    return "world"
'''

_TEST_LIBRARY = """\
from $package import hello


def test_greets_the_world() -> None:
    assert hello() == "world"
"""

_INIT_APPLICATION = '''\
"""$name: a supervised application."""
'''

_APPLICATION = '''\
"""The application: what runs, under which supervisor."""

import logging

from regrow import Application, StartType, Supervisor, application

from $package.counter import Counter

log = logging.getLogger(__name__)


class $App(Application):
    name = "$package"
    extra_applications = ["logging"]  # started before this one, stopped after it

    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        log.info("%s", application.get_env($App, "greeting"))
        return await Supervisor.options(name=$App).start_link(
            [
                Counter.options(name=Counter).child_spec(),
                # the next child: a class, (class, argument), or a child_spec
            ],
            strategy="one_for_one",  # who crashes is restarted, the others stay
        )
'''

_COUNTER = '''\
"""A server: a process with a state, which others call."""

from regrow import GenServer, call


class Counter(GenServer):
    """Counts. A crash loses the count, and the supervisor starts a new one."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    @call
    def add(self, amount: int = 1) -> int:
        self.count += amount
        return self.count
'''

_TEST_APPLICATION = '''\
"""The application starts, and heals."""

import asyncio

from regrow import KILL, Supervisor, application, process

from $package.application import $App
from $package.counter import Counter


def test_counts() -> None:
    async def scenario() -> None:
        await application.ensure_all_started($App)
        counter = Counter.named(Counter)
        assert await counter.add(2) == 2
        assert await counter.add() == 3
        await application.stop($App)

    asyncio.run(scenario())


def test_a_killed_counter_is_started_again() -> None:
    async def scenario() -> None:
        await application.ensure_all_started($App)
        counter = Counter.named(Counter)  # by its name: always the living one
        await counter.add(2)

        process.monitor(counter)
        process.exit(counter, KILL)
        await process.receive(process.Down)
        await Supervisor.named($App).count_children()  # answered after the restart

        assert await counter.add() == 1
        await application.stop($App)

    asyncio.run(scenario())
'''


def library_files(name: str, package: str) -> dict[str, str]:
    """The files of a plain project, by path."""
    return _filled(
        {
            "README.md": _README_LIBRARY,
            ".gitignore": _GITIGNORE,
            "pyproject.toml": _PYPROJECT,
            f"src/{package}/__init__.py": _INIT_LIBRARY,
            f"tests/test_{package}.py": _TEST_LIBRARY,
        },
        name,
        package,
    )


def application_files(name: str, package: str) -> dict[str, str]:
    """The files of a project with an application and its supervisor, by path."""
    return _filled(
        {
            "README.md": _README_APPLICATION,
            ".gitignore": _GITIGNORE,
            "pyproject.toml": _PYPROJECT + _PYPROJECT_REGROW,
            f"src/{package}/__init__.py": _INIT_APPLICATION,
            f"src/{package}/application.py": _APPLICATION,
            f"src/{package}/counter.py": _COUNTER,
            f"tests/test_{package}.py": _TEST_APPLICATION,
        },
        name,
        package,
    )


def _filled(files: dict[str, str], name: str, package: str) -> dict[str, str]:
    camel = "".join(part.capitalize() for part in package.split("_"))
    words = {
        "name": name,
        "package": package,
        "App": "CounterApp" if camel == "Counter" else camel,  # the example server is called Counter
        "VARIABLE": package.upper(),
    }
    return {path: Template(content).substitute(words) for path, content in files.items()}
