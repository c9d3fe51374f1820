"""A name that a unique registry keeps: Elixir's ``{:via, Registry, {registry, key, value}}``."""

from __future__ import annotations

from typing import Any

from regrow.kernel.mailbox import put_message
from regrow.kernel.names import Name, local_key, whole_via
from regrow.kernel.process import Pid
from regrow.kernel.runtime import runtime
from regrow.servers.registry.errors import NotRegistered
from regrow.servers.registry.keys import exact, original
from regrow.servers.registry.server import registry_named

__all__ = ["RegistryVia"]


@whole_via
class RegistryVia:
    """What ``Registry.via`` makes. It can be used wherever a name can, and be made before the registry runs.

    Two are equal if they mean the same key of the same registry, whatever value they register with.
    """

    __slots__ = ("_key", "registry", "value")

    def __init__(self, registry: Name, key: Any, value: Any = None) -> None:
        self.registry = registry
        self._key = key if type(key) is str else exact(key)
        self.value = value

    @property
    def key(self) -> Any:
        return original(self._key)

    # --- the four functions of a via, which the kernel calls ---------------------------------------------------------

    def register_name(self, pid: Pid) -> bool:
        """Register *pid*; False if the key belongs to a living process."""
        registry = registry_named(self.registry)
        if registry._unique is None:
            registry._owner(self._key)  # says why a duplicate registry has no names
        return registry._register(registry._process.runtime.processes[pid], self._key, self.value) is None

    def unregister_name(self) -> None:
        """Free the key, whoever has it."""
        registry = registry_named(self.registry)
        entry = registry._unique.get(self._key) if registry._unique is not None else None
        if entry is not None:
            registry._unregister(entry[0], self._key)

    def whereis_name(self) -> Pid | None:
        """The living process that has the key, or None."""
        return registry_named(self.registry)._owner(self._key)

    def send(self, message: object) -> None:
        """Send *message* to whoever has the key; NotRegistered, a LookupError, if that is nobody."""
        pid = self.whereis_name()
        if pid is None:
            raise NotRegistered(f"no process is registered as {self!r}, so {message!r} could not be sent")
        put_message(runtime().processes[pid], message)

    # --- as a value ---------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegistryVia):
            return NotImplemented
        return self._key == other._key and local_key(self.registry) == local_key(other.registry)

    def __hash__(self) -> int:
        return hash(self._key)  # the same key of several registries is rare

    def __repr__(self) -> str:
        value = "" if self.value is None else f", {self.value!r}"
        return f"Registry.named({self.registry!r}).via({self.key!r}{value})"

    def __reduce__(self) -> tuple[type[RegistryVia], tuple[Any, Any, Any]]:
        return RegistryVia, (self.registry, self.key, self.value)
