"""The applications that come with regrow, for ``extra_applications`` to name.

``"logging"`` sets the standard library's ``logging`` up while it runs. Its environment, ``[tool.regrow.env.logging]``:

    level = "INFO"                                        # of the root logger
    format = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    config = { version = 1, ... }                         # instead of both: a table for logging.config.dictConfig

Without ``config`` it adds one handler that writes to stderr, if the root logger has none yet, and takes it away at
the end.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from logging.config import dictConfig
from typing import Final

from regrow.application.definition import Application, StartType
from regrow.application.environment import get_env
from regrow.application.errors import ConfigError
from regrow.supervision.supervisor import Supervisor

__all__ = ["BUILTIN", "Logging"]


@dataclass
class Installed:
    """What was changed, to be undone."""

    level: int
    handler: logging.Handler | None


class Logging(Application):
    """Sets up the standard library's logging."""

    name = "logging"
    env = {  # noqa: RUF012  # ClassVar in the base
        "level": "INFO",
        "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
    }

    async def start(self, start_type: StartType, args: list[str]) -> tuple[Supervisor, Installed]:
        root = logging.getLogger()
        installed = Installed(root.level, None)
        config = get_env(Logging, "config")
        if config is not None:
            try:
                dictConfig(config)
            except (ValueError, TypeError, AttributeError, ImportError) as error:
                raise ConfigError(
                    f"[tool.regrow.env.logging] config is refused by logging: {error}"
                ) from error
        else:
            root.setLevel(_level(get_env(Logging, "level")))
            if not root.handlers:
                installed.handler = logging.StreamHandler()
                installed.handler.setFormatter(logging.Formatter(get_env(Logging, "format")))
                root.addHandler(installed.handler)
        return await Supervisor.start_link([]), installed

    def stop(self, state: Installed) -> None:
        root = logging.getLogger()
        root.setLevel(state.level)
        if state.handler is not None:
            root.removeHandler(state.handler)


def _level(level: object) -> int:
    names = logging.getLevelNamesMapping()
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    if isinstance(level, str) and level.upper() in names:
        return names[level.upper()]
    raise ConfigError(f"[tool.regrow.env.logging] level must be one of {', '.join(names)}, got {level!r}")


BY_ADDRESS: Final = {
    "observer": "regrow.observer:ObserverApplication",
    "systemd": "regrow.telemetry.systemd:Systemd",
}
"""Applications that stand beside the core, which knows no more of them than where they are."""

BUILTIN: Final[dict[str, type[Application]]] = {Logging.name: Logging}
