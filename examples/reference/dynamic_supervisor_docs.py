"""DynamicSupervisor's page, "Examples": a dynamic supervisor under a supervisor, and two agents under that.

The page prints ``%{key: "value"}``, ``%{}`` and ``%{active: 2, specs: 2, supervisors: 0, workers: 2}``.
"""

from __future__ import annotations

import asyncio

from regrow import Agent, DynamicSupervisor, Supervisor

SUPERVISOR = "my_app.dynamic_supervisor"

State = dict[str, str]


async def start() -> Supervisor:
    """The tree of the first listing.

    The page has ``Supervisor.start_link(strategy: :one_for_one)`` here and forgets ``children``: there is no
    ``Supervisor.start_link/1``. Meant is ``Supervisor.start_link(children, strategy: :one_for_one)``.
    """
    children = [
        DynamicSupervisor.options(name=SUPERVISOR).child_spec(strategy="one_for_one"),
    ]
    return await Supervisor.start_link(children, strategy="one_for_one")


def empty() -> State:
    """The first state of each agent: ``fn -> %{} end``."""
    return {}


async def main() -> None:
    await start()
    supervisor = DynamicSupervisor.named(SUPERVISOR)

    agent1 = await supervisor.start_child(Agent[State].child_spec(empty))
    await agent1.update(lambda state: {**state, "key": "value"})
    print(await agent1.get(lambda state: state))

    agent2 = await supervisor.start_child(Agent[State].child_spec(empty))
    print(await agent2.get(lambda state: state))

    # The page asks `sup`, a variable that it never sets; the supervisor's name is meant.
    print(await supervisor.count_children())


if __name__ == "__main__":
    asyncio.run(main())
