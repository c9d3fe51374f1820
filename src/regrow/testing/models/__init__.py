"""``regrow.testing.models``: hypothesis state machines that compare a supervisor or a registry with a small model.

    class RoomsMachine(DynamicSupervisorMachine):
        supervisor = Rooms.child_spec(seats=3)
        children = [Room.child_spec("attic")]

    TestRooms = RoomsMachine.TestCase

Read ``dynamic_model``, ``static_model`` and ``registry_model`` for the rules: they are the models, with ``children``
for what two of them share. ``explaining`` finds the order of a model's steps that explains what was seen;
``machine`` runs an example, ``drawing`` says what is drawn for supervisors, and ``words`` how a failure is told;
``checking`` refuses a machine that can't be; ``supervisors`` and the modules that are named after what they test do it.
"""

from __future__ import annotations

try:
    import hypothesis as _hypothesis  # noqa: F401  # the one place that says what is missing
except ImportError as error:
    raise ImportError(
        "regrow.testing.models draws its examples with hypothesis: pip install hypothesis"
    ) from error

from regrow.testing.models.dynamic_supervisor import DynamicSupervisorMachine
from regrow.testing.models.registry import RegistryMachine
from regrow.testing.models.supervisor import SupervisorMachine

__all__ = ["DynamicSupervisorMachine", "RegistryMachine", "SupervisorMachine"]
