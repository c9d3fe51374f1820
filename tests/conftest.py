"""How the tests run: `async def test_*` gets an event loop of its own, and needs no plug-in."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# Read by the type checkers only: to import them would be to make the mistakes that they show.
collect_ignore = ["typing/accepted.py", "typing/rejected.py"]

# A shared machine may stall for longer than Hypothesis' deadline: only a failed property is a failure.
settings.register_profile("regrow", deadline=None, print_blob=True)
settings.load_profile("regrow")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test by `asyncio.run`; `@given` tests of coroutines too, one loop an example."""
    test: Any = pyfuncitem.obj
    prop = getattr(test, "hypothesis", None)
    if prop is not None and inspect.iscoroutinefunction(prop.inner_test):
        prop.inner_test = _in_a_loop(prop.inner_test)
        return None
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    _in_a_loop(test)(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


def _in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        # Debug off, whatever the environment says: it changes timing, and keeps exceptions' frames alive.
        asyncio.run(test(*args, **kwargs), debug=False)

    return run
