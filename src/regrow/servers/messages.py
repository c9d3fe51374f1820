"""How a message leaves a handle: the methods that stand there for the calls and the casts of its server.

Each takes what its handler takes, so it is compiled from one of the texts below with the handler's own parameters
in it, as a dataclass gets its ``__init__``. One with ``*args, **kwargs`` would pack what it is given and unpack it
again, a third of what a call costs; and so wrong arguments are refused by the line that gives them, before anything
is sent. (What a decorator's ``*args`` takes is seen only in the server.)

In the texts ``$parameters`` stands for ``/, cell, mark=_defaults['mark']``, say, ``$passed`` for ``, cell, mark``, and
``$args, $kwargs`` for ``(cell, mark), NO_KEYWORDS``, which is what an envelope holds. ``compiling`` puts them there.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from inspect import CO_COROUTINE, CO_VARARGS
from sys import _getframe, exception
from time import monotonic
from types import CoroutineType, FrameType, FunctionType
from typing import Any

from regrow.kernel import death, names
from regrow.kernel.adoption import who_asks
from regrow.kernel.mailbox import put
from regrow.kernel.probes import sending
from regrow.kernel.process import DEAD, EXITING, IDLE, INLINE, QUEUED, Process, Request
from regrow.kernel.runtime import runtime
from regrow.kernel.scheduler import NO_KEYWORDS
from regrow.kernel.settling import go_on
from regrow.servers.calls import Call, Cast, Default
from regrow.servers.compiling import compiled, text_here
from regrow.servers.rendezvous import (
    DEFAULT_TIMEOUT,
    NOT_DONE,
    Raised,
    conclude,
    inline_returned,
    meet,
    wait,
    who_asks_quietly,
)

__all__ = ["Named", "calling", "casting", "refuse_another_kind"]

UNRESOLVED = -1


class Named:
    """Stands in a handle where a process would: a name, or a call that may not run inline."""

    __slots__ = ("found", "name")
    status = UNRESOLVED

    def __init__(self, name: Any, found: Process | None = None) -> None:
        self.name = name
        self.found = found

    def resolve(self) -> Process | None:
        return self.found if self.found is not None else names.find(runtime(), self.name)


CALL = text_here("""
async def message(self, $parameters):
    process = self._target
    frame = _getframe(1)
    # The fast path of ``meet`` and ``run_inline``, written out: an idle server, and a slice opened by this frame.
    if (
        process.status != IDLE
        or frame is not (rt := process.runtime).slice_frame
        or exception() is not None
        or monotonic() >= rt.slice_end
        or ((before := rt.current) is not None and before.status >= EXITING)
        or never_inline
    ):
        result = otherwise(self, $args, $kwargs, frame)
        return await result if type(result) is CoroutineType else result
    process.status = INLINE
    rt.current = process
    try:
        result = process.context.copy().run(function, process.server$passed)
    except BaseException as error:
        rt.current = before
        result = Raised(error)
    else:
        rt.current = before
        if (
            type(result) not in NOT_DONE
            and process.status == INLINE
            and process.mailbox is None
            and process.request is None
            and not rt.alert
            and (before is None or before.status < EXITING)
        ):
            process.status = IDLE
            return result
        result = inline_returned(process, before, (function, $args, $kwargs, None), result)
    if type(result) not in NOT_DONE:
        return result
    timeout = usual if self._timeout is ... else self._timeout
    caller, envelope = who_asks_quietly(rt), (function, $args, $kwargs, None)
    result = conclude(process, caller, envelope, result, timeout, raises, name)
    envelope = None
    return await result
""")

CALL_ASYNC = text_here("""
async def message(self, $parameters):
    process = self._target
    frame = _getframe(1)
    # ``meet`` and ``conclude``, written out for a coroutine function: nothing of it runs before its first step.
    if (
        process.status != IDLE
        or never_inline
        or function.__code__ is not code
        or (caller := who_asks_quietly(rt := process.runtime)) is not None and caller.status >= EXITING
        or rt.alert
        or _get_running_loop() is not rt.loop
        or not rt.may_inline(frame)
        or process.status != IDLE
    ):
        result = otherwise(self, $args, $kwargs, frame)
        return await result if type(result) is CoroutineType else result
    process.status = INLINE  # before anything is made: that might collect garbage, and so run a finalizer
    request = process.request = Request(process, rt.loop.create_future(), caller, name, raises)
    if caller is not None:  # by its first step, which may be taken now, it may close a circle
        caller.more().waiting_on = request
    go_on(process, function(process.server$passed), (function, $args, $kwargs, None))
    if request.future.done():
        rt.arm_slice()
    else:
        rt.end_slice()
    reply = wait(request, caller, usual if self._timeout is ... else self._timeout)
    request = None
    return await reply
