"""Letting processes handle their messages: the run queue.

A process with messages waits on the runtime's run queue. One loop callback works the queue off until it is empty or
the slice of time is over, so that timers, sockets and other tasks get their turn between. A plain handler runs
here and now; one that returned a coroutine takes its first step here too, goes on in a task of its own if that was
not the last, and the process takes its next message when it has ended. One message at a time, either way.
"""

from __future__ import annotations

from contextvars import Context
from time import monotonic
from types import CoroutineType
from typing import Any, Final

from regrow.kernel import death, probes
from regrow.kernel.process import (
    ENDING,
    EXITING,
    IDLE,
    QUEUED,
    RUNNING,
    SETTLING,
    STARTING,
    SUSPENDED,
    Envelope,
    Extra,
    Process,
)
from regrow.kernel.runtime import QUEUE_SLICE, Runtime, on_new_runtime
from regrow.kernel.settling import answer, go_on, rest, settle
from regrow.kernel.steps import run_as

__all__ = ["NO_KEYWORDS", "run"]

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
            # What was made since it was looked at may have run a finalizer, which ended it.
            if process.status != QUEUED:
                mailbox = None
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
                        go_on(process, result, envelope)
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


def handler_raised(process: Process, error: BaseException, envelope: Envelope) -> bool:
    """As ``death.handler_failed``; what wants to end the program goes on to the loop when the process is dead."""
    lives = death.handler_failed(process, error, envelope)
    if lives:
        process.request = None
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return lives


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


# --- suspended: only system messages, and the parent's exit -------------------------------------------------------


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
        go_on(process, result, envelope)
        return
    answer(process, process.request, result)
    if settle(process, envelope, result):
        rest(process)
