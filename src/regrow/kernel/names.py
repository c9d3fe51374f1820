"""Names: how a process is found without its pid.

A local name is a string, a class, an enum member, or a tuple of such names and numbers. They are compared by type
and value, so that ``1``, ``1.0`` and ``True`` name three things; a class counts by its module and qualified name,
so that a reloaded class still finds its process. Anything with the four functions of ``Via`` is a name too;
``Global`` is the one that will reach over a cluster.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from regrow.kernel.errors import InvalidName, NameTaken
from regrow.kernel.mailbox import put_message
from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.runtime import Runtime, runtime

__all__ = [
    "Global",
    "Name",
    "Via",
    "check_name",
    "claim",
    "find",
    "give_up",
    "is_known",
    "is_via",
    "local_key",
    "names_of",
    "own_name",
    "release",
    "whole_via",
]

T = TypeVar("T")

Name = Any
"""A local name, or a via. See the module's text for what is one."""


@runtime_checkable
class Via(Protocol):
    """A name that somebody else keeps: Elixir's ``{:via, module, term}``.

    All four are plain functions, since a start that claims a name must not be interrupted.
    """

    def register_name(self, pid: Pid) -> bool:
        """Give the name to *pid*; False if a living process has it."""
        ...

    def unregister_name(self) -> None:
        """Free the name; no error if it is free."""
        ...

    def whereis_name(self) -> Pid | None:
        """Whose it is; None if nobody's, or a dead process's."""
        ...

    def send(self, message: object) -> None:
        """Send *message* to whose it is; ``LookupError`` if it is nobody's."""
        ...


VIA: Final = ("register_name", "unregister_name", "whereis_name", "send")

_whole_vias: tuple[type[Any], ...] = ()


def whole_via(kind: type[T]) -> type[T]:
    """Class decorator: *kind* has the four functions of a via, which need not be looked for each time."""
    global _whole_vias
    _whole_vias = (*_whole_vias, kind)
    return kind


@whole_via
@dataclass(frozen=True, slots=True)
class Global:
    """A name for the whole cluster, which without one is this event loop: Elixir's ``{:global, name}``."""

    name: Any

    def register_name(self, pid: Pid) -> bool:
        rt = runtime()
        key = local_key(self.name)
        holder = rt.globals.get(key)
        if holder is not None and holder.status != DEAD:
            return False
        rt.globals[key] = rt.processes[pid]
        return True

    def unregister_name(self) -> None:
        runtime().globals.pop(local_key(self.name), None)

    def whereis_name(self) -> Pid | None:
        holder = runtime().globals.get(local_key(self.name))
        return holder.pid if holder is not None and holder.status != DEAD else None

    def send(self, message: object) -> None:
        holder = runtime().globals.get(local_key(self.name))
        if holder is None or holder.status == DEAD:
            raise LookupError(f"no process is registered as {self!r}")
        put_message(holder, message)


def check_name(name: object) -> None:
    """InvalidName, with the list of what is allowed, unless *name* can name a process."""
    if type(name) in _whole_vias:
        return
    if not is_via(name):
        local_key(name)
    elif missing := [each for each in VIA if not callable(getattr(name, each, None))]:
        raise InvalidName(
            f"{name!r} can't be a via: it has no {', '.join(missing)}. A via has {', '.join(VIA)}"
        )


def is_via(name: object) -> bool:
    kind = type(name)
    if kind is str or kind in _whole_vias:  # nearly all names
        return kind is not str
    return not isinstance(name, type) and hasattr(kind, "whereis_name")


def is_known(name: object) -> bool:
    """Whether *name* is kept by code of regrow's own, which runs to its end."""
    return type(name) in _whole_vias or not is_via(name)


def local_key(name: object) -> Any:
    """*name* as a dict key that keeps apart what must be kept apart."""
    kind = type(name)
    if kind is str:
        return name
    if isinstance(name, type):
        return "class", name.__module__, name.__qualname__
    if isinstance(name, enum.Enum):
        return "enum", kind.__module__, kind.__qualname__, name.name
    if isinstance(name, tuple) and kind is tuple and name:
        return "tuple", *(_part(part, name) for part in name)
    raise _invalid(name)


def _part(part: object, whole: object) -> Any:
    if type(part) in (int, float, bool):
        return type(part), part
    try:
        return local_key(part)
    except InvalidName:
        raise _invalid(whole) from None


def _invalid(name: object) -> InvalidName:
    return InvalidName(
        f"{name!r} can't be a name: use a string, a class, an enum member, a tuple of such names and numbers, "
        "Global(name), or a via such as Registry.named(...).via(key)"
    )


def find(rt: Runtime, name: object) -> Process | None:
    """The living process of that name, or None."""
    if is_via(name):
        pid = name.whereis_name()  # type: ignore[attr-defined]  # is_via has looked
        return None if pid is None else rt.processes.get(pid)
    return rt.names.get(local_key(name))


def claim(process: Process, name: Any) -> Process | None:
    """Give *name* to *process*. If another living process has it, that one is returned, and nothing changes."""
    rt = process.runtime
    if is_via(name):
        if not name.register_name(process.pid):
            holder = find(rt, name)
            if holder is None:
                raise NameTaken(f"{name!r} refused process {process.pid}, and names nobody", 0)
            return holder
    else:
        key = local_key(name)
        holder = rt.names.get(key)
        if holder is not None:
            return holder
        rt.names[key] = process
    extra = process.more()
    if extra.name is None:
        extra.name = name
    else:
        extra.names = [*(extra.names or ()), name]
    return None


def names_of(process: Process) -> list[Any]:
    """The names that *process* has, in the order in which it got them."""
    extra = process.extra
    return [] if extra is None or extra.name is None else [extra.name, *(extra.names or ())]


def own_name(process: Process, name: Any) -> Any:
    """The name that *process* has and that is the same as *name*, or None."""
    for own in names_of(process):
        if is_via(own) == is_via(name) and (
            own == name if is_via(own) else local_key(own) == local_key(name)
        ):
            return own
    return None


def give_up(process: Process, own: Any) -> None:
    """Free one name of a living process."""
    left = [each for each in names_of(process) if each is not own]
    extra = process.more()
    extra.name, extra.names = (left[0], left[1:]) if left else (None, None)
    release(process, own)


def release(process: Process, name: Any) -> None:
    """Let others have the *name* that was that of *process*."""
    if is_via(name):
        if name.whereis_name() in (None, process.pid):
            name.unregister_name()
        return
    held = process.runtime.names
    key = local_key(name)
    if held.get(key) is not process:  # it is a class that is called otherwise now
        key = next((each for each, holder in held.items() if holder is process), key)
    if held.get(key) is process:
        del held[key]
