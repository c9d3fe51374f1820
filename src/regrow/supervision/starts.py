"""Starting one child, whatever kind of start its spec has.

A server class is started by the kernel's own way, and if that is plain it is over when ``begin_child`` returns; else,
and for a start function, there are steps left to take. Any other start function is simply called, as the
supervisor, and must give back the process it started: as a handle, as a pid, or as
``StartResult(pid, info)``. What comes back is linked to the supervisor if it was not, and what a failed
start leaves running is killed, so that nobody is left behind. Whatever goes wrong comes out as a
``StartError``, and the supervisor lives on.

``attend_starts`` lets an outsider stand by every start: see what comes of it, or make it fail on purpose.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from regrow.kernel.errors import Ignore, ProcessExit, StartError, StartIgnored
from regrow.kernel.process import EXITING, Behaviour, Pid, Process
from regrow.kernel.reasons import strip
from regrow.kernel.signals import kill, link
from regrow.kernel.steps import Prepared
from regrow.kernel.targets import is_handle
from regrow.servers.behaviour import behaviour_of
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer
from regrow.servers.handles import handle_of
from regrow.servers.starting import Starting, StartResult, launch
from regrow.supervision.errors import BadStart
from regrow.supervision.exits import queued_exits
from regrow.supervision.stepwise import Stepwise


@dataclass(slots=True)
class Started:
    """A child that runs: its pid, what ``which_children`` shows for it, and what its starter gets."""

    pid: Pid
    child: Any
    answer: Any


def start_child(
    me: Process, spec: ChildSpec[Any], extra_arguments: Sequence[Any] = (), *, known: Container[Pid]
) -> Stepwise[Started]:
    """Start what ``spec`` says, as the supervisor ``me`` with the children ``known``. Raises ``StartError``."""
    return (yield from _steps(begin_child(me, spec, extra_arguments, known)))


def begin_child(
    me: Process,
    spec: ChildSpec[Any],
    extra_arguments: Sequence[Any],
    known: Container[Pid],
    *,
    attended: bool = True,
) -> Process | Stepwise[Started]:
    """The same, as far as it goes at once: a server that has started already, or the steps that are left."""
    if attendants and attended:
        return _attended(me, spec, extra_arguments, known)
    args = (*extra_arguments, *spec.args) if extra_arguments else spec.args
    start: Any = spec.start
    behaviour: Behaviour | None = getattr(start, "_regrow_behaviour", None)
    if behaviour is None or behaviour.kind is not start:  # it was not started before, or is no server
        if not (isinstance(start, type) and issubclass(start, GenServer)):
            return _run_alone(me, spec, args, known)
        behaviour = behaviour_of(start)
    try:
        made = launch(behaviour, start, args, spec.kwargs, me, spec.name, spec.timeout, spec.debug)
    except StartError:
        raise
    except BaseException as error:
        raise failure_of(me, error) from None
    return made if type(made) is Process else waited_for(me, start, made)


def _steps(begun: Process | Stepwise[Started]) -> Stepwise[Started]:
    if type(begun) is not Process:
        return (yield from begun)
    child = shown(begun)
    return Started(begun.pid, child, child)


def _attended(
    me: Process, spec: ChildSpec[Any], extra_arguments: Sequence[Any], known: Container[Pid]
) -> Stepwise[Started]:
    def unattended() -> Stepwise[Started]:
        return (yield from _steps(begin_child(me, spec, extra_arguments, known, attended=False)))

    steps = unattended()
    for attendant in attendants:
        steps = attendant(me, spec, steps)
    return steps


Attendant = Callable[[Process, ChildSpec[Any], Stepwise[Started]], Stepwise[Started]]
"""Gets the supervisor, the spec and the steps of a start, and gives the steps that are taken in their place."""

# Of all runtimes: every start looks at it, so it has to be quick to look at.
attendants: tuple[Attendant, ...] = ()
_changing = threading.Lock()


def attend_starts(attendant: Attendant) -> Callable[[], None]:
    """Let *attendant* stand by each start of a child, on every event loop; gives what sends it away again."""
    global attendants
    with _changing:
        attendants = (*attendants, attendant)

    def leave() -> None:
        global attendants
        with _changing:
            attendants = tuple(each for each in attendants if each is not attendant)

    return leave


def _run_alone(
    me: Process, spec: ChildSpec[Any], args: Sequence[Any], known: Container[Pid]
) -> Stepwise[Started]:
    newest = next(reversed(me.runtime.processes))
    try:
        return (yield from _run_function(me, spec, args, known))
    except BaseException:  # a StartError, or the end of the supervisor itself
        _kill_leftovers(me, newest)
        raise


def waited_for(me: Process, server: type[GenServer], made: Starting) -> Stepwise[Started]:
    """The steps that are left of a server's start that is under way."""
    try:
        process: Process = yield made
    except StartError:
        raise
    except GeneratorExit:  # the supervisor was cut before it came to wait for the start
        if me.status >= EXITING:
            kill(made.process)
        raise
    except BaseException as error:
        raise failure_of(me, error) from None
    handle = handle_of(server, process)
    return Started(process.pid, handle, handle)


def _run_function(
    me: Process, spec: ChildSpec[Any], args: Sequence[Any], known: Container[Pid]
) -> Stepwise[Started]:
    try:
        made: Any = spec.start(*args, **spec.kwargs)
        if inspect.isawaitable(made):
            made = yield _in_time(Prepared(made), spec.timeout)
    except StartError:
        raise
    except Ignore:
        raise StartIgnored from None
    except BaseException as error:
        raise failure_of(me, error) from None
    return _accepted(me, made, known)


def failure_of(me: Process, error: BaseException) -> BaseException:
    """What a start that raised ``error`` comes to: a ``StartError``, unless the supervisor itself has to go."""
    if me.status >= EXITING:
        return error
    if isinstance(error, ProcessExit):
        return StartError(error.reason)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        me.runtime.loop.call_soon(_raise, error)  # what wants to end the program goes on to the loop
    return StartError(strip(error))


def _raise(error: BaseException) -> None:
    raise error


def _kill_leftovers(me: Process, newest: Pid) -> None:
    """Kill the children of ``me`` that were started since ``newest``, by a function that did not get through."""
    since: list[Process] = []
    for pid in reversed(me.runtime.processes):
        if pid <= newest:
            break
        since.append(me.runtime.processes[pid])
    for process in since:
        if process.parent == me.pid:
            kill(process)


async def _in_time(made: Any, timeout: float | None) -> Any:
    async with asyncio.timeout(timeout):
        return await made


def _accepted(me: Process, made: Any, known: Container[Pid]) -> Started:
    """The process that a start function returned, linked to the supervisor."""
    child = made.pid if isinstance(made, StartResult) else made
    pid = _pid_of(child)
    if pid is None or pid in (me.pid, me.parent) or pid in known:
        raise BadStart(made)
    process = me.runtime.processes.get(pid)
    if process is not None:
        link(me, process)
        return Started(pid, shown(process), made)
    if pid in queued_exits(me):  # it has died since: the supervisor comes to that in its turn
        return Started(pid, child, made)
    raise BadStart(made)


def _pid_of(child: Any) -> Pid | None:
    """The pid that this is, or that the process of this handle has or had; None for anything else."""
    if is_handle(child):
        process: Process | None = child.__regrow_process__()
        return None if process is None else process.pid
    return Pid(child) if type(child) is int else None


def shown(process: Process) -> Any:
    """What clients are shown of a child: the handle of a server, the pid of anything else."""
    kind = process.behaviour.kind
    return handle_of(kind, process) if isinstance(kind, type) else process.pid
