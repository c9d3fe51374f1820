"""A function from a text and a signature: how ``messages`` gets methods that take just what their handlers take.

A text is the source of a function ``message``, with places for what differs between signatures: ``$parameters``,
``$passed`` on to the handler, and ``$args`` and ``$kwargs`` as they are sent. Its first parameter is ``self``, and it
may call whatever it is given by name; a name that is also one of the handler's parameters is changed in the text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from inspect import Parameter
from inspect import signature as signature_of
from string import Template
from sys import _getframe
from types import CodeType, FunctionType
from typing import Any, NamedTuple

__all__ = ["Text", "compiled", "text_here"]

EMPTY = Parameter.empty
POSITIONAL_ONLY, KEYWORD_ONLY = Parameter.POSITIONAL_ONLY, Parameter.KEYWORD_ONLY
POSITIONAL_OR_KEYWORD = Parameter.POSITIONAL_OR_KEYWORD
VAR_POSITIONAL, VAR_KEYWORD = Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD
SELF = Parameter("self", POSITIONAL_ONLY)


class Text(NamedTuple):
    """What is to be compiled, and where it stands, so that tracebacks show its lines."""

    text: str
    file: str
    line: int


def text_here(text: str) -> Text:
    """*text*, which is a literal that begins in the line of this call."""
    caller = _getframe(1)
    return Text(text, caller.f_code.co_filename, caller.f_lineno)


class Signature(NamedTuple):
    """The parameters of a handler: their names, what the handle is called, and what stands in the places of a text."""

    taken: tuple[str, ...]
    own: str
    parameters: str
    passed: str
    args: str
    kwargs: str


def compiled(text: Text, function: Callable[..., Any], used: dict[str, Any]) -> Callable[..., Any]:
    """The function ``message`` of *text*, with the parameters of *function*; *used* are the values that it names."""
    first, *parameters = _parameters_of(function)
    signature = _signature(first, parameters)
    used = used | {"function": function}
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
    return compile("\n" * (text.line - 1) + filled, text.file, "exec")


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
