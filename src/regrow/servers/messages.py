"""How a message leaves a handle: the methods that stand there for the calls and the casts of its server.

Each takes what its handler takes, so it is compiled from one of the two texts below with the handler's own parameters
in it, as a dataclass gets its ``__init__``. One with ``*args, **kwargs`` would pack what it is given and unpack it
again, a third of what a call costs; and so wrong arguments are refused by the line that gives them, before anything
is sent. (What a decorator's ``*args`` takes is seen only in the server.)

In the texts ``$parameters`` stands for ``/, cell, mark=_defaults['mark']``, say, ``$passed`` for ``, cell, mark``, and
``$args, $kwargs`` for ``(cell, mark), NO_KEYWORDS``, which is what an envelope holds.
"""

from __future__ import annotations

import functools
import re
from asyncio import _get_running_loop
from collections.abc import Callable
from inspect import Parameter
from inspect import signature as signature_of
from string import Template
from sys import _getframe, exception
from time import monotonic
from types import CodeType, CoroutineType, FrameType, FunctionType
from typing import Any, NamedTuple

from regrow.kernel import death, names
from regrow.kernel.adoption import who_asks
from regrow.kernel.mailbox import put
from regrow.kernel.probes import sending
from regrow.kernel.process import DEAD, EXITING, IDLE, INLINE, QUEUED, Process
from regrow.kernel.runtime import runtime
from regrow.kernel.scheduler import NO_KEYWORDS
from regrow.servers.calls import Call, Cast, Default
from regrow.servers.rendezvous import (
    DEFAULT_TIMEOUT,
    NOT_DONE,
    Raised,
    conclude,
    inline_returned,
    meet,
    who_asks_quietly,
)

__all__ = ["Named", "calling", "casting", "refuse_another_kind"]

UNRESOLVED = -1
EMPTY = Parameter.empty
POSITIONAL_ONLY, KEYWORD_ONLY = Parameter.POSITIONAL_ONLY, Parameter.KEYWORD_ONLY
POSITIONAL_OR_KEYWORD = Parameter.POSITIONAL_OR_KEYWORD
VAR_POSITIONAL, VAR_KEYWORD = Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD
SELF = Parameter("self", POSITIONAL_ONLY)


class Named:
    """Stands in a handle where a process would: a name, or a call that may not run inline."""

    __slots__ = ("found", "name")
    status = UNRESOLVED

    def __init__(self, name: Any, found: Process | None = None) -> None:
        self.name = name
        self.found = found

    def resolve(self) -> Process | None:
        return self.found if self.found is not None else names.find(runtime(), self.name)


class Text(NamedTuple):
    """A text to be compiled, and the line of this file that it begins in, so that tracebacks show it."""

    text: str
    line: int


def _text(text: str) -> Text:
    return Text(text, _getframe(1).f_lineno)


CALL = _text("""
async def message(self, $parameters):
    process = self._target
    frame = _getframe(1)
    # The fast path of ``meet`` and ``run_inline``, written out: an idle server, and a slice opened by this frame.
    if process.status == IDLE and frame is process.runtime.slice_frame and exception() is None:
        rt = process.runtime
        before = rt.current
        if monotonic() < rt.slice_end and (before is None or before.status < EXITING) and not never_inline:
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
    result = otherwise(self, $args, $kwargs, frame)
    return await result if type(result) is CoroutineType else result
""")

