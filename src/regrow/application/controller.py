"""The application controller: which applications are loaded and which run, one for each runtime.

It starts applications in the order of their dependencies, each under a ``Master``, watches the masters, and decides
what the end of one means: nothing more than a line in the log for a temporary application; the end of all, in
reverse order, for a permanent one, and for a transient one that ended in any other way than ``NORMAL``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from regrow.application import environment
from regrow.application.boot import resolve, start_order
from regrow.application.builtin import BUILTIN
from regrow.application.config import Settings, environment_for, find_settings
from regrow.application.definition import (
    Application,
    ApplicationRef,
    RestartType,
    address_of,
    has_tree,
    name_of,
    summary_of,
)
from regrow.application.errors import (
    ApplicationAlreadyLoaded,
    ApplicationAlreadyStarted,
    ApplicationNotLoaded,
    ApplicationNotStarted,
    ApplicationStartError,
    InvalidApplication,
)
from regrow.application.master import Master
from regrow.kernel import signals
from regrow.kernel.errors import ServerExited, StartError
from regrow.kernel.events import emit
from regrow.kernel.reasons import NORMAL, SHUTDOWN, Shutdown, describe
from regrow.kernel.runtime import Runtime, runtime
from regrow.kernel.targets import resolve as process_of
from regrow.servers.gen_server import stop as stop_server

if TYPE_CHECKING:
    from regrow.kernel.process import Pid, Process

__all__ = ["ApplicationInfo", "Controller", "Running", "Verdict", "controller"]

log = logging.getLogger("regrow.application")


class ApplicationInfo(NamedTuple):
    """One row of ``started_applications`` and ``loaded_applications``."""

    name: str
    description: str
    version: str


@dataclass(slots=True, eq=False)
class Running:
    """A started application. ``master`` is None for one that has no processes."""

    application: type[Application]
    type: RestartType
    master: Process | None = None
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why everything stops, and the exit code that it means for the program."""

    exit_code: int
    why: str


