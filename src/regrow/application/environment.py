"""The environment of an application: what it is configured with, under string keys, to be read at any time.

It is filled when the application is loaded (see ``config``), lives with the runtime, and is there for every process
of it. What is put before the application is loaded stays; what is put later overrides.

>>> import asyncio
>>> from regrow.application import fetch_env, get_env, put_env
>>> async def main():
...     put_env("shop", "port", 8000)
...     return fetch_env("shop", "port"), get_env("shop", "host", "localhost")
>>> asyncio.run(main())
(8000, 'localhost')

All of them raise ``InvalidApplication`` for what names no application, and ``TypeError`` for a key that is no string.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from regrow.application.definition import ApplicationRef, name_of
from regrow.application.errors import EnvironmentKeyError
from regrow.kernel.runtime import runtime

__all__ = ["configure", "delete_env", "fetch_env", "forget", "get_all_env", "get_env", "put_env"]

Environments: TypeAlias = dict[str, dict[str, Any]]


def get_env(application: ApplicationRef, key: str, default: Any = None) -> Any:
    """The value of *key*, or *default* (``Application.get_env/3``)."""
    return _environments().get(name_of(application), {}).get(_key(key), default)


def fetch_env(application: ApplicationRef, key: str) -> Any:
    """The value of *key*; raises ``EnvironmentKeyError`` where there is none (``Application.fetch_env!/2``)."""
    name = name_of(application)
    env = _environments().get(name)
    if env is None or _key(key) not in env:
        raise EnvironmentKeyError(name, key, configured=env is not None)
    return env[key]


def put_env(application: ApplicationRef, key: str, value: Any) -> None:
    """Set *key* to *value* (``Application.put_env/3``)."""
    _environments().setdefault(name_of(application), {})[_key(key)] = value


def delete_env(application: ApplicationRef, key: str) -> None:
    """Forget *key*; a key that is not set is no error (``Application.delete_env/2``)."""
    _environments().get(name_of(application), {}).pop(_key(key), None)


def get_all_env(application: ApplicationRef) -> dict[str, Any]:
    """A copy of all keys and values (``Application.get_all_env/1``)."""
    return dict(_environments().get(name_of(application), {}))


def configure(name: str, configured: dict[str, Any]) -> None:
    """Take in what the application is loaded with; what was put before wins."""
    environments = _environments()
    environments[name] = {**configured, **environments.get(name, {})}


def forget(name: str) -> None:
    """Drop the whole environment: the application was unloaded."""
    _environments().pop(name, None)


def _environments() -> Environments:
    found: Environments = runtime().parts.setdefault("application.environments", {})
    return found


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of an application's environment is a string, got {key!r}")
    return key
