"""DynamicSupervisor's page, "Migrating from Supervisor's :simple_one_for_one": both ways to give the child's arguments.

The supervisor is started with ``initial_arg``, and every worker gets it before its own arguments. That makes a
worker's spec a partial one, which ``MyWorker.child_spec(foo, bar, baz)`` can't be for a type checker, since it
checks all arguments; ``ChildSpec`` takes the arguments as they are.
"""

from __future__ import annotations

import asyncio
from typing import Any

from regrow import ChildSpec, DynamicSupervisor, Flags, GenServer, call


class MyWorker(GenServer):
    """A worker of the old code: its start takes the supervisor's argument first."""

    def __init__(self, initial_arg: str, foo: int, bar: int, baz: int) -> None:
        self.arguments = (initial_arg, foo, bar, baz)

    @call
    def started_with(self) -> tuple[str, int, int, int]:
        return self.arguments


class MySupervisor(DynamicSupervisor):
    @classmethod
    def name_for(cls, initial_arg: str) -> Any:
        return cls

    def init(self, initial_arg: str) -> Flags:
        return self.flags(strategy="one_for_one", extra_arguments=[initial_arg])


async def start_child(foo: int, bar: int, baz: int) -> MyWorker:
    """Start ``MyWorker(initial_arg, foo=foo, bar=bar, baz=baz)``.

    The listing: ``spec = {MyWorker, foo: foo, bar: bar, baz: baz}``. There the three arrive as one keyword list;
    Python has keyword arguments for that.
    """
    spec = ChildSpec(MyWorker, MyWorker, kwargs={"foo": foo, "bar": bar, "baz": baz})
    return await MySupervisor.named(MySupervisor).start_child(spec)


async def start_child_by_map(foo: int, bar: int, baz: int) -> MyWorker:
    """Start ``MyWorker(initial_arg, foo, bar, baz)`` by a spec that names the start function.

    The listing: ``spec = %{id: MyWorker, start: {MyWorker, :start_link, [foo, bar, baz]}}``. ``start`` may be any
    function that starts a process; the class itself, as above, is the short way to write it.
    """
    spec: ChildSpec[MyWorker] = ChildSpec(id=MyWorker, start=MyWorker.start_link, args=(foo, bar, baz))
    return await MySupervisor.named(MySupervisor).start_child(spec)


async def main() -> None:
    await MySupervisor.start_link("initial")

    by_keywords = await start_child(1, 2, 3)
    print(await by_keywords.started_with())

    by_map = await start_child_by_map(1, 2, 3)
    print(await by_map.started_with())


if __name__ == "__main__":
    asyncio.run(main())
