"""``lib/dynamic_supervisor_example.ex`` as the tutorial leaves it: the workers' supervisor is a child of the root."""

from __future__ import annotations

from regrow import Application, StartType, Supervisor

from .workers_supervisor import WorkersSupervisor


class DynamicSupervisorExample(Application):
    name = "dynamic_supervisor_example"
    extra_applications = ("logging",)  # of mix.exs: extra_applications: [:logger]

    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        children = [
            WorkersSupervisor,  # { DynamicSupervisorExample.WorkersSupervisor, [] }: the class, and no arguments
        ]
        root = Supervisor.options(name=DynamicSupervisorExample)
        return await root.start_link(children, strategy="one_for_one")
