"""`@call` and `@cast`: how the methods of a server class become its client API.

    class Game(GenServer):
        @call(raises=Cheater)
        def play(self, cell: int, mark: str) -> list[str]: ...

        @cast
        def clear(self) -> None: ...

One rule tells handle, server and class apart: an attribute of an instance is a message or runs at once, and of a call
it is always awaitable; **an attribute of the class is the plain function.** `await game.play(4, "x")` on a handle is a
message (handles have methods of their own, see `handles`). `await self.play(4, "x")` in the server runs the function
there and then, and so does `super()`. `Game.play(self, 4, "x")` is the function itself, for plain handlers and tests.

Type checkers see the same three, by the overloads below. They take a function that returns a coroutine for an async
one, however it was declared; the run time looks at what came back, too.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine
from enum import Enum
from types import CoroutineType, MethodType
from typing import Any, Concatenate, Final, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

from regrow.kernel.timers import checked_seconds
from regrow.servers.reply import Reply, run_directly

__all__ = [
    "DEFAULT",
    "Call",
    "Cast",
    "Client",
    "Declared",
    "Default",
    "Raises",
    "Timeout",
    "call",
    "cast",
    "client",
]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
M_co = TypeVar("M_co", covariant=True)  # the message: what an instance shows
F_co = TypeVar("F_co", covariant=True)  # the function: what the class shows

Msg = Callable[P, Coroutine[Any, Any, R]]
Raises = type[Exception] | tuple[type[Exception], ...]


class Default(Enum):
    """The call says nothing, so the usual time-out holds."""

    DEFAULT = "default"

    def __repr__(self) -> str:
        return self.name


DEFAULT: Final = Default.DEFAULT
Timeout = float | None | Literal[Default.DEFAULT]


class Declared(Generic[M_co, F_co]):
    """A method of a server class that clients can use: it stands in the class in the place of its `function`."""

    word = "declared"

    def __init__(self, function: Callable[..., Any], directly: Callable[..., Any]) -> None:
        refuse_what_is_no_method(self.word, function)
        # So help(), inspect and doctest see the function's name, text and signature, and ABCMeta its @abstractmethod.
        functools.update_wrapper(typing.cast("Any", self), function)
        self.function = function
        self.name: str = function.__name__
        self._directly = functools.wraps(function)(directly)

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, obj: None, owner: Any, /) -> F_co: ...
    @overload
    def __get__(self, obj: object, owner: Any, /) -> M_co: ...
    def __get__(self, obj: object, owner: Any, /) -> Any:
        return self.function if obj is None else MethodType(self._directly, obj)

    def __repr__(self) -> str:
        return f"<@{self.word} {self.function.__qualname__}>"


class Call(Declared[M_co, F_co]):
    """What `@call` makes. `timeout` and `raises` are what it was given: seconds, None for no limit, or `DEFAULT`."""

    word = "call"

    def __init__(self, function: Callable[..., Any], timeout: Timeout = DEFAULT, raises: Raises = ()) -> None:
        async def directly(server: object, /, *args: Any, **kwargs: Any) -> Any:
            return await run_directly(function, server, *args, **kwargs)

        super().__init__(function, directly)
        self.timeout = checked_timeout(timeout)
        self.raises = checked_raises(raises)


class Cast(Declared[M_co, F_co]):
    """What `@cast` makes."""

    word = "cast"

    def __init__(self, function: Callable[..., Any]) -> None:
        def directly(server: object, /, *args: Any, **kwargs: Any) -> None:
            result = function(server, *args, **kwargs)
            if isinstance(result, CoroutineType):
                result.close()
                given = "self, ..." if args or kwargs else "self"
                where = f"{type(server).__name__}.{self.name}"
                raise TypeError(
                    f"the cast {where} is async, and self.{self.name}() can't wait: await {where}({given})"
                )

        super().__init__(function, directly)


class Client(Declared[M_co, F_co]):
    """What `client` makes."""

    word = "client"

    def __init__(self, function: Callable[..., Any]) -> None:
        def directly(server: object, /, *args: Any, **kwargs: Any) -> Any:
            where = f"{type(server).__name__}.{self.name}"
            raise TypeError(
                f"{where} is for clients and runs in them: use a handle, the server itself has none of it"
            )

        super().__init__(function, directly)


# --- the decorators -----------------------------------------------------------------------------------------------


class CallWith(Protocol):
    """`call(timeout=..., raises=...)`: a decorator that types as the bare `call` does."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, Reply[R]]], /
    ) -> Call[Msg[P, R], Callable[Concatenate[Any, P], Coroutine[Any, Any, Reply[R]]]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> Call[Msg[P, R], Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], Reply[R]], /
    ) -> Call[Msg[P, R], Callable[Concatenate[Any, P], Reply[R]]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], R], /
    ) -> Call[Msg[P, R], Callable[Concatenate[Any, P], R]]: ...


