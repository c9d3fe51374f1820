"""What must hold after every step, in every test of this suite: the kernel's and the supervisors' books are in order.

``install()`` fits out each runtime of the test run with a ``Checker``. It looks before each message that is taken out
of a mailbox, after each step of a coroutine, after each run of the scheduler, and at the end of each turn of the loop:
whenever no plain handler is on the stack. The first thing that it finds ends the loop, and is kept for the test that
runs, which fails by it even if it takes all exceptions (see ``conftest``); the runtime is not looked at any more.

A look goes over every process, every child in a table, every call and every exit that waits. Where those are more than
``OFTEN``, only each n-th step is looked at, n being a fifth of their number: the price of a step does not grow with it.
"""

from __future__ import annotations

import sys
import weakref
from collections import deque
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

from regrow.kernel import mailbox, receiving, settling, timers
from regrow.kernel.mailbox import Exit
from regrow.kernel.process import DEAD, ENDING, EXITING, IDLE, QUEUED, SUSPENDED, WAITING, Process, Request
from regrow.kernel.runtime import Runtime, on_new_runtime, runtime
from regrow.kernel.settling import Handling
from regrow.kernel.steps import Steps
from regrow.servers import messages, rendezvous
from regrow.servers.registry.partition import RegistryPartition
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.exits import queued_exits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Iterator
    from types import CoroutineType

    from regrow.kernel.process import Envelope, Pid

BOOKS = "the living children of a supervisor are those in its table and those being started or stopped"
ORPHANS = "a child does not outlive its supervisor"
INTENSITY = "the list of restarts is never longer than the intensity, and holds those of the window only"
NAMES = "no name is at a dead process"
CALLERS = "every waiting caller has a live process, a time-out or a pending exit to wake it"
DEAD_HANDS = "no process handles anything after its exit was decided"
ENDS = "who has to end does: its code is under way, or it waits for its turn"

OFTEN = 200
"""A look that goes over so many things or less is had after every step."""
AT_REST = (IDLE, WAITING, QUEUED, SUSPENDED)

found: list[str] = []
"""What was found since the last ``hold``."""
_meant = False


