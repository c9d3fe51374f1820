"""Elixir course lesson 13: a dynamic supervisor under a supervisor, and agents that come while the program runs.

The lesson prints ``%{key: "value"}``, ``%{}`` and ``%{active: 2, specs: 2, supervisors: 0, workers: 2}``. Its project,
``mix new counter --sup``, is ``regrow new counter --sup`` here. Its strategies are in ``lesson_13_strategies``.
"""

from __future__ import annotations

import asyncio

from regrow import Agent, DynamicSupervisor, Supervisor


class MyDynamicSupervisor(DynamicSupervisor):
    """``MyApp.DynamicSupervisor`` is only a name in the lesson. A class makes a good one, and types its handle."""


State = dict[str, str]


def empty() -> State:
    """``fn -> %{} end``"""
    return {}


def put(state: State, key: str, value: str) -> State:
    """``Map.put/3``"""
    return {**state, key: value}


def whole(state: State) -> State:
    """``& &1``"""
    return state


async def main() -> None:
    children = [
        MyDynamicSupervisor.options(name=MyDynamicSupervisor).child_spec(strategy="one_for_one"),
    ]
    await Supervisor.start_link(children, strategy="one_for_one")
    supervisor = MyDynamicSupervisor.named(MyDynamicSupervisor)

    agent1 = await supervisor.start_child((Agent[State], empty))
    await agent1.update(put, "key", "value")
    print(await agent1.get(whole))

    agent2 = await supervisor.start_child((Agent[State], empty))
    print(await agent2.get(whole))

    print(await supervisor.count_children())


if __name__ == "__main__":
    asyncio.run(main())
