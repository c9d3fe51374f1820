"""How the starts of a supervisor class are typed: for the type checkers only, at run time there is nothing here.

What a supervisor's start takes stands in its ``init``, if the class has one, and else in ``flags`` or ``plan``:

    Games.start_link(max_children=10)            # class Games(DynamicSupervisor): ...
    Rooms.start_link(tenant)                     # def init(self, tenant: Tenant) -> Flags: ...

Overloads of a classmethod can't say that: a wrong argument would fall through to the next one. So the choice is
made when the class is looked at, by a descriptor, and the arguments are checked after it. The three protocols tell
the classes apart; what is started is the classmethods' of ``GenServer``, as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Protocol, TypeVar, Unpack, overload

from regrow.kernel.process import Pid
from regrow.servers.child_spec import ChildSpec
from regrow.servers.options import Options, StartOptions
from regrow.servers.scope import Scope

__all__ = ["StartsByInit"]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class NotOverridden:
    """The type of a keyword that the ``init`` of the base takes, and no other does."""


class HeadedDynamic(Protocol[P, T_co]):
    """A DynamicSupervisor class without an ``init`` of its own."""

    def of(self, pid: Pid, /) -> T_co: ...
    def init(self, server: Any, /, *, _not_overridden: NotOverridden) -> object: ...
    def flags(self, server: Any, /, *args: P.args, **kwargs: P.kwargs) -> object: ...


class HeadedStatic(Protocol[P, T_co]):
    """A Supervisor class without an ``init`` of its own."""

    def of(self, pid: Pid, /) -> T_co: ...
    def init(self, server: Any, /, *, _not_overridden: NotOverridden) -> object: ...
    def plan(self, server: Any, /, *args: P.args, **kwargs: P.kwargs) -> object: ...


class WithInit(Protocol[P, T_co]):
    """A supervisor class with an ``init``, whose parameters are those of its start."""

    def of(self, pid: Pid, /) -> T_co: ...
    def init(self, server: Any, /, *args: P.args, **kwargs: P.kwargs) -> object: ...


class StartBy(Protocol):
    @overload
    def __get__(self, obj: Any, owner: HeadedDynamic[P, T], /) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, obj: Any, owner: HeadedStatic[P, T], /) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, obj: Any, owner: WithInit[P, T], /) -> Callable[P, Coroutine[Any, Any, T]]: ...


class SpecBy(Protocol):
    @overload
    def __get__(self, obj: Any, owner: HeadedDynamic[P, T], /) -> Callable[P, ChildSpec[T]]: ...
    @overload
    def __get__(self, obj: Any, owner: HeadedStatic[P, T], /) -> Callable[P, ChildSpec[T]]: ...
    @overload
    def __get__(self, obj: Any, owner: WithInit[P, T], /) -> Callable[P, ChildSpec[T]]: ...


class ScopeBy(Protocol):
    @overload
    def __get__(self, obj: Any, owner: HeadedDynamic[P, T], /) -> Callable[P, Scope[T]]: ...
    @overload
    def __get__(self, obj: Any, owner: HeadedStatic[P, T], /) -> Callable[P, Scope[T]]: ...
    @overload
    def __get__(self, obj: Any, owner: WithInit[P, T], /) -> Callable[P, Scope[T]]: ...


class MakesOptions(Protocol[P, T_co]):
    def __call__(self, **options: Unpack[StartOptions]) -> Options[P, T_co]: ...


class OptionsBy(Protocol):
    @overload
    def __get__(self, obj: Any, owner: HeadedDynamic[P, T], /) -> MakesOptions[P, T]: ...
    @overload
    def __get__(self, obj: Any, owner: HeadedStatic[P, T], /) -> MakesOptions[P, T]: ...
    @overload
    def __get__(self, obj: Any, owner: WithInit[P, T], /) -> MakesOptions[P, T]: ...


class StartsByInit:
    """A base of ``Supervisor`` and ``DynamicSupervisor`` that gives their starts these types."""

    if TYPE_CHECKING:
        start: ClassVar[StartBy]
        start_link: ClassVar[StartBy]
        child_spec: ClassVar[SpecBy]
        scope: ClassVar[ScopeBy]
        options: ClassVar[OptionsBy]

        # *Any lets a class write its own parameters. There is no such default at run time.
        def init(self, *args: Any, **kwargs: Any) -> Any: ...
