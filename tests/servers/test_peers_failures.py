"""What was measured to go wrong in other libraries with names and calls, each as a test that regrow survives.

The rest of it is about supervisors: tests/supervision/test_peers_failures.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import (
    KILL,
    AlreadyRegistered,
    CallTimeout,
    DynamicSupervisor,
    GenServer,
    Registry,
    Reply,
    ReplyDropped,
    ServerExited,
    call,
    cast,
    process,
)
from tests.waiting import forever

FOR_EVER = 10**9


class Boom(Exception):
    pass


# --- a registry that dies of its second name --------------------------------------------------------------------------


@pytest.mark.parametrize("keys", ["unique", "duplicate"])
async def test_a_registry_takes_the_second_name_and_the_thousandth_and_refuses_a_taken_one(keys: Any) -> None:
    """Measured: a registry copied its table at each registration, could not copy what lives, and died of the second.

    regrow's holds any value without touching it, and a name that is taken is the error of who wants it.
    """
    registry = await Registry.start_link("names", keys=keys)
    pid = process.current()
    values = [asyncio.get_running_loop().create_future() for _ in range(1000)]  # no copy, no pickle, no order
    for n, value in enumerate(values):
        registry.register(("game", n), value)
    assert [registry.lookup(("game", n))[0][1] for n in range(1000)] == values
    if keys == "unique":
        with pytest.raises(AlreadyRegistered):
            registry.register(("game", 1), "again")
    else:
        registry.register(("game", 1), "again")
    assert registry.count() == (1000 if keys == "unique" else 1001)
    assert process.alive(registry)
    assert len(registry.keys(pid)) == registry.count()


# --- a caller that waits for ever -------------------------------------------------------------------------------------


class Unhelpful(GenServer):
    """Does not answer, in one way or another."""

    other: Any = None
    reply: Any = None

    @call
    async def ask(self, how: str) -> str:
        if how == "crash":
            raise Boom
        if how == "circle":
            return str(await self.other.ask_back())
        await forever()

    @call
    async def ask_back(self) -> str:
        return str(await Unhelpful.named("asked").ask("never"))

    @call
    def later(self) -> Reply[str]:
        return Reply()

    @cast
    def know(self, other: Any) -> None:
        self.other = other


@pytest.mark.parametrize(
    ("how", "error", "seconds"),
    [
        ("crash", ServerExited, 0.0),
        ("killed", ServerExited, 1.0),
        ("queued and killed", ServerExited, 1.0),
        ("terminated", ServerExited, 1.0),
        ("its supervisor killed", ServerExited, 1.0),
        ("promise dropped", ReplyDropped, 0.0),
        ("circle", ServerExited, 0.0),
        ("never", CallTimeout, 5.0),
    ],
)
async def test_no_caller_waits_for_ever(how: str, error: type[Exception], seconds: float) -> None:
    """Measured: an answer awaited from whatever message comes next, or from a process that had died.

    In regrow a call ends with its own reply, with the exit of the server, or with its time-out, and nothing else
    that reaches the caller is taken for one of them.
    """
    process.trap_exits()
    loop = asyncio.get_running_loop()
    sup = await DynamicSupervisor.start_link(max_restarts=FOR_EVER)
    server = await sup.start_child(Unhelpful.options(name="asked").child_spec())
    server.know(await sup.start_child(Unhelpful))
    if how == "queued and killed":
        asyncio.create_task(server.ask("never")).add_done_callback(lambda task: task.exception())
        await asyncio.sleep(0)
    if "killed" in how:
        loop.call_later(1, process.exit, sup if "supervisor" in how else server, KILL)
    elif how == "terminated":
        loop.call_later(1, lambda: asyncio.ensure_future(sup.terminate_child(server)))
    process.send(process.current(), ("reply", "not this one"))
    begin = loop.time()
    with pytest.raises(error):
        await (server.later() if how == "promise dropped" else server.ask(how))
    assert loop.time() - begin == pytest.approx(seconds)
    assert await process.receive(tuple) == ("reply", "not this one")
