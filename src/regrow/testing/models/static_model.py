"""The rules of a ``Supervisor``, small enough to be read in one go.

What takes several steps, such as the restart of a group, is an *agenda* that the model works off step by step:
children may die meanwhile, and no call is handled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from regrow.supervision.flags import Flags
from regrow.testing.models.children import GONE, Child, SupervisorModel
from regrow.testing.models.explaining import Step

__all__ = ["StaticSupervisorModel"]

ALWAYS = ("crash", "kill", "end", "see_end", "make_trouble", "kill_supervisor")


class StaticSupervisorModel(SupervisorModel):
    """Children in an order, of which some are restarted together. A child is known by its id."""

    def __init__(self, flags: Flags, initial: Mapping[Any, Child]) -> None:
        super().__init__(flags)
        self.initial = dict(initial)
        self.agenda: tuple[Step, ...] = ()
        self.retries: tuple[Any, ...] = ()  # the attempts on their way, for whoever still waits for one

    def key(self) -> Hashable:
        return super().key(), self.agenda, tuple(sorted(self.retries, key=repr))

    def ready_for(self, step: Step) -> bool:
        busy = self.life == "running" and self.agenda and step[0] not in ALWAYS
        return not busy and super().ready_for(step)

    # --- start and end ------------------------------------------------------------------------------------------------

    def start_supervisor(self) -> None:
        self.life = "starting"
        self.children = dict(self.initial)
        self.agenda = (*(("begin", each) for each in self.children), ("run",))

    def stop_supervisor(self) -> None:
        """One after the other, the last started first."""
        if self.life == "running":
            self.agenda = self._ending()

    def _ending(self) -> tuple[Step, ...]:
        return (*(("stop", each) for each in reversed(self.children)), ("vanish",))

    def kill_supervisor(self) -> None:
        super().kill_supervisor()
        self.agenda = ()

    def vanish(self) -> None:
        super().vanish()
        self.agenda = self.retries = ()

    # --- what clients ask for -----------------------------------------------------------------------------------------

    def start_child(self, child: Any, spec: Child) -> object:
        if self.life != "running":
            return GONE
        known = self.children.get(child)
        if known is not None:
            return "AlreadyStarted" if known.state in ("alive", "dead") else "AlreadyPresent"
        self.children[child] = spec
        trouble = self._begin(child)
        if trouble == "fail":
            del self.children[child]
            return "StartError"
        return self._answer(child, trouble)

    def terminate_child(self, child: Any) -> object:
        if self.life != "running":
            return GONE
        if child not in self.children:
            return "ChildNotFound"
        self._stop(child)
        self._drop(child)
        return None

    def restart_child(self, child: Any) -> object:
        if refused := self._refusal(child):
            return refused
        trouble = self._begin(child)
        return "StartError" if trouble == "fail" else self._answer(child, trouble)

    def delete_child(self, child: Any) -> object:
        if refused := self._refusal(child):
            return refused
        del self.children[child]
        return None

    def count_children(self) -> object:
        if self.life != "running":
            return GONE
        return self._count(sum(each.state == "alive" for each in self.children.values()))

    def which_children(self) -> object:
        """The last started first."""
        if self.life != "running":
            return GONE
        return tuple(self._row(each, child) for each, child in reversed(self.children.items()))

    def _row(self, child: Any, of: Child) -> tuple[Any, object]:
        if of.state == "stopped":
            return child, None
        return child, "restarting" if of.state == "restarting" else (child, self.births[child])

    def _answer(self, child: Any, trouble: object) -> object:
        if trouble is None:
            return child, self.births[child]
        self._drop(child)  # it chose not to start
        return None

    def _refusal(self, child: Any) -> str | None:
        """Why only a stopped child can be restarted or deleted by hand."""
        if self.life != "running":
            return GONE
        if child not in self.children:
            return "ChildNotFound"
        state = self.children[child].state
        if state == "restarting":
            return "ChildRestarting"
        return "ChildRunning" if state in ("alive", "dead") else None

    def _drop(self, child: Any) -> None:
        """It does not run: a temporary child is forgotten, another keeps its place."""
        if self.children[child].restart == "temporary":
            del self.children[child]

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def moves(self) -> Iterator[Step]:
        yield from super().moves()
        if self.agenda:
            yield ("go_on",)
        elif self.life == "running":
            for each, child in self.children.items():
                if child.state == "dead" and not child.to_be_restarted():
                    yield "bury", each
                elif child.state == "dead":
                    for admitted in self._admissions():
                        yield "heed", each, admitted
            for each in dict.fromkeys(self.retries):
                waits = each in self.children and self.children[each].state == "restarting"
                for admitted in self._admissions() if waits else [False]:
                    yield "retry", each, admitted

    def go_on(self) -> None:
        """The next step of the agenda."""
        (what, *of), self.agenda = self.agenda[0], self.agenda[1:]
        if what == "vanish":
            self.vanish()
        elif what == "run":
            self.life = "running"
        elif what == "stop":
            self._stop(*of)
        elif what == "stop_with":
            self._stop(*of)
            self._drop(*of)
        elif of[0] in self.children:
            self._begin_in_turn(of[0])

    def _begin_in_turn(self, child: Any) -> None:
        trouble = self._begin(child)
        if trouble == "ignore":
            self.children[child] = replace(self.children[child], state="stopped")
            self._drop(child)
        elif trouble == "fail" and self.life == "starting":
            self.agenda = self._ending()
        elif trouble == "fail":
            self.children[child] = replace(self.children[child], state="restarting")
            self.retries = (*self.retries, child)
            self.agenda = ()

    def bury(self, child: Any) -> None:
        """The supervisor hears of an end after which nothing is restarted; but it may be the end of all."""
        significant = self.children[child].significant
        self.children[child] = replace(self.children[child], state="stopped", ends=frozenset())
        self._drop(child)
        others = [each for each in self.children.values() if each.significant and each.state != "stopped"]
        mode = self.flags.auto_shutdown
        if significant and (mode == "any_significant" or (mode == "all_significant" and not others)):
            self.stop_supervisor()

    def heed(self, child: Any, admitted: bool) -> None:
        """The supervisor hears of an end, and restarts the child and its group. One too many, and it ends."""
        self.children[child] = replace(self.children[child], state="stopped", ends=frozenset())
        if not admitted:
            self.stop_supervisor()
            return
        self.restarts = (*self.restarts, self.now)
        group = list(self._group(child))
        others = [("stop_with", each) for each in reversed(group) if each != child]
        self.agenda = (*others, *(("begin", each) for each in group))

    def _group(self, child: Any) -> Iterable[Any]:
        order = list(self.children)
        if self.flags.strategy == "one_for_one":
            return [child]
        return order[order.index(child) :] if self.flags.strategy == "rest_for_one" else order

    def retry(self, child: Any, admitted: bool) -> None:
        """Another attempt, unless somebody has terminated the child meanwhile."""
        place = self.retries.index(child)
        self.retries = self.retries[:place] + self.retries[place + 1 :]
        if child in self.children and self.children[child].state == "restarting":
            self.heed(child, admitted)
