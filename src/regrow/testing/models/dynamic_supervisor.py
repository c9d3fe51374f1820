"""The machine for dynamic supervisors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st

from regrow.kernel.errors import StartError
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import ChildNotFound
from regrow.supervision.flags import Flags
from regrow.testing.models.children import Child
from regrow.testing.models.drawing import Operation, operations
from regrow.testing.models.dynamic_model import DynamicSupervisorModel
from regrow.testing.models.machine import Call
from regrow.testing.models.supervisors import SupervisorMachineBase

__all__ = ["DynamicSupervisorMachine"]

OPERATIONS = operations(
    *("count_children", "which_children"),
    *("start_child", "start_child", "terminate_child", "terminate_child", "end", "crash", "kill"),
)


class DynamicSupervisorMachine(SupervisorMachineBase[DynamicSupervisorModel]):
    """Compares a ``DynamicSupervisor`` with the rules, over random calls and crashes, under drawn schedules.

    Subclass it, say what may be started under it, and hand its ``TestCase`` to pytest or unittest:

        class RoomsMachine(DynamicSupervisorMachine):
            supervisor = Rooms.child_spec(seats=3)
            children = [Room.child_spec("attic"), Room.child_spec("cellar").replace(restart="temporary")]

        TestRooms = RoomsMachine.TestCase

    Children are started, terminated, killed, made to crash and to end, one by one and at the same time; starts fail;
    time goes on; the supervisor is stopped and killed, and started again. After each rule, when all is at rest, there
    must be an order in which the rules explain each answer, each start and end in their order, and what
    ``which_children`` and ``count_children`` show; who lives under the supervisor must be who stands there; nobody
    may be left behind, and no name be that of a dead process.

    ``supervisor`` and ``children`` are specs; ``flags`` what it has to keep to (left out: what it says itself).
    Override ``crash(child)`` and ``end(child)`` for children that trap exits, and ``start_supervisor()`` where a spec
    does not say how it is started. Rules and invariants of your own may use ``run``, ``living`` and ``handle``.
    """

    supervisor: ClassVar[ChildSpec[Any]] = DynamicSupervisor.child_spec()
    _kind = DynamicSupervisor

    def __init__(self) -> None:
        super().__init__()
        self._drawn = 0
        self._started_of: dict[Any, int] = {}  # which of the specs a child is of

    async def _first_model(self, flags: Flags) -> DynamicSupervisorModel:
        return DynamicSupervisorModel(flags)

    def _operations(self) -> st.SearchStrategy[Operation]:
        return OPERATIONS

    def _aimed(self, operation: Operation) -> str:
        if operation.name != "start_child":
            return super()._aimed(operation)
        start = self.children[operation.number % len(self.children)].start
        return getattr(start, "__qualname__", repr(start))

    def _do_start_child(self, operation: Operation) -> list[Call]:
        number = operation.number % len(self.children)
        spec = self.children[number]
        name, name_for = spec.name, getattr(spec.start, "name_for", None)
        if name is None and name_for is not None:
            name = name_for(*spec.args, **spec.kwargs)
        if name is not None and any(self._started_of[each] == number for each in self._pending()):
            return []  # its name is taken
        child_id = f"{getattr(spec.start, '__qualname__', spec.start)} {len(self._started_of) + 1}"
        self._started_of[child_id] = number
        spec = spec.replace(id=child_id)  # ids mean nothing here: this one tells us who is started

        async def start() -> object:
            return self._row(await self._handle.start_child(spec))

        call = Call(
            ("start_child", child_id, Child(spec.restart, spec.type)),
            self._asked(start, StartError),
        )
        return self._with_trouble(child_id, operation, call)

    def _pending(self) -> list[Any]:
        """The children that there are, or may be: those of the book, and those who have been drawn meanwhile."""
        drawn = list(self._started_of)[self._drawn :]
        return [*self.models[0].children, *drawn]

    def make(self, *strands: Sequence[Call]) -> None:
        super().make(*strands)
        self._drawn = len(self._started_of)

    def _do_terminate_child(self, operation: Operation) -> list[Call]:
        who = self._target(operation.number)
        if who is None:
            return []

        async def terminate() -> None:
            await self._handle.terminate_child(self._born[who].pid)

        return [Call(("terminate_child", *who), self._asked(terminate, ChildNotFound))]

    def _rows(self, rows: Any) -> object:
        shown = [self._row(row.child) for row in rows]
        return frozenset(each for each in shown if each != "restarting"), shown.count("restarting")
