"""The test's own supervisor: it starts with the first child, and stops its children in reverse order at the end.

It is made on the loop, and in the task, that first asks for a child, and so needs to know neither beforehand. A child
that has to be killed because it does not end within its shutdown time, or crashes in its ``terminate``, fails the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from regrow.kernel.errors import NoProcess, ServerExited, StartIgnored
from regrow.kernel.process import Pid
from regrow.kernel.reasons import SHUTDOWN, describe
from regrow.kernel.targets import Target, resolve
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer, stop
from regrow.supervision.errors import ChildNotFound
from regrow.supervision.specs import Child, to_spec
from regrow.supervision.supervisor import Supervisor
from regrow.testing.reports import CrashReport, Reports, SupervisorReport

__all__ = ["RefusedToStop", "StartSupervised", "StopSupervised", "Supervised"]

T = TypeVar("T")
G = TypeVar("G", bound=GenServer)


class RefusedToStop(AssertionError):
    """A child did not end as its supervisor told it to: it was killed, or crashed on its way out."""


class SupervisorOfTest(Supervisor, max_restarts=1_000_000, max_seconds=1):
    """Restarts whatever crashes, as ExUnit's does: a test is about the child and not about this one giving up."""


class Supervised:
    """What one test has started under its own supervisor."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._supervisor: Supervisor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: dict[Any, Any] = {}  # the id of each child, and what its start gave

    @property
    def started(self) -> bool:
        """Whether there is anything to stop."""
        return self._supervisor is not None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that it lives on."""
        return self._loop

    async def start(self, child: Child) -> Any:
        """As ``StartSupervised``."""
        spec = to_spec(child)
        if self._supervisor is None:
            self._loop = asyncio.get_running_loop()
            self._supervisor = await SupervisorOfTest.start([])
        number, given = 1, spec.id
        while spec.id in self._started:  # two of a class are no mistake in a test
            number += 1
            spec = spec.replace(id=(given, number))
        handle: Any = await self._supervisor.start_child(spec)
        if handle is None:
            await self._forget(spec.id)
            raise StartIgnored
        self._started[spec.id] = handle
        return handle

    async def stop(self, child: Any) -> None:
        """As ``StopSupervised``."""
        if self._supervisor is None:
            raise ChildNotFound(child)
        child_id = await self._id_of(child)
        before = len(self._reports.all)
        await self._supervisor.terminate_child(child_id)
        await self._forget(child_id)
        self._refuse(before)

    async def stop_all(self) -> None:
        """Stop the supervisor, and so its children, the last started first. ``RefusedToStop`` names who did not end."""
        supervisor, self._supervisor = self._supervisor, None
        self._started.clear()
        if supervisor is None:
            return
        before = len(self._reports.all)
        try:
            await stop(supervisor, SHUTDOWN)
        except (NoProcess, ServerExited):  # the test has ended it
            pass
        self._refuse(before)

    async def _id_of(self, child: Any) -> Any:
        assert self._supervisor is not None
        wanted = _pid(child)
        for info in await self._supervisor.which_children():
            known = self._started.get(info.id)
            if info.id == child or known == child:
                return info.id
            if wanted is not None and wanted in (_pid(info.child), _pid(known)):
                return info.id
        raise ChildNotFound(child)

    async def _forget(self, child_id: Any) -> None:
        assert self._supervisor is not None
        self._started.pop(child_id, None)
        try:
            await self._supervisor.delete_child(child_id)
        except ChildNotFound:  # temporary ones are gone already
            pass

    def _refuse(self, before: int) -> None:
        reports = self._reports.all
        # Who had crashed by himself may still have been in his terminate; that is told as a crash, and no refusal.
        crashed = {each.pid for each in reports[:before] if isinstance(each, CrashReport)}
        refused = [
            each
            for each in reports[before:]
            if isinstance(each, SupervisorReport)
            and each.event == "shutdown_error"
            and each.child["pid"] not in crashed
        ]
        if refused:
            told = "".join(
                f"\n  {each.child['id'] or each.child['start']!r} (pid {each.child['pid']}, "
                f"shutdown={each.child['shutdown']}): {describe(each.reason)}"
                for each in refused
            )
            raise RefusedToStop(f"{len(refused)} of the children did not end as they were told to:{told}")


def _pid(child: Any) -> Pid | None:
    if child is None:
        return None
    if type(child) is int:
        return Pid(child)
    try:
        process = resolve(child)
    except Exception:  # an id may be anything
        return None
    return None if process is None else process.pid


class StartSupervised:
    """``await start_supervised(child)``: start it under the test's own supervisor. ExUnit: ``start_supervised!/2``.

    *child* is whatever a supervisor takes: a server class, a tuple ``(class, argument...)``, a child spec, a coroutine
    function. Gives its handle (or what its own start function returned). It is restarted as its spec says, as often
    as it takes. ``StartError`` if it does not start, ``StartIgnored`` if it chose not to. Two children with
    one id are no mistake: the second gets the id ``(id, 2)``.
    """

    def __init__(self, supervised: Callable[[], Supervised]) -> None:
        self._supervised = supervised

    @overload
    def __call__(self, child: ChildSpec[T], /) -> Coroutine[Any, Any, T]: ...
    @overload
    def __call__(self, child: Callable[[], G], /) -> Coroutine[Any, Any, G]: ...
    @overload
    def __call__(self, child: tuple[type[G], *tuple[Any, ...]], /) -> Coroutine[Any, Any, G]: ...
    @overload
    def __call__(self, child: Callable[[], Coroutine[Any, Any, object]], /) -> Coroutine[Any, Any, Pid]: ...
    @overload
    def __call__(
        self, child: tuple[Callable[..., Coroutine[Any, Any, object]], *tuple[Any, ...]], /
    ) -> Coroutine[Any, Any, Pid]: ...
    def __call__(self, child: Any, /) -> Coroutine[Any, Any, Any]:
        return self._supervised().start(child)


class StopSupervised:
    """``await stop_supervised(child)``: end a child within its shutdown time, and forget it.

    *child* is the handle or pid that its start gave or that it has now, its name, or its id. ``ChildNotFound`` if it is
    none of the test's, ``RefusedToStop`` if it had to be killed or crashed. ExUnit: ``stop_supervised!/1``.
    """

    def __init__(self, supervised: Callable[[], Supervised]) -> None:
        self._supervised = supervised

    def __call__(self, child: Target, /) -> Coroutine[Any, Any, None]:
        return self._supervised().stop(child)
