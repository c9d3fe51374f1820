"""What hypothesis draws for a supervisor: operations, some after one another, some at the same time.

What is drawn first is the simplest, for that is what hypothesis shrinks to: one strand of one operation, which only
asks, of the first child, and no start that fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from regrow.testing.models.children import Trouble

__all__ = ["AGAIN", "AT_ONCE", "ONE", "SOME", "TROUBLED", "Operation", "Strands", "operations"]


class Operation:
    """One thing to do, as hypothesis draws it: with the child of that *number*, counted round and round.

    *aimed* says which child that is by now.
    """

    def __init__(
        self, name: str, number: int, trouble: Any, times: int, aimed: Callable[[Operation], str]
    ) -> None:
        self.name = name
        self.number = number
        self.trouble: Trouble | None = trouble
        self.times = times
        self._aimed = aimed

    def with_child(self, number: int) -> Operation:
        return Operation(self.name, number, self.trouble, self.times, self._aimed)

    def __repr__(self) -> str:
        if self.name in ASKING:
            return f"{self.name}()"
        prevented = "" if self.trouble is None else f"the next {self.times} starts {self.trouble}"
        if self.name == AGAIN:
            return f"{prevented} of {self._aimed(self)}" if prevented else "none"
        return f"{self.name}({self._aimed(self)})" + (f", then {prevented}" if prevented else "")


class Strands(list[list[Operation]]):
    """Strands of operations, which happen at the same time; those of one strand come one after another."""

    def __repr__(self) -> str:
        return " | ".join(", ".join(map(repr, strand)) for strand in self) or "nothing"


@st.composite
def operations(draw: st.DrawFn, *names: str) -> Operation:
    """Any of the operations of these names; some of them with starts that come to nothing afterwards."""
    name, machine = draw(st.sampled_from(names)), draw(st.runner())
    if name in ASKING:
        return Operation(name, 0, None, 1, machine._aimed)
    number = draw(st.sampled_from(NUMBERS))
    trouble = draw(st.sampled_from(TROUBLE))
    times = 1 if trouble is None else draw(st.integers(1, 4))
    return Operation(name, number, trouble, times, machine._aimed)


AGAIN: Final = "start_again"
"""The operation of a supervisor's start, which a child may prevent."""
ASKING: Final = ("count_children", "which_children")
"""The operations that have to do with no child in particular."""
TROUBLE: Final[tuple[Trouble | None, ...]] = (None, None, "fail", "fail", "ignore")
NUMBERS: Final = (0, 0, 0, 1, 1, 2, 3, 4, 5)  # the same one is wanted by many
ONE: Final = st.runner().flatmap(lambda machine: machine._operations())


@st.composite
def strands_of(draw: st.DrawFn, least: int) -> Strands:
    """*least* to three strands of operations, quite often all with the same child: that is where races are."""
    number = draw(st.sampled_from((None, None, 0, 1, 2)))  # first: with a strand less it says the same
    drawn = draw(st.lists(st.lists(ONE, min_size=1, max_size=2), min_size=least, max_size=3))
    if number is None:
        return Strands(drawn)
    return Strands([each.with_child(number) for each in strand] for strand in drawn)


TROUBLED: Final = operations(AGAIN)
SOME: Final = strands_of(0)
AT_ONCE: Final = strands_of(1)
