"""A block whose supervisor gives up ends with the reason, however late that is and however calls are run."""

from __future__ import annotations

import pytest

from regrow import SHUTDOWN, DynamicSupervisor, GenServer, ServerExited, Supervisor, call


class Worker(GenServer):
    @call
    def boom(self) -> None:
        raise ValueError("boom")


async def test_a_supervisor_that_gives_up_in_the_last_moment_of_the_block_is_not_overlooked() -> None:
    with pytest.raises(ServerExited) as caught:
        async with DynamicSupervisor.scope(max_restarts=0) as workers:
            worker = await workers.start_child(Worker)
            with pytest.raises(ServerExited):
                await worker.boom()
    assert caught.value.reason is SHUTDOWN


async def test_what_comes_out_says_which_child_crashed_how_often_and_why() -> None:
    with pytest.raises(ServerExited) as caught:
        async with Supervisor.scope([Worker], max_restarts=0, max_seconds=2) as root:
            (row,) = await root.which_children()
            with pytest.raises(ServerExited):
                await row.child.boom()
    words = caught.value.__cause__
    assert "Worker" in str(words)
    assert "more than 0 restarts in 2 s" in str(words)
    assert isinstance(words.__cause__, ValueError)


async def test_leaving_the_block_is_no_end_of_the_supervisors_own() -> None:
    async with DynamicSupervisor.scope(max_restarts=0) as workers:
        await workers.start_child(Worker)
