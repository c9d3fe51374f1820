"""How a process ends: a signal arrives, the exit is decided, its code comes to an end, the world is told.

Signals go through one queue, the runtime's outbox, and never by recursion: ten thousand linked processes that die
together take a loop and not a stack. A signal is looked at when it arrives, by the receiver's state of that moment:

============================  ======================  ==========================
signal                        not trapping exits      trapping exits
============================  ======================  ==========================
``KILL``, sent by ``exit``    dies ``KILLED``         dies ``KILLED``
``NORMAL``, from another      ignored                 the message ``Exit``
``NORMAL``, to oneself        dies ``NORMAL``         the message ``Exit``
any other, or from a link     dies of that reason     the message ``Exit``
============================  ======================  ==========================

A server that traps exits ends when its parent does, whatever the reason.

Death is a fact, not a request. From the moment of ``decide`` the process handles nothing more. Code of it that is
under way gets one cancellation, so that its ``finally`` runs, and a bounded grace; then it is fenced. A plain
handler can't be cut, so there the end comes when it returns. Only then ``terminate`` runs, if its kind has one,
and only after that is it ``finish``\\ ed: names freed, callers failed, links and monitors told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from regrow.kernel import reports
from regrow.kernel.errors import (
    KeeperGone,
    LinkedExit,
    NoProcess,
    ProcessExit,
    ServerExited,
    StartError,
    Stop,
)
from regrow.kernel.events import emit
from regrow.kernel.mailbox import Exit, put, put_message
from regrow.kernel.process import (
    DEAD,
    ENDING,
    EXITING,
    INLINE,
    RUNNING,
    SETTLING,
    STARTING,
    Extra,
    Pid,
    Process,
    Request,
)
from regrow.kernel.reasons import KILL, KILLED, NOPROC, NORMAL, is_clean, strip
from regrow.kernel.runtime import Runtime
from regrow.kernel.steps import run_as, start_steps

__all__ = [
    "KILL_GRACE",
    "arrive",
    "decide",
    "finish",
    "handler_failed",
    "kill",
    "leave",
    "left",
    "post",
    "shortened",
    "terminate",
]

KILL_GRACE: Final = 0.1
"""Seconds that a killed process's coroutine has for its ``finally`` before it is fenced."""
INFINITE: Final = float("inf")
SIGNAL_GRACE: Final = 5.0
"""The same for any other exit signal, unless the process's own shutdown time is shorter."""


ON_STACK: Final = (INLINE, RUNNING, SETTLING, STARTING)

# --- the outbox ---------------------------------------------------------------------------------------------------


def post(rt: Runtime, action: Callable[..., object], *args: Any) -> None:
    """Do ``action(*args)`` after the signals that are on their way already."""
    rt.outbox.append((action, args))
    if not rt.delivering:
        rt.delivering = True
        try:
            while rt.outbox:
                action, args = rt.outbox.popleft()
                action(*args)
        finally:
            rt.delivering = False


# --- a signal arrives ---------------------------------------------------------------------------------------------


def arrive(target: Process, reason: object, sender: Pid | None, by_link: bool) -> None:
    if reason is KILL and not by_link:
        if target.status != DEAD:
            kill(target)
    elif target.status >= EXITING:
        pass
    elif target.trapping:
        _trap(target, reason, sender)
    elif reason is not NORMAL or (sender == target.pid and not by_link):
        decide(target, reason, sender)


def _trap(target: Process, reason: object, sender: Pid | None) -> None:
    extra = target.extra
    if (
        extra is not None
        and extra.exit_sink is not None
        and sender is not None
        and extra.exit_sink(sender, reason)
    ):
        return
    by_parent = sender == target.parent and not (extra is not None and extra.free)
    if by_parent and target.behaviour.handle_info is not None:
        ask_to_stop(target, reason)
    else:
        put_message(target, Exit(sender if sender is not None else Pid(0), reason))


def ask_to_stop(target: Process, reason: object) -> None:
    """What the exit of its parent is to a server that traps exits: taken in its turn, but not by ``handle_info``."""
    request = Request(target, _nobody, None, "the parent's exit", system=True)
    put(target, (_parent_ended, (reason,), {}, request))


def _parent_ended(_server: object, reason: object) -> None:
    raise Stop(reason)


class _Nobody:
    """Stands where a caller's future would be."""

    def done(self) -> bool:
        return True


_nobody: Any = _Nobody()


# --- the exit is decided ------------------------------------------------------------------------------------------


def decide(process: Process, reason: object, sender: Pid | None) -> None:
    """An exit signal ends *process*: now if it rests, else as soon as its code lets go."""
    status = process.status
    if status >= ENDING:
        return
    extra = process.more()
    extra.exit_reason = reason
    extra.exit_sender = sender
    if sender is not None and sender == process.parent:
        parent = process.runtime.processes.get(sender)
        extra.unbounded = parent is not None and parent.behaviour.children is not None
    if status in ON_STACK and extra.task is None:
        process.status = (
            EXITING  # it is on the stack, or waits to be started: whoever runs it looks when it returns
        )
    elif extra.task is not None:
        process.status = EXITING
        _cut(process, extra, min(process.behaviour.shutdown, SIGNAL_GRACE))
    else:
        _bound(process, extra)
        end(process, reason)


