"""What a machine is told about its supervisor, looked at before anything is drawn: a mistake there is not a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regrow.kernel.errors import InvalidFlags
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.flags import Flags, require_dynamic, require_static
from regrow.supervision.supervisor import Supervisor

__all__ = ["check_children", "check_flags", "check_spec", "check_supervisor"]

MACHINES = {Supervisor: "SupervisorMachine", DynamicSupervisor: "DynamicSupervisorMachine"}


def check_spec(where: str, given: object, kind: type, line: str, otherwise: str = "") -> ChildSpec[Any]:
    """Raise ``TypeError`` unless *given* is the spec of a *kind*; *line* is what to write, and what else there is."""
    if isinstance(given, type) and _is(given, kind):
        line = f"{where.rpartition('.')[2]} = {given.__name__}.child_spec(...)"
    allowed = f"must be the spec of a {kind.__name__}. Write {line}{otherwise}"
    if not isinstance(given, ChildSpec):
        raise TypeError(f"{where} = {_shown(given)}: {allowed}")
    if not isinstance(given.start, type) or not issubclass(given.start, kind):
        start = getattr(given.start, "__qualname__", given.start)
        fits = next((name for each, name in MACHINES.items() if _is(given.start, each)), None)
        raise TypeError(
            f"{where} is the spec of {start}: {allowed}" + (f"; {start} is for a {fits}" if fits else "")
        )
    return given


def check_supervisor(machine: type, kind: type) -> None:
    """``supervisor`` has to be the spec of a *kind*."""
    name = "Rooms.child_spec()" if kind is DynamicSupervisor else "Supervisor.child_spec([Room.child_spec()])"
    line, otherwise = f"supervisor = {name}", ", or define start_supervisor()"
    given = getattr(machine, "supervisor", None)
    if given is None:
        raise TypeError(f"{machine.__name__} has no supervisor: say what is tested, {line}{otherwise}")
    check_spec(f"{machine.__name__}.supervisor", given, kind, line, otherwise)


def check_flags(machine: type, kind: type, given: object) -> None:
    """``flags`` have to be those of a *kind*."""
    if given is None:
        return
    line = "flags = Flags(max_restarts=1, max_seconds=5.0)"
    if not isinstance(given, Flags):
        raise TypeError(
            f"{machine.__name__}.flags = {_shown(given)}: must be Flags, or None for what the supervisor says itself. "
            f"Write from regrow import Flags, and {line}"
        )
    try:
        (require_dynamic if kind is DynamicSupervisor else require_static)(given)
    except InvalidFlags as error:
        raise TypeError(f"{machine.__name__}.flags: {error}. Write {line}") from None


def check_children(machine: type, given: object, required: bool) -> None:
    """``children`` have to be specs in a list, and at least one if they are *required*."""
    where, line = f"{machine.__name__}.children", "children = [Room.child_spec(...)]"
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"{where} = {_shown(given)}: must be a list of specs. Write {line}")
    if required and not given:
        raise TypeError(f"{where} is empty: say what may be started, {line}")
    for each in given:
        if not isinstance(each, ChildSpec):
            name = each.__name__ if isinstance(each, type) else "Room"
            raise TypeError(
                f"{where} has {_shown(each)}: must be specs. Write children = [{name}.child_spec(...)]"
            )


def _shown(given: object) -> str:
    if isinstance(given, ChildSpec):
        return f"a single spec of {given.id!r}"
    return given.__qualname__ if isinstance(given, type) else repr(given)


def _is(start: object, kind: type) -> bool:
    return isinstance(start, type) and issubclass(start, kind)
