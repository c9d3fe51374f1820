"""A call: client and server meet, on the client's stack if it can be, through the mailbox if it must.

*Inline*: the server is idle and nothing is undelivered for it, its handler is plain, and the slice of time is not
over. Then the handler runs here and now, as the server, in the server's context. *Queued*: the call lies in the
mailbox and the client waits for a future. No program can tell one from the other: a crash is the server's death
first, and the client takes its own pending exit before it sees a reply or an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType, FrameType
from typing import Any, Final

from regrow.kernel import death
from regrow.kernel.adoption import current_process, who_asks
from regrow.kernel.errors import CallingSelf, Deadlock
from regrow.kernel.mailbox import put
from regrow.kernel.probes import asking, sending
from regrow.kernel.process import DEAD, EXITING, IDLE, INLINE, Envelope, Process, Request
from regrow.kernel.runtime import Runtime
from regrow.kernel.settling import answer, go_on, rest, settle
from regrow.kernel.timers import expire_after, expire_now, forget_expiry
from regrow.servers.reply import Reply

__all__ = [
    "DEFAULT_TIMEOUT",
    "NOT_DONE",
    "Raised",
    "ask",
    "conclude",
    "inline_returned",
    "meet",
    "run_inline",
    "wait",
]

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds that a call waits if nothing is said."""


class Raised:
    """What a handler raised, on its way from ``run_inline`` to ``conclude``."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Returned:
    """A plain result that has to go the way of a request, since there is more to do than to hand it over."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


NOT_DONE: Final = frozenset((CoroutineType, Reply, Raised, Returned))
"""The types of what ``run_inline`` gives that is not the reply yet: hand it to ``conclude``."""


