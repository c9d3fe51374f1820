"""What hypothesis draws for a supervisor: operations, some after one another, some at the same time."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from regrow.testing.models.children import Trouble

__all__ = ["AT_ONCE", "ONE", "SOME", "Operation", "operations"]


class Operation:
    """One thing to do, as hypothesis draws it: with the child of that *number*, counted round and round."""

    def __init__(self, name: str, number: int, trouble: Any, times: int) -> None:
        self.name = name
        self.number = number
        self.trouble: Trouble | None = trouble
        self.times = times

    def with_child(self, number: int) -> Operation:
        return Operation(self.name, number, self.trouble, self.times)

    def __repr__(self) -> str:
        trouble = "" if self.trouble is None else f", then {self.times} starts {self.trouble}"
        return f"{self.name}({self.number}{trouble})"


@st.composite
def operations(draw: st.DrawFn, *names: str) -> Operation:
    """Any of the operations of these names; some of them with starts that come to nothing afterwards."""
    trouble = draw(st.sampled_from(TROUBLE))
    times = 1 if trouble is None else draw(st.integers(1, 4))
    return Operation(draw(st.sampled_from(names)), draw(st.sampled_from(NUMBERS)), trouble, times)


TROUBLE: Final[tuple[Trouble | None, ...]] = (None, None, "fail", "fail", "ignore")
NUMBERS: Final = (0, 0, 0, 1, 1, 2, 3, 4, 5)  # the same one is wanted by many
ONE: Final = st.runner().flatmap(lambda machine: machine._operations())


@st.composite
def strands_of(draw: st.DrawFn, least: int) -> list[list[Operation]]:
    """*least* to three strands of operations, quite often all with the same child: that is where races are."""
    drawn = draw(st.lists(st.lists(ONE, min_size=1, max_size=2), min_size=least, max_size=3))
    number = draw(st.sampled_from((None, 0, 1, 2)))
    if number is None:
        return drawn
    return [[each.with_child(number) for each in strand] for strand in drawn]


SOME: Final = strands_of(0)
AT_ONCE: Final = strands_of(2)
