"""The plugin, as its users' pytest sees it: under pytest-asyncio, anyio's plugin, and a conftest's own runner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import regrow
from tests.testing.runners import RUNNERS, run, told

pytest_plugins = ["pytester"]

every_runner = pytest.mark.parametrize("runner", RUNNERS)


@pytest.fixture(autouse=True)
def only_named_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_PLUGINS", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@every_runner
def test_what_is_written_right_passes(pytester: pytest.Pytester, runner: str) -> None:
    result = run(
        pytester,
        """
ends = []

async def test_children_are_started_and_restarted(start_supervised, runtime, capture_reports, eventually):
    one = await start_supervised(Game.child_spec("one", ends))
    two = await start_supervised((Game, "two", ends))
    assert [await one.who(), await two.who()] == ["one", "two"]
    assert [each.kind for each in runtime.processes()] == ["SupervisorOfTest", "Game", "Game"]
    with capture_reports.expect(Boom) as crash:
        one.crash()
        await eventually(lambda: ends == ["one"])
    assert crash.found[0].kind == "Game" and "raise Boom" in crash.found[0].trace
    await eventually(lambda: len(runtime.find(Game)) == 2)
    assert [each.event for each in capture_reports.supervisors] == ["child_terminated"]
    ends.clear()

async def test_they_were_stopped_in_reverse_order(runtime):
    assert ends == ["two", "one"]
    assert runtime.processes() == []

async def test_one_can_be_stopped_before(start_supervised, stop_supervised, runtime):
    one, two = await start_supervised((Game, "one")), await start_supervised((Game, "two"))
    await stop_supervised(two)
    await stop_supervised(Game)
    assert not runtime.find(Game)
    with pytest.raises(LookupError):
        await stop_supervised(two)

async def test_messages(assert_receive, refute_receive):
    me = process.current()
    process.send(me, ("scored", 3))
    process.send(me, "other")
    assert await assert_receive(tuple) == ("scored", 3)
    await assert_receive("other")
    await refute_receive(timeout=0)
    with pytest.raises(AssertionError, match=r"no message that matches 'x' came within 0 s; the mailbox\\n  7"):
        process.send(me, 7)
        await assert_receive("x", timeout=0)

async def test_the_mailbox_is_empty_again(refute_receive):
    await refute_receive(timeout=0)

@pytest.mark.virtual_time
async def test_time_is_virtual(start_supervised, refute_receive):
    real, clock = time.monotonic(), asyncio.get_running_loop().time
    start = clock()
    await refute_receive(timeout=3600)
    assert round(clock() - start, 6) == 3600 and time.monotonic() - real < 5

class TestInAClass:
    async def test_it_works_in_methods(self, start_supervised):
        assert await (await start_supervised(Game)).who() == "g"
""",
        runner,
    )
    result.assert_outcomes(passed=7)


@every_runner
def test_what_a_test_leaves_behind_fails_it_and_no_other(pytester: pytest.Pytester, runner: str) -> None:
    result = run(
        pytester,
        """
async def test_process(runtime):
    await Game.options(name="left").start_link()

async def test_task(runtime):
    async def forgotten(): await asyncio.sleep(60)
    asyncio.create_task(forgotten(), name="mine")

async def test_name(runtime):
    process.register("taken")

async def test_tree(runtime):
    sup = await DynamicSupervisor.start()
    await sup.start_child(Game)

async def test_own_failure_comes_first(runtime):
    await Game.start()
    assert 1 == 2

async def test_the_next_is_clean(runtime):
    assert not runtime.names() and not runtime.processes()
    process.register("taken")
    process.unregister("taken")

async def test_without_our_fixtures_nobody_looks():
    await Game.start()
""",
        runner,
        "-rA",
    )
    result.assert_outcomes(passed=2, failed=5)
    text = told(result)
    assert "the process Game" in text
    assert "'left', idle, started at" in text
    assert "the asyncio task mine: test_task.<locals>.forgotten at" in text
    assert "the name 'taken', of process" in text
    assert "the process DynamicSupervisor" in text
    assert ", and 1 below it" in text
    assert "CancelledError" not in text  # the one that was linked did not take the test along
    assert "assert 1 == 2" in text


@every_runner
def test_a_crash_that_is_not_expected_fails_the_test(pytester: pytest.Pytester, runner: str) -> None:
    result = run(
        pytester,
        """
