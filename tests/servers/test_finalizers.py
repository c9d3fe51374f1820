"""What a call makes may set a collection off, and that runs finalizers: a server that one of them ends stays dead.

It runs in a program of its own, where no other thread can set off the collection, and nobody else's garbage is about.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.application.subprocesses import run_python

PROGRAM = """
import asyncio, gc, sys
from functools import partial
from regrow import GenServer, NoProcess, ServerExited, call, process
from regrow.kernel.runtime import runtime

class Server(GenServer):
    @call
    def plain(self) -> str:
        return "answer"

    @call
    async def at_once(self) -> str:
        return "answer"

    @call
    async def later(self) -> str:
        await asyncio.sleep(0)
        return "answer"

class Garbage:
    "Acts when it is collected the nth time."

    def __init__(self, nth, act):
        self.me, self.nth, self.act = self, nth, act

    def __del__(self):
        if self.nth > 0:
            Garbage(self.nth - 1, self.act)
        elif self.nth == 0:
            self.act()

async def outcome_of(server, nth):
    "What comes of a call in which the nth collection ends the server."
    process.monitor(server)
    gc.collect()
    Garbage(nth, partial(process.exit, server, "enough"))
    gc.set_threshold(1, 1_000_000, 1_000_000)
    try:
        async with asyncio.timeout(1):
            return await getattr(server, sys.argv[1])()
    except (NoProcess, ServerExited) as error:
        return type(error).__name__
    finally:
        gc.set_threshold(0)

async def main():
    seen = []
    for nth in range(60):
        server = await Server.start()
        pid = process.pid_of(server)
        outcome = await outcome_of(server, nth)
        if process.alive(pid):  # it was too late in the call; at the latest it is done here
            process.exit(pid, "enough")
        assert (await process.receive(process.Down, timeout=1)).reason == "enough"
        for _ in range(3):
            await asyncio.sleep(0)
        assert not process.alive(server)
        assert pid not in runtime().processes
        seen.append(outcome)
    print(sorted(set(seen)))

gc.set_threshold(0)
asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["on", "off"])
@pytest.mark.parametrize("handler", ["plain", "at_once", "later"])
def test_a_server_that_a_finalizer_ends_while_it_is_called_stays_dead(handler: str, mode: str) -> None:
    told = run_python("-c", PROGRAM, handler, cwd=Path.cwd(), env={"REGROW_INLINE": mode})
    assert told.returncode == 0, told.stderr
    assert "'NoProcess'" in told.stdout
    assert "'answer'" in told.stdout
