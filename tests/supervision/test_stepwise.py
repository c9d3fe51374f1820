"""``drive`` runs a generator on the spot while it can, and gives a coroutine for the rest."""

from __future__ import annotations

import asyncio
import inspect
from typing import cast

import pytest

from regrow.supervision.stepwise import Stepwise, drive


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    raise ValueError("no")


def test_what_never_has_to_wait_is_done_at_once() -> None:
    def steps() -> Stepwise[str]:
        return "done"
        yield double(1)

    assert drive(steps()) == "done"


def test_what_has_to_wait_becomes_a_coroutine_that_is_sent_the_results() -> None:
    def steps() -> Stepwise[int]:
        first = cast("int", (yield double(1)))
        second = cast("int", (yield double(first)))
        return first + second

    rest = drive(steps())
    assert inspect.iscoroutine(rest)
    assert asyncio.run(rest) == 6


def test_a_failure_is_thrown_in_where_it_was_awaited() -> None:
    def steps() -> Stepwise[str]:
        try:
            yield fail()
        except ValueError as error:
            return f"caught {error}"
        return "nothing happened"

    rest = drive(steps())
    assert inspect.iscoroutine(rest)
    assert asyncio.run(rest) == "caught no"


def test_a_failure_that_is_not_caught_comes_out() -> None:
    def steps() -> Stepwise[None]:
        yield fail()

    rest = drive(steps())
    assert inspect.iscoroutine(rest)
    with pytest.raises(ValueError, match="no"):
        asyncio.run(rest)