def kill(process: Process) -> None:
    """``KILL`` has arrived: no ``terminate``, and no grace beyond ``KILL_GRACE``."""
    extra = process.more()
    on_stack = process.status in ON_STACK or process.status == EXITING or extra.begun
    extra.killed = True
    extra.exit_reason = KILLED
    if extra.task is not None:
        process.status = EXITING
        _cut(process, extra, KILL_GRACE)
    elif on_stack:
        process.status = EXITING
    else:
        finish(process, KILLED)


def _cut(process: Process, extra: Extra, grace: float) -> None:
    """Cancel its coroutine, once, and fence it when the grace is over."""
    rt = process.runtime
    assert extra.task is not None
    if extra.grace is not None:
        extra.grace.cancel()
    if extra.steps is None:
        if not extra.cut:
            extra.cut = True
            rt.dying += 1
        _wake_adopted(process, extra)
    elif not extra.cut:
        extra.cut = True
        extra.task.cancel()
    if extra.killed or not extra.unbounded:
        extra.grace = rt.loop.call_later(grace, _fence, process)


def _wake_adopted(process: Process, extra: Extra) -> None:
    """A task that isn't ours: where it waits in a function of regrow it gets a LinkedExit, else a cancellation."""
    assert extra.task is not None
    error = LinkedExit(extra.exit_sender or 0, extra.exit_reason)
    if extra.waiting_on is not None and extra.waiting_on.open:
        extra.waiting_on.fail(error)
    elif extra.receiver is not None and not extra.receiver[1].done():
        extra.receiver[1].set_exception(error)
    else:
        extra.task.cancel(str(error))


def _fence(process: Process) -> None:
    extra = process.extra
    if process.status == DEAD or extra is None or extra.task is None:
        return
    if extra.steps is None:  # an adopted task that will not end: it is dead to everybody else from here on
        reports.fenced(process, f"the asyncio task {extra.task.get_name()!r}")
        finish(process, extra.exit_reason)
        return
    reports.fenced(process, extra.steps.where())
    task = extra.task
    extra.steps.fence()
    task.cancel()


def _bound(process: Process, extra: Extra) -> None:
    """From here a signal's victim has its shutdown time for ``terminate``."""
    if (
        process.behaviour.terminate is not None
        and not extra.unbounded
        and process.behaviour.shutdown < INFINITE
    ):
        extra.grace = process.runtime.loop.call_later(process.behaviour.shutdown, _too_late, process)


def _too_late(process: Process) -> None:
    if process.status != DEAD:
        post(process.runtime, arrive, process, KILL, None, False)


# --- its code has come to an end ----------------------------------------------------------------------------------


def left(process: Process) -> None:
    """The code of a process whose exit was decided meanwhile has let go of it."""
    extra = process.more()
    extra.task = extra.steps = None
    extra.cut = False
    if extra.grace is not None:
        extra.grace.cancel()
        extra.grace = None
    if extra.killed:
        finish(process, KILLED)
    else:
        _bound(process, extra)
        end(process, extra.exit_reason)


def handler_failed(process: Process, error: BaseException, message: object = None) -> bool:
    """A handler raised. True if that was an answer, and the server lives on."""
    if process.status >= EXITING:
        left(process)
        return False
    request = process.request
    if request is not None and request.raises and isinstance(error, request.raises):
        request.fail(strip(error))
        return True
    if isinstance(error, Stop | ProcessExit):
        leave(process, error.reason, message)
    else:
        leave(process, error, message)
    return False


def leave(process: Process, reason: object, message: object = None) -> None:
    """*process* ends by its own doing: it asked to stop, or crashed."""
    if isinstance(reason, BaseException):
        if not is_clean(reason):
            reports.crashed(process, reason, message)
        reason = strip(shortened(reason))
    elif not is_clean(reason) and process.behaviour.handle_info is not None:
        reports.crashed(process, reason, message)
    if process.extra is not None:
        process.extra.task = process.extra.steps = None
    end(process, reason)


def shortened(error: BaseException) -> BaseException:
    """A chain of servers that fail each other keeps the root and one hop, not ten thousand."""
    if isinstance(error, ServerExited) and isinstance(error.reason, ServerExited):
        inner = error.reason
        if isinstance(inner.reason, ServerExited):
            error.reason = ServerExited(inner.reason.reason, inner.server, inner.request)
            error.args = (error.reason, error.server, error.request)
    return error


def end(process: Process, reason: object) -> None:
    """Nothing of *process* is under way any more: let it terminate, if its kind does, and be done."""
    if process.behaviour.terminate is None or process.server is None:
        finish(process, reason)
        return
    extra = process.more()
    extra.exit_reason = reason
    process.status = ENDING
    process.runtime.schedule(process)


