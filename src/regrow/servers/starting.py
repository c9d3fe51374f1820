"""How a server starts: named first, then ``__init__`` and ``init`` inside the new process, then acknowledged.

A start is over when ``init`` has returned, and only then is its caller told. A plain start runs on the caller's
stack, if a call could; one whose ``init`` is a coroutine goes on in the new process's task. A start that fails
leaves nothing: the name is free again, and the starter gets an exception and no exit signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from sys import _getframe, exception
from types import CoroutineType, FrameType
from typing import Any

from regrow.kernel import death, outbox, reports, signals
from regrow.kernel.errors import AlreadyStarted, Ignore, ProcessExit, StartError, StartIgnored, Stop
from regrow.kernel.names import check_name, claim, find
from regrow.kernel.process import (
    EXITING,
    ON_STACK,
    RUNNING,
    STARTING,
    Behaviour,
    Envelope,
    Process,
    Request,
)
from regrow.kernel.reasons import KILLED, NORMAL, strip
from regrow.kernel.settling import rest, settle
from regrow.kernel.spawning import born
from regrow.kernel.steps import Prepared, discard, start_steps
from regrow.servers.debugging import install_by_name

__all__ = ["StartResult", "Starting", "begun", "boot_server", "failed", "launch"]


@dataclass(frozen=True, slots=True)
class StartResult:
    """What a start function returns to say more than a pid: Elixir's ``{:ok, pid, info}``. ``pid`` may be a handle."""

    pid: Any
    info: object = None


_start_envelope: Envelope = (None, "its start", None, None)


def launch(
    behaviour: Behaviour,
    start: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    parent: Process,
    name: Any = None,
    timeout: float | None = None,
    debug: tuple[str, ...] = (),
    *,
    linked: bool = True,
    frame: FrameType | None = None,
    ended: Callable[[Process, object], None] | None = None,
) -> Process | Starting:
    """Start a server process under *parent*, who is current. Gives it, or what waits for its start.

    Without a *name*, it has the one that its class makes of the arguments, if it does. Raises AlreadyStarted for a
    name that is taken, StartIgnored, and StartError for whatever else goes wrong.
    A *name* that is given has been checked.
    """
    rt = parent.runtime
    if name is None and behaviour.name_for is not None:
        name = behaviour.name_for(*args, **kwargs)
        if name is not None:
            check_name(name)
    if name is not None:
        holder = find(rt, name)
        if holder is not None:
            raise AlreadyStarted(holder.pid, name)
    process = born(rt, behaviour, parent, STARTING)
    if linked:
        signals.link_child(parent, process)
    else:
        process.more().free = True
    if ended is not None:
        signals.watch(process, ended)
    if name is not None:
        try:
            holder = claim(process, name)
        except BaseException:  # a user's own via
            signals.unlink(parent, process)
            death.finish(process, NORMAL)
            raise
        if holder is not None:
            signals.unlink(parent, process)
            death.finish(process, NORMAL)
            raise AlreadyStarted(holder.pid, name)
    if debug:
        for each in debug:
            install_by_name(process, each)
    # A start inside a supervisor's plain handler stands on the stack that was found good for that handler.
    on_stack = (
        rt.inline == "on" and rt.current is parent and parent.status in ON_STACK and exception() is None
    )
    if not on_stack and not rt.may_inline(frame or _getframe(1)):
        future = _acknowledgement(process)
        # No lambda: its variables would be cells, which cost every start, also those that never come here.
        process.more().boot = partial(_boot_from_queue, process, start, args, kwargs)
        rt.schedule(process)
        return _started(process, future, timeout)
    return _launch_here(process, start, args, kwargs, timeout)


def _launch_here(
    process: Process,
    start: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    timeout: float | None,
) -> Process | Starting:
    """Start the server of *process*, which is born, on the stack of its starter, as far as that goes."""
    rt = process.runtime
    rt.arm_slice()
    before, rt.current = rt.current, process
    try:
        result = process.context.copy().run(_create, process, start, args, kwargs)
    except BaseException as error:
        rt.current = before
        failure = failed(process, error)
        raise failure from failure.__cause__
    rt.current = before
    return begun(process, result, timeout)


def begun(
    process: Process, result: Coroutine[Any, Any, Any] | None, timeout: float | None
) -> Process | Starting:
    """The server of *process* is made, and its ``init`` gave *result*: it is done, or goes on by itself."""
    if result is not None:
        starting = _started(process, _acknowledgement(process), timeout)
        _go_on(process, result)
        return starting
    if process.status >= EXITING:
        raise failed(process, None)
    _ready(process)
    return process


