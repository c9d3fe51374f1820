"""What the models of both supervisors have in common: children that end, starts that fail, and counted restarts.

A child is told to end by somebody, and does so later by itself (``die``); the supervisor comes to hear of that later
still (``heed``). What the rules leave to chance is just this order, and each such step is one for ``explaining``.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self

from regrow.servers.child_spec import ChildType, Restart
from regrow.supervision.flags import Flags
from regrow.testing.models.explaining import Event, Step

__all__ = ["GONE", "Child", "How", "SupervisorModel", "Trouble"]

How = Literal["clean", "crash"]
"""How a child ends: a transient one is restarted after a crash only."""
Trouble = Literal["fail", "ignore"]
"""What becomes of a start, if not a child."""
Life = Literal["starting", "running", "ending", "killed", "over"]

GONE: Final = "Gone"
"""What a call gives to which the supervisor ended."""


@dataclass(frozen=True, slots=True)
class Child:
    """One child, as the supervisor's book has it."""

    restart: Restart
    type: ChildType = "worker"
    significant: bool = False
    state: Literal["alive", "dead", "restarting", "stopped"] = "stopped"
    """Dead is one of whose end the supervisor has not heard yet."""
    ends: frozenset[How] = frozenset()
    """The ways in which it may end any moment; if it is dead, the way in which it did."""

    def to_be_restarted(self) -> bool:
        """The rule: permanent ones always, transient ones after a crash, temporary ones never."""
        return self.restart == "permanent" or (self.restart == "transient" and "crash" in self.ends)


class SupervisorModel:
    """A supervisor, its children in start order, and the times of its restarts."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.life: Life = "over"
        self.children: dict[Any, Child] = {}
        self.births: dict[Any, int] = {}
        self.trouble: dict[Any, tuple[Trouble, int]] = {}
        self.restarts: tuple[tuple[float, float], ...] = ()
        self.now = 0.0, 0.0
        self.log: list[Event] = []

    def copy(self) -> Self:
        other = copy.copy(self)
        other.children = dict(self.children)
        other.births = dict(self.births)
        other.trouble = dict(self.trouble)
        other.log = []
        return other

    def key(self) -> Hashable:
        trouble = frozenset(self.trouble.items())
        return self.life, tuple(self.children.items()), tuple(self.births.items()), trouble, self.restarts

    def set_time(self, earliest: float, latest: float) -> None:
        """What follows happens between these two times; where children end and start at once, they are the same."""
        self.now = earliest, latest
        self.restarts = tuple(each for each in self.restarts if earliest - each[1] <= self.flags.max_seconds)

    # --- what others do -----------------------------------------------------------------------------------------------

    def crash(self, child: Any, born: int) -> None:
        """Make the child of that birth crash."""
        self._doom(child, born, "crash")

    def kill(self, child: Any, born: int) -> None:
        """Kill the child of that birth, which counts as a crash."""
        self._doom(child, born, "crash")

    def end(self, child: Any, born: int) -> None:
        """Let the child of that birth end in order."""
        self._doom(child, born, "clean")

    def _doom(self, child: Any, born: int, how: How) -> None:
        known = self.children.get(child)
        if known is not None and known.state == "alive" and self.births[child] == born:
            self.children[child] = replace(known, ends=known.ends | {how})

    def see_end(self, child: Any, born: int) -> None:
        """Somebody is told that the child of that birth has ended."""

    def ready_for(self, step: Step) -> bool:
        """Whether that call can take effect now."""
        if step[0] != "see_end":
            return True
        _, child, born = step
        return (
            child not in self.children or self.children[child].state != "alive" or self.births[child] != born
        )

    def kill_supervisor(self) -> None:
        """Nobody is left behind: all children end, in any order."""
        if self.life not in ("killed", "over"):
            self.life = "killed"
            self._doom_all()

    def _doom_all(self) -> None:
        for each, child in self.children.items():
            if child.state == "alive":
                self.children[each] = replace(child, ends=child.ends | {"clean"})

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def moves(self) -> Iterator[Step]:
        for each, child in self.children.items():
            if child.state == "alive":
                for how in sorted(child.ends):
                    yield "die", each, how
        if self.life == "killed" and not any(each.state == "alive" for each in self.children.values()):
            yield ("vanish",)

    def die(self, child: Any, how: How) -> None:
        """The child ends in one of the ways that it had."""
        self.children[child] = replace(self.children[child], state="dead", ends=frozenset({how}))
        self.log.append(("ended", child, self.births[child]))

    def vanish(self) -> None:
        """The end of the supervisor."""
        self.life = "over"
        self.children = {}
        self.restarts = ()

    def at_rest(self) -> object:
        """What the supervisor shows of its children; ``GONE`` if there is none."""
        return GONE if self.life == "over" else (self.which_children(), self.count_children())

    def which_children(self) -> object:
        raise NotImplementedError

    def count_children(self) -> object:
        raise NotImplementedError

    # --- the parts of a supervisor's steps ----------------------------------------------------------------------------

    def _begin(self, child: Any) -> Trouble | None:
        """Start *child*, which is in the book; what prevented it."""
        if child in self.trouble:
            trouble, times = self.trouble.pop(child)
            if times > 1:
                self.trouble[child] = trouble, times - 1
            return trouble
        self.births[child] = self.births.get(child, 0) + 1
        self.children[child] = replace(self.children[child], state="alive", ends=frozenset())
        self.log.append(("started", child, self.births[child]))
        return None

    def _stop(self, child: Any) -> None:
        """End *child*, which stays in the book."""
        if self.children[child].state == "alive":
            self.log.append(("ended", child, self.births[child]))
        self.children[child] = replace(self.children[child], state="stopped", ends=frozenset())

    def _admissions(self) -> Iterator[bool]:
        """Whether one restart more is allowed. It may be either if not all times are known exactly."""
        earliest, latest = self.now
        window = self.flags.max_seconds
        surely = sum(latest - first <= window for first, _ in self.restarts)
        perhaps = sum(earliest - last <= window for _, last in self.restarts)
        if surely < self.flags.max_restarts:
            yield True
        if perhaps >= self.flags.max_restarts:
            yield False

    def _count(self, active: int) -> tuple[int, int, int, int]:
        specs = len(self.children)
        supervisors = sum(each.type == "supervisor" for each in self.children.values())
        return specs, active, supervisors, specs - supervisors

    # --- starts that fail ---------------------------------------------------------------------------------------------

    def make_trouble(self, child: Any, trouble: Trouble, times: int) -> None:
        """The next *times* starts of the child come to nothing."""
        self.trouble[child] = trouble, times
