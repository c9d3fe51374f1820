"""``lib/dynamic_supervisor_example.ex`` at first: ``use Application``, and a root without children."""

from __future__ import annotations

import asyncio

from regrow import Application, StartType, Supervisor, application


class DynamicSupervisorExample(Application):
    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        # no children yet
        root = Supervisor.options(name=DynamicSupervisorExample)
        return await root.start_link([], strategy="one_for_one")


async def main() -> None:
    await application.ensure_all_started(DynamicSupervisorExample)
    print(await Supervisor.named(DynamicSupervisorExample).count_children())
    await application.stop(DynamicSupervisorExample)


if __name__ == "__main__":
    asyncio.run(main())