def run_inline(process: Process, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a handler of an idle *process* on the stack of whoever asks."""
    rt = process.runtime
    before = rt.current
    process.status = INLINE
    rt.current = process
    try:
        result = process.context.copy().run(function, process.server, *args, **kwargs)
    except BaseException as error:
        rt.current = before
        return Raised(error)
    rt.current = before
    return inline_returned(process, before, (function, args, kwargs, None), result)


def inline_returned(process: Process, before: Process | None, envelope: Envelope, result: Any) -> Any:
    """The handler of an inline call returned *result*: what that comes to, and the server is at rest again."""
    if process.status == INLINE and process.mailbox is None and process.request is None:
        if type(result) not in NOT_DONE:
            process.status = IDLE
    else:
        result = _settled(process, envelope, result)
    rt = process.runtime
    if (rt.dying or (before is not None and before.status >= EXITING)) and type(result) not in NOT_DONE:
        who_asks(rt)  # its own exit comes before the reply
    return result


def _settled(process: Process, envelope: Envelope, result: Any) -> Any:
    """The handler of an inline call left something to do: its reply may have to wait for that."""
    if type(result) in NOT_DONE:
        return result
    stopping = process.extra is not None and process.extra.stopping is not None
    if stopping or process.status >= EXITING or process.request is not None:
        return Returned(result)
    if settle(process, envelope, result):
        rest(process)
    return result


def conclude(
    process: Process,
    caller: Process | None,
    envelope: Envelope,
    result: Any,
    timeout: float | None,
    raises: tuple[type[Exception], ...],
    label: str,
) -> Coroutine[Any, Any, Any]:
    """An inline call whose handler is not done, or raised: from here on it is a request like any other.

    Gives what *caller*, who may be no process, has to await.
    """
    rt = process.runtime
    request = process.request
    if request is None:
        request = Request(process, rt.loop.create_future(), caller, label, raises)
        process.request = request
    else:  # a Reply made in the handler has asked for it already
        request.caller, request.label, request.raises = caller, label, raises
    if type(result) is Raised:
        error = result.error
        if death.handler_failed(process, error, envelope):
            process.request = None
            if settle(process, envelope, None):
                rest(process)
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            request.future.cancel()
            raise error
        del error
    elif type(result) is CoroutineType:
        if caller is not None:  # by its first step, which may be taken now, it may close a circle
            caller.more().waiting_on = request
        go_on(process, result, envelope)
    else:
        answer(process, request, result.value if type(result) is Returned else result)
        if settle(process, envelope, result):
            rest(process)
    if request.future.done():
        rt.arm_slice()
    else:
        rt.end_slice()
    return wait(request, caller, timeout)


def meet(
    process: Process,
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    timeout: float | None,
    raises: tuple[type[Exception], ...],
    label: str,
    frame: FrameType,
    *,
    probed: bool = False,
) -> Any:
    """Call *function* of the server *process*: gives its reply, or a coroutine that has to be awaited for it.

    *frame* is whose stack it may use. No function of a server replies with a coroutine, so one is never the other.
    """
    rt = process.runtime
    rt.check(process)
    caller = who_asks(rt)
    if process.status == DEAD or death.is_outlived(process):
        raise death.no_process(repr(process), label)
    if caller is process:
        raise CallingSelf(
            f"{process!r} called itself by {label} and would wait for itself for ever. "
            f"On self, `await self.{label}(...)` runs the function at once"
        )
    if rt.probes and not probed:
        return _probed(process, function, args, kwargs, timeout, raises, label, frame)
    # Looked at last: what comes before it might make garbage be collected, and a finalizer end the process.
    if timeout != 0 and process.status == IDLE and rt.may_inline(frame) and process.status == IDLE:
        try:
            result = run_inline(process, function, args, kwargs)
        except BaseException:
            rt.arm_slice()
            raise
        if type(result) not in NOT_DONE:
            if not rt.slice_armed:
                rt.arm_slice()
            return result
        return conclude(process, caller, (function, args, kwargs, None), result, timeout, raises, label)
    if caller is not None:
        refuse_circle(caller, process)
    request = Request(process, rt.loop.create_future(), caller, label, raises)
    put(process, (function, args, kwargs, request))
    _refuse_the_lost(process, request)
    return wait(request, caller, timeout)


async def _probed(
    process: Process,
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    timeout: float | None,
    raises: tuple[type[Exception], ...],
    label: str,
    frame: FrameType,
) -> Any:
    """The same, while somebody watches calls."""
    over = asking(process, label)
    try:
        function = sending(process, function, label, "call")
        reply = meet(process, function, args, kwargs, timeout, raises, label, frame, probed=True)
        if type(reply) is CoroutineType:
            reply = await reply
    except BaseException as error:
        over(error)
        raise
    over(None)
    return reply


async def ask(
    process: Process, function: Callable[..., Any], *args: Any, timeout: float | None, label: str
) -> Any:
    """A system message: handled in its turn, also by a suspended server."""
    rt = process.runtime
    rt.check(process)
    caller = who_asks(rt)
    if process.status == DEAD or death.is_outlived(process):
        raise death.no_process(repr(process), label)
    if caller is process:
        raise CallingSelf(f"{process!r} called itself by {label} and would wait for itself for ever")
    if caller is not None:
        refuse_circle(caller, process)
    request = Request(process, rt.loop.create_future(), caller, label, system=True)
    put(process, (function, args, {}, request))
    _refuse_the_lost(process, request)
    waiting = wait(request, caller, timeout)
    del request  # it will hold the exception, and the exception this frame
    return await waiting


async def wait(request: Request, caller: Process | None, timeout: float | None) -> Any:
    future = request.future
    if timeout == 0:
        expire_now(request, 0)
    elif timeout is not None and not future.done():
        expire_after(request.target.runtime, request, timeout)
    if caller is not None:
        (caller.extra or caller.more()).waiting_on = request
    try:
        if caller is not None and caller.status >= EXITING and future.done():
            await asyncio.sleep(
                0
            )  # on its own stack it came to this: let the cancellation of its task come out here
        return await future
    finally:
        if request.expiry is not None:
            forget_expiry(request)
        target = request.target
        if request.deferred and target.extra is not None and target.extra.deferred is not None:
            target.extra.deferred.discard(request)
        if caller is not None:
            if caller.extra is not None:
                caller.extra.waiting_on = None
            if caller.status >= EXITING:
                current_process(target.runtime)  # raises what ends the caller, before it sees reply or error
        del future, request  # they hold the exception, and the exception this frame


def _refuse_the_lost(process: Process, request: Request) -> None:
    """NoProcess if *process* was dead when *request* came: one may be ended by a finalizer while that is made."""
    if process.status == DEAD and request.open:
        raise death.no_process(repr(process), request.label)


def refuse_circle(caller: Process, target: Process) -> None:
    """Deadlock if *target* waits, over any number of calls, for *caller*."""
    at, circle = target, [caller, target]
    while at.extra is not None and (waiting := at.extra.waiting_on) is not None:
        if waiting.deferred or not waiting.open:
            return
        at = waiting.target
        circle.append(at)
        if at is caller:
            raise Deadlock([repr(each) for each in circle])


def who_asks_quietly(rt: Runtime) -> Process | None:
    """Who waits for the answer, also if its exit is decided: the waiting takes care of that."""
    process = rt.current
    if process is None and rt.tasks:
        task = asyncio.current_task(rt.loop)
        process = rt.tasks.get(task) if task is not None else None
    return process
