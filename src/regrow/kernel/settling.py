"""What follows when a handler is through: its reply, what it asked for beside it, and rest.

A plain handler is through when it returns. An asynchronous one goes on in a task of its own, and is through when that
has ended: ``go_on`` begins it, and ``Handling`` comes to the same end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any

from regrow.kernel import death
from regrow.kernel.mailbox import TIMEOUT, put
from regrow.kernel.process import (
    BUSY,
    EXITING,
    IDLE,
    QUEUED,
    STARTING,
    SUSPENDED,
    WAITING,
    Deferred,
    Envelope,
    Process,
    Request,
)
from regrow.kernel.steps import Steps, begin, discard

__all__ = ["Handling", "answer", "go_on", "is_settled", "rest", "settle"]


class Handling(Steps):
    """The steps of an asynchronous handler, which handles *envelope*."""

    __slots__ = ("envelope",)

    def __init__(self, process: Process, coroutine: Coroutine[Any, Any, Any], envelope: Envelope) -> None:
        self.process = process
        self.coroutine = coroutine
        self.envelope = envelope
        self.begun = self.fenced = False

    def conclude(self, process: Process, result: Any, error: BaseException | None) -> None:
        extra = process.more()
        if process.status >= EXITING:
            death.left(process)
            return
        extra.task = extra.steps = None
        request = process.request
        if error is not None:
            if not death.handler_failed(process, error, self.envelope):
                return
            process.request = None
        elif (
            request is not None
            and process.mailbox is None
            and extra.stopping is None
            and extra.continuation is None
            and extra.patience is None
            and extra.debug is None
            and not extra.suspended
            and not extra.alarmed
            and not isinstance(result, Deferred)
        ):
            # The usual end: ``answer``, ``settle`` and ``rest`` in one, for there is nothing else to do.
            process.request = None
            process.status = IDLE
            request.reply(result)
            return
        else:
            answer(process, request, result)
        if settle(process, self.envelope, result):
            rest(process)


def go_on(process: Process, coroutine: Coroutine[Any, Any, Any], envelope: Envelope) -> None:
    """The handler is asynchronous: it goes on in a task, if its first step is not its last."""
    handling = Handling(process, coroutine, envelope)
    if process.status >= EXITING:  # it was told to end while it was still plain
        discard(coroutine)
        death.left(process)
    else:
        process.status = BUSY
        begin(handling)


def answer(process: Process, request: Request | None, result: Any) -> None:
    """The handler returned *result*: that is the reply, or the promise of one. The dead don't reply."""
    if request is None or process.status >= EXITING:
        return
    process.request = None
    if isinstance(result, Deferred):
        request.deferred = True
        extra = process.more()
        if extra.deferred is None:
            extra.deferred = set()
        extra.deferred.add(request)
        result.take(request)
    elif process.extra is not None and process.extra.stopping is not None:
        process.extra.held = (request, result)
    else:
        request.reply(result)


def settle(process: Process, envelope: Envelope, result: Any) -> bool:
    """Do what the handler asked for beside its reply. False if the process ended by it."""
    extra = process.extra
    if process.status >= EXITING:
        death.left(process)
        return False
    if extra is None:
        return True
    if extra.debug is not None:
        extra.debug.handled(process, envelope, result)
    if extra.stopping is not None:
        (reason,) = extra.stopping
        extra.stopping = None
        death.leave(process, reason, envelope)
        return False
    if extra.continuation is not None:
        term, extra.continuation = extra.continuation[0], None
        put_first(process, (process.behaviour.handle_continue, (term,), {}, None))
    if extra.patience is not None and extra.patience_timer is None:
        extra.patience_timer = process.runtime.loop.call_later(extra.patience, _patience_over, process)
    if extra.alarmed and len(process.mailbox or ()) < (process.behaviour.max_mailbox or 0):
        extra.alarmed = False
    return not (extra.suspended and _suspend(process))


def is_settled(process: Process) -> bool:
    """Whether there is nothing for ``settle`` to do, and no more for ``rest`` than to let it rest, with no mail."""
    extra = process.extra
    return process.status < EXITING and (
        extra is None
        or (
            extra.stopping is None
            and extra.continuation is None
            and extra.patience is None
            and extra.debug is None
            and not extra.suspended
            and not extra.alarmed
        )
    )


def rest(process: Process) -> None:
    """The turn is over: back to the queue if there is more, else to rest."""
    if process.status >= STARTING:
        return
    extra = process.extra
    if process.mailbox:
        process.status = QUEUED
        process.runtime.schedule(process)
        return
    process.mailbox = None
    if extra is not None and (extra.patience_timer is not None or extra.debug is not None):
        process.status = WAITING
    else:
        process.status = IDLE


def put_first(process: Process, envelope: Envelope) -> None:
    """Put *envelope* before all others; the caller gives the process its turn."""
    if process.mailbox is None:
        process.mailbox = deque()
    process.mailbox.appendleft(envelope)


def _suspend(process: Process) -> bool:
    process.status = SUSPENDED
    extra = process.extra
    if extra is not None and extra.patience_timer is not None:  # it starts afresh when the server goes on
        extra.patience_timer.cancel()
        extra.patience_timer = None
    if any(request is not None and request.system for *_, request in process.mailbox or ()):
        process.runtime.schedule(process)
    return True


def _patience_over(process: Process) -> None:
    extra = process.extra
    if extra is None or extra.patience_timer is None:
        return
    extra.patience_timer = extra.patience = None
    if not process.mailbox and process.status == WAITING:
        put(process, (None, TIMEOUT, None, None))