class Checker:
    """Looks at one runtime, and remembers what it has to from one look to the next."""

    def __init__(self, rt: Runtime) -> None:
        self.rt = rt
        self.last = "none"
        self.asked: list[tuple[weakref.ref[asyncio.Future[Any]], Pid, str]] = []
        self._wait = 0  # the steps until the next look
        self._gone_over = 0  # what the last one had to go over, beside the processes
        self._newest: dict[Pid, Pid] = {}  # a supervisor at rest: the newest process of that moment
        self._tables: dict[Pid, set[Pid]] = {}
        self._restarts: dict[Pid, float] = {}
        self._broken = self._told = False

    def step(self, between: Process | None = None) -> None:
        """A step is over, or one of *between* is, who has not taken its next message yet."""
        if self._wait > 0:
            self._wait -= 1
        elif not self._broken and not self.rt.closed:
            self.look(between)
            size = len(self.rt.processes) + self._gone_over
            self._wait = 0 if size <= OFTEN else size // 5

    def look(self, between: Process | None = None) -> None:
        rt = self.rt
        self._gone_over = len(self.asked)
        children: dict[Pid, list[Process]] = {}
        supervisors: list[Process] = []
        for process in rt.processes.values():
            if process.parent is not None:
                children.setdefault(process.parent, []).append(process)
            behaviour = process.behaviour
            if process.status == EXITING and _lies_about(process):
                self.violated(ENDS, f"{process!r} has to end, and nothing is left of it that could")
            if behaviour.children is not None:
                supervisors.append(process)
            elif behaviour.kind is RegistryPartition and process.server is not None:
                self._registered(process)
        for name, holder in (*rt.names.items(), *rt.globals.items()):
            if holder.status == DEAD:
                self.violated(NAMES, f"{name!r} is at {holder!r}, which is dead")
        for process in supervisors:
            self._books(process, children.get(process.pid, ()), process is between)
            self._intensity(process)
        self._left_behind(supervisors)
        self._waiting()

    def tell(self) -> None:
        """Raise what was found, once."""
        if self._broken and not self._told and not _meant:
            self._told = True
            raise AssertionError("\n".join(found))

    def violated(self, invariant: str, text: str) -> None:
        if not self._broken:
            self._broken = True
            found.append(f"broken: {invariant}\n  {text}\n  the last step: {self.last}")

    # --- supervisors --------------------------------------------------------------------------------------------------

    def _books(self, supervisor: Process, children: Iterable[Process], between: bool) -> None:
        living = self.rt.processes
        if supervisor.server is None or supervisor.status >= EXITING or supervisor.behaviour.children is None:
            return
        table = self._tables[supervisor.pid] = set(supervisor.behaviour.children(supervisor.server))
        self._gone_over += len(table) + len(supervisor.mailbox or ())
        started = inf
        at_rest = between or supervisor.status in AT_REST  # then nobody is being started
        if at_rest:
            self._newest[supervisor.pid] = next(reversed(living))
        else:
            started = self._newest.get(supervisor.pid, 0)
        for child in children:
            stopped = child.status >= EXITING and child.extra is not None and child.extra.killed
            if child.pid not in table and child.pid <= started and not stopped:
                self.violated(
                    BOOKS, f"{child!r} lives, and {supervisor!r} has only {sorted(table)} in its table"
                )
        sink = supervisor.extra.exit_sink if supervisor.extra is not None else None
        if hasattr(sink, "__func__") or not (at_rest or isinstance(supervisor.server, BaseSupervisor)):
            return  # it ends children, and takes them out when the last one is gone
        dead = table - living.keys()
        if dead:
            queued = {message.pid for _, message, *_ in supervisor.mailbox or () if isinstance(message, Exit)}
            for pid in dead.difference(queued, queued_exits(supervisor)):
                self.violated(
                    BOOKS, f"process {pid} is dead, {supervisor!r} has it in its table, and no exit waits"
                )

    def _intensity(self, supervisor: Process) -> None:
        server = supervisor.server
        if not isinstance(server, BaseSupervisor) or not hasattr(server, "_intensity"):
            return
        intensity = server._intensity
        times = intensity._times
        if len(times) > intensity.max_restarts:
            self.violated(
                INTENSITY, f"{supervisor!r} may restart {intensity.max_restarts} times, and has {list(times)}"
            )
        if times and times[-1] != self._restarts.get(supervisor.pid):
            self._restarts[supervisor.pid] = times[-1]
            if times[-1] - times[0] > intensity.max_seconds:
                self.violated(
                    INTENSITY, f"{supervisor!r} counts {intensity.max_seconds} s, and has {list(times)}"
                )

    def _left_behind(self, supervisors: list[Process]) -> None:
        """When a supervisor is dead, those of its table are dead as well."""
        if len(self._tables) <= len(supervisors):
            return
        for pid in self._tables.keys() - self.rt.processes.keys():
            for child in self._tables.pop(pid) & self.rt.processes.keys():
                self.violated(
                    ORPHANS, f"{self.rt.processes[child]!r} lives, and its supervisor {pid} is dead"
                )

    # --- names and callers --------------------------------------------------------------------------------------------

    def _registered(self, partition: Process) -> None:
        living = self.rt.processes
        for pid in partition.server.book:
            if pid not in living and not any(
                isinstance(message, Exit) and message.pid == pid for _, message, *_ in partition.mailbox or ()
            ):
                self.violated(NAMES, f"{partition!r} has keys of process {pid}, which is dead")

    def _waiting(self) -> None:
        known: dict[Pid, set[int]] = {}
        living = self.rt.processes
        still = []
        for entry in self.asked:
            future, pid, label = entry
            waiting = future()
            if waiting is None or waiting.done():
                continue
            still.append(entry)
            target = living.get(pid)
            if target is None:
                self.violated(CALLERS, f"{label} waits for the answer of process {pid}, which is dead")
                continue
            if pid not in known:
                known[pid] = {id(each) for each in _answers(target)}
                self._gone_over += len(known[pid])
            if id(waiting) not in known[pid] and not self._has_timeout(waiting):
                self.violated(CALLERS, f"{label} waits for {target!r}, which knows nothing of it")
        self.asked = still
        for expiries in self.rt.expiries.values():
            if expiries.waiting and not self._is_armed(expiries):
                labels = [request.label for request in expiries.waiting][:5]
                self.violated(CALLERS, f"no timer ends the wait of {expiries.seconds} s of {labels}")

    def _has_timeout(self, waiting: asyncio.Future[Any]) -> bool:
        return any(
            request.future is waiting for each in self.rt.expiries.values() for request in each.waiting
        )

    def _is_armed(self, expiries: timers.Expiries) -> bool:
        loop: Any = self.rt.loop
        first = min(expiries.waiting.values())
        return any(
            handle._callback is timers._expire
            and handle._args[1] is expiries
            and handle.when() <= first
            and not handle.cancelled()
            for handles in (loop._scheduled, loop._ready)
            for handle in handles
            if hasattr(handle, "when")
        )


def _lies_about(process: Process) -> bool:
    extra = process.extra
    return extra is None or not (extra.task or extra.boot or extra.outlived)


def _answers(target: Process) -> Iterator[object]:
    """What waits for *target*, as it knows."""
    requests = [target.request, *(envelope[3] for envelope in target.mailbox or ())]
    extra = target.extra
    if extra is not None:
        requests += extra.deferred or ()
        yield extra.starter
        if extra.held is not None:
            requests.append(extra.held[0])
    for request in requests:
        if request is not None:
            yield request.future


