"""What the observer can do to a process: stop, kill, suspend, resume, restart. Only where somebody has allowed it.

Each is a coroutine function of a pid that returns when it is done, with a sentence that says what was done.
``ActionRefused`` says in another why it was not. The web page, the terminal and agents all act through these.

>>> import asyncio
>>> from regrow import Agent, process
>>> from regrow.observer import actions
>>> async def main():
...     stock = await Agent.options(name="stock").start(dict)
...     done = await actions.kill(process.pid_of(stock))
...     return done.endswith("'stock'> was killed"), process.alive(stock)
>>> asyncio.run(main())
(True, False)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from regrow import process, sys
from regrow.kernel import signals
from regrow.kernel.errors import CallingSelf, CallTimeout, NoProcess, NotAllowed, ServerExited, StartError
from regrow.kernel.process import DEAD, Pid, Process
from regrow.kernel.reasons import KILL, SHUTDOWN, describe
from regrow.kernel.runtime import runtime
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.errors import ChildNotFound, ChildRestarting, ChildRunning
from regrow.supervision.supervisor import Supervisor

__all__ = ["ACTIONS", "ActionRefused", "kill", "restart", "resume", "stop", "suspend"]

PATIENCE: Final = 5.0
"""Seconds that a process has to do what it is told."""


class ActionRefused(Exception):
    """It was not done; the message says why, and what would work."""


async def stop(pid: int) -> str:
    """Stop it in order, with ``SHUTDOWN``: its ``terminate`` runs. A permanent child is started again after that."""
    target = _living(pid)
    who = repr(target)  # now: the dead have no names
    try:
        if target.behaviour.handle_info is not None:
            await sys.terminate(target.pid, SHUTDOWN, PATIENCE)
        else:
            process.exit(target.pid, SHUTDOWN)
            await _gone(target)
    except (CallTimeout, TimeoutError):
        raise ActionRefused(
            f"{who} was told to stop and has not come to its end within {PATIENCE:g} s; kill does not ask"
        ) from None
    except (NoProcess, ServerExited):
        pass  # it has ended, by this or by itself
    except CallingSelf:
        raise ActionRefused(f"{who} can't be stopped by itself") from None
    return f"{who} has stopped"


async def kill(pid: int) -> str:
    """End it at once, without a clean-up. Its supervisor restarts it, unless it is temporary."""
    target = _living(pid)
    who = repr(target)  # now: the dead have no names
    process.exit(target.pid, KILL)
    try:
        await _gone(target)
    except TimeoutError:
        raise ActionRefused(
            f"{who} was killed, and its code has not come to an end within {PATIENCE:g} s"
        ) from None
    return f"{who} was killed"


async def suspend(pid: int) -> str:
    """Let a server take no messages until it is resumed."""
    target = _server(pid, "suspended")
    await _system(target, sys.suspend, "suspended")
    return f"{target!r} is suspended"


async def resume(pid: int) -> str:
    """Let a suspended server go on."""
    target = _server(pid, "resumed")
    await _system(target, sys.resume, "resumed")
    return f"{target!r} goes on"


async def restart(pid: int) -> str:
    """Have its supervisor stop a child and start it again from its spec.

    That does not count as a restart after a crash. Supervisors of other kinds than the static and the dynamic one have
    no call for it: there the child is killed, and that counts.

    Once begun it comes to its end, even if whoever has asked for it doesn't: the web page can restart its own server.
    """
    work = asyncio.create_task(_restart(pid), name="regrow.observer restarts a child")
    _under_way.add(work)
    work.add_done_callback(_over)
    return await asyncio.shield(work)


_under_way: Final[set[asyncio.Task[str]]] = set()  # asyncio itself keeps no hold of a task


def _over(work: asyncio.Task[str]) -> None:
    _under_way.discard(work)
    if not work.cancelled():
        work.exception()  # seen: whoever asked may not be there any more


async def _restart(pid: int) -> str:
    target = _living(pid)
    who = repr(target)  # now: the dead have no names
    above = runtime().processes.get(target.parent or Pid(0))
    server = above.server if above is not None else None
    if (
        above is None
        or not isinstance(server, BaseSupervisor)
        or target.pid not in list(server._child_pids())
    ):
        raise ActionRefused(f"{who} is no supervisor's child, so nobody knows how to start it again")
    try:
        if isinstance(server, Supervisor):
            return await _restart_static(Supervisor.of(above.pid), server, target)
        if isinstance(server, DynamicSupervisor):
            return await _restart_dynamic(DynamicSupervisor.of(above.pid), server, target)
    except (ChildNotFound, ChildRunning, ChildRestarting, ServerExited) as error:
        raise ActionRefused(f"{who} was not restarted: {error}") from None
    except StartError as error:
        raise ActionRefused(
            f"{who} was stopped, and could not be started again: {describe(error.reason)}"
        ) from None
    await kill(pid)
    return f"{who} was killed, for {above!r} to start it again"


ACTIONS: Final[Mapping[str, Callable[[int], Awaitable[str]]]] = {
    "stop": stop,
    "kill": kill,
    "suspend": suspend,
    "resume": resume,
    "restart": restart,
}
"""All of them, by name."""


async def _restart_static(supervisor: Supervisor, server: Supervisor, target: Process) -> str:
    who = repr(target)
    child = server._table.by_pid(target.pid)
    if child is None:
        raise ChildNotFound(target.pid)
    _require_lasting(target, child.spec.restart)
    await supervisor.terminate_child(child.spec.id)
    started = await supervisor.restart_child(child.spec.id)
    return f"{who} was stopped; {_told(started)}"


async def _restart_dynamic(supervisor: DynamicSupervisor, server: DynamicSupervisor, target: Process) -> str:
    who = repr(target)
    spec = server._spec_of(target.pid) if target.pid in server._table else None
    if spec is None:
        raise ChildNotFound(target.pid)
    _require_lasting(target, spec.restart)
    await supervisor.terminate_child(target.pid)
    started: Any = await supervisor.start_child(spec)
    return f"{who} was stopped; {_told(started)}"


def _require_lasting(target: Process, restart: str) -> None:
    if restart == "temporary":
        raise ActionRefused(
            f"{target!r} is temporary: its supervisor does not keep what it was started with, and never restarts it"
        )


def _told(started: Any) -> str:
    try:
        return f"process {process.pid_of(started)} is in its place"
    except (NoProcess, TypeError, ValueError):
        return "its start says that it need not run"


def _living(pid: int) -> Process:
    target = runtime().processes.get(Pid(pid))
    if target is None:
        raise ActionRefused(f"there is no process {pid}: it has ended")
    return target


def _server(pid: int, done: str) -> Process:
    target = _living(pid)
    if target.server is None:
        raise ActionRefused(f"{target!r} is no server, and only servers can be {done}")
    return target


async def _system(target: Process, ask: Callable[..., Awaitable[None]], done: str) -> None:
    try:
        await ask(target.pid, timeout=PATIENCE)
    except CallTimeout:
        raise ActionRefused(
            f"{target!r} is at something else and has not been {done} within {PATIENCE:g} s; "
            "it will be when it gets to that message"
        ) from None
    except (NoProcess, ServerExited):
        raise ActionRefused(f"{target!r} has ended meanwhile") from None
    except (NotAllowed, CallingSelf) as error:
        raise ActionRefused(f"{target!r} can't be {done}: {error}") from None


async def _gone(target: Process) -> None:
    """Until it is dead; TimeoutError if that takes longer than ``PATIENCE``."""
    if target.status != DEAD:
        await asyncio.wait_for(signals.end_of(target), PATIENCE)
