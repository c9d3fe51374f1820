"""The machine for static supervisors."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from regrow.kernel.errors import StartError
from regrow.supervision.errors import ChildNotFound, ChildRestarting, ChildRunning
from regrow.supervision.flags import Flags
from regrow.supervision.supervisor import Supervisor
from regrow.testing.models.children import Child
from regrow.testing.models.drawing import AGAIN, Operation, operations
from regrow.testing.models.machine import Call
from regrow.testing.models.static_model import StaticSupervisorModel
from regrow.testing.models.supervisors import SupervisorMachineBase
from regrow.testing.models.words import named

__all__ = ["SupervisorMachine"]

OPERATIONS = operations(
    *("count_children", "which_children"),
    *("terminate_child", "terminate_child", "restart_child", "delete_child", "end", "crash", "crash", "kill"),
)
WITH_STARTS = OPERATIONS | operations("start_child")


class SupervisorMachine(SupervisorMachineBase[StaticSupervisorModel]):
    """Compares a ``Supervisor`` with the rules, over random calls and crashes, under drawn schedules.

    It needs to know the supervisor only, whose children it makes crash, end, be terminated, restarted and deleted:

        class ShopMachine(SupervisorMachine):
            supervisor = Shop.child_spec("Utrecht")

        TestShop = ShopMachine.TestCase

    ``children`` are further specs that are started under it now and then. The rest is as for
    ``DynamicSupervisorMachine``; here the rules include the strategies, with the order in which a group is ended
    and started, ``auto_shutdown``, and a start of the supervisor that one of its children prevents.
    """

    _kind = Supervisor

    async def _first_model(self, flags: Flags) -> StaticSupervisorModel:
        ids = [row.id for row in reversed(await self._handle.which_children())]
        initial = {each: _child(await self._handle.get_childspec(each)) for each in ids}
        return StaticSupervisorModel(flags, initial)

    def _operations(self) -> st.SearchStrategy[Operation]:
        return WITH_STARTS if self.children else OPERATIONS

    def _again(self, trouble: Operation) -> list[Call]:
        if trouble.trouble is None or not self.models[0].initial:
            return [self._started()]
        return self._with_trouble(self._first(trouble.number), trouble, self._started())

    def _first(self, number: int) -> Any:
        """One of the children that the supervisor starts with."""
        ids = list(self.models[0].initial)
        return ids[number % len(ids)] if ids else "nobody"

    def _aimed(self, operation: Operation) -> str:
        if operation.name in ("end", "crash", "kill"):
            return super()._aimed(operation)
        if operation.name == "start_child":
            return named(self.children[operation.number % len(self.children)].id)
        of = self._first if operation.name == AGAIN else self._id
        return named(of(operation.number))

    # --- the calls ----------------------------------------------------------------------------------------------------

    def _id(self, number: int) -> Any:
        ids = dict.fromkeys([*self.models[0].initial, *(each.id for each in self.children), "nobody"])
        return list(ids)[number % len(ids)]

    def _do_start_child(self, operation: Operation) -> list[Call]:
        spec = self.children[operation.number % len(self.children)]

        async def start() -> object:
            return self._answer(await self._handle.start_child(spec))

        call = Call(("start_child", spec.id, _child(spec)), self._asked(start, StartError))
        return self._with_trouble(spec.id, operation, call)

    def _do_restart_child(self, operation: Operation) -> list[Call]:
        child_id = self._id(operation.number)

        async def restart() -> object:
            return self._answer(await self._handle.restart_child(child_id))

        refusals = ChildNotFound, ChildRunning, ChildRestarting, StartError
        return self._with_trouble(
            child_id, operation, Call(("restart_child", child_id), self._asked(restart, *refusals))
        )

    def _do_delete_child(self, operation: Operation) -> list[Call]:
        child_id = self._id(operation.number)
        delete = self._asked(
            lambda: self._handle.delete_child(child_id), ChildNotFound, ChildRunning, ChildRestarting
        )
        return [Call(("delete_child", child_id), delete)]

    def _do_terminate_child(self, operation: Operation) -> list[Call]:
        child_id = self._id(operation.number)
        terminate = self._asked(lambda: self._handle.terminate_child(child_id), ChildNotFound)
        return [Call(("terminate_child", child_id), terminate)]

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _answer(self, child: Any) -> object:
        return None if child is None else self._row(child)

    def _rows(self, rows: Any) -> object:
        return tuple((row.id, self._answer(row.child)) for row in rows)


def _child(spec: Any) -> Child:
    return Child(spec.restart, spec.type, spec.significant)