async def test_unexpected(start_supervised):
    (await start_supervised((Game, "g7"))).crash()
    await asyncio.sleep(0.01)

async def test_expected_of_another_kind(start_supervised, capture_reports):
    with capture_reports.expect(KeyError):
        (await start_supervised((Game, "g8"))).crash()
        await asyncio.sleep(0.01)

async def test_expected_and_waited_for(start_supervised, capture_reports):
    async with capture_reports.expect(Boom, match="g9"):
        (await start_supervised((Game, "g9"))).crash()

async def test_allowed(start_supervised, capture_reports):
    capture_reports.allow(Boom, KeyError)
    (await start_supervised(Game)).crash()
    await asyncio.sleep(0.01)

async def test_only_the_first_was_expected(start_supervised, capture_reports):
    game = await start_supervised((Game, "again"))
    async with capture_reports.expect(Boom):
        game.crash()
    (await start_supervised((Game, "g10"))).crash()
    await asyncio.sleep(0.01)
""",
        runner,
    )
    result.assert_outcomes(passed=2, failed=3)
    text = told(result)
    assert "1 unexpected crash" in text
    assert "Game" in text
    assert "crashed: Boom('g7')" in text
    assert "expected a crash by KeyError, and none came. The crashes of this test:" in text
    assert "crashed: Boom('g10')" in text


@every_runner
def test_a_child_that_refuses_to_stop_fails_the_test(pytester: pytest.Pytester, runner: str) -> None:
    result = run(
        pytester,
        """
@pytest.mark.virtual_time
async def test_at_the_end(start_supervised):
    await start_supervised(Stubborn)

@pytest.mark.virtual_time
async def test_in_the_middle(start_supervised, stop_supervised):
    child = await start_supervised(Stubborn)
    with pytest.raises(RefusedToStop, match="KILLED"):
        await stop_supervised(child)
""",
        runner,
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "1 of the children did not end as they were told to" in told(result)
    assert "shutdown=0.2): KILLED" in told(result)


def test_a_coroutine_fixture_may_start_children(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.fixture
async def game(start_supervised):
    yield await start_supervised((Game, "fixed"))

async def test_it(game, runtime):
    assert await game.who() == "fixed"

async def test_again(game, runtime):
    assert len(runtime.find(Game)) == 1
"""
    for runner in ("asyncio", "anyio"):
        run(pytester, tests, runner).assert_outcomes(passed=2)


def test_what_a_fixture_started_is_stopped_though_the_next_fixture_fails(pytester: pytest.Pytester) -> None:
    tests = """
import pytest_asyncio
ends = []
pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest_asyncio.fixture(loop_scope="module")
async def game(start_supervised):
    yield await start_supervised((Game, "fixed", ends))

@pytest.fixture
def broken(game): raise KeyError

async def test_it(game, broken): ...

async def test_after(runtime):
    assert ends == ["fixed"] and not runtime.processes()
"""
    run(pytester, tests, "asyncio").assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize("runner", ["asyncio", "anyio"])
def test_a_loop_that_tests_share_keeps_nothing_of_either(pytester: pytest.Pytester, runner: str) -> None:
    shared = {
        "asyncio": "pytestmark = pytest.mark.asyncio(loop_scope='module')",
        "anyio": "@pytest.fixture(scope='module')\ndef anyio_backend(): return 'asyncio'\n"
        "@pytest.fixture(scope='module', autouse=True)\nasync def shared(): yield",
    }
    tests = """
loops = []

async def test_one(runtime):
    loops.append(asyncio.get_running_loop())
    process.trap_exits()
    process.register("taken")
    process.send(process.current(), "old")
    await Game.start()

@pytest.mark.virtual_time
async def test_two(runtime, start_supervised):
    loops.append(asyncio.get_running_loop())
    await start_supervised(Game)
    assert not process.trap_exits(False)
    await asyncio.sleep(1000)

async def test_three(runtime, refute_receive):
    assert loops == [asyncio.get_running_loop()] * 2
    assert not runtime.processes() and not runtime.names()
    await refute_receive(timeout=0)
    begin = time.monotonic()
    await asyncio.sleep(0.02)
    assert time.monotonic() - begin >= 0.015
"""
    run(pytester, shared[runner] + tests, runner).assert_outcomes(passed=2, failed=1)


