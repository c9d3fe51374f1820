"""``Registry``: finds processes by key. Elixir: ``Registry``.

With ``keys="unique"`` a key has one owner: a phone book, and through ``via`` a way to name servers by any value. With
``keys="duplicate"`` it has many: groups, and publish and subscribe. A process registers itself, and its entries go
when it dies.

>>> import asyncio
>>> from regrow import GenServer, Registry, call, process
>>> class Game(GenServer):
...     def __init__(self, game_id: str) -> None:
...         self.game_id = game_id
...     @call
...     def title(self) -> str:
...         return f"game {self.game_id}"
>>> by_id = Registry.named("games.by_id")
>>> async def main() -> str:
...     await Registry.start_link("games.by_id", keys="unique")
...     await Game.options(name=by_id.via("g1")).start_link("g1")
...     return await Game.named(by_id.via("g1")).title()
>>> asyncio.run(main())
'game g1'

The functions of a handle run in the caller and read the tables as they are: there is no message, and nothing to wait
for. **After a death**, a name given through ``via`` is free before anybody hears of it, and a unique key can be
registered anew at once; but what ``lookup`` and the others show goes when the partition has handled that death, a
little later. ``settled`` waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, ParamSpec, TypeVar, Unpack, overload

from regrow.kernel.adoption import current_process
from regrow.kernel.mailbox import put_message
from regrow.kernel.process import Pid
from regrow.kernel.targets import Target, is_handle, resolve
from regrow.servers.calls import client
from regrow.servers.child_spec import ChildSpec
from regrow.servers.handles import handle_of
from regrow.servers.messages import Named
from regrow.servers.options import Options, StartOptions
from regrow.servers.registry.dispatch import dispatch_apart, dispatch_here
from regrow.servers.registry.errors import AlreadyRegistered, NotRegistered
from regrow.servers.registry.keys import exact, original
from regrow.servers.registry.lock import Lock
from regrow.servers.registry.match import matcher
from regrow.servers.registry.partition import RegistryPartition
from regrow.servers.registry.server import RegistryServer, check_start, registry_behind
from regrow.servers.registry.tables import Entry
from regrow.servers.registry.via import RegistryVia

__all__ = ["Registry"]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

RAISE: Final[Any] = object()


class Registry(RegistryServer):
    """A registry. ``Registry.child_spec("games.by_id", keys="unique")`` puts it under a supervisor, before who uses it.

    The first argument is its name, which is its identity: ``Registry.named("games.by_id")`` is the handle, made
    anywhere, also before the registry runs. ``keys`` is ``"unique"`` or ``"duplicate"``. ``partitions`` is how many
    processes keep its books; ``("duplicate", "key")`` splits duplicate entries between them by key and not, as
    ``("duplicate", "pid")`` and plain ``"duplicate"`` do, by process. More than one buys no speed here, where all is
    one thread: it bounds what the crash of one takes along. ``listeners`` are names of processes that get
    ``Registered`` and ``Unregistered`` messages. ``meta`` is what ``meta`` gives.

    Keys are any hashable, compared by type and value: ``1``, ``1.0`` and ``True`` are three. Every function raises
    UnknownRegistry, a LookupError, if the registry is not running, and TypeError for a key that can't be hashed.
    """

    # --- starting -----------------------------------------------------------------------------------------------------

    name_for = staticmethod(check_start)

    @classmethod
    def child_spec(cls: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[T]:
        """How a supervisor starts this registry. Its id is the registry's name. Elixir: ``Registry.child_spec/1``."""
        kind: Any = cls
        return _RegistryOptions[P, T](kind, {}).child_spec(*args, **kwargs)

    @classmethod
    def options(cls: Callable[P, T], /, **options: Unpack[StartOptions]) -> Options[P, T]:
        """As ``GenServer.options``, without ``name``: the name is the first argument of the start itself."""
        kind: Any = cls
        if "name" in options:
            raise TypeError(
                f"name={options['name']!r}: a registry's name is its identity, so it is the first argument: "
                f'Registry.child_spec({options["name"]!r}, keys="unique")'
            )
        return _RegistryOptions[P, T](kind, dict(options))

    # --- registering --------------------------------------------------------------------------------------------------

    @client
    def via(self, key: Any, value: Any = None) -> RegistryVia:
        """A name for a process: usable wherever a name is, ``Game.options(name=by_id.via("g1"))``, say.

        Whoever starts under it has *key* from before its ``__init__`` to its end, and registers with *value*. The
        registry must be unique, and need not run yet. Elixir: ``{:via, Registry, {registry, key, value}}``.
        """
        target: Any = self._target  # type: ignore[attr-defined]  # self is the handle
        by_name = type(target) is Named and target.found is None
        return RegistryVia(target.name if by_name else registry_behind(self)._name, key, value)

    @client
    def register(self, key: Any, value: Any = None) -> Pid:
        """Register the current process under *key*; gives the pid of the partition, with which it is linked now.

        AlreadyRegistered, with the owner's ``pid``, if the registry is unique and a living process has the key, also if
        that is the current one. In a duplicate registry a process may register any number of times.
        Elixir: ``Registry.register/3``.

        >>> import asyncio
        >>> from regrow import AlreadyRegistered, Registry, process
        >>> async def main():
        ...     by_id = await Registry.start_link("games.by_id", keys="unique")
        ...     by_id.register("g1")
        ...     try:
        ...         by_id.register("g1")
        ...     except AlreadyRegistered as error:
        ...         return error.pid == process.current()
        >>> asyncio.run(main())
        True
        """
        registry = registry_behind(self)
        me = registry._caller()
        holder = registry._register(me, exact(key), value)
        if holder is not None:
            raise AlreadyRegistered(key, holder)
        return registry._partition_of(me.pid).process.pid

    @client
    def unregister(self, key: Any) -> None:
        """Take out all that the current process has under *key*; nothing is no error.

        Elixir: ``Registry.unregister/2``.
        """
        registry = registry_behind(self)
        registry._unregister(registry._caller().pid, exact(key))

    @client
    def unregister_match(self, key: Any, pattern: Any) -> None:
        """Take out what the current process has under *key* with a value that matches *pattern* (see ``match``).

        Elixir: ``Registry.unregister_match/4``.
        """
        registry = registry_behind(self)
        registry._unregister(registry._caller().pid, exact(key), matcher(pattern))

    @client
    def update_value(self, key: Any, function: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Set the value under *key* to ``function(old)``; gives ``(new, old)``. The current process must be the owner.

        NotRegistered, a LookupError, if it is not; *function* is not called then. ValueError in a duplicate registry.
        Elixir: ``Registry.update_value/3``.

        >>> import asyncio
        >>> from regrow import Registry
        >>> async def main():
        ...     by_id = await Registry.start_link("games.by_id", keys="unique")
        ...     by_id.register("g1", 1)
        ...     return by_id.update_value("g1", lambda moves: moves + 1)
        >>> asyncio.run(main())
        (2, 1)
        """
        registry = registry_behind(self)
        entries, pid = registry._unique, registry._caller().pid
        if entries is None:
            raise ValueError(
                f"{registry._name!r} is a duplicate registry, where a key has many values: update_value is for unique "
                "ones. Use unregister_match and register"
            )
        entry = entries.get(exact(key))
        if entry is None or entry[0] != pid:
            raise _not_owner(registry, key, pid)
        new = function(entry[1])
        if entries.get(exact(key)) is not entry:
            raise _not_owner(registry, key, pid)
        entries[exact(key)] = (pid, new)
        return new, entry[1]

    # --- reading ------------------------------------------------------------------------------------------------------

    @client
    def lookup(self, key: Any) -> list[Entry]:
        """The ``(pid, value)`` pairs under *key*, those just dead included; ``[]`` if none.

        Elixir: ``Registry.lookup/2``.

        >>> import asyncio
        >>> from regrow import Registry, process
        >>> async def main():
        ...     by_id = await Registry.start_link("games.by_id", keys="unique")
        ...     by_id.register("g1", "chess")
        ...     return by_id.lookup("g1") == [(process.current(), "chess")], by_id.lookup("g2")
        >>> asyncio.run(main())
        (True, [])
        """
        registry = registry_behind(self)
        entries = registry._unique
        if entries is None:
            return registry._entries(key)
        entry = entries.get(key if type(key) is str else exact(key))
        return [] if entry is None else [entry]

    @client
    def keys(self, target: Target | None = None) -> list[Any]:
        """The keys of the current process, or of *target*; one that it has several times, as often.

        Elixir: ``Registry.keys/2``.
        """
        registry = registry_behind(self)
        pid = _pid_of(target)
        partition = registry._partition_of(pid)
        table = partition.table
        return [original(key) for key in partition.keys(pid) for _ in table.values(key, pid)]

    @client
    def values(self, key: Any, target: Target | None = None) -> list[Any]:
        """The values under *key* of the current process, or of *target*. Elixir: ``Registry.values/3``."""
        registry = registry_behind(self)
        pid = _pid_of(target)
        return registry._partition_of(pid).table.values(exact(key), pid)

    @client
    def count(self) -> int:
        """How many entries there are, not how many keys. Elixir: ``Registry.count/1``."""
        return sum(map(len, registry_behind(self)._tables))

    @client
    def match(self, key: Any, pattern: Any) -> list[Entry]:
        """The entries of *key* whose value matches *pattern*. Elixir: ``Registry.match/4``.

        A pattern is a function of the value, such as ``lambda value: value > 3``; a class, for its instances; a tuple,
        list or dict with patterns in it, where ``...`` takes anything and a dict may have more keys; or an equal value
        of the same type.

        >>> import asyncio
        >>> from regrow import Registry
        >>> async def main():
        ...     rooms = await Registry.start_link("rooms", keys="duplicate")
        ...     rooms.register("chess", ("anna", 1800))
        ...     rooms.register("chess", ("bert", 1500))
        ...     strong = rooms.match("chess", (..., lambda rating: rating > 1600))
        ...     return [name for _, (name, _) in strong]
        >>> asyncio.run(main())
        ['anna']
        """
        matches = matcher(pattern)
        return [entry for entry in registry_behind(self)._entries(key) if matches(entry[1])]

    @client
    def count_match(self, key: Any, pattern: Any) -> int:
        """How many entries ``match`` would give. Elixir: ``Registry.count_match/4``."""
        matches = matcher(pattern)
        return sum(matches(value) for _, value in registry_behind(self)._entries(key))

    @client
    def select(self, *, key: Any = ..., pid: Any = ..., value: Any = ...) -> list[tuple[Any, Pid, Any]]:
        """All entries as ``(key, pid, value)`` where each matches its pattern (see ``match``); without one, any does.

        What to make of them is a comprehension's business: ``[key for key, _, _ in by_id.select(value=int)]``. This
        looks at every entry of the registry. Elixir: ``Registry.select/2``.

        >>> import asyncio
        >>> from regrow import Registry
        >>> async def main():
        ...     by_id = await Registry.start_link("games.by_id", keys="unique")
        ...     by_id.register("g1", "chess")
        ...     by_id.register("g2", "go")
        ...     return [key for key, _, _ in by_id.select(value="go")], by_id.keys(), by_id.count()
        >>> asyncio.run(main())
        (['g2'], ['g1', 'g2'], 2)
        """
        return _select(registry_behind(self), key, pid, value)

    @client
    def count_select(self, *, key: Any = ..., pid: Any = ..., value: Any = ...) -> int:
        """How many entries ``select`` would give. Elixir: ``Registry.count_select/2``."""
        return len(_select(registry_behind(self), key, pid, value))

    # --- publishing ---------------------------------------------------------------------------------------------------

    @overload
    def dispatch(
        self, key: Any, function: Callable[[list[Entry]], object], *, parallel: Literal[False] = False
    ) -> None: ...
    @overload
    def dispatch(
        self, key: Any, function: Callable[[list[Entry]], object], *, parallel: Literal[True]
    ) -> Coroutine[Any, Any, None]: ...
    @client
    def dispatch(
        self, key: Any, function: Callable[[list[Entry]], object], *, parallel: bool = False
    ) -> Coroutine[Any, Any, None] | None:
        """Call ``function(entries)`` with the ``(pid, value)`` pairs under *key*, once a partition that has some.

        It runs here and now, and what it raises comes out. With ``parallel=True`` the dispatch must be awaited:
        *function*, which may be ``async`` then, runs in a process of its own for each partition, at the same time, and
        the first failure comes out when all are through. With one partition it runs in the caller.
        Elixir: ``Registry.dispatch/4``.

        >>> import asyncio
        >>> from regrow import Registry
        >>> async def main():
        ...     rooms = await Registry.start_link("rooms", keys="duplicate")
        ...     rooms.register("chess", "anna")
        ...     rooms.register("chess", "bert")
        ...     rooms.dispatch("chess", lambda entries: print([name for _, name in entries]))
        >>> asyncio.run(main())
        ['anna', 'bert']
        """
        groups = registry_behind(self)._groups(key)
        if parallel:
            return dispatch_apart(groups, function, alone=len(registry_behind(self)._tables) == 1)
        dispatch_here(groups, function)
        return None

    @client
    def broadcast(self, key: Any, message: object) -> int:
        """Send *message* to every process registered under *key*, once for each entry; says to how many.

        Register to subscribe, broadcast to publish. In Elixir this is a ``dispatch`` that sends.

        >>> import asyncio
        >>> from regrow import Registry, process
        >>> async def main():
        ...     topics = await Registry.start_link("topics", keys="duplicate")
        ...     topics.register("news")
        ...     return topics.broadcast("news", "hello"), await process.receive()
        >>> asyncio.run(main())
        (1, 'hello')
        """
        registry = registry_behind(self)
        processes = registry._process.runtime.processes
        living = [processes[pid] for pid, _ in registry._entries(key) if pid in processes]
        for each in living:
            put_message(each, message)
        return len(living)

    # --- beside the entries -------------------------------------------------------------------------------------------

    @client
    def meta(self, key: Any, default: Any = RAISE) -> Any:
        """What is stored beside the entries under *key*; else *default*, or KeyError. Elixir: ``Registry.meta/2``.

        >>> import asyncio
        >>> from regrow import Registry
        >>> async def main():
        ...     by_id = await Registry.start_link("games.by_id", keys="unique", meta={"opened": 2026})
        ...     by_id.put_meta("limit", 100)
        ...     return by_id.meta("opened"), by_id.meta("limit"), by_id.meta("closed", None)
        >>> asyncio.run(main())
        (2026, 100, None)
        """
        registry = registry_behind(self)
        found = registry._meta.get(exact(key))
        if found is not None:
            return found[0]
        if default is RAISE:
            known = ", ".join(repr(original(each)) for each in registry._meta) or "none"
            raise KeyError(f"{registry._name!r} has no meta {key!r}; it has {known}")
        return default

    @client
    def put_meta(self, key: Any, value: Any) -> None:
        """Store *value* beside the entries, for as long as the registry runs. Elixir: ``Registry.put_meta/3``."""
        registry_behind(self)._meta[exact(key)] = (value,)

    @client
    def delete_meta(self, key: Any) -> None:
        """Take that out; nothing is no error. Elixir: ``Registry.delete_meta/2``."""
        registry_behind(self)._meta.pop(exact(key), None)

    @client
    def lock(self, key: Any) -> AbstractAsyncContextManager[None]:
        """``async with by_id.lock("g1"):`` one process at a time runs the block for *key*, in the order of asking.

        It has nothing to do with who is registered. The lock is free again when the block ends, raises, or its process
        dies. NotAllowed if the process holds it already; UnknownRegistry if the registry ends meanwhile.
        Elixir: ``Registry.lock/3``.

        >>> import asyncio
        >>> from regrow import Registry
        >>> async def main():
        ...     by_id = await Registry.start_link("games.by_id", keys="unique")
        ...     async with by_id.lock("g1"):
        ...         return "alone"
        >>> asyncio.run(main())
        'alone'
        """
        return Lock(lambda: registry_behind(self)._locks, key)

    @client
    def partitions(self) -> list[Pid]:
        """The pids of the partitions, in their order: with them registered processes are linked."""
        return [partition.process.pid for partition in registry_behind(self)._partitions]

    @client
    async def settled(self) -> None:
        """Wait until the entries of all who have died are gone. In Elixir that is a call to each partition."""
        for partition in list(registry_behind(self)._partitions):
            await handle_of(RegistryPartition, partition.process).settle()


class _RegistryOptions(Options[P, T_co]):
    """Options whose spec has the registry's name for its id."""

    __slots__ = ()

    def child_spec(self, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[T_co]:
        check: Callable[..., Any] = check_start
        name = check(*args, **kwargs)
        made = super().child_spec(*args, **kwargs)
        return made if "id" in self._given else made.replace(id=name)


def _pid_of(target: Target | None) -> Pid:
    if type(target) is int:
        return Pid(target)
    if target is None:
        return current_process().pid
    # A handle still means its process when that is dead, and its entries may not be gone yet.
    process = target.__regrow_process__() if is_handle(target) else resolve(target)
    return Pid(0) if process is None else process.pid


def _not_owner(registry: RegistryServer, key: Any, pid: Pid) -> NotRegistered:
    return NotRegistered(
        f"the current process {pid} does not own {key!r} in {registry._name!r}: only the owner changes its value"
    )


def _select(registry: RegistryServer, key: Any, pid: Any, value: Any) -> list[tuple[Any, Pid, Any]]:
    of_key, of_pid, of_value = matcher(key), matcher(pid), matcher(value)
    return [
        (found, owner, held)
        for found, owner, held in ((original(each), owner, held) for each, owner, held in registry._all())
        if of_key(found) and of_pid(owner) and of_value(held)
    ]