# --- where it looks ---------------------------------------------------------------------------------------------------


def checker_of(rt: Runtime) -> Checker | None:
    checker: Checker | None = rt.parts.get(__name__)
    return checker


def _named(function: object) -> str:
    return getattr(function, "__qualname__", None) or type(function).__name__


class Mailbox(deque[Any]):
    """A mailbox that looks when the next message is taken out to be handled."""

    def popleft(self) -> Any:
        rt = runtime()
        process, checker = rt.current, checker_of(rt)
        if checker is not None and process is not None and process.mailbox is self:
            _may_handle(checker, process)
            checker.step(process)
            function = self[0][0]
            what = f"a message of {type(self[0][1]).__name__}" if function is None else _named(function)
            checker.last = f"{process.behaviour.name} {process.pid} handles {what}"
        return super().popleft()


def _may_handle(checker: Checker, process: Process) -> None:
    if process.status >= ENDING:
        checker.violated(DEAD_HANDS, f"{process!r} is about to handle something, and its exit is decided")


def install() -> None:
    """Look at every runtime from now on."""
    for module in (mailbox, settling, receiving):
        module.deque = Mailbox  # type: ignore[attr-defined]  # the name by which they make mailboxes
    rendezvous.run_inline = _probed(rendezvous.run_inline)
    messages.WHAT_THEY_USE["exception"] = (
        _on_the_fast_path  # what a call asks last before it runs inline without run_inline
    )
    messages.WHAT_THEY_USE["Handling"] = _handling  # the same of one whose handler is a coroutine function
    Steps.send = _stepping(Steps.send)  # type: ignore[method-assign]  # each step of every coroutine
    Request.__init__ = _asking(Request.__init__)  # type: ignore[method-assign]  # each call that has to wait
    on_new_runtime(_fit_out)


def _fit_out(rt: Runtime) -> None:
    checker = rt.parts[__name__] = Checker(rt)
    loop: Any = rt.loop
    work_off, turn = rt.scheduler, loop._run_once

    def scheduled(rt: Runtime) -> None:
        work_off(rt)
        checker.step()

    def turned() -> None:
        turn()
        checker.step()
        checker.tell()

    rt.scheduler, loop._run_once = scheduled, turned


def _probed(run_inline: Callable[..., Any]) -> Callable[..., Any]:
    def probed(process: Process, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        _handles_inline(process, function)
        return run_inline(process, function, args, kwargs)

    return probed


def _on_the_fast_path() -> BaseException | None:
    call = sys._getframe(1)
    handle = call.f_locals[call.f_code.co_varnames[0]]
    (function,) = [value for name, value in call.f_globals.items() if name.rstrip("_") == "function"]
    _handles_inline(handle._target, function)
    return sys.exception()


def _handling(process: Process, coroutine: CoroutineType[Any, Any, Any], envelope: Envelope) -> Handling:
    _handles_inline(process, coroutine)
    return Handling(process, coroutine, envelope)


def _handles_inline(process: Process, function: Callable[..., Any]) -> None:
    checker = checker_of(process.runtime)
    if checker is not None:
        checker.last = f"{process.behaviour.name} {process.pid} handles {_named(function)} inline"
        _may_handle(checker, process)


def _stepping(step: Callable[..., Any]) -> Callable[..., Any]:
    def stepping(self: Steps, *args: Any) -> Any:
        process = self.process
        checker = checker_of(process.runtime)
        if checker is None:
            return step(self, *args)
        checker.last = f"a step of the coroutine of {process.behaviour.name} {process.pid}"
        if process.status == DEAD and not self.fenced:
            checker.violated(DEAD_HANDS, f"{process!r} is dead, and its coroutine goes on {self.where()}")
        try:
            return step(self, *args)
        finally:
            checker.step()

    return stepping


def _asking(init: Callable[..., None]) -> Callable[..., None]:
    def asking(self: Request, target: Process, future: Any, *args: Any, **kwargs: Any) -> None:
        init(self, target, future, *args, **kwargs)
        checker = checker_of(target.runtime)
        if checker is not None:
            checker.asked.append((weakref.ref(future), target.pid, self.label or "a call"))

    return asking


# --- what the test says -------------------------------------------------------------------------------------------


def hold() -> None:
    """AssertionError with what was found since the last time."""
    texts, found[:] = list(found), []
    if texts:
        raise AssertionError("\n".join(texts))


@contextmanager
def planted() -> Iterator[list[str]]:
    """What is found in the block is meant, and no failure of the test; gives the list of it."""
    global _meant
    before, found[:] = list(found), []
    seen: list[str] = []
    _meant = True
    try:
        yield seen
    finally:
        _meant = False
        seen += found
        found[:] = before
