"""``lib/dynamic_supervisor_example/workers_supervisor.ex``: the supervisor of workers that come as it runs."""

from __future__ import annotations

from regrow import DynamicSupervisor, Flags


class WorkersSupervisor(DynamicSupervisor):
    """Its flags are known in advance, so ``class WorkersSupervisor(DynamicSupervisor, strategy="one_for_one")`` would
    do; ``init`` is written out as the tutorial does."""

    @classmethod
    def name_for(cls) -> type[WorkersSupervisor]:
        return cls

    def init(self) -> Flags:
        return self.flags(strategy="one_for_one")
