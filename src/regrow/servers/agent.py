"""``Agent``: a process that keeps one value, and lets functions at it, one at a time.

The functions run in the agent, with the value as their first argument; they may be plain or async. What they raise is
the agent's crash, and the caller gets ServerExited.

>>> import asyncio
>>> from regrow import Agent
>>> async def main():
...     stock = await Agent.start_link(dict, apples=2)
...     await stock.update(lambda now, n: {**now, "pears": n}, 5)
...     return await stock.get(dict.get, "pears")
>>> asyncio.run(main())
5
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from regrow.kernel.steps import Prepared
from regrow.servers import calls
from regrow.servers.agent_starts import StartsByFunction
from regrow.servers.gen_server import GenServer

__all__ = ["Agent", "BadReturn"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


class BadReturn(TypeError):
    """A function returned what it may not, ``value``: Elixir's ``{:bad_return_value, value}``."""

    def __init__(self, value: object, allowed: str) -> None:
        super().__init__(value, allowed)
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.value!r} was returned: must be {self.allowed}"


class Agent(StartsByFunction, GenServer, Generic[S]):
    """A value in a process of its own: ``Agent.start_link(function, *args)`` makes it there, inside the agent.

    Give ``within(agent, seconds)`` for another time-out than 5 seconds, and ``regrow.stop(agent)`` to end it. A
    subclass may have an ``__init__`` that calls this one with its function. Elixir: ``Agent``.
    """

    def __init__(
        self,
        function: Callable[P, S] | Callable[P, Coroutine[Any, Any, S]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        if not callable(function):
            raise TypeError(
                f"an agent starts with a function that makes its value, not {function!r}: write "
                "Agent.start_link(dict), or Agent.start_link(lambda: value)"
            )
        self._start = (function, args, kwargs)

    def _boot(self) -> Any:
        function, args, kwargs = self._start
        del self._start
        made = function(*args, **kwargs)
        return self._keep(Prepared(made)) if type(made) is CoroutineType else self._set(made)

    def _set(self, state: Any) -> Any:
        self.state: S = state
        return super()._boot() if hasattr(type(self), "init") else None

    async def _keep(self, made: Awaitable[S]) -> None:
        going_on = self._set(await made)
        if type(going_on) is CoroutineType:
            await going_on

    # --- for clients ------------------------------------------------------------------------------------------------

    @overload
    async def get(
        self,
        function: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
    @overload
    async def get(
        self, function: Callable[Concatenate[S, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @calls.client
    async def get(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What ``function(value, *args, **kwargs)`` returns. ServerExited if it raises. Elixir: ``Agent.get/3``."""
        return await self._get(_checked(function), args, kwargs)

    @overload
    async def update(
        self,
        function: Callable[Concatenate[S, P], Coroutine[Any, Any, S]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    @overload
    async def update(
        self, function: Callable[Concatenate[S, P], S], /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @calls.client
    async def update(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Keep what ``function(value, *args, **kwargs)`` returns in place of the value. Elixir: ``Agent.update/3``.

        ServerExited if it raises.
        """
        await self._update(_checked(function), args, kwargs)

    @overload
    async def get_and_update(
        self,
        function: Callable[Concatenate[S, P], Coroutine[Any, Any, tuple[R, S]]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
    @overload
    async def get_and_update(
        self, function: Callable[Concatenate[S, P], tuple[R, S]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @calls.client
    async def get_and_update(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """``function(value, *args, **kwargs)`` returns a pair: the answer, and what to keep.

        Anything but a pair stops the agent with ``BadReturn``. Elixir: ``Agent.get_and_update/3``.

        >>> import asyncio
        >>> from regrow import Agent
        >>> async def main():
        ...     ticket = await Agent.start_link(lambda: 7)
        ...     mine = await ticket.get_and_update(lambda n: (n, n + 1))
        ...     ticket.cast(lambda n: n * 10)
        ...     return mine, await ticket.get(str)
        >>> asyncio.run(main())
        (7, '80')
        """
        return await self._get_and_update(_checked(function), args, kwargs)

    @overload
    def cast(
        self,
        function: Callable[Concatenate[S, P], Coroutine[Any, Any, S]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    @overload
    def cast(
        self, function: Callable[Concatenate[S, P], S], /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @calls.client
    def cast(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """``update`` without waiting for it, nor for whether it works. Elixir: ``Agent.cast/2``."""
        self._cast(_checked(function), args, kwargs)

    # --- in the agent -----------------------------------------------------------------------------------------------

    @calls.call
    def _get(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return function(self.state, *args, **kwargs)

    @calls.call
    def _update(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        made = function(self.state, *args, **kwargs)
        if type(made) is CoroutineType:
            return self._updated(Prepared(made))
        self.state = made
        return None

    @calls.cast
    def _cast(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return Agent._update(self, function, args, kwargs)

    async def _updated(self, made: Awaitable[S]) -> None:
        self.state = await made

    @calls.call
    def _get_and_update(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        made = function(self.state, *args, **kwargs)
        return self._pair_later(Prepared(made)) if type(made) is CoroutineType else self._pair(made)

    async def _pair_later(self, made: Awaitable[Any]) -> Any:
        return self._pair(await made)

    def _pair(self, made: Any) -> Any:
        if not isinstance(made, tuple) or len(made) != 2:
            raise BadReturn(made, "a pair (answer, new value), from a function given to get_and_update")
        answer, self.state = made
        return answer

    def code_change(self, old_version: Any, extra: Any) -> Any:
        """Put the value through *extra*: a function of it, or a tuple ``(function, argument, ...)``."""
        function, *args = extra if isinstance(extra, tuple) else (extra,)
        return Agent._update(self, function, tuple(args), {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self, 'state', None)!r})"


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(
            f"an agent is asked with a function of its value, not {function!r}: agent.get(lambda value: value)"
        )
    return function