@overload
def call(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, Reply[R]]], /
) -> Call[Msg[P, R], Callable[Concatenate[Any, P], Coroutine[Any, Any, Reply[R]]]]: ...
@overload
def call(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
) -> Call[Msg[P, R], Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]]: ...
@overload
def call(
    function: Callable[Concatenate[Any, P], Reply[R]], /
) -> Call[Msg[P, R], Callable[Concatenate[Any, P], Reply[R]]]: ...
@overload
def call(
    function: Callable[Concatenate[Any, P], R], /
) -> Call[Msg[P, R], Callable[Concatenate[Any, P], R]]: ...
@overload
def call(*, timeout: Timeout = ..., raises: Raises = ...) -> CallWith: ...
def call(
    function: Callable[..., Any] | None = None, /, *, timeout: Timeout = DEFAULT, raises: Raises = ()
) -> Any:
    """Make a method a call: a message with an answer. Elixir: `GenServer.call` and its `handle_call`.

    The handler may be plain or `async`, and returns the answer, or a `Reply` to answer later. `timeout` is how many
    seconds a caller waits (5 if nothing is said; None: as long as the server lives); `within` changes it for one
    call. An exception named in `raises` goes to the caller and the server lives on; any other is a crash. An override
    in a subclass inherits neither: it says them again.

    Raises `TypeError` and `ValueError`, at decoration, for what can't be a call.

    >>> import asyncio
    >>> from regrow import GenServer, call
    >>> class Game(GenServer):
    ...     @call(timeout=1, raises=KeyError)
    ...     def play(self, cell: int) -> str:
    ...         return {4: "x"}[cell]
    >>> async def main():
    ...     game = await Game.start_link()
    ...     try:
    ...         await game.play(9)
    ...     except KeyError:
    ...         return await game.play(4)
    >>> asyncio.run(main())
    'x'
    """
    if function is None:
        checked_timeout(timeout)  # here, where the line at fault is
        checked_raises(raises)
        return functools.partial(Call[Any, Any], timeout=timeout, raises=raises)
    return Call[Any, Any](function, timeout, raises)


@overload
def cast(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, None]], /
) -> Cast[Callable[P, None], Callable[Concatenate[Any, P], Coroutine[Any, Any, None]]]: ...
@overload
def cast(
    function: Callable[Concatenate[Any, P], None], /
) -> Cast[Callable[P, None], Callable[Concatenate[Any, P], None]]: ...
def cast(function: Callable[..., Any], /) -> Any:
    """Make a method a cast: a message without an answer, which returns at once. Elixir: `GenServer.cast`.

    The client learns nothing, not even that there is no such server. In the server itself `self.clear()` runs a plain
    cast now; an `async` one is `await Game.clear(self)`. Raises `TypeError`, at decoration, for what can't be a cast.

    >>> import asyncio
    >>> from regrow import GenServer, call, cast
    >>> class Notes(GenServer):
    ...     def __init__(self) -> None:
    ...         self.notes: list[str] = []
    ...     @cast
    ...     def add(self, note: str) -> None:
    ...         self.notes.append(note)
    ...     @call
    ...     def all(self) -> list[str]:
    ...         return self.notes
    >>> async def main():
    ...     notes = await Notes.start_link()
    ...     notes.add("milk")
    ...     return await notes.all()
    >>> asyncio.run(main())
    ['milk']
    """
    return Cast[Any, Any](function)


def client(function: F, /) -> F:
    """Make a method one that runs in the *caller*, with the handle as its `self`; regrow's own classes use it.

    So a supervisor refuses a bad spec before any message is sent, and a registry is read without one.
    """
    return typing.cast("F", Client[Any, Any](function))


# --- what is refused at decoration ----------------------------------------------------------------------------------


def refuse_what_is_no_method(word: str, function: object) -> None:
    """Raise `TypeError` for what a server could not run as a handler."""
    name = getattr(function, "__name__", repr(function))
    if isinstance(function, (staticmethod, classmethod, property, functools.cached_property)):
        kind = type(function).__name__
        raise TypeError(f"@{word} on the {kind} {name}: must be a plain method; take the @{kind} off")
    if isinstance(function, Declared):
        raise TypeError(
            f"@{word} on {name}: it is a @{function.word} already, and a method is one thing only"
        )
    if isinstance(function, type) or not callable(function) or not hasattr(function, "__name__"):
        raise TypeError(f"@{word} on {function!r}: must be a method, `def` or `async def`")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"@{word} on {name}: it yields, and a message has one answer; return a list, say")
    if name.startswith("__") and name.endswith("__"):
        raise TypeError(f"@{word} on {name}: special methods belong to the handle itself; take another name")
    if not any(each.kind in _BY_POSITION for each in inspect.signature(function).parameters.values()):
        raise TypeError(f"@{word} on {name}: must take the server as its first argument, self")


_BY_POSITION: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def checked_timeout(timeout: Timeout) -> Timeout:
    """The time-out as a call keeps it, infinity as None; raises `ValueError` for what is no time."""
    return timeout if isinstance(timeout, Default) else checked_seconds(timeout, f"timeout={timeout!r}")


def checked_raises(raises: Raises) -> tuple[type[Exception], ...]:
    """The exceptions a call declares, as a tuple; raises `TypeError` for what can't be declared."""
    kinds = raises if isinstance(raises, tuple) else (raises,)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise TypeError(f"raises={kind!r}: must be an exception class, or a tuple of them")
        if kind is Exception or not issubclass(kind, Exception):
            raise TypeError(
                f"raises={kind.__name__}: too broad, a crash would pass for an answer; name the exceptions that are one"
            )
    return kinds
