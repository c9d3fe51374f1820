"""How a failure tells of a supervisor: its children, what happened to them and what it shows, in the words of a test.

A model's steps have names that are short, and say little to who has written a supervisor and not the model. So what
was seen, and what the rules would have, is told with ``which_children``, ``count_children`` and children that crash.
"""

from __future__ import annotations

from typing import Any, Final

from regrow.testing.models.children import GONE
from regrow.testing.models.explaining import Event, Step, Words

__all__ = ["SupervisorWords", "named"]

TOLD: Final = {
    "started": "child {} started",
    "ended": "child {} ended",
    "crash": "child {} is made to crash",
    "end": "child {} is told to end",
    "kill": "child {} is killed",
    "see_end": "somebody waits for the end of child {}",
    "make_trouble": "starts of child {} are prevented",
    "start_supervisor": "the supervisor is started",
    "stop_supervisor": "the supervisor is stopped",
    "kill_supervisor": "the supervisor is killed",
    "vanish": "the supervisor is gone",
    "go_on": "the supervisor goes on with that",
    "forget": "the supervisor hears that child {} has ended, and forgets it",
    "bury": "the supervisor hears that child {} has ended, and does not restart it",
}
"""By the name of a step or event; what is not here is a call, and told as it is written."""
RESTARTS: Final = {
    "heed": "the supervisor hears that child {} has ended",
    "restart": "the supervisor is to restart child {}",
    "retry": "the supervisor is to try once more to start child {}",
}
"""The steps that are restarts, of which one may be too many."""


class SupervisorWords(Words):
    """Of both kinds of supervisors."""

    def step(self, step: Step) -> str:
        name, *rest = step
        child = named(*rest[:2]) if rest else ""
        if name == "die":
            return f"child {child} {'crashes' if rest[1] == 'crash' else 'ends in order'}"
        if name in RESTARTS:
            verdict = "restarts it" if rest[1] else "gives up: one restart too many"
            return f"{RESTARTS[name].format(child)}, and {verdict}"
        if name == "make_trouble":
            return f"{TOLD[name].format(child)}, the next {rest[2]}: they {rest[1]}"
        return TOLD[name].format(child) if name in TOLD else f"{name}({child})"

    def event(self, event: Event) -> str:
        return self.step(event)

    def answered(self, step: Step, answer: Any) -> str:
        if step[0] in TOLD:
            return ""
        if answer == GONE:
            return "found the supervisor gone"
        if isinstance(answer, str):
            return f"raised {answer}"
        return f"returned {self._value(step[0], answer)}"

    def _value(self, call: str, answer: Any) -> str:
        if call == "count_children":
            return _counts(answer)
        if call == "which_children":
            return _rows(answer)
        return "None" if answer is None else f"child {named(*answer)}"

    def looks(self, looks: Any) -> str:
        if looks == GONE:
            return "the supervisor is gone"
        rows, counts = looks
        return f"which_children={_rows(rows)}, count_children={_counts(counts)}"

    def is_told(self, step: Step) -> bool:
        return str(step[0]) != "see_end"


def named(child: Any, born: object = 1) -> str:
    """Its id, and how often it has been started, if that is not the first time."""
    shown = child.__qualname__ if isinstance(child, type) else repr(child)
    return f"{shown} (start {born})" if type(born) is int and born > 1 else shown


def _counts(counts: tuple[int, int, int, int]) -> str:
    names = "specs", "active", "supervisors", "workers"
    return f"Counts({', '.join(f'{name}={count}' for name, count in zip(names, counts, strict=True))})"


def _rows(rows: Any) -> str:
    if rows and isinstance(rows[0], frozenset):
        alive, restarting = rows
        shown = [*sorted(named(*each) for each in alive), *["restarting"] * restarting]
    else:
        shown = [f"{named(each)}: {_state(state)}" for each, state in rows]
    return f"[{', '.join(shown)}]"


def _state(state: Any) -> str:
    if state is None or isinstance(state, str):
        return str(state)
    _, born = state
    return "alive" if born == 1 else f"alive (start {born})"
