"""DynamicSupervisor's page, "Module-based supervisors": a class of its own, whose ``init`` gives the flags.

The listing's ``start_link`` does two things: it hands its argument on to ``init``, and starts the supervisor under
the module's name. The first every start does by itself; the second is said by ``name_for``.
"""

from __future__ import annotations

import asyncio

from regrow import DynamicSupervisor, Flags, Supervisor, process


class MyDynamicSupervisor(DynamicSupervisor):
    """``child_spec``, ``start_link`` and the rest come with the base, as they come with ``use DynamicSupervisor``."""

    @classmethod
    def name_for(cls, arg: object) -> type[MyDynamicSupervisor]:
        return cls

    def init(self, arg: object) -> Flags:
        return self.flags(strategy="one_for_one")


async def main() -> None:
    spec = MyDynamicSupervisor.child_spec("any argument")
    print(spec.id.__name__ if isinstance(spec.id, type) else spec.id, spec.type)

    await Supervisor.start_link([spec])
    print(process.whereis(MyDynamicSupervisor) is not None)
    print(await MyDynamicSupervisor.named(MyDynamicSupervisor).count_children())


if __name__ == "__main__":
    asyncio.run(main())
