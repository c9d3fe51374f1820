"""``run``: a whole program that is an application, from start to exit code.

>>> from regrow import Application, Supervisor, application, run
>>> async def greet(name):
...     print("hello,", name)
...     application.stop_system()           # or SIGTERM, or Ctrl-C
>>> class Greeter(Application):
...     async def start(self, start_type, args):
...         return await Supervisor.start_link([(greet, *args)])
>>> run(Greeter, args=["world"])
hello, world

It starts the application after all that it needs, and waits. The program ends, always by an ordered stop in reverse
order, when

- SIGINT (Ctrl-C) or SIGTERM comes: exit code 0. A second signal ends the program at once: 130 or 143;
- a permanent application ends: exit code 1, or 0 if its root ended with NORMAL. A transient application that ends with
  NORMAL is only reported, and a temporary one always: the program goes on;
- ``application.stop_system(code)`` is called: that exit code;
- the start fails: exit code 1.

Why it ended stands on stderr. An exit code other than 0 leaves ``run`` as ``SystemExit``.

As long as nobody has set ``logging`` up, the reports of regrow go to stderr as well: a storm of equal ones summed up,
and coloured on a terminal where rich is installed. See ``regrow.telemetry.logs.by_default``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from regrow.application.boot import resolve, start_order
from regrow.application.builtin import BUILTIN
from regrow.application.collector import server_collection
from regrow.application.config import Settings, find_settings
from regrow.application.controller import Controller, Verdict, controller
from regrow.application.environment import put_env
from regrow.application.errors import ApplicationStartError
from regrow.application.lifecycle import check_args, check_type
from regrow.application.os_signals import OsSignals, signals_wake_the_loop

if TYPE_CHECKING:
    from regrow.application.definition import Application, ApplicationRef, RestartType

__all__ = ["run"]

REPORTS: Final = "regrow.telemetry.logs.by_default"
"""What writes reports where nobody has set ``logging`` up. It stands beside the core, which knows no more of it."""


def run(
    application: ApplicationRef,
    *,
    type: RestartType = "permanent",
    args: Sequence[str] | None = None,
    env: Mapping[str, Any] | None = None,
    before: Sequence[ApplicationRef] = (),
    beside: Sequence[ApplicationRef] = (),
) -> None:
    """Run *application* as the whole program; returns when it has stopped. See the head of this module for the rules.

    *type* counts for the applications that it needs, too. *args* are given to its ``start``; without them, those of
    ``[tool.regrow]``. *env* is put into its environment, over what is configured.

    The applications *before* it are started first, and see all of its start, as one that looks on should; those
    *beside* it are started after it. Both are stopped before it, and are temporary: once started, their end is only
    reported.

    Crash reports reach stderr without any set-up: while neither the root logger nor one below ``regrow`` has a handler,
    and until ``run`` returns, warnings and errors of regrow are written there. Whoever sets ``logging`` up, before or
    in ``start``, has it his way alone. Signals are handled in the main thread only, for Python has them only there.

    Raises ``SystemExit`` with an exit code other than 0; ``ConfigError``, ``UnknownApplication``, ``DependencyCycle``
    and ``InvalidApplication`` for what can't be run at all.
    """
    check_type(type)
    application = resolve(application, BUILTIN)
    first = [resolve(each, BUILTIN) for each in before]
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(
            "run owns its program, and an event loop runs here already; "
            "inside of one: await application.ensure_all_started(...)"
        )
    settings = find_settings()
    args = settings.args_for(application) if args is None else check_args(args)
    with import_module(REPORTS).reports_by_default(), OsSignals() as signals:
        try:
            exit_code = asyncio.run(
                _serve(application, type, args, env or {}, first, beside, settings, signals)
            )
        except KeyboardInterrupt:
            exit_code = 130
    if exit_code:
        sys.exit(exit_code)


async def _serve(
    application: type[Application],
    type: RestartType,
    args: Sequence[str],
    env: Mapping[str, Any],
    before: Sequence[type[Application]],
    beside: Sequence[ApplicationRef],
    settings: Settings,
    signals: OsSignals,
) -> int:
    """Start, wait for a verdict, stop."""
    ours = controller()
    ours.settings = settings
    for key, value in env.items():
        put_env(application, key, value)
    loop = asyncio.get_running_loop()
    signals.on_first(lambda signal: loop.call_soon_threadsafe(ours.stop_system, 0, f"{signal.name} came"))
    with signals_wake_the_loop():
        try:
            await _boot(ours, _start_all(ours, application, type, args, before, beside))
        except ApplicationStartError as error:
            print(f"regrow: {error}", file=sys.stderr)
            return 1
        with server_collection() if settings.gc == "server" else nullcontext():
            verdict = await _verdict(ours)
    if verdict.exit_code:
        print(f"regrow: {verdict.why}", file=sys.stderr)
    return verdict.exit_code


async def _boot(ours: Controller, start: Coroutine[Any, Any, None]) -> None:
    """Start all that is needed; a signal that comes before that is done breaks it off."""
    boot = ours.booting = asyncio.create_task(start)
    await asyncio.wait((boot,))
    if not boot.cancelled():
        boot.result()


async def _start_all(
    ours: Controller,
    application: type[Application],
    type: RestartType,
    args: Sequence[str],
    before: Sequence[type[Application]],
    beside: Sequence[ApplicationRef],
) -> None:
    try:
        needed = start_order(application, ours.known)
        for each in before:
            for one in start_order(each, ours.known):
                kind = type if one in needed else "temporary"
                await ours.ensure_all_started(one, kind, args if one is application else ())
        await ours.ensure_all_started(application, type, args)
        ours.stop_first(each for each in before if each not in needed)
        for other in beside:
            await ours.ensure_all_started(other, "temporary", ())
    except Exception:
        await ours.stop_all()
        raise


async def _verdict(ours: Controller) -> Verdict:
    await ours.sentenced.wait()
    assert ours.verdict is not None
    assert ours.stopped is not None
    await ours.stopped
    return ours.verdict
