"""Configuration: what ``[tool.regrow]`` in ``pyproject.toml`` and the environment variables say.

    [tool.regrow]
    application = "arcade.application:Arcade"   # what `regrow run` runs
    args = ["--fast"]                           # the args of its start
    type = "permanent"                          # or "transient", "temporary"
    gc = "server"                               # see run

    [tool.regrow.env.arcade]                    # the environment of the application named "arcade"
    port = 8000

The file is the nearest ``pyproject.toml`` with such a table, from the working directory upwards. A variable
``REGROW_<APP>__<KEY>`` overrides one value: ``REGROW_ARCADE__PORT=9000``. The name is in upper case, with ``_`` for
whatever is no letter or digit; the key is in lower case. The text is read as a TOML value (``9000``, ``true``,
``["a", "b"]``) if it is one, and is a string otherwise, or if the file has a string for that key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from regrow.application.definition import Application, RestartType, address_of
from regrow.application.errors import ConfigError, did_you_mean

__all__ = ["Settings", "environment_for", "find_settings"]

_KEYS = ("application", "args", "type", "gc", "env")


@dataclass(frozen=True)
class Settings:
    """What ``[tool.regrow]`` says; everything at its default where there is no such table."""

    path: Path | None = None
    application: str | None = None
    args: list[str] = field(default_factory=list[str])
    restart_type: RestartType = "permanent"
    gc: str | None = None
    env: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def args_for(self, application: type[Application]) -> list[str]:
        """The args of the table belong to the application that it names, or to any if it names none."""
        return list(self.args) if self.application in (None, address_of(application)) else []


def find_settings(start: Path | None = None) -> Settings:
    """The settings of the nearest ``pyproject.toml`` with a ``[tool.regrow]`` table, from *start* upwards."""
    folder = (start or Path.cwd()).absolute()
    for each in (folder, *folder.parents):
        path = each / "pyproject.toml"
        if path.is_file():
            table = _table_in(path)
            if table is not None:
                return _settings(path, table)
    return Settings()


def environment_for(
    application: type[Application], settings: Settings, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The environment that *application* is loaded with: its defaults, then the file, then the variables."""
    configured = settings.env.get(application.name, {})
    env: dict[str, Any] = {**application.env, **configured}
    prefix = f"REGROW_{re.sub('[^A-Z0-9]', '_', application.name.upper())}__"
    for variable, text in sorted((os.environ if variables is None else variables).items()):
        if variable.startswith(prefix) and (key := variable.removeprefix(prefix).lower()):
            env[key] = text if isinstance(env.get(key), str) else _value(text)
    return env


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if table.keys() == {"value"} else text


def _table_in(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    tool = content.get("tool")
    table = tool.get("regrow") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.regrow] must be a table, got {table!r}")
    return table


def _settings(path: Path, table: dict[str, Any]) -> Settings:
    """*table* checked: a mistyped key is an error, for nothing would tell that it has no effect."""
    where = f"{path}: [tool.regrow]"
    for key in table:
        if key not in _KEYS:
            raise ConfigError(
                f"{where} has no key {key!r}{did_you_mean(key, _KEYS)} It has: {', '.join(_KEYS)}"
            )
    application = table.get("application")
    if application is not None and not (isinstance(application, str) and application):
        raise ConfigError(f'{where} application must be written as "module:Class", got {application!r}')
    args = table.get("args", [])
    if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
        raise ConfigError(f"{where} args must be a list of strings, got {args!r}")
    type = table.get("type", "permanent")
    if type not in get_args(RestartType):
        raise ConfigError(f"{where} type must be one of {', '.join(get_args(RestartType))}, got {type!r}")
    gc = table.get("gc")
    if gc not in (None, "server"):
        raise ConfigError(f'{where} gc must be "server" or left out, got {gc!r}')
    env = table.get("env", {})
    if not isinstance(env, dict) or not all(isinstance(each, dict) for each in env.values()):
        raise ConfigError(
            f"{where} env must hold a table for each application, as [tool.regrow.env.NAME], got {env!r}"
        )
    return Settings(
        path, application, cast("list[str]", args), type, gc, cast("dict[str, dict[str, Any]]", env)
    )
