"""How a process ends, once that is decided: its code lets go, ``terminate`` runs, the world is told.

An end comes from within (a handler asked to stop, or crashed: ``leave``) or from without (an exit signal, and the
code that was under way has let go: ``left``). Nothing of the process runs then. ``terminate`` does, if its kind has
one; and only after that it is ``finish``\\ ed: names freed, callers failed, links and monitors told.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Final

from regrow.kernel import reports
from regrow.kernel.compaction import compact, is_due
from regrow.kernel.errors import KeeperGone, NoProcess, ProcessExit, ServerExited, StartError, Stop
from regrow.kernel.events import emit
from regrow.kernel.names import release
from regrow.kernel.outbox import post, post_exit
from regrow.kernel.process import DEAD, ENDING, EXITING, Envelope, Extra, Pid, Process, Request
from regrow.kernel.reasons import KILL, KILLED, NOPROC, is_clean, strip
from regrow.kernel.runtime import Runtime
from regrow.kernel.steps import discard, run_as, start_steps

__all__ = [
    "bound",
    "end",
    "exited",
    "finish",
    "handler_failed",
    "is_outlived",
    "leave",
    "left",
    "no_process",
    "shortened",
    "terminate",
]

LEFT_BEHIND_GRACE: Final = 5.0
"""Seconds that a child has to end whose supervisor was killed, unless its own shutdown time is shorter."""


def bound(process: Process, extra: Extra) -> None:
    """From here a signal's victim has its shutdown time for ``terminate``."""
    behaviour = process.behaviour
    if behaviour.terminate is not None and behaviour.shutdown != float("inf") and not extra.unbounded:
        extra.grace = process.runtime.loop.call_later(behaviour.shutdown, _too_late, process)


def _too_late(process: Process) -> None:
    if process.status != DEAD:
        post_exit(process, KILL, None, by_link=False)


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
        bound(process, extra)
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
    if process.status >= EXITING:  # killed while it was plain
        discard(result)
        _terminated(process, None, None)
    elif hasattr(result, "cr_frame"):
        start_steps(process, result, _terminated)
    else:
        _terminated(process, result, None)


def _terminated(process: Process, _result: Any, error: BaseException | None) -> None:
    extra = process.more()
    reason = extra.exit_reason
    if extra.killed:
        left(process)
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
    if process.status == DEAD or (process.behaviour.children is not None and _outlived(process, reason)):
        return
    rt, pid, extra = process.runtime, process.pid, process.extra
    server = process.server  # it goes last: a Reply that it kept is not dropped before its caller is told why
    process.status = DEAD
    del rt.processes[pid]
    if is_due(pid):
        compact(rt.processes)
    mailbox, request = process.mailbox, process.request
    linked = process.linked
    process.linked = False
    process.mailbox = process.request = process.server = process.extra = None
    if rt.listeners:
        emit(rt, "process.exited", pid=pid, kind=process.behaviour.name, reason=reason)
    if extra is not None:
        if extra.name is not None:
            _free_names(process, [extra.name, *(extra.names or ())])
        _forget(extra)
        if extra.starter is not None and not extra.starter.done():
            extra.starter.set_exception(StartError(reason))
        if extra.held is not None:  # the reply of a stop: sent after terminate, and whatever terminate did
            asked, value = extra.held
            if extra.killed:
                fail(asked, process, reason)
            else:
                asked.reply(value)
    _fail_callers(process, reason, request, extra, mailbox)
    parent = rt.processes.get(process.parent) if process.parent is not None else None
    if parent is not None and parent.extra is not None:
        if linked:
            if parent.extra.links is not None:
                parent.extra.links.pop(pid, None)
                if is_due(pid):
                    compact(parent.extra.links)
            post_exit(parent, reason, pid, by_link=True)
        elif parent.extra.exit_sink is not None:  # a supervisor that stops counts the unlinked down too
            post(rt, parent.extra.exit_sink, pid, reason)
    if extra is not None:
        if extra.links:
            _tell_links(rt, pid, reason, extra.links)
        if extra.monitors:
            for callback in extra.monitors.values():
                post(rt, callback, process, reason)
    del server


def is_outlived(process: Process) -> bool:
    """Whether it is a supervisor that waits for its children's end alone: to callers it is dead."""
    return process.status == EXITING and process.extra is not None and bool(process.extra.outlived)


def _outlived(process: Process, reason: object) -> bool:
    """Whether children of a supervisor, which was killed, still live: they are told, and the last to go ends it too."""
    extra = process.more()
    if extra.outlived is None:
        left = _children(process, extra)
        extra.outlived = {child.pid for child in left}
        if left:
            process.status = EXITING
            for child in left:
                _wait_for(process, child, reason)
            _fail_callers(
                process, reason, process.request, extra, process.mailbox
            )  # a child may be among them
            for child in left:
                if extra.links is not None:
                    extra.links.pop(child.pid, None)
            _tell_links(process.runtime, process.pid, reason, {child.pid: child for child in left})
            for child in left:
                post(process.runtime, _hurry, child)
    return bool(extra.outlived) or process.status == DEAD  # the last may have gone at once


def _children(supervisor: Process, extra: Extra) -> list[Process]:
    """Its living children: those in its table, and one that is being started, which is linked with it."""
    living = supervisor.runtime.processes
    children, server = supervisor.behaviour.children, supervisor.server
    found = {child.pid: child for child in (extra.links or {}).values() if child.parent == supervisor.pid}
    if children is not None and server is not None:
        found.update((pid, living[pid]) for pid in children(server) if pid in living)
    return list(found.values())


def _wait_for(supervisor: Process, child: Process, reason: object) -> None:
    extra = child.more()
    if extra.monitors is None:
        extra.monitors = {}

    def gone(_child: Process, _reason: object) -> None:
        outlived = supervisor.more().outlived
        assert outlived is not None
        outlived.remove(child.pid)
        if not outlived:
            finish(supervisor, reason)

    extra.monitors[-supervisor.pid] = gone  # the references of all others are above 0


def _hurry(child: Process) -> None:
    """What the exit signal has not ended within its shutdown time is killed."""
    if child.status != DEAD:
        child.runtime.loop.call_later(min(child.behaviour.shutdown, LEFT_BEHIND_GRACE), _too_late, child)


def _fail_callers(
    process: Process,
    reason: object,
    request: Request | None,
    extra: Extra | None,
    mailbox: deque[Envelope] | None,
) -> None:
    if request is not None:
        fail(request, process, reason)
    if extra is not None and extra.deferred:
        for deferred in extra.deferred:
            fail(deferred, process, reason)
    if mailbox is not None:
        for *_, waiting in mailbox:
            if waiting is not None:
                fail(waiting, process, reason)


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


def _free_names(process: Process, names: list[Any]) -> None:
    for name in names:
        try:
            release(process, name)
        except (KeeperGone, ProcessExit):
            pass  # the name goes with its keeper; or who runs now may not act any more
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
        post_exit(other, reason, pid, by_link=True)