def terminate(process: Process) -> None:
    """Run the ``terminate`` of a process that ``end`` has scheduled."""
    extra = process.more()
    extra.begun = True
    function = process.behaviour.terminate
    assert function is not None
    try:
        result = run_as(process, function, process.server, extra.exit_reason)
    except BaseException as error:
        _terminated(process, None, error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return
    if hasattr(result, "cr_frame"):
        start_steps(process, result, _terminated)
    else:
        _terminated(process, result, None)


def _terminated(process: Process, _result: Any, error: BaseException | None) -> None:
    extra = process.more()
    reason = extra.exit_reason
    if extra.killed:
        finish(process, KILLED)
        return
    if isinstance(error, Stop | ProcessExit):
        reason = error.reason
    elif error is not None:
        reports.crashed(process, error, "terminate")
        reason = strip(error)
    finish(process, reason)


# --- the world is told --------------------------------------------------------------------------------------------


def finish(process: Process, reason: object) -> None:
    """The last thing that happens to a process."""
    rt, pid, extra, server = process.runtime, process.pid, process.extra, process.server
    if process.status == DEAD:
        return
    process.status = DEAD
    del rt.processes[pid]
    mailbox, request = process.mailbox, process.request
    linked = process.linked
    process.linked = False
    process.mailbox = process.request = process.server = process.extra = None
    if rt.listeners:
        emit(rt, "process.exited", pid=pid, kind=process.behaviour.name, reason=reason)
    if extra is not None:
        if extra.names is not None:
            _free_names(rt, process, extra.names)
        _forget(extra)
        if extra.starter is not None and not extra.starter.done():
            extra.starter.set_exception(StartError(reason))
        if extra.held is not None:  # the reply of a stop: sent after terminate, and whatever terminate did
            asked, value = extra.held
            if extra.killed:
                fail(asked, process, reason)
            else:
                asked.reply(value)
    if request is not None:
        fail(request, process, reason)
    if extra is not None and extra.deferred:
        for deferred in extra.deferred:
            fail(deferred, process, reason)
    if mailbox is not None:
        for *_, waiting in mailbox:
            if waiting is not None:
                fail(waiting, process, reason)
    parent = rt.processes.get(process.parent) if process.parent is not None else None
    if parent is not None and parent.extra is not None:
        if linked:
            if parent.extra.links is not None:
                parent.extra.links.pop(pid, None)
            post(rt, arrive, parent, reason, pid, True)
        elif parent.extra.exit_sink is not None:  # a supervisor that stops counts the unlinked down too
            post(rt, parent.extra.exit_sink, pid, reason)
    if extra is not None:
        if extra.links:
            _tell_links(rt, pid, reason, extra.links)
        if extra.monitors:
            for callback in extra.monitors.values():
                post(rt, callback, process, reason)
    if process.behaviour.children is not None and server is not None:
        for child in process.behaviour.children(server):
            post(rt, _left_behind, rt, child, pid)


def fail(request: Request, process: Process, reason: object) -> None:
    """The server ended before it answered *request*."""
    if not request.future.done():
        request.fail(exited(process, reason, request.label))


def exited(process: Process, reason: object, label: str) -> ServerExited:
    """The error of a caller whose server ended with *reason*, from the root cause."""
    error = ServerExited(reason, f"<{process.behaviour.name} {process.pid}>", label)
    cause = reason
    if isinstance(cause, ServerExited) and isinstance(cause.__cause__, BaseException):
        cause = cause.__cause__
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    return error


def no_process(target: object, label: str = "") -> NoProcess:
    return NoProcess(NOPROC, target, label)


def _free_names(rt: Runtime, process: Process, names: list[Any]) -> None:
    for name in names:
        try:
            name.release(rt, process)
        except KeeperGone:  # and the name with it
            pass
        except Exception:  # a user's own via: it must not keep the dead from being dead
            logging.getLogger("regrow").exception("%r could not be taken from process %d", name, process.pid)


def _forget(extra: Extra) -> None:
    if extra.grace is not None:
        extra.grace.cancel()
    if extra.patience_timer is not None:
        extra.patience_timer.cancel()
    if extra.timers:
        for timer in extra.timers.values():
            timer.cancel()
    if extra.monitoring:
        for ref, target in extra.monitoring.items():
            if target is not None and target.extra is not None and target.extra.monitors is not None:
                target.extra.monitors.pop(ref, None)


def _tell_links(rt: Runtime, pid: Pid, reason: object, links: dict[Pid, Process]) -> None:
    for other in links.values():
        if other.parent == pid:
            other.linked = False
        elif other.extra is not None and other.extra.links is not None:
            other.extra.links.pop(pid, None)
        post(rt, arrive, other, reason, pid, True)


def _left_behind(rt: Runtime, child: Pid, supervisor: Pid) -> None:
    """Its supervisor is gone. Nobody stays: what the exit signal does not end within its shutdown time is killed."""
    process = rt.processes.get(child)
    if process is not None and process.parent in (supervisor, None) and process.status < EXITING:
        bound = min(process.behaviour.shutdown, SIGNAL_GRACE)
        rt.loop.call_later(bound, _too_late, process)