class Controller:
    """See above. Its methods are what the functions of ``regrow.application`` do."""

    def __init__(self, rt: Runtime) -> None:
        self.runtime = rt
        self.settings: Settings | None = None  # read when the first application is loaded
        self.loaded: dict[str, type[Application]] = {}
        self.running: dict[str, Running] = {}  # in the order in which they were started; stopped in reverse
        self.starting: dict[str, asyncio.Event] = {}
        self.booting: asyncio.Task[object] | None = None  # the start of the whole program, under run
        self.verdict: Verdict | None = None
        self.sentenced = asyncio.Event()  # set with the verdict
        self.stopped: asyncio.Task[None] | None = None  # stops them all

    # --- loading -------------------------------------------------------------------------------------------------

    @property
    def known(self) -> dict[str, type[Application]]:
        """What may be called by its name alone."""
        return {**BUILTIN, **self.loaded}

    def load(self, ref: ApplicationRef) -> type[Application]:
        application = resolve(ref, self.known)
        if self.loaded.get(application.name) is application:
            raise ApplicationAlreadyLoaded(application.name)
        self._ensure_loaded(application)
        return application

    def unload(self, ref: ApplicationRef) -> None:
        name = name_of(ref)
        if name in self.running or name in self.starting:
            raise ApplicationAlreadyStarted(name)
        if self.loaded.pop(name, None) is None:
            raise ApplicationNotLoaded(name)
        environment.forget(name)

    def _ensure_loaded(self, application: type[Application]) -> None:
        loaded = self.loaded.get(application.name)
        if loaded is application:
            return
        reloaded = loaded is not None and address_of(loaded) == address_of(application)
        if loaded is not None and (not reloaded or application.name in self.running):
            raise InvalidApplication(
                f"{application!r} and {loaded!r} are both named {application.name!r}; give one of them another name"
            )
        if self.settings is None:
            self.settings = find_settings()
        environment.configure(application.name, environment_for(application, self.settings))
        self.loaded[application.name] = application

    def owner_of(self, module: str) -> type[Application] | None:
        """The loaded application whose package *module* belongs to; of several, the one that is nearest."""
        owners = [each for each in self.loaded.values() if _within(module, _package_of(each))]
        return max(owners, key=lambda each: len(_package_of(each)), default=None)

    def root_of(self, ref: ApplicationRef) -> Pid | None:
        running = self.running.get(name_of(ref))
        master: Master | None = (
            running.master.server if running is not None and running.master is not None else None
        )
        return None if master is None else master.root

    def infos(self, names: Iterable[str]) -> list[ApplicationInfo]:
        """What is told of the loaded applications with these *names*."""
        chosen = [self.loaded[name] for name in names]
        return [ApplicationInfo(each.name, summary_of(each), each.version) for each in chosen]

    # --- starting ------------------------------------------------------------------------------------------------

    async def start(self, ref: ApplicationRef, type: RestartType, args: Sequence[str]) -> None:
        application = resolve(ref, self.known)
        name = application.name
        if name in self.running or name in self.starting:
            raise ApplicationAlreadyStarted(name)
        for each in application.extra_applications:
            needed = resolve(each, self.known, needed_by=name)
            if needed.name not in self.running:
                raise ApplicationNotStarted(needed.name, needed_by=name)
        self._ensure_loaded(application)
        self.starting[name] = asyncio.Event()
        try:
            running = Running(application, type)
            if has_tree(application):
                running.master = await self._start_master(application, list(args))
            self.running[name] = running
        finally:
            self.starting.pop(name).set()
        if running.master is not None:
            signals.watch(running.master, lambda process, reason: self._ended(running, reason))
        log.info("application %r started", name)
        emit(self.runtime, "application.started", name=name)

    async def _start_master(self, application: type[Application], args: list[str]) -> Process:
        born: list[Pid] = []
        try:
            master = await Master.options(timeout=None).start(application, "normal", args, born)
        except BaseException as error:
            await self._ended_below(born)
            if not isinstance(error, StartError):
                raise
            reason = error.reason
            cause = reason if isinstance(reason, BaseException) else error
            raise ApplicationStartError(application.name, reason) from cause
        found = process_of(master)
        if found is None:
            raise ApplicationStartError(application.name, "its root ended as soon as it had started")
        return found

    async def _ended_below(self, born: list[Pid]) -> None:
        """Wait for what a master that failed to start has left: it shuts down, and what it needs must not go first."""
        for each in [each for each in self.runtime.processes.values() if each.parent in born]:
            ended = asyncio.Event()
            signals.watch(each, lambda process, reason, ended=ended: ended.set())  # type: ignore[misc]  # mypy infers no lambda with a default
            await ended.wait()

    async def ensure_all_started(
        self, ref: ApplicationRef, type: RestartType, args: Sequence[str]
    ) -> list[str]:
        application = resolve(ref, self.known)
        started: list[str] = []
        try:
            for each in start_order(application, self.known):
                while (pending := self.starting.get(each.name)) is not None:
                    await pending.wait()
                if each.name not in self.running:
                    await self.start(each, type, args if each is application else ())
                    started.append(each.name)
        except BaseException:
            for name in reversed(started):
                if name in self.running:
                    await self.stop(name)
            raise
        return started

    # --- ending --------------------------------------------------------------------------------------------------

    async def stop(self, ref: ApplicationRef) -> None:
        """Stop one application, whatever its type; the others go on."""
        running = self.running.get(name_of(ref))
        if running is None:
            raise ApplicationNotStarted(name_of(ref))
        running.stopping = True
        if running.master is None:
            self._ended(running, SHUTDOWN)
            return
        try:
            await stop_server(running.master.pid, SHUTDOWN, None)
        except ServerExited:
            pass  # it was faster than we were, or was killed: gone in any case, and reported

    def _ended(self, running: Running, reason: object) -> None:
        name = running.application.name
        del self.running[name]
        emit(self.runtime, "application.stopped", name=name)
        if running.stopping or reason is SHUTDOWN:  # by stop, or because the event loop ends
            log.info("application %r stopped", name)
            return
        if isinstance(reason, Shutdown):  # so the master says that its root has ended
            reason = reason.detail
        why = f"the {running.type} application {name!r} has ended: {describe(reason)}"
        if reason is SHUTDOWN:
            why += " (its root supervisor gave up, or shut itself down)"
        if running.type == "permanent" or (running.type == "transient" and reason is not NORMAL):
            self.stop_system(0 if reason is NORMAL else 1, why)
        else:
            log.log(logging.INFO if reason is NORMAL else logging.ERROR, "%s; the program goes on", why)

    def stop_system(self, exit_code: int, why: str) -> None:
        """Stop all applications in reverse order of their start; the first verdict stands."""
        if self.verdict is None:
            log.log(logging.ERROR if exit_code else logging.INFO, "%s; stopping all applications", why)
            self.verdict = Verdict(exit_code, why)
            self.stopped = self.runtime.loop.create_task(
                self._stop_system(), name="regrow.application: stop all"
            )
            self.sentenced.set()

    async def _stop_system(self) -> None:
        if self.booting is not None and not self.booting.done():
            self.booting.cancel()
            await asyncio.wait((self.booting,))
        await self.stop_all()

    def stop_first(self, applications: Iterable[type[Application]]) -> None:
        """Have these stopped as if they had been started last."""
        for each in applications:
            if each.name in self.running:  # it may have ended meanwhile
                self.running[each.name] = self.running.pop(each.name)

    async def stop_all(self) -> None:
        for name in reversed(list(self.running)):
            if name in self.running:
                await self.stop(name)


def _package_of(application: type[Application]) -> str:
    """The package that the class is defined in, or its module if that is in none."""
    module = application.__module__
    return module.rpartition(".")[0] or module


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def controller() -> Controller:
    """The controller of the running event loop's runtime."""
    rt = runtime()
    found: Controller | None = rt.parts.get("application.controller")
    if found is None:
        found = rt.parts["application.controller"] = Controller(rt)
    return found
