"""Start the tutorial's application, add a worker to it, and stop it again."""

from __future__ import annotations

import asyncio

from examples.reference.tutorial.dynamic_supervisor_example.application import DynamicSupervisorExample
from examples.reference.tutorial.dynamic_supervisor_example.workers_supervisor import WorkersSupervisor
from regrow import Agent, Supervisor, application


async def main() -> None:
    print(await application.ensure_all_started(DynamicSupervisorExample))

    print(await Supervisor.named(DynamicSupervisorExample).count_children())
    workers = WorkersSupervisor.named(WorkersSupervisor)
    print(await workers.count_children())

    await workers.start_child(Agent[int].child_spec(lambda: 0))
    print(await workers.count_children())

    await application.stop(DynamicSupervisorExample)


if __name__ == "__main__":
    asyncio.run(main())