CAST = _text("""
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
    "_get_running_loop": _get_running_loop,
    "_getframe": _getframe,
    "conclude": conclude,
    "exception": exception,
    "inline_returned": inline_returned,
    "monotonic": monotonic,
    "put": put,
    "sending": sending,
    "type": type,
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

    return _compiled(
        CALL, function, name=name, raises=raises, usual=usual, never_inline=usual == 0, otherwise=otherwise
    )


def casting(member: Cast[Any, Any]) -> Callable[..., Any]:
    """The method of a handle that sends this cast."""
    return _compiled(CAST, member.function, name=member.name, refuse_another_kind=refuse_another_kind)


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


# --- a text and a signature ------------------------------------------------------------------------------------------


class Signature(NamedTuple):
    """The parameters of a handler: their names, what the handle is called, and what stands in the places of a text."""

    taken: tuple[str, ...]
    own: str
    parameters: str
    passed: str
    args: str
    kwargs: str


def _compiled(text: Text, function: Callable[..., Any], **own: Any) -> Callable[..., Any]:
    """The method that *text* says, for the handler *function*."""
    first, *parameters = _parameters_of(function)
    signature = _signature(first, parameters)
    used = WHAT_THEY_USE | own | {"function": function}
    space = {_free(name, signature.taken): value for name, value in used.items()}
    space["_defaults"] = {each.name: each.default for each in parameters}
    space["__name__"] = __name__
    exec(_code(text, signature), space)
    wrap: Callable[[Any], Callable[..., Any]] = functools.wraps(function)
    return wrap(space[_free("message", signature.taken)])


@functools.cache
def _code(text: Text, signature: Signature) -> CodeType:
    """The code that makes the method: handlers with the same parameters share it, and none of them is in it."""
    source = re.sub(r"(?<![\w.])self\b", "$own", text.text)
    for name in signature.taken:  # what the text calls by the name of a parameter gets another one
        source = re.sub(rf"(?<![\w.$\"]){name}\b", _free(name, signature.taken), source)
    filled = Template(source).substitute(signature._asdict())
    return compile("\n" * (text.line - 1) + filled, __file__, "exec")


def _free(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name += "_"
    return name


def _parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """What *function* takes: itself, and not what it says that it stands for."""
    if isinstance(function, FunctionType):
        bare = FunctionType(
            function.__code__, function.__globals__, None, function.__defaults__, function.__closure__
        )
        bare.__kwdefaults__ = function.__kwdefaults__
        function = bare
    try:
        found = list(signature_of(function, follow_wrapped=False).parameters.values())
    except ValueError:  # of a decorator that is written in C
        found = []
    if not found or found[0].kind in (KEYWORD_ONLY, VAR_KEYWORD):
        return [SELF, Parameter("args", VAR_POSITIONAL), Parameter("kwargs", VAR_KEYWORD)]
    return found if found[0].kind is not VAR_POSITIONAL else [SELF, *found]


def _signature(first: Parameter, parameters: list[Parameter]) -> Signature:
    made: list[str] = []
    passed: list[str] = []
    args: list[str] = []
    kwargs: list[str] = []
    for each in parameters:
        name, kind = each.name, each.kind
        stars = "*" if kind is VAR_POSITIONAL else "**" if kind is VAR_KEYWORD else ""
        if kind is not POSITIONAL_ONLY and "/" not in made:
            made.append("/")
        if kind is KEYWORD_ONLY and not any(one.startswith("*") for one in made):
            made.append("*")
        made.append(f"{stars}{name}" if each.default is EMPTY else f"{name}=_defaults[{name!r}]")
        if kind is KEYWORD_ONLY:
            passed.append(f", {name}={name}")
            kwargs.append(f"{name!r}: {name}, ")
        else:
            passed.append(f", {stars}{name}")
            (kwargs if kind is VAR_KEYWORD else args).append(f"{stars}{name}, ")
    names = tuple(each.name for each in parameters)
    if first.kind is POSITIONAL_OR_KEYWORD and any(each.kind is VAR_KEYWORD for each in parameters):
        made.remove("/")  # else the ``**`` would take what is given by the name of the handler's own self
        own = first.name
    else:
        own = _free("self", names)
        made = made if "/" in made else [*made, "/"]
    taken = (*names, own)
    return Signature(
        taken,
        own,
        ", ".join(made),
        "".join(passed),
        f"({''.join(args)})",
        f"{{{''.join(kwargs)}}}" if kwargs else _free("NO_KEYWORDS", taken),
    )
