"""DynamicSupervisor's page, ``init/1``, ``start_child/2`` and ``terminate_child/2``: every answer that they name.

The example of ``init/1`` allows a thousand children; two will do here. About the child too many the page says two
things: ``{:error, :dynamic}`` under ``:max_children``, and ``{:error, :max_children}`` under ``start_child``. The
second is true, and is the exception ``MaxChildren`` here.
"""

from __future__ import annotations

import asyncio

from regrow import (
    AlreadyStarted,
    ChildNotFound,
    DynamicSupervisor,
    Flags,
    GenServer,
    Ignore,
    MaxChildren,
    Pid,
    StartError,
    StartIgnored,
    StartResult,
    process,
    spec,
)


class Limited(DynamicSupervisor):
    """``def init(_arg) do DynamicSupervisor.init(max_children: 1000, strategy: :one_for_one) end``"""

    def init(self, limit: int = 1000) -> Flags:
        return self.flags(max_children=limit, strategy="one_for_one")


class Worker(GenServer):
    """Starts as it is told to."""

    def __init__(self, mood: str = "fine") -> None:
        if mood == "ignore":
            raise Ignore
        if mood == "fail":
            raise ValueError("this worker fails to start")


async def with_info() -> StartResult:
    """A start function that says more than the pid: ``{:ok, child, info}``."""
    return StartResult(process.pid_of(await Worker.start_link()), info="warm")


def nonsense() -> str:
    """A start function that returns an erroneous value."""
    return "nonsense"


async def main() -> None:
    limited = await Limited.start_link(2)

    first = await limited.start_child(Worker.options(name="first").child_spec())
    try:
        await limited.start_child(Worker.options(name="first").child_spec())
    except AlreadyStarted as error:
        print("already started:", error.pid == process.pid_of(first))

    try:
        await limited.start_child(Worker.child_spec("ignore"))
    except StartIgnored:
        print("ignored")

    try:
        await limited.start_child(spec(nonsense))
    except StartError as error:
        print("erroneous value:", error.reason)

    try:
        await limited.start_child(Worker.child_spec("fail"))
    except StartError as error:
        print("failed:", error.reason)

    second = await limited.start_child(spec(with_info))
    print("info:", second.info)

    try:
        await limited.start_child(Worker)
    except MaxChildren as error:
        print("max_children:", error.limit)

    await limited.terminate_child(first)
    try:
        await limited.terminate_child(Pid(0))
    except ChildNotFound:
        print("not found")
    print(await limited.count_children())


if __name__ == "__main__":
    asyncio.run(main())
