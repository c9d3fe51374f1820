"""The functions of ``regrow.application``: start and stop applications inside a program that runs already."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

from regrow.application.controller import ApplicationInfo, controller
from regrow.application.definition import Application, ApplicationRef, RestartType, name_of

if TYPE_CHECKING:
    from regrow.kernel.process import Pid

__all__ = [
    "check_args",
    "check_type",
    "ensure_all_started",
    "ensure_started",
    "get_application",
    "get_supervisor",
    "load",
    "loaded_applications",
    "start",
    "started_applications",
    "stop",
    "stop_system",
    "unload",
]


async def start(
    application: ApplicationRef, *, type: RestartType = "temporary", args: Sequence[str] = ()
) -> None:
    """Start one application, whose dependencies must run already (``Application.start/2``).

    *type* says what its end means. ``"temporary"``: it is reported. ``"permanent"``: all applications are stopped,
    and a program under ``run`` ends. ``"transient"``: the same, unless it ended with ``NORMAL``.

    Raises ``ApplicationStartError``, ``ApplicationAlreadyStarted``, ``ApplicationNotStarted`` (for a dependency that
    does not run) and ``UnknownApplication``.
    """
    await controller().start(application, check_type(type), check_args(args))


async def ensure_started(
    application: ApplicationRef, *, type: RestartType = "temporary", args: Sequence[str] = ()
) -> None:
    """Like ``start``, and content if it runs already; raises as ``start`` does (``Application.ensure_started/2``)."""
    if name_of(application) not in controller().running:
        await start(application, type=type, args=args)


async def ensure_all_started(
    application: ApplicationRef, *, type: RestartType = "temporary", args: Sequence[str] = ()
) -> list[str]:
    """Start an application after all that it needs, and return the names of those started, in that order.

    What runs already is left as it is. If one fails, those that were started for it are stopped again, and the
    ``ApplicationStartError`` names the one that failed (``Application.ensure_all_started/2``). Raises too
    ``UnknownApplication``, ``DependencyCycle``, ``InvalidApplication`` and ``ConfigError``.
    """
    return await controller().ensure_all_started(application, check_type(type), check_args(args))


async def stop(application: ApplicationRef) -> None:
    """Stop an application: ``prep_stop``, its tree, ``stop``. Other applications go on, whatever its type.

    Returns when all of it has ended (``Application.stop/1``). Raises ``ApplicationNotStarted``.
    """
    await controller().stop(application)


def stop_system(exit_code: int = 0) -> None:
    """Begin to stop all applications, the last one started first; a program under ``run`` then ends with *exit_code*.

    It returns at once, so that the process that calls it can be stopped like the others (``System.stop/1``).
    Raises ``ValueError`` for what can't be an exit code.
    """
    if isinstance(exit_code, bool) or not isinstance(exit_code, int) or not 0 <= exit_code <= 255:
        raise ValueError(f"exit_code={exit_code!r}: must be a number from 0 to 255, and 0 means success")
    controller().stop_system(exit_code, f"stop_system({exit_code}) was called")


def load(application: ApplicationRef) -> None:
    """Make an application known and read its environment, without starting it (``Application.load/1``).

    A start does this by itself. Raises ``ApplicationAlreadyLoaded``, ``UnknownApplication``, ``InvalidApplication``
    for another one of the same name, and ``ConfigError``.
    """
    controller().load(application)


def unload(application: ApplicationRef) -> None:
    """Forget an application that does not run, and its environment (``Application.unload/1``).

    Raises ``ApplicationNotLoaded``, or ``ApplicationAlreadyStarted`` while it runs.
    """
    controller().unload(application)


def started_applications() -> list[ApplicationInfo]:
    """Name, description and version of what runs, in the order of start (``Application.started_applications/0``)."""
    found = controller()
    return found.infos(found.running)


def loaded_applications() -> list[ApplicationInfo]:
    """Name, description and version of what is loaded (``Application.loaded_applications/0``)."""
    found = controller()
    return found.infos(found.loaded)


def get_application(owned: str | type[Any] | ModuleType) -> type[Application] | None:
    """The loaded application that a module or a class belongs to, by its package; None if it belongs to none.

    Raises ``TypeError`` for anything else. Elixir: ``Application.get_application/1``.
    """
    if isinstance(owned, ModuleType):
        return controller().owner_of(owned.__name__)
    if isinstance(owned, type):
        return controller().owner_of(owned.__module__)
    if isinstance(owned, str):
        return controller().owner_of(owned)
    raise TypeError(f"get_application takes a module, the name of one, or a class, got {owned!r}")


def get_supervisor(application: ApplicationRef) -> Pid | None:
    """The root supervisor of a running application; None if it does not run (OTP's ``get_supervisor/1``).

    ``Supervisor.of(pid)`` makes a handle of it.
    """
    return controller().root_of(application)


def check_type(type: RestartType) -> RestartType:
    """Refuse what is no restart type."""
    if type not in get_args(RestartType):
        raise ValueError(
            f"the type of an application is one of {', '.join(get_args(RestartType))}, got {type!r}"
        )
    return type


def check_args(args: Sequence[str]) -> Sequence[str]:
    """Refuse what is no list of strings, a single string among others."""
    if isinstance(args, str) or not all(isinstance(each, str) for each in args):
        raise TypeError(f"the args of an application are a list of strings, got {args!r}")
    return args
