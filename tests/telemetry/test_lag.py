"""How late the event loop is: while it hangs, and after."""

from __future__ import annotations

import asyncio
import time

import pytest

from regrow.kernel.runtime import runtime
from regrow.telemetry.lag import LoopLag


@pytest.mark.real_time("the loop is kept busy for real")
async def test_a_loop_that_hangs_shows_at_once_and_for_a_while_after() -> None:
    lag = LoopLag(runtime())
    with lag:
        assert lag.worst() <= 0.1
        await asyncio.sleep(0)
        time.sleep(0.8)  # noqa: ASYNC251  # the loop hangs on purpose
        assert 0.2 < lag.worst() < 5, "its timer is overdue"
        await asyncio.sleep(0.01)
        assert 0.2 < lag.worst() < 5, "and now it has come"
    assert lag.worst() == 0.0


@pytest.mark.real_time("the loop is kept busy for real")
async def test_a_delay_is_taken_once() -> None:
    lag = LoopLag(runtime())
    with lag:
        time.sleep(0.5)  # noqa: ASYNC251  # the loop hangs on purpose
        assert 0.2 < lag.take() < 5, "its timer is overdue"
        await asyncio.sleep(0.01)
        assert 0.2 < lag.take() < 5, "and now it has come"
        assert lag.take() < 0.2
        assert lag.worst() > 0.2, "others go on to see it"


async def test_old_delays_are_forgotten() -> None:
    lag = LoopLag(runtime())
    with lag:
        lag._lags.append(3.0)
        await asyncio.sleep(10.1)
        assert lag.worst() == 3.0
        await asyncio.sleep(5.1)
        assert lag.worst() < 2.0
