"""The pytest plugin: fixtures, the mark ``virtual_time``, and the watch over each test that uses one of them.

It needs no way of its own to run coroutines. pytest-asyncio, anyio's plugin or a conftest runs the test; the plugin
puts its watch *inside* the test's coroutine, which is thereby in the right task and on the right loop. The fixtures are
plain ones and make nothing before they are called. A test that uses none of them is left alone, and
nothing of regrow is looked at, unless ``regrow_check_all = true`` stands in pytest's configuration.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:  # at run time each is imported by the first test that needs it
    from regrow.testing.reports import Reports
    from regrow.testing.snapshots import TestedRuntime
    from regrow.testing.supervised import StartSupervised, StopSupervised
    from regrow.testing.watching import Watch

FIXTURES: Final = frozenset(
    {
        "start_supervised",
        "stop_supervised",
        "runtime",
        "capture_reports",
        "assert_receive",
        "refute_receive",
        "eventually",
    }
)
HERE: Final = __name__
_watch: Final = pytest.StashKey["Watch"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "regrow_check_all",
        "look for crashes and leaks in every test, and not only in those that use regrow's fixtures or marks",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "virtual_time(real_wait=1.0): run this coroutine test with a clock that jumps to the next timer when nothing "
        "is ready (regrow)",
    )


# --- the watch ----------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if _is_watched(item):
        from regrow.testing.watching import Watch

        watch = Watch()
        watch.reports.__enter__()
        item.stash[_watch] = watch
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    watch = item.stash.get(_watch, None)
    if watch is None or not isinstance(item, pytest.Function):
        return (yield)
    put_back = _watch_inside(item, watch)
    try:
        result = yield
        watch.check_crashes()  # of a test that is no coroutine
    except BaseException:
        if watch.problems:  # the test's own failure comes first
            item.add_report_section("call", "regrow", "\n".join(watch.problems))
            watch.problems.clear()
        raise
    finally:
        put_back()
    _tell(watch)
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    watch = item.stash.get(_watch, None)
    if watch is None:
        return (yield)
    try:
        _stop_what_a_fixture_started(watch)
        result = yield
    finally:
        watch.reports.__exit__(None, None, None)
        del item.stash[_watch]
    watch.check_crashes()
    _tell(watch)
    return result


def _is_watched(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    if item.get_closest_marker("virtual_time") is not None or item.config.getini("regrow_check_all"):
        return True
    wanted = FIXTURES.intersection(item.fixturenames)
    if not wanted:
        return False
    # Another plugin, or the test's own module, may have a fixture of that name.
    known = item._fixtureinfo.name2fixturedefs
    return any(known[name][-1].func.__module__ == HERE for name in wanted if name in known)


def _watch_inside(item: pytest.Function, watch: Watch) -> Callable[[], None]:
    """Put the watch into the test's coroutine; gives what takes it out again."""
    test: Any = item.obj
    mark = item.get_closest_marker("virtual_time")
    if _is_unittest(item):  # runs its methods itself
        if mark is not None:
            pytest.fail(
                "virtual_time can't reach into a unittest.TestCase: make it a plain class", pytrace=False
            )
        return lambda: None
    prop = getattr(test, "hypothesis", None)
    if prop is not None and inspect.iscoroutinefunction(prop.inner_test):
        inner = prop.inner_test
        prop.inner_test = _watched(inner, watch, mark)
        return lambda: setattr(prop, "inner_test", inner)
    if inspect.iscoroutinefunction(test):
        item.obj = _watched(test, watch, mark)
        return lambda: setattr(item, "obj", test)
    if mark is not None:
        pytest.fail(
            "virtual_time is for coroutine tests: in a plain one call run_virtual(main())", pytrace=False
        )
    return lambda: None


def _is_unittest(item: pytest.Function) -> bool:
    unittest = sys.modules.get("unittest")
    return unittest is not None and item.cls is not None and issubclass(item.cls, unittest.TestCase)


def _watched(
    test: Callable[..., Coroutine[Any, Any, Any]], watch: Watch, mark: pytest.Mark | None
) -> Callable[..., Coroutine[Any, Any, Any]]:
    import asyncio

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if asyncio._get_running_loop() is None:
            pytest.fail(
                "regrow runs on asyncio, and this test on another backend: with anyio, "
                "let the fixture anyio_backend return 'asyncio'",
                pytrace=False,
            )
        if mark is None:
            clock: Any = nullcontext()
        else:
            from regrow.testing.clock import virtual_time

            clock = virtual_time(*mark.args, **mark.kwargs)
        with clock:
            return await watch.over(test(*args, **kwargs))

    return run


def _stop_what_a_fixture_started(watch: Watch) -> None:
    """The test did not run to its end, since a fixture failed, so its supervisor may be there still."""
    loop = watch.supervised.loop
    if watch.supervised.started and loop is not None and not loop.is_closed() and not loop.is_running():
        loop.run_until_complete(watch.stop_supervised())


def _tell(watch: Watch) -> None:
    problems, watch.problems = watch.problems, []
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


# --- the fixtures -------------------------------------------------------------------------------------------------


def _watch_of(request: pytest.FixtureRequest) -> Watch:
    watch: Watch | None = request.node.stash.get(_watch, None)
    if watch is None:
        pytest.fail(
            f"{request.fixturename} can't be asked for while the test runs: name it among the test's arguments",
            pytrace=False,
        )
    return watch


@pytest.fixture
def start_supervised(request: pytest.FixtureRequest) -> StartSupervised:
    """Start a child under the test's own supervisor: ``game = await start_supervised((Game, "g1"))``."""
    from regrow.testing.supervised import StartSupervised

    watch = _watch_of(request)
    return StartSupervised(lambda: watch.supervised)


@pytest.fixture
def stop_supervised(request: pytest.FixtureRequest) -> StopSupervised:
    """Stop such a child before the test's end: ``await stop_supervised(game)``."""
    from regrow.testing.supervised import StopSupervised

    watch = _watch_of(request)
    return StopSupervised(lambda: watch.supervised)


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> TestedRuntime:
    """What lives on the test's loop: ``runtime.processes()``, ``runtime.names()``, ``runtime.snapshot()``."""
    from regrow.testing.snapshots import TestedRuntime

    _watch_of(request)
    return TestedRuntime()


@pytest.fixture
def capture_reports(request: pytest.FixtureRequest) -> Reports:
    """The test's crash reports and supervisors' reports, and which of them it expects."""
    return _watch_of(request).reports


@pytest.fixture
def assert_receive(request: pytest.FixtureRequest) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Wait for a message to the test: ``await assert_receive(Down, timeout=1.0)``."""
    from regrow.testing.waiting import assert_receive

    _watch_of(request)
    return assert_receive


@pytest.fixture
def refute_receive(request: pytest.FixtureRequest) -> Callable[..., Coroutine[Any, Any, None]]:
    """See no such message come: ``await refute_receive(Down, timeout=0.1)``."""
    from regrow.testing.waiting import refute_receive

    _watch_of(request)
    return refute_receive


@pytest.fixture
def eventually(request: pytest.FixtureRequest) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Wait until a condition is true: ``await eventually(lambda: game.done, timeout=1.0)``."""
    from regrow.testing.waiting import eventually

    _watch_of(request)
    return eventually
