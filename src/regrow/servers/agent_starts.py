"""How the starts of an ``Agent`` are typed. Read by the type checkers only; at run time ``GenServer``'s do the work.

``Agent`` itself starts with a function and its arguments, and the function's result says of what it is an agent. A
subclass with an ``__init__`` of its own starts with what that takes. A bare generic class can't say the first through
a ``Callable[P, T]``, so the overloads look at whether the class takes a function first.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, Unpack, overload

if TYPE_CHECKING:
    from regrow.servers.agent import Agent
    from regrow.servers.child_spec import ChildSpec
    from regrow.servers.options import Options, StartOptions
    from regrow.servers.scope import Scope

P = ParamSpec("P")
S = TypeVar("S")
A = TypeVar("A")

# --- with a function ------------------------------------------------------------------------------------------------


class Starts(Protocol):
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, S]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Agent[S]]: ...
    @overload
    def __call__(
        self, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Agent[S]]: ...


class Specifies(Protocol):
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, S]], /, *args: P.args, **kwargs: P.kwargs
    ) -> ChildSpec[Agent[S]]: ...
    @overload
    def __call__(
        self, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs
    ) -> ChildSpec[Agent[S]]: ...


class Scopes(Protocol):
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, S]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Scope[Agent[S]]: ...
    @overload
    def __call__(self, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs) -> Scope[Agent[S]]: ...


class AgentOptions(Protocol):
    @property
    def start(self) -> Starts: ...
    @property
    def start_link(self) -> Starts: ...
    @property
    def child_spec(self) -> Specifies: ...
    @property
    def scope(self) -> Scopes: ...


# --- with a function, or by the class's own __init__ ----------------------------------------------------------------


class TakesFunction(Protocol):
    """A class whose ``__init__`` takes a function first."""

    def __call__(self, function: Callable[[], Any], /) -> object: ...


class StartsByFunction:
    """A base of ``Agent``; at run time it is empty."""

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        @classmethod
        def options(  # pyright: ignore[reportOverlappingOverload]  # that is why the other one comes second
            cls: TakesFunction, /, **options: Unpack[StartOptions]
        ) -> AgentOptions: ...
        @overload
        @classmethod
        def options(cls: Callable[P, A], /, **options: Unpack[StartOptions]) -> Options[P, A]: ...
        @classmethod
        def options(cls: Any, /, **options: Any) -> Any: ...

        @overload
        @classmethod
        def start(
            cls: TakesFunction,
            function: Callable[P, Coroutine[Any, Any, S]],
            /,
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> Coroutine[Any, Any, Agent[S]]: ...
        @overload
        @classmethod
        def start(
            cls: TakesFunction, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs
        ) -> Coroutine[Any, Any, Agent[S]]: ...
        @overload
        @classmethod
        def start(cls: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, A]: ...
        @classmethod
        def start(cls: Any, /, *args: Any, **kwargs: Any) -> Any: ...

        @overload
        @classmethod
        def start_link(
            cls: TakesFunction,
            function: Callable[P, Coroutine[Any, Any, S]],
            /,
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> Coroutine[Any, Any, Agent[S]]: ...
        @overload
        @classmethod
        def start_link(
            cls: TakesFunction, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs
        ) -> Coroutine[Any, Any, Agent[S]]: ...
        @overload
        @classmethod
        def start_link(
            cls: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
        ) -> Coroutine[Any, Any, A]: ...
        @classmethod
        def start_link(cls: Any, /, *args: Any, **kwargs: Any) -> Any: ...

        @overload
        @classmethod
        def child_spec(
            cls: TakesFunction,
            function: Callable[P, Coroutine[Any, Any, S]],
            /,
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> ChildSpec[Agent[S]]: ...
        @overload
        @classmethod
        def child_spec(
            cls: TakesFunction, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs
        ) -> ChildSpec[Agent[S]]: ...
        @overload
        @classmethod
        def child_spec(cls: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[A]: ...
        @classmethod
        def child_spec(cls: Any, /, *args: Any, **kwargs: Any) -> Any: ...

        @overload
        @classmethod
        def scope(
            cls: TakesFunction,
            function: Callable[P, Coroutine[Any, Any, S]],
            /,
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> Scope[Agent[S]]: ...
        @overload
        @classmethod
        def scope(
            cls: TakesFunction, function: Callable[P, S], /, *args: P.args, **kwargs: P.kwargs
        ) -> Scope[Agent[S]]: ...
        @overload
        @classmethod
        def scope(cls: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs) -> Scope[A]: ...
        @classmethod
        def scope(cls: Any, /, *args: Any, **kwargs: Any) -> Any: ...
