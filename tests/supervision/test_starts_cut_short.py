"""A supervisor that is killed before the start of a child has taken its first step."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest

from regrow import DynamicSupervisor, ServerExited, Supervisor, process, spec
from regrow.kernel.reasons import KILL
from tests.supervision.servers import Worker


async def later() -> Worker:
    await asyncio.sleep(0)
    return await Worker.start_link()


@pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])
async def test_a_start_function_that_was_never_awaited_is_no_warning(kind: Any) -> None:
    supervisor = await kind.start()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        starting = asyncio.create_task(supervisor.start_child(spec(later)))
        await asyncio.sleep(0)
        process.exit(supervisor, KILL)
        with pytest.raises(ServerExited):
            await starting
        gc.collect()
    assert [str(each.message) for each in warned] == []
