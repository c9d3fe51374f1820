"""Applications: a tree that starts and stops as a unit, after what it needs, configured, and with an exit code.

``definition`` is the class to subclass and ``errors`` what can be wrong with one. ``config`` reads ``pyproject.toml``
and variables into the ``environment``; ``boot`` finds the order. ``master`` is the process that holds one running
application; ``controller`` knows them all, and ``lifecycle`` are its functions. ``runner`` makes a program of it,
with ``os_signals`` and the ``collector``. ``builtin`` holds what comes along: ``"logging"``.
"""

from regrow.application.controller import ApplicationInfo
from regrow.application.definition import Application, ApplicationRef, RestartType, Root, StartType
from regrow.application.environment import delete_env, fetch_env, get_all_env, get_env, put_env
from regrow.application.errors import (
    ApplicationAlreadyLoaded,
    ApplicationAlreadyStarted,
    ApplicationNotLoaded,
    ApplicationNotStarted,
    ApplicationStartError,
    ConfigError,
    DependencyCycle,
    EnvironmentKeyError,
    InvalidApplication,
    UnknownApplication,
)
from regrow.application.lifecycle import (
    ensure_all_started,
    ensure_started,
    get_application,
    get_supervisor,
    load,
    loaded_applications,
    start,
    started_applications,
    stop,
    stop_system,
    unload,
)
from regrow.application.runner import run

__all__ = [
    "Application",
    "ApplicationAlreadyLoaded",
    "ApplicationAlreadyStarted",
    "ApplicationInfo",
    "ApplicationNotLoaded",
    "ApplicationNotStarted",
    "ApplicationRef",
    "ApplicationStartError",
    "ConfigError",
    "DependencyCycle",
    "EnvironmentKeyError",
    "InvalidApplication",
    "RestartType",
    "Root",
    "StartType",
    "UnknownApplication",
    "delete_env",
    "ensure_all_started",
    "ensure_started",
    "fetch_env",
    "get_all_env",
    "get_application",
    "get_env",
    "get_supervisor",
    "load",
    "loaded_applications",
    "put_env",
    "run",
    "start",
    "started_applications",
    "stop",
    "stop_system",
    "unload",
]
