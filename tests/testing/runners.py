"""The three ways in which people run coroutine tests, each as what pytest gets and what the test file says."""

from __future__ import annotations

import anyio.pytest_plugin  # noqa: F401  # pytester forgets what a run imports: not what was there before
import hypothesis  # noqa: F401
import pytest
import pytest_asyncio.plugin  # noqa: F401

import regrow.testing.pytest_plugin
import regrow.testing.watching  # noqa: F401

PLUGIN = ("-p", "regrow.testing.pytest_plugin")

CONFTEST = """
import asyncio, inspect, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        names = inspect.signature(pyfuncitem.obj).parameters
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True
"""

PREAMBLE = """
import asyncio, time
import pytest
from regrow import *
from regrow.testing import *


class Boom(Exception): ...


class Game(GenServer):
    def __init__(self, game_id="g", ends=None):
        self.game_id, self.ends = game_id, ends

    @call
    def who(self): return self.game_id

    @cast
    def crash(self): raise Boom(self.game_id)

    def terminate(self, reason):
        if self.ends is not None: self.ends.append(self.game_id)


class Stubborn(GenServer, shutdown=0.2):
    async def terminate(self, reason):
        await asyncio.sleep(60)

"""

ANYIO = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend(): return "asyncio"
"""

RUNNERS = {
    "asyncio": (
        (
            "-p",
            "pytest_asyncio.plugin",
            "-o",
            "asyncio_mode=auto",
            "-o",
            "asyncio_default_fixture_loop_scope=function",
        ),
        "",
        "",
    ),
    "anyio": (("-p", "anyio"), ANYIO, ""),
    "conftest": ((), "", CONFTEST),
}


def run(
    pytester: pytest.Pytester,
    tests: str,
    runner: str = "conftest",
    *options: str,
    conftest: str | None = None,
    preamble: str = PREAMBLE,
) -> pytest.RunResult:
    """Run *tests* with the plugin, under one of the runners, and no other plugin."""
    flags, ours, usual = RUNNERS[runner]
    pytester.makeconftest(usual if conftest is None else conftest)
    pytester.makepyfile(preamble + ours + tests)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *PLUGIN, *flags, "-q", *options)


def told(result: pytest.RunResult) -> str:
    """What it printed."""
    return result.stdout.str()
