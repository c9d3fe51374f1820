"""Calling a function with the entries of a key: in the caller, or in one process a partition."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from types import CoroutineType

from regrow.kernel.death import exited
from regrow.kernel.process import DEAD, Process
from regrow.kernel.reasons import NORMAL
from regrow.kernel.runtime import runtime
from regrow.kernel.signals import kill, watch
from regrow.kernel.spawning import spawn_process
from regrow.servers.registry.tables import Entry

__all__ = ["dispatch_apart", "dispatch_here"]

Function = Callable[[list[Entry]], object]


def dispatch_here(groups: list[list[Entry]], function: Function) -> None:
    """Call *function* for each group, one after the other."""
    for entries in groups:
        result = function(entries)
        if isinstance(result, CoroutineType):
            result.close()
            raise TypeError(
                f"{function!r} is async, and this dispatch can't wait for it: await dispatch(..., parallel=True)"
            )


async def dispatch_apart(groups: list[list[Entry]], function: Function, *, alone: bool) -> None:
    """Call *function* for all groups at once, each in a process of its own; *alone*: there is one, so do it here."""
    if alone:
        for entries in groups:
            await _run(function, entries)
        return
    runs = [_Run(function, entries) for entries in groups]
    try:
        if runs:
            await asyncio.wait([run.done for run in runs])
    finally:
        for run in runs:
            run.give_up()
    for run in runs:
        run.done.result()


async def _run(function: Function, entries: list[Entry]) -> None:
    result = function(entries)
    if inspect.isawaitable(result):
        await result


class _Run:
    """One process that runs the function. What it raises is the dispatcher's to hear, and no crash of its own."""

    def __init__(self, function: Function, entries: list[Entry]) -> None:
        self.done: asyncio.Future[None] = runtime().loop.create_future()
        self.process = spawn_process(self._work, (function, entries), {}, linked=False)
        watch(self.process, self._ended)

    async def _work(self, function: Function, entries: list[Entry]) -> None:
        try:
            await _run(function, entries)
        except Exception as error:
            if not self.done.done():
                self.done.set_exception(error)

    def _ended(self, process: Process, reason: object) -> None:
        if not self.done.done():
            if reason is NORMAL:
                self.done.set_result(None)
            else:
                self.done.set_exception(exited(process, reason, "dispatch"))

    def give_up(self) -> None:
        """Whoever waited does so no more."""
        if self.process.status != DEAD:
            kill(self.process)
        if self.done.done() and not self.done.cancelled():
            self.done.exception()  # seen: of several failures one comes out
        else:
            self.done.cancel()
