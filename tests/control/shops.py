"""A program with a control socket, in a folder for sockets of its own: what tests of the socket stand on."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from regrow import Application, Supervisor, application
from regrow.control import control_for
from regrow.control.places import socket_paths

__all__ = ["Shop", "home", "program"]


class Shop(Application):
    name = "shop"

    async def start(self, start_type: Any, args: list[str]) -> Supervisor:
        return await Supervisor.start_link([])


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That folder. Its path is short, since that of a socket may have a hundred characters.

    It is there for all tests of a module that says ``home = shops.home``.
    """
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@asynccontextmanager
async def program(**commands: Any) -> AsyncIterator[Path]:
    """The shop, which ``regrow run front:Till`` might have started, with a control socket; gives that one's path."""
    control = control_for(Shop, "front:Till", **commands)
    await application.ensure_all_started(Shop)
    await application.ensure_all_started(control)
    try:
        (path,) = socket_paths()
        yield path
    finally:
        if control.name in {each.name for each in application.started_applications()}:
            await application.stop(control)
        await application.stop(Shop)
    assert socket_paths() == []
