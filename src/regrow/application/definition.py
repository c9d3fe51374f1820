"""``Application``: a tree that starts and stops as a unit, with a name, dependencies and an environment.

>>> import asyncio
>>> from regrow import Agent, Application, Supervisor, application
>>> class Shop(Application):
...     name = "shop"
...     extra_applications = ["logging"]
...     env = {"stock": 3}
...     async def start(self, start_type, args):
...         stock = application.get_env("shop", "stock")
...         return await Supervisor.start_link([Agent.options(name="stock").child_spec(lambda: stock)])
>>> async def main():
...     started = await application.ensure_all_started(Shop)
...     stock = await Agent.named("stock").get(lambda stock: stock)
...     await application.stop("shop")
...     return started, stock
>>> asyncio.run(main())
(['logging', 'shop'], 3)

What is checked of the class is checked when it is made, so that a slip shows at import and not in production.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from regrow.application.errors import InvalidApplication
from regrow.kernel.process import Pid
from regrow.servers.gen_server import GenServer

__all__ = [
    "Application",
    "ApplicationRef",
    "RestartType",
    "Root",
    "StartType",
    "address_of",
    "has_tree",
    "name_of",
    "summary_of",
]

StartType: TypeAlias = Literal["normal", "takeover", "failover"]
"""Why an application is started. It is ``"normal"`` on a single node; the other two are for clusters."""

RestartType: TypeAlias = Literal["permanent", "transient", "temporary"]
"""What the end of an application means for the program: see ``run``."""

Root: TypeAlias = GenServer | Pid
"""The root supervisor of an application, as a handle or a pid."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


class Application:
    """A part of a program that is started and stopped as a whole: Elixir's ``Application``.

    Subclass it, write ``start``, and give the class to ``run`` (or to ``ensure_all_started``, inside a program that
    is not yours). A class that does not define ``start`` is a library application: it has a name, an environment
    and dependencies, and no processes.
    """

    name: ClassVar[str] = ""
    """What configuration and reports call it. Default: the module and name of the class, joined by a dot."""

    version: ClassVar[str] = "0.0.0"

    extra_applications: ClassVar[Sequence[type[Application] | str]] = ()
    """What must run before this one: application classes, ``"module:Class"`` or known names such as ``"logging"``."""

    env: ClassVar[Mapping[str, Any]] = {}
    """Default values of the environment; configuration overrides them."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "name" not in cls.__dict__:  # a subclass is another application, not the same one
            cls.name = f"{cls.__module__}.{cls.__qualname__}".replace("<locals>.", "")
        _check(cls)

    def start(
        self, start_type: StartType, args: list[str]
    ) -> Awaitable[Root | tuple[Root, Any]] | Root | tuple[Root, Any]:
        """Start the root supervisor with ``start_link`` and return it, or it and a state: ``(root, state)``.

        It may be ``async def``, and mostly is. *start_type* is ``"normal"``; *args* come from ``run(App, args=...)``
        or from ``args`` in ``[tool.regrow]``. Whatever it raises is the reason why the application did not start.
        """
        raise NotImplementedError

    def prep_stop(self, state: Any) -> Any:
        """Called before the tree is stopped. Returns the state that ``stop`` gets. It may be ``async def``.

        *state* is what ``start`` returned beside the root, None without one. It is called too when the tree has
        ended by itself.
        """
        return state

    def stop(self, state: Any) -> Any:
        """Called after the tree has stopped, to clean up; what it returns is ignored. It may be ``async def``."""


ApplicationRef: TypeAlias = type[Application] | str
"""An application, as its class or its name."""


def name_of(application: ApplicationRef) -> str:
    """The name that *application* goes by."""
    if isinstance(application, str):
        return application
    if isinstance(application, type) and issubclass(application, Application):
        return application.name
    given = "an instance of it" if isinstance(application, Application) else f"{application!r}"
    raise InvalidApplication(f"an application is named by its class or its name, got {given}")


def address_of(application: type[Application]) -> str:
    """Where the class is found: ``"module:Class"``, as ``[tool.regrow]`` and ``regrow run`` write it."""
    return f"{application.__module__}:{application.__qualname__}"


def summary_of(application: type[Application]) -> str:
    """The first line of what the class says about itself."""
    own = application.__dict__.get("__doc__")
    return inspect.cleandoc(own).splitlines()[0] if own else application.__name__


def has_tree(application: type[Application]) -> bool:
    """Whether it starts processes; a library application does not."""
    return application.start is not Application.start


def _check(cls: type[Application]) -> None:
    if not isinstance(cls.name, str) or not _NAME.match(cls.name):
        raise InvalidApplication(
            f"{cls.__qualname__}.name must be letters, digits and _ . - , beginning with a letter, got {cls.name!r}"
        )
    needed = cls.extra_applications
    if isinstance(needed, str) or not isinstance(needed, Sequence):
        raise InvalidApplication(
            f"{cls.__qualname__}.extra_applications must be a list of application classes and names, got {needed!r}"
        )
    for each in needed:
        if not (isinstance(each, str) or (isinstance(each, type) and issubclass(each, Application))):
            raise InvalidApplication(
                f"{cls.__qualname__}.extra_applications holds {each!r}; each must be an application class or a name"
            )
    if not isinstance(cls.env, Mapping):
        raise InvalidApplication(
            f"{cls.__qualname__}.env must be a mapping of keys to values, got {cls.env!r}"
        )