def _create(process: Process, start: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Runs as the new process: make the state, and let it set itself up."""
    process.server = server = start(*args, **kwargs)
    boot = process.behaviour.boot
    return None if boot is None else boot_server(process, boot, server)


def boot_server(process: Process, boot: Callable[[Any], Any], server: Any) -> Coroutine[Any, Any, Any] | None:
    """Run the ``init`` of a *server* that has one."""
    result = boot(server)
    if result is not None and type(result) is not CoroutineType:
        raise _bad_result(process, result)
    return result


def _bad_result(process: Process, result: object) -> TypeError:
    return TypeError(
        f"{process.behaviour.name}.init returned {result!r}: it must return nothing, the state is self. "
        "Raise Ignore or Stop(reason) to say something else"
    )


def _boot_from_queue(process: Process, start: Callable[..., Any], args: Any, kwargs: Any) -> None:
    rt = process.runtime
    if process.status >= EXITING:
        _booted(process, None, None)
        return
    before, rt.current = rt.current, process
    try:
        result = process.context.copy().run(_create, process, start, args, kwargs)
    except BaseException as error:
        rt.current = before
        _booted(process, None, error)
        return
    rt.current = before
    if type(result) is CoroutineType:
        _go_on(process, result)
    else:
        _booted(process, result, None)


def _go_on(process: Process, coroutine: Coroutine[Any, Any, Any]) -> None:
    if process.status >= EXITING:  # it was told to end while it was still plain: it does nothing more
        discard(coroutine)
        _booted(process, None, None)
    else:
        start_steps(process, coroutine, _booted)


def _booted(process: Process, result: Any, error: BaseException | None) -> None:
    """The start of a process has come to its end, away from its starter."""
    if result is not None and error is None:
        error = _bad_result(process, result)
    extra = process.more()
    raised_on = extra.steps is not None  # a step that wants to end the program tells the loop itself
    extra.task = extra.steps = None
    future = extra.starter
    assert future is not None
    if error is not None or process.status >= EXITING:
        failure = failed(process, error)
        if death.is_outlived(
            process
        ):  # a supervisor, killed: when its children are gone ``finish`` tells the starter
            extra.starter = future
        elif not future.done():
            if raised_on and isinstance(failure, KeyboardInterrupt | SystemExit):
                future.set_exception(StartError(failure))
            else:
                future.set_exception(failure)
            future.exception()  # who started may be gone, and never look: asyncio need not complain
    else:
        _ready(process)
        if not future.done():
            future.set_result(None)


def _ready(process: Process) -> None:
    """Init is through: do what it asked for, and rest."""
    process.status = RUNNING
    if settle(process, _start_envelope, None):
        rest(process)


def failed(process: Process, error: BaseException | None) -> BaseException:
    """End a process whose start failed, and give the exception for its starter."""
    reason: object
    failure: BaseException
    if process.status >= EXITING:  # a signal decided it
        extra = process.more()
        reason = KILLED if extra.killed else extra.exit_reason
        failure = StartError(reason)
    elif isinstance(error, Ignore):
        reason, failure = NORMAL, StartIgnored()
    elif isinstance(error, Stop | ProcessExit):
        reason = error.reason
        failure = StartError(reason)
        failure.__cause__ = error.__cause__
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        reason = failure = error
    else:
        assert error is not None
        reports.crashed(process, error, "its start")
        reason = strip(error)
        failure = StartError(reason)
        failure.__cause__ = error
    parent = process.runtime.processes.get(process.parent) if process.parent is not None else None
    if parent is not None:
        signals.unlink(parent, process)
    if process.extra is not None:
        process.extra.starter = None
    death.finish(process, reason)
    return failure


def _acknowledgement(process: Process) -> asyncio.Future[None]:
    future: asyncio.Future[None] = process.runtime.loop.create_future()
    process.more().starter = future
    return future


class Starting(Prepared[Process]):
    """A start that is under way; awaited, it gives the process. Who is cut before that has to see to ``process``."""

    __slots__ = ("process",)

    def __init__(self, process: Process, awaited: Coroutine[Any, Any, Process]) -> None:
        super().__init__(awaited)
        self.process = process


def _started(process: Process, future: asyncio.Future[None], timeout: float | None) -> Starting:
    """The wait for the start. Who starts waits for the started from now on, before the start takes its first step:
    a child that calls its supervisor in its init closes a circle."""
    return Starting(process, _wait(process, future, timeout, _wait_for(process, future)))


async def _wait(
    process: Process, future: asyncio.Future[None], timeout: float | None, waiting: Process | None
) -> Process:
    """Who gives up on the start kills what he was starting."""
    rt = process.runtime
    timer = None
    if timeout is not None and timeout != float("inf"):
        timer = rt.loop.call_later(timeout, _too_slow, process, future)
    try:
        await future
    except asyncio.CancelledError:
        _abandon(process)
        raise
    finally:
        if waiting is not None and waiting.extra is not None:
            waiting.extra.waiting_on = None
        if timer is not None:
            timer.cancel()
    if process.extra is not None:
        process.extra.starter = None
    return process


def _wait_for(process: Process, future: asyncio.Future[None]) -> Process | None:
    starter = process.runtime.current
    if starter is not None:
        starter.more().waiting_on = Request(process, future, starter, "its start")
    return starter


def _too_slow(process: Process, future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(StartError("timeout"))
        _give_up(process)


def _abandon(process: Process) -> None:
    """Its starter was cut while it waited. If he has to end, the link does its work; else it is killed."""
    parent = process.runtime.processes.get(process.parent) if process.parent is not None else None
    if parent is not None and parent.status >= EXITING and process.linked and not process.trapping:
        extra = parent.more()
        if not extra.killed and extra.exit_reason is not NORMAL and parent.behaviour.children is None:
            outbox.post_exit(process, extra.exit_reason, parent.pid, by_link=True)
            return
    _give_up(process)


def _give_up(process: Process) -> None:
    """Kill what nobody waits for any more, and send no exit signal to who has."""
    parent = process.runtime.processes.get(process.parent) if process.parent is not None else None
    if parent is not None:
        signals.unlink(parent, process)
    signals.kill(process)
