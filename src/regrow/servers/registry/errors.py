"""What a registry refuses."""

from __future__ import annotations

from typing import Any

from regrow.kernel.errors import KeeperGone, NameTaken

__all__ = ["AlreadyRegistered", "NotRegistered", "UnknownRegistry"]


class AlreadyRegistered(NameTaken):
    """The unique key belongs to the living process ``pid``: Elixir's ``{:already_registered, pid}``."""

    def __init__(self, key: Any, pid: int) -> None:
        super().__init__(f"the key {key!r} is taken by process {pid}", pid)
        self.key = key

    def __reduce__(self) -> tuple[type[AlreadyRegistered], tuple[Any, int]]:
        return type(self), (self.key, self.pid)


class NotRegistered(LookupError):
    """Nobody has that key, or somebody else."""


class UnknownRegistry(KeeperGone):
    """There is no registry of that name, or it is not running now: Elixir's ``unknown registry``."""
