"""How the tests run: `async def test_*` gets an event loop of its own, and needs no plug-in.

The loop's clock is virtual and begins at 0.0: a test that waits five seconds takes none, and they are exactly five.
What needs the real world (a socket, another program, a thread, the machine's own clock) is marked
`@pytest.mark.real_time("why")`. In both, and in the examples of docstrings too, what `invariants` says must hold.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import random
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from regrow.testing import run_virtual
from tests import invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

invariants.install()

# Read by the type checkers only: to import them would be to make the mistakes that they show.
collect_ignore = ["typing/accepted.py", "typing/rejected.py"]

# A shared machine may stall for longer than Hypothesis' deadline: only a failed property is a failure.
settings.register_profile("regrow", deadline=None, print_blob=True)
settings.load_profile("regrow")

# Under REGROW_INLINE=random each test throws its coins by this and its own name: a failure tells it, to have it again.
SEED = os.environ.get("REGROW_SEED") or str(random.randrange(10**6))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "real_time(why): run this coroutine test by the machine's clock; all others are on a virtual one",
    )
    config.pluginmanager.register(_Invariants())


class _Invariants:
    """No file of its own, since the hooks of a conftest are not called for docstrings elsewhere."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        invariants.found.clear()
        random.seed(f"{SEED} {item.nodeid}")
        try:
            result = yield
        except BaseException:
            if os.environ.get("REGROW_INLINE") == "random":
                item.add_report_section("call", "coins", f"REGROW_INLINE=random REGROW_SEED={SEED}")
            if invariants.found:
                item.add_report_section("call", "invariants", "\n".join(invariants.found))
            raise
        invariants.hold()
        return result


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test; `@given` tests of coroutines too, one loop an example."""
    test: Any = pyfuncitem.obj
    run = _by_the_real_clock if _why_real(pyfuncitem) else _by_a_virtual_clock
    prop = getattr(test, "hypothesis", None)
    if prop is not None and inspect.iscoroutinefunction(prop.inner_test):
        prop.inner_test = _in_a_loop(prop.inner_test, run)
        return None
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    _in_a_loop(test, run)(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


def _why_real(item: pytest.Function) -> str | None:
    mark = item.get_closest_marker("real_time")
    if mark is None:
        return None
    if len(mark.args) != 1 or not mark.args[0]:
        pytest.fail("the mark says why: @pytest.mark.real_time('a thread answers')", pytrace=False)
    return str(mark.args[0])


def _by_a_virtual_clock(main: Coroutine[Any, Any, None], *, debug: bool) -> None:
    run_virtual(main, real_wait=0.0, debug=debug)  # no patience: who waits for the real world has to say so


def _by_the_real_clock(main: Coroutine[Any, Any, None], *, debug: bool) -> None:
    asyncio.run(main, debug=debug)


def _coin() -> bool:
    return random.random() < 0.5


def _in_a_loop(
    test: Callable[..., Coroutine[Any, Any, None]], run: Callable[..., None]
) -> Callable[..., None]:
    @functools.wraps(test)
    def call(*args: Any, **kwargs: Any) -> None:
        # In a context that is as empty as a program's is at its start, or not: messages go another way then. (What is
        # in it here, Hypothesis has set.) By a coin, with the modes that throw some.
        context = copy_context() if os.environ.get("REGROW_INLINE") == "random" and _coin() else Context()
        # Debug off, whatever the environment says: it changes timing, and keeps exceptions' frames alive.
        context.run(run, test(*args, **kwargs), debug=False)
        invariants.hold()  # here, so that Hypothesis shrinks what breaks one

    return call
