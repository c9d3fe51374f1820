"""Elixir course lesson 13: the three strategies, seen on three children of which the middle one is killed.

one_for_one
    only that child is restarted
rest_for_one
    that one and all below it in the list are restarted
one_for_all
    all are restarted, whatever the order

Whoever is restarted is back in the state that it was started with, which is the one known to be stable.
"""

from __future__ import annotations

import asyncio

from regrow import KILL, Agent, Down, Supervisor, process
from regrow.supervision.flags import Strategy

NAMES = ("first", "second", "third")


async def restarted(strategy: Strategy) -> list[str]:
    """Who is another process after the second child was killed."""
    children = [Agent[int].options(name=name).child_spec(lambda: 0) for name in NAMES]
    async with Supervisor.scope(children, strategy=strategy) as supervisor:
        before = {name: process.pid_of(name) for name in NAMES}

        process.monitor("second")
        process.exit("second", KILL)
        await process.receive(Down)
        await supervisor.count_children()  # it answers after it has dealt with the death

        return [name for name in NAMES if process.pid_of(name) != before[name]]


async def state_after_crash() -> int:
    """The state of a counter that stood at 13 when it was killed."""
    async with Supervisor.scope([Agent[int].options(name="counter").child_spec(lambda: 0)]) as supervisor:
        counter = Agent[int].named("counter")
        await counter.update(lambda state: state + 13)

        process.monitor("counter")
        process.exit("counter", KILL)
        await process.receive(Down)
        await supervisor.count_children()

        return await counter.get(lambda state: state)


async def main() -> None:
    strategies: tuple[Strategy, ...] = ("one_for_one", "rest_for_one", "one_for_all")
    for strategy in strategies:
        print(f"{strategy}: {', '.join(await restarted(strategy))}")
    print("the counter is back at", await state_after_crash())


if __name__ == "__main__":
    asyncio.run(main())
