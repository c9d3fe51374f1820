"""The rules of a ``DynamicSupervisor``, small enough to be read in one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from regrow.testing.models.children import GONE, Child, SupervisorModel
from regrow.testing.models.explaining import Step

__all__ = ["DynamicSupervisorModel"]


class DynamicSupervisorModel(SupervisorModel):
    """Children without an order, each restarted by itself.

    A child is known by its pid: the child and the number of its birth. One that could not be restarted is known by
    the last pid that it had.
    """

    def start_supervisor(self) -> None:
        self.life = "running"

    # --- what clients ask for -----------------------------------------------------------------------------------------

    def start_child(self, child: Any, spec: Child) -> object:
        if self.life != "running":
            return GONE
        if len(self.children) >= self.flags.limit:  # with those that wait for a restart
            return "MaxChildren"
        self.children[child] = spec
        trouble = self._begin(child)
        if trouble is None:
            return child, self.births[child]
        del self.children[child]
        return "StartIgnored" if trouble == "ignore" else "StartError"

    def terminate_child(self, child: Any, born: int) -> object:
        if self.life != "running":
            return GONE
        if child not in self.children or self.births[child] != born:
            return "ChildNotFound"
        self._stop(child)
        del self.children[child]
        return None

    def count_children(self) -> object:
        if self.life != "running":
            return GONE
        return self._count(sum(each.state != "restarting" for each in self.children.values()))

    def which_children(self) -> object:
        if self.life != "running":
            return GONE
        restarting = sum(each.state == "restarting" for each in self.children.values())  # it does not say who
        shown = (
            (each, self.births[each]) for each, child in self.children.items() if child.state != "restarting"
        )
        return frozenset(shown), restarting

    def stop_supervisor(self) -> None:
        """All children are told at the same time."""
        if self.life == "running":
            self.life = "ending"
            self._doom_all()

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def moves(self) -> Iterator[Step]:
        yield from super().moves()
        if self.life == "running":
            for each, child in self.children.items():
                if child.state == "restarting" or (child.state == "dead" and child.to_be_restarted()):
                    for admitted in self._admissions():
                        yield "restart", each, admitted
                elif child.state == "dead":
                    yield "forget", each
        elif self.life == "ending" and not any(each.state == "alive" for each in self.children.values()):
            yield ("vanish",)

    def forget(self, child: Any) -> None:
        """The supervisor hears of an end after which nothing is restarted."""
        del self.children[child]

    def restart(self, child: Any, admitted: bool) -> None:
        """One attempt to start a child again. One too many, and the supervisor ends."""
        if not admitted:
            del self.children[child]
            self.stop_supervisor()
            return
        self.restarts = (*self.restarts, self.now)
        trouble = self._begin(child)
        if trouble == "ignore":
            del self.children[child]
        elif trouble == "fail":
            self.children[child] = replace(self.children[child], state="restarting")
