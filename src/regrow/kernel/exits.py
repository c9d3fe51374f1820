"""How an exit is decided: a signal arrives, and the process is told to end, or killed.

A signal is looked at when it arrives, by the receiver's state of that moment:

============================  ======================  ==========================
signal                        not trapping exits      trapping exits
============================  ======================  ==========================
``KILL``, sent by ``exit``    dies ``KILLED``         dies ``KILLED``
``NORMAL``, from another      ignored                 the message ``Exit``
``NORMAL``, to oneself        dies ``NORMAL``         the message ``Exit``
any other, or from a link     dies of that reason     the message ``Exit``
============================  ======================  ==========================

A server that traps exits ends when its parent does, whatever the reason.

From the moment of ``decide`` the process handles nothing more. Code of it that is under way gets one cancellation, so
that its ``finally`` runs, and a bounded grace; then it is fenced. A plain handler can't be cut, so there the end comes
when it returns. What follows is ``death``'s story.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from regrow.kernel import outbox, reports
from regrow.kernel.death import bound, end, finish
from regrow.kernel.errors import LinkedExit, Stop
from regrow.kernel.mailbox import Exit, put, put_message
from regrow.kernel.process import BUSY, DEAD, ENDING, EXITING, ON_STACK, Extra, Pid, Process, Request
from regrow.kernel.reasons import KILL, KILLED, NORMAL

__all__ = ["arrive", "ask_to_stop", "decide", "kill"]

KILL_GRACE: Final = 0.1
"""Seconds that a killed process's coroutine has for its ``finally`` before it is fenced."""
SIGNAL_GRACE: Final = 5.0
"""The same for any other exit signal, unless the process's own shutdown time is shorter."""
UNDER_WAY: Final = (*ON_STACK, BUSY)
"""Some code of the process is on the stack, or in its task if it has one."""


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
    sink = None if extra is None else extra.exit_sink
    if sink is not None and sender is not None and sink(sender, reason):
        return
    by_parent = sender == target.parent and not (extra is not None and extra.free)
    if by_parent and target.behaviour.handle_info is not None:
        ask_to_stop(target, reason)
    else:
        put_message(target, Exit(sender if sender is not None else Pid(0), reason))


def ask_to_stop(target: Process, reason: object, taken: Callable[[], None] | None = None) -> None:
    """What the exit of its parent is to a server that traps exits: taken in its turn, but not by ``handle_info``.

    *taken* is called when its turn has come.
    """
    request = Request(target, _nobody, None, "the parent's exit", system=True)
    put(target, (_parent_ended, (reason, taken), {}, request))


def _parent_ended(_server: object, reason: object, taken: Callable[[], None] | None) -> None:
    if taken is not None:
        taken()
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
    if status > ENDING:
        return
    extra = process.more()
    if sender is not None and sender == process.parent:
        parent = process.runtime.processes.get(sender)
        extra.unbounded = parent is not None and parent.behaviour.children is not None
    if status == ENDING:  # by its own doing, and of that reason; from now on it has its shutdown time for it
        if extra.grace is None:
            bound(process, extra)
        return
    extra.exit_reason = reason
    extra.exit_sender = sender
    if status in UNDER_WAY and extra.task is None:
        # It is on the stack, waits to be started, or its task is being made: whoever does that looks afterwards.
        process.status = EXITING
    elif extra.task is not None:
        process.status = EXITING
        _cut(process, extra, min(process.behaviour.shutdown, SIGNAL_GRACE))
    else:
        bound(process, extra)
        end(process, reason)


def kill(process: Process) -> None:
    """``KILL`` has arrived: no ``terminate``, and no grace beyond ``KILL_GRACE``."""
    extra = process.more()
    on_stack = process.status in UNDER_WAY or process.status == EXITING or extra.begun
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
            rt.heed()
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


outbox.on_arrival(arrive)
