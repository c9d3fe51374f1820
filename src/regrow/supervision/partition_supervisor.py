"""PartitionSupervisor: the same child several times, and a key that says which one.

>>> import asyncio
>>> from regrow import Agent, DynamicSupervisor, PartitionSupervisor
>>> async def main():
...     async with PartitionSupervisor.options(name="games").scope(DynamicSupervisor, partitions=4) as games:
...         shard = DynamicSupervisor.named(games.via("g1"))       # always the same one for "g1"
...         await shard.start_child((Agent, dict))
...         return await games.count_children(), (await shard.count_children()).active
>>> asyncio.run(main())
(Counts(specs=4, active=4, supervisors=4, workers=0), 1)

An integer key goes to the partition of its absolute value's remainder, any other key to that of its
hash. A partition that is restarted is found under the same keys.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, Unpack, cast

from regrow.kernel.errors import InvalidSpec, StartError
from regrow.kernel.mailbox import put_message
from regrow.kernel.process import Pid, Process
from regrow.servers.calls import call, client
from regrow.servers.child_spec import ChildSpec
from regrow.supervision.children import ChildInfo, Counts
from regrow.supervision.flags import Strategy, require_static
from regrow.supervision.specs import Child, require_insignificant, to_spec
from regrow.supervision.stepwise import Stepwise, drive
from regrow.supervision.table_supervisor import TableSupervisor

WithArguments = Callable[[list[Any], int], Sequence[Any]]


class PartitionFlags(TypedDict, total=False):
    """The flags of a ``PartitionSupervisor`` as keywords."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float


class PartitionSupervisor(TableSupervisor):
    """A supervisor of ``partitions`` children made from one spec. Elixir: ``PartitionSupervisor``.

    It needs a name, since its partitions are found through it: ``PartitionSupervisor.options(name=...)``.
    ``partitions`` is how many there are, as many as the machine has processors unless given.
    ``with_arguments(arguments, partition)`` may give each partition its own start arguments.
    """

    _flag_names: ClassVar[tuple[str, ...]] = ("strategy", "max_restarts", "max_seconds")

    def __init__(
        self,
        child: Child,
        *,
        partitions: int | None = None,
        with_arguments: WithArguments | None = None,
        **flags: Unpack[PartitionFlags],
    ) -> None:
        self._partition_flags = {**flags}
        self._spec = _checked_spec(child)
        self._maximum = self._count = _checked_count(partitions)
        self._with_arguments = _checked_function(with_arguments)

    # --- for clients --------------------------------------------------------------------------------------------------

    @client
    def via(self, key: object) -> Partition:
        """The name of the partition that ``key`` belongs to, for handles and for ``regrow.process``.

        Elixir: ``{:via, PartitionSupervisor, {name, key}}``.
        """
        return Partition(self, key)

    @call(timeout=None)
    def partitions(self) -> int:
        """How many partitions there are now. Elixir: ``PartitionSupervisor.partitions/1``."""
        return self._count

    @call(timeout=None, raises=(ValueError, StartError))
    def resize(self, partitions: int) -> Coroutine[Any, Any, int]:
        """Have this many partitions, from 0 to as many as at the start; gives how many there were.

        Those no longer wanted are ended, the highest first; keys go to the others from then on. Raises ``ValueError``,
        and ``StartError`` if one fails to start. Elixir: ``PartitionSupervisor.resize!/2``.
        """
        if (
            isinstance(partitions, bool)
            or not isinstance(partitions, int)
            or not 0 <= partitions <= self._maximum
        ):
            raise ValueError(
                f"partitions={partitions!r}: must be from 0 to {self._maximum}, the number at the start"
            )
        return cast("Coroutine[Any, Any, int]", drive(self._resize(partitions)))

    @call(timeout=None)
    def which_children(self) -> list[ChildInfo]:
        """All partitions, the highest first; the ``id`` is the partition's number.

        Elixir: ``PartitionSupervisor.which_children/1``.
        """
        return [child.info() for child in reversed(self._table)]

    @call(timeout=None)
    def count_children(self) -> Counts:
        """How many partitions there can be, how many run. Elixir: ``PartitionSupervisor.count_children/1``."""
        return self._table.count()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _begin(self) -> Stepwise[None]:
        if self._me.name is None:
            raise InvalidSpec(
                "name=None: a PartitionSupervisor must have one, PartitionSupervisor.options(name=...)"
            )
        flags = require_static(self._merged(self._partition_flags))
        yield from self._start_with(flags, [self._spec_of(number) for number in range(self._maximum)])

    def _spec_of(self, number: int) -> ChildSpec[Any]:
        spec = self._spec
        if self._with_arguments is None:
            return spec.replace(id=number)
        args = self._with_arguments(list(spec.args), number)
        if not isinstance(args, (list, tuple)):
            raise InvalidSpec(
                f"with_arguments returned {args!r} for partition {number}: must be a list of arguments"
            )
        return spec.replace(id=number, args=tuple(args))

    def _resize(self, wanted: int) -> Stepwise[int]:
        before = self._count
        children = list(self._table)
        while self._count > wanted:
            self._count -= 1  # first, so that no key leads there any more
            yield from self._table.stop(children[self._count])
        while self._count < wanted:
            child = children[self._count]
            if child.pid is None:
                yield from self._table.start(child)
            self._count += 1
        return before

    def _partition_of(self, key: object) -> Pid | None:
        if not self._count:
            raise ValueError(
                f"{self._me!r} has zero partitions, so the key {key!r} belongs to none; resize it first"
            )
        number = abs(key) if type(key) is int else hash(key)
        child = self._table.get(number % self._count)
        return None if child is None else child.pid


@dataclass(frozen=True, slots=True)
class Partition:
    """The name of whichever partition of ``supervisor``, a handle, the ``key`` belongs to: a via."""

    supervisor: Any
    key: object

    def whereis_name(self) -> Pid | None:
        process: Process | None = self.supervisor.__regrow_process__()
        if process is None or not isinstance(process.server, PartitionSupervisor):
            return None
        return process.server._partition_of(self.key)

    def register_name(self, pid: Pid) -> bool:
        """A partition has its name by its number; nobody else can get one."""
        if self.whereis_name() is None:
            raise ValueError(
                f"process {pid} can't be registered as {self!r}: the supervisor gives these names"
            )
        return False

    def unregister_name(self) -> None:
        """Nothing to do: the name goes with the partition."""

    def send(self, message: object) -> None:
        pid = self.whereis_name()
        process = None if pid is None else self.supervisor.__regrow_process__().runtime.processes.get(pid)
        if process is None:
            raise LookupError(f"no process is registered as {self!r}")
        put_message(process, message)


def _checked_spec(child: Child) -> ChildSpec[Any]:
    spec = require_insignificant(to_spec(child))
    if spec.name is not None:
        raise InvalidSpec(
            f"name={spec.name!r}: the partitions can't all have that name; they are found by via(key)"
        )
    return spec


def _checked_count(partitions: int | None) -> int:
    if partitions is None:
        return os.cpu_count() or 1
    if isinstance(partitions, bool) or not isinstance(partitions, int) or partitions < 1:
        raise InvalidSpec(f"partitions={partitions!r}: must be a whole number, 1 or more")
    return partitions


def _checked_function(with_arguments: WithArguments | None) -> WithArguments | None:
    if with_arguments is None:
        return None
    try:
        inspect.signature(with_arguments).bind([], 0)
    except (TypeError, ValueError):
        raise InvalidSpec(
            f"with_arguments={with_arguments!r}: must be a function of the argument list and the partition's number"
        ) from None
    return with_arguments
