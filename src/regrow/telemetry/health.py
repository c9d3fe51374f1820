"""Whether the program lives, and whether it is ready: read from the tree, for Kubernetes, systemd and load balancers.

*Live* says that a restart from outside would not help: the event loop turns (else nobody could answer), and each
running application has its root. *Ready* says that work may come: all applications are started, no supervisor is
starting or trying to restart a child, nothing is being stopped, and the program's own checks are content.

>>> import asyncio
>>> from regrow import Supervisor
>>> async def main():
...     def database():
...         return "no connection"
...     async with Supervisor.scope([]):
...         before = await readiness()
...         with add_check("database", database):
...             return liveness().ok, before.ok, await readiness()
>>> asyncio.run(main())
(True, True, Health(reasons=('database: no connection',)))

``respond`` answers ``/healthz`` and ``/readyz`` for whatever web server there is.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from regrow.application.controller import Controller
from regrow.kernel.process import BUSY, DEAD, STARTING, Process
from regrow.kernel.runtime import Runtime, runtime
from regrow.kernel.timers import checked_seconds
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.table_supervisor import TableSupervisor

__all__ = [
    "PATHS",
    "Check",
    "Health",
    "Response",
    "add_check",
    "liveness",
    "readiness",
    "respond",
    "tree_readiness",
]

PATHS: Final = ("/healthz", "/readyz")
"""What ``respond`` has an answer for."""
SHOWN: Final = 10
"""As many reasons are told; of more, how many they are."""

logger = logging.getLogger("regrow.telemetry")

Outcome = bool | str | None


@dataclass(frozen=True, slots=True)
class Health:
    """Fine, or why not."""

    reasons: tuple[str, ...] = ()
    """A line for each thing that is wrong."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        """``{"ok": ..., "reasons": [...]}``."""
        return {"ok": self.ok, "reasons": list(self.reasons)}


# --- live -----------------------------------------------------------------------------------------------------------


def liveness(rt: Runtime | None = None) -> Health:
    """Whether the event loop turns and the root of each application lives.

    A program that is being stopped is live until it ends.
    """
    rt = rt or runtime()
    if rt.closed:
        return Health(("the event loop has ended",))
    return Health(_limited(_dead_roots(_controller(rt), rt)))


def _dead_roots(controller: Controller | None, rt: Runtime) -> Iterator[str]:
    if controller is None or controller.verdict is not None:
        return
    for name, running in controller.running.items():
        master = running.master
        if master is None or running.stopping:
            continue
        root = controller.root_of(name)
        if master.status == DEAD or root is None or root not in rt.processes:
            yield f"application {name!r}: its root supervisor has ended"


# --- ready ----------------------------------------------------------------------------------------------------------


def tree_readiness(rt: Runtime | None = None) -> Health:
    """What ``readiness`` says of applications and supervisors, without the program's own checks.

    It looks at each living process once: some milliseconds at 100,000.
    """
    rt = rt or runtime()
    return Health(_limited(_unready(rt)))


def _unready(rt: Runtime) -> Iterator[str]:
    yield from liveness(rt).reasons
    controller = _controller(rt)
    if controller is not None:
        if controller.verdict is not None:
            yield f"stopping: {controller.verdict.why}"
        for name in controller.starting:
            yield f"application {name!r} is starting"
        for name, running in controller.running.items():
            if running.stopping:
                yield f"application {name!r} is stopping"
        if controller.booting is not None and not controller.booting.done() and not controller.starting:
            yield "the program is starting"
    for process in rt.processes.values():
        if process.behaviour.children is not None:
            yield from _unsettled(process)


def _unsettled(supervisor: Process) -> Iterator[str]:
    """What keeps a supervisor from having all its children up."""
    server = supervisor.server
    if supervisor.status == STARTING or server is None:
        yield f"supervisor {supervisor!r} is starting"
    elif isinstance(server, DynamicSupervisor):
        restarting = getattr(server, "_restarting", None)
        if restarting:
            yield f"supervisor {supervisor!r} tries to restart {len(restarting)} of its children"
    elif isinstance(server, TableSupervisor):
        for child in getattr(server, "_table", ()):
            if child.restarting:
                yield f"supervisor {supervisor!r} tries to restart its child {child.spec.id!r}"
            elif child.pid is None and supervisor.status == BUSY and not child.temporary:
                yield f"supervisor {supervisor!r} is starting its child {child.spec.id!r}"


async def readiness(rt: Runtime | None = None) -> Health:
    """Whether work may come: the tree is up and all checks that were added are content.

    The checks are asked at once, beside each other.
    """
    rt = rt or runtime()
    found = list(tree_readiness(rt).reasons)
    checks = tuple(_checks(rt).values())
    if checks:
        answers = await asyncio.gather(*(each.ask() for each in checks))
        found += [answer for answer in answers if answer is not None]
    return Health(_limited(found))


# --- the program's own checks ---------------------------------------------------------------------------------------


class Check:
    """What ``add_check`` gives: a check that readiness asks. Leaving it as a ``with`` block removes it."""

    __slots__ = ("_checks", "_failing", "function", "name", "timeout")

    def __init__(
        self, checks: dict[str, Check], name: str, function: Callable[[], Any], timeout: float | None
    ) -> None:
        self._checks = checks
        self._failing = False
        self.name = name
        self.function = function
        self.timeout = timeout

    def remove(self) -> None:
        """Ask it no more."""
        if self._checks.get(self.name) is self:
            del self._checks[self.name]

    async def ask(self) -> str | None:
        """Why it is not content, or None."""
        wrong, error = await self._asked()
        if wrong is not None and not self._failing:
            logger.warning("not ready: %s: %s", self.name, wrong, exc_info=error)
        elif wrong is None and self._failing:
            logger.info("the check %s is content again", self.name)
        self._failing = wrong is not None
        return None if wrong is None else f"{self.name}: {wrong}"

    async def _asked(self) -> tuple[str | None, Exception | None]:
        try:
            async with asyncio.timeout(self.timeout):
                outcome: Outcome = self.function()
                if inspect.isawaitable(outcome):
                    outcome = await outcome
        except TimeoutError as error:
            return "no answer" if self.timeout is None else f"no answer within {self.timeout:g} s", error
        except Exception as error:  # what it says goes to the log: a probe's answer is read by strangers
            return f"raised {type(error).__name__}", error
        if outcome is None or outcome is True:
            return None, None
        return (outcome or "failed") if isinstance(outcome, str) else "failed", None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def add_check(name: str, function: Callable[[], Any], *, timeout: float | None = 1.0) -> Check:
    """Let readiness depend on *function*: a ping of the database, say.

    It is content if *function*, plain or ``async``, gives None or True. It is not if that gives False, or a text that
    says why, or raises, or takes more than *timeout* seconds. Whoever asks the program sees the class of an exception
    only; the log has all of it, once.

    Raises ``ValueError`` for a name that is taken and for what is no time.
    """
    checks = _checks(runtime())
    if not callable(function):
        raise TypeError(f"the check {name!r} is a function without arguments, got {function!r}")
    if name in checks:
        raise ValueError(
            f"there is a check named {name!r} already; take another name, or remove() that one first"
        )
    checks[name] = check = Check(checks, name, function, checked_seconds(timeout, f"timeout={timeout!r}"))
    return check


# --- for a web server -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer: 200 for fine, 503 for not."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    )


async def respond(path: str, rt: Runtime | None = None) -> Response | None:
    """The answer to a GET of ``/healthz`` or ``/readyz``; None for any other path."""
    if path not in PATHS:
        return None
    health = liveness(rt) if path == "/healthz" else await readiness(rt)
    return Response(200 if health.ok else 503, json.dumps(health.as_json()).encode())


def _limited(reasons: Any) -> tuple[str, ...]:
    told = list(reasons)
    return (*told[:SHOWN], f"and {len(told) - SHOWN} more") if len(told) > SHOWN else tuple(told)


def _controller(rt: Runtime) -> Controller | None:
    found: Controller | None = rt.parts.get("application.controller")
    return found


def _checks(rt: Runtime) -> dict[str, Check]:
    found: dict[str, Check] = rt.parts.setdefault("telemetry.checks", {})
    return found
