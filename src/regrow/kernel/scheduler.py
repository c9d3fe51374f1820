"""Letting processes handle their messages: the run queue, and what follows when a handler is through.

A process with messages waits on the runtime's run queue. One loop callback works the queue off until it is empty or
the slice of time is over, so that timers, sockets and other tasks get their turn between. A plain handler runs
here and now; one that returned a coroutine takes its first step here too, goes on in a task of its own if that was
not the last, and the process takes its next message when it has ended. One message at a time, either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from contextvars import Context
from functools import partial
from time import monotonic
from types import CoroutineType
from typing import Any, Final

from regrow.kernel import death, probes
from regrow.kernel.mailbox import TIMEOUT, put
from regrow.kernel.process import (
    BUSY,
    ENDING,
    EXITING,
    IDLE,
    QUEUED,
    RUNNING,
    SETTLING,
    STARTING,
    SUSPENDED,
    WAITING,
    Deferred,
    Envelope,
    Extra,
    Process,
    Request,
)
from regrow.kernel.runtime import QUEUE_SLICE, Runtime, on_new_runtime
from regrow.kernel.steps import discard, run_as, start_steps

__all__ = ["NO_KEYWORDS", "answer", "message_done", "rest", "run", "settle"]

TURN: Final = 64
"""Messages that one process handles before the next gets its turn."""
NO_KEYWORDS: Final[dict[str, Any]] = {}


def run(rt: Runtime, seconds: float = QUEUE_SLICE) -> None:
    """The loop's callback: give the processes on the run queue their turns, until *seconds* are over.

    With no time at all, which is less than 0, it is one message of one process.
    """
    queue = rt.run_queue
    end = monotonic() + seconds
    try:
        while queue:
            process = queue.popleft()
            status = process.status
            if status == QUEUED:
                context = process.context.copy()
                context.run(_turns, process, end, context)
            elif status == ENDING:
                if not process.more().begun:
                    death.terminate(process)
            elif status == SUSPENDED:
                _system_messages(process)
            elif (
                status in (STARTING, EXITING) and process.extra is not None and process.extra.boot is not None
            ):
                boot, process.extra.boot = process.extra.boot, None
                boot()
            if monotonic() >= end:
                break
    finally:
        if queue:
            rt.loop.call_soon(rt.scheduler, rt)
        else:
            rt.armed = False


on_new_runtime(lambda rt: setattr(rt, "scheduler", run))


def _turns(process: Process, end: float, context: Context) -> None:
    """The turn of *process*, and of those next in the queue that have the same context, as long as it is empty.

    The children of one supervisor have the same, and most have nothing in it; to enter one takes as long as a short
    handler. Of one that is not empty nobody can say that it is as it was: an equal value may be another object.

    A turn is over when there are no messages left, *TURN* of them have been handled, the context is not as it was,
    time is over, or one is not done at once.
    """
    rt, base = process.runtime, process.context
    queue, shared = rt.run_queue, not base
    try:
        while True:
            server, mailbox, left, changed = process.server, process.mailbox, TURN, False
            while mailbox:
                rt.current = process
                envelope = mailbox.popleft()
                function, args, kwargs, request = envelope
                if function is None:
                    function, args, kwargs = process.behaviour.handle_info, (args,), NO_KEYWORDS
                    if rt.probes:
                        function = probes.sending(process, function or _no_handler, "handle_info", "info")
                process.status = RUNNING
                extra = process.extra
                if extra is not None and (extra.patience_timer or extra.debug or extra.alarmed):
                    _before(process, extra, envelope)
                process.request = request
                try:
                    # Each way says the least that it can: to unpack a tuple or a dict takes as long as a short handler.
                    if kwargs:
                        result = function(server, *args, **kwargs)  # type: ignore[misc]  # a server has its handle_info
                    elif len(args) == 1:
                        result = function(server, args[0])  # type: ignore[misc]  # as above
                    else:
                        result = function(server, *args)  # type: ignore[misc]  # as above
                except BaseException as error:
                    rt.current = None
                    if not handler_raised(process, error, envelope):
                        return
                    result = None
                    request = None
                if result is not None or request is not None or process.status != RUNNING:
                    # Whatever comes now, of a first step say, it is not the process's own doing.
                    rt.current = None
                    if type(result) is CoroutineType:
                        _go_on(process, result, envelope)
                        return
                    answer(process, request, result)
                    if not settle(process, envelope, result):
                        return
                    result = None  # a Reply that nobody keeps fails its caller now, and not a handler later
                    mailbox = process.mailbox
                left -= 1
                # The next message gets a fresh one.
                changed = bool(context) if shared else _differ(context, base)
                if not mailbox or not left or changed or monotonic() >= end:
                    break
            rt.current = None
            # As ``rest`` does for one that has nothing to remember.
            if not mailbox and process.extra is None and process.status == RUNNING:
                process.mailbox, rt.spare = None, mailbox
                process.status = IDLE
            else:
                rest(process)
            if changed or not shared or not queue or monotonic() >= end:
                return
            envelope = args = None  # type: ignore[assignment]  # the next process need not keep them alive
            process = queue[0]
            if process.status != QUEUED or process.context is not base:
                return
            queue.popleft()
    finally:
        rt.current = None


def _differ(one: Context, other: Context) -> bool:
    try:
        return one != other
    except Exception:  # by values that don't let themselves be compared
        return True


def _go_on(process: Process, coroutine: Coroutine[Any, Any, Any], envelope: Envelope) -> None:
    """The handler is asynchronous: it goes on in a task, if its first step is not its last."""
    if process.status >= EXITING:  # it was told to end while it was still plain
        discard(coroutine)
        death.left(process)
    else:
        process.status = BUSY
        start_steps(process, coroutine, partial(message_done, envelope=envelope))


def handler_raised(process: Process, error: BaseException, envelope: Envelope) -> bool:
    """As ``death.handler_failed``; what wants to end the program goes on to the loop when the process is dead."""
    lives = death.handler_failed(process, error, envelope)
    if lives:
        process.request = None
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return lives


def message_done(process: Process, result: Any, error: BaseException | None, envelope: Envelope) -> None:
    """A handler that went on in a task has ended."""
    extra = process.more()
    if process.status >= EXITING:
        death.left(process)
        return
    extra.task = extra.steps = None
    if error is not None:
        if not death.handler_failed(process, error, envelope):
            return
        process.request = None
    else:
        answer(process, process.request, result)
    if settle(process, envelope, result):
        rest(process)


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


def _no_handler(*_: object) -> None:
    raise AssertionError("servers have a handle_info, and nobody else is sent to")


def _before(process: Process, extra: Extra, envelope: Envelope) -> None:
    """A message is about to be handled: it ends a receive time-out, or, from ``sys``, starts it afresh."""
    process.status = SETTLING
    request = envelope[3]
    system = request is not None and request.system
    if extra.patience_timer is not None:
        extra.patience_timer.cancel()
        extra.patience_timer = None
    if not system:
        extra.patience = None
        if extra.debug is not None:
            extra.debug.received(process, envelope)


def _patience_over(process: Process) -> None:
    extra = process.extra
    if extra is None or extra.patience_timer is None:
        return
    extra.patience_timer = extra.patience = None
    if not process.mailbox and process.status == WAITING:
        put(process, (None, TIMEOUT, None, None))


# --- suspended: only system messages, and the parent's exit -------------------------------------------------------


def _suspend(process: Process) -> bool:
    process.status = SUSPENDED
    extra = process.extra
    if extra is not None and extra.patience_timer is not None:  # it starts afresh when the server goes on
        extra.patience_timer.cancel()
        extra.patience_timer = None
    if any(request is not None and request.system for *_, request in process.mailbox or ()):
        process.runtime.schedule(process)
    return True


def _system_messages(process: Process) -> None:
    """Handle the first system message of a suspended process, and leave the others in their order."""
    for place, envelope in enumerate(process.mailbox or ()):
        function, args, _kwargs, request = envelope
        if request is not None and request.system and function is not None and process.mailbox is not None:
            del process.mailbox[place]
            break
    else:
        return
    process.status = RUNNING
    process.request = request
    try:
        result = run_as(process, function, process.server, *args)
    except BaseException as error:
        if not handler_raised(process, error, envelope):
            return
        result = None
    if type(result) is CoroutineType:
        process.status = BUSY
        start_steps(process, result, partial(message_done, envelope=envelope))
        return
    answer(process, process.request, result)
    if settle(process, envelope, result):
        rest(process)