def test_another_backend_is_refused_in_words(pytester: pytest.Pytester) -> None:
    no_loop = """
import inspect

def pytest_pyfunc_call(pyfuncitem):
    pyfuncitem.obj(pyfuncitem.funcargs["runtime"]).send(None)
    return True
"""
    result = run(pytester, "async def test_it(runtime): ...", conftest=no_loop)
    assert "regrow runs on asyncio, and this test on another backend" in told(result)


def test_plain_tests_have_their_reports_too_but_no_virtual_time(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def main():
    game = await Game.start()
    game.crash()
    await asyncio.sleep(0.01)

def test_crash(capture_reports):
    with capture_reports.expect(Boom):
        asyncio.run(main())

def test_unexpected(capture_reports):
    asyncio.run(main())

@pytest.mark.virtual_time
def test_marked(): ...

def test_asked_for_late(request):
    request.getfixturevalue("runtime")
""",
    )
    result.assert_outcomes(passed=1, failed=3)
    assert "in a plain one call run_virtual(main())" in told(result)
    assert "name it among the test's arguments" in told(result)


def test_all_tests_can_be_checked(pytester: pytest.Pytester) -> None:
    tests = "async def test_it():\n    await Game.start()\ndef test_plain(): ...\n"
    run(pytester, tests, "conftest", "-o", "regrow_check_all=true").assert_outcomes(passed=1, failed=1)


def test_a_test_with_fixtures_of_those_names_of_its_own_is_left_alone(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.fixture
def runtime(): return 7

async def test_it(runtime):
    assert runtime == 7
    await Game.start()
"""
    run(pytester, tests).assert_outcomes(passed=1)


def test_a_unittest_case_runs_as_ever_and_has_no_virtual_time(pytester: pytest.Pytester) -> None:
    tests = """
import unittest

class TestIt(unittest.IsolatedAsyncioTestCase):
    async def test_it(self):
        async with Game.scope() as game:
            assert await game.who() == "g"

    @pytest.mark.virtual_time
    async def test_marked(self): ...
"""
    result = run(pytester, tests, "conftest", "-o", "regrow_check_all=true", conftest="")
    result.assert_outcomes(passed=1, failed=1)
    assert "virtual_time can't reach into a unittest.TestCase" in told(result)


def test_a_property_is_watched_example_by_example(pytester: pytest.Pytester) -> None:
    tests = """
from hypothesis import given, settings, strategies as st, HealthCheck

@settings(max_examples=5, suppress_health_check=list(HealthCheck), database=None)
@given(n=st.integers())
async def test_it(start_supervised, runtime, n):
    assert await (await start_supervised((Game, n))).who() == n
    assert len(runtime.find(Game)) == 1

def test_the_function_is_what_it_was():
    assert not hasattr(test_it.hypothesis.inner_test, "__wrapped__")
"""
    run(pytester, tests, "asyncio").assert_outcomes(passed=2)


@every_runner
def test_a_stuck_clock_fails_the_test_and_says_where(pytester: pytest.Pytester, runner: str) -> None:
    tests = """
@pytest.mark.virtual_time(real_wait=0.01)
async def test_stuck(runtime):
    await asyncio.Event().wait()

async def test_next(runtime): ...
"""
    result = run(pytester, tests, runner)
    result.assert_outcomes(passed=1, failed=1)
    assert "nothing is ready and no timer is set" in told(result)
    assert "test_a_stuck_clock_fails_the_test_and_says_where.py:" in told(result)


def test_a_test_run_that_does_not_use_it_imports_no_part_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): ...")
    names = "[each for each in sys.modules if each.startswith('regrow.testing.')]"
    code = f"import sys, pytest; pytest.main(['-q', '-p', 'regrow.testing.pytest_plugin']); print({names})"
    env = {**os.environ, "PYTHONPATH": str(Path(regrow.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "1 passed" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "['regrow.testing.pytest_plugin']"