""")

CAST = text_here("""
def message(self, $parameters):
    process = self._target
    if type(process) is Named:
        process = process.resolve()
        if process is None:
            return
        refuse_another_kind(self, process, name)
    rt = process.runtime
    run = function
    if rt.alert or _get_running_loop() is not rt.loop:
        rt.check(self)
        who_asks(rt)
        run = sending(process, function, name, "cast")
    elif rt.current is not None and rt.current.status >= EXITING:
        who_asks(rt)
    envelope = (run, $args, $kwargs, None)
    status, mailbox, spare = process.status, process.mailbox, rt.spare
    # ``put``, written out for one that waits for its turn, and for one at rest. Nothing is made here between a look at
    # the process and what follows from it: that might collect garbage, and so run a finalizer that sends a message.
    if status == QUEUED and mailbox is not None and process.behaviour.max_mailbox is None:
        mailbox.append(envelope)
    elif status == IDLE and spare is not None:
        rt.spare = None
        process.mailbox = spare
        process.status = QUEUED
        spare.append(envelope)
        rt.run_queue.append(process)
        if not rt.armed:
            rt.arm()
    elif status != DEAD:
        put(process, envelope)
""")

WHAT_THEY_USE = {
    "BaseException": BaseException,
    "CoroutineType": CoroutineType,
    "DEAD": DEAD,
    "EXITING": EXITING,
    "IDLE": IDLE,
    "INLINE": INLINE,
    "NO_KEYWORDS": NO_KEYWORDS,
    "NOT_DONE": NOT_DONE,
    "Named": Named,
    "QUEUED": QUEUED,
    "Raised": Raised,
    "Request": Request,
    "_get_running_loop": _get_running_loop,
    "_getframe": _getframe,
    "conclude": conclude,
    "exception": exception,
    "go_on": go_on,
    "inline_returned": inline_returned,
    "monotonic": monotonic,
    "put": put,
    "sending": sending,
    "type": type,
    "wait": wait,
    "who_asks": who_asks,
    "who_asks_quietly": who_asks_quietly,
}


def calling(member: Call[Any, Any]) -> Callable[..., Any]:
    """The method of a handle that sends this call and waits for its answer."""
    function, raises, name = member.function, member.raises, member.name.lstrip("_")
    usual = DEFAULT_TIMEOUT if isinstance(member.timeout, Default) else member.timeout

    def otherwise(handle: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        process = handle._target
        timeout = usual if handle._timeout is ... else handle._timeout
        if type(process) is Named:
            process = process.resolve()
            if process is None:
                raise death.no_process(handle, name)
            refuse_another_kind(handle, process, name)
        return meet(process, function, args, kwargs, timeout, raises, name, frame)

    own: dict[str, Any] = {
        "name": name,
        "raises": raises,
        "usual": usual,
        "never_inline": usual == 0,
        "otherwise": otherwise,
    }
    if not _is_coroutine_function(function):
        return compiled(CALL, function, WHAT_THEY_USE | own)
    own["code"] = function.__code__  # a tool may put another in its place
    return compiled(CALL_ASYNC, function, WHAT_THEY_USE | own)


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether to call it, with a server, makes a coroutine and does nothing else."""
    if type(function) is not FunctionType:
        return False
    code = function.__code__
    takes_a_server = code.co_argcount > 0 or code.co_flags & CO_VARARGS
    return bool(code.co_flags & CO_COROUTINE and takes_a_server)


def casting(member: Cast[Any, Any]) -> Callable[..., Any]:
    """The method of a handle that sends this cast."""
    own = {"name": member.name, "refuse_another_kind": refuse_another_kind}
    return compiled(CAST, member.function, WHAT_THEY_USE | own)


def refuse_another_kind(handle: Any, process: Process, label: str) -> None:
    """TypeError if the name leads to another kind of server: that must not run this one's functions on its state."""
    server, kind = type(handle)._server, process.behaviour.kind
    if isinstance(kind, type) and (
        issubclass(kind, server) or _address_of(server) in map(_address_of, kind.__mro__)
    ):
        return
    raise TypeError(
        f"{handle!r} leads to {process!r}, which is no {server.__name__} and has no {label} of it"
    )


def _address_of(kind: type[Any]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__  # the same for a class that was loaded again
