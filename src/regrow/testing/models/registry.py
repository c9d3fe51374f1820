"""The machine for registries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from regrow import process, stop
from regrow.kernel.errors import AlreadyStarted, ServerExited
from regrow.kernel.inspection import look_at
from regrow.kernel.process import Pid
from regrow.kernel.reasons import KILL, Shutdown
from regrow.servers.calls import call
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer
from regrow.servers.registry.client import Registry
from regrow.servers.registry.errors import AlreadyRegistered, NotRegistered
from regrow.servers.registry.listeners import Registered, Unregistered
from regrow.testing.models.checking import check_spec
from regrow.testing.models.children import GONE
from regrow.testing.models.explaining import Event, Step
from regrow.testing.models.machine import TICK, Call, ModelMachine
from regrow.testing.models.registry_model import NOTHING, RegistryModel
from regrow.testing.models.supervisors import Crash

__all__ = ["RegistryMachine"]

LISTENER: Final = "regrow.testing.models listener"
FEW: Final = 2
MANY: Final = 5
"""Members that there are at least, and at most."""


class Someone(GenServer):
    """Registers itself, and does what else it is asked to."""

    def __init__(self, name: str, book: dict[Pid, str]) -> None:
        book[process.current()] = name

    @call
    def do(self, function: Callable[[], object]) -> object:
        return function()


class Listener(GenServer):
    """Writes down what a registry tells."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    def handle_info(self, message: object) -> None:
        self.heard.append(message)


class Deed:
    """One thing to do, as hypothesis draws it: who does it, with which key, by number."""

    def __init__(self, name: str, member: int, key: int, value: int) -> None:
        self.name = name
        self.member = member
        self.key = key
        self.value = value

    def __repr__(self) -> str:
        return f"{self.name}({self.member}, {self.key}, {self.value})"


CALLS: Final[dict[str, Callable[[Any, Any, int], object]]] = {
    "register": lambda it, key, value: None if it.register(key, value) else "no pid",
    "unregister": lambda it, key, _: it.unregister(key),
    "unregister_match": lambda it, key, value: it.unregister_match(key, value),
    "update_value": lambda it, key, value: it.update_value(key, lambda old: old + value),
    "lookup": lambda it, key, _: it.lookup(key),
    "values": lambda it, key, _: it.values(key),
    "keys": lambda it, key, _: it.keys(),
    "count": lambda it, key, _: it.count(),
    "whereis": lambda it, key, _: it.via(key).whereis_name(),
    "put_meta": lambda it, key, value: it.put_meta(key, value),
    "meta": lambda it, key, _: it.meta(key, NOTHING),
    "delete_meta": lambda it, key, _: it.delete_meta(key),
}
"""What members do, by the names of the model's steps."""
ENDS: Final = {"end": Shutdown("made by the machine"), "crash": Crash("made by the machine"), "kill": KILL}
DEEDS: Final = ("join", "join_as", "join_as", *ENDS, "register", "register", *CALLS)


@st.composite
def deeds(draw: st.DrawFn, machine: RegistryMachine) -> Deed:
    """Anything that can be done with a registry, or to who is in it."""
    name = draw(st.sampled_from(machine.deeds))
    return Deed(name, draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.integers(0, 2)))


ONE: Final = st.runner().flatmap(deeds)
AT_ONCE: Final = st.lists(st.lists(ONE, min_size=1, max_size=3), min_size=1, max_size=3)


class RegistryMachine(ModelMachine[RegistryModel]):
    """Compares a ``Registry`` with the rules, over random calls by processes that die, under drawn schedules.

        class SeatsMachine(RegistryMachine):
            registry = Seats.child_spec("seats", keys="duplicate", partitions=2)

        TestSeats = SeatsMachine.TestCase

    Processes register and unregister, by calls and by being started under a name, read and change what is there,
    end and are killed, one by one and at the same time. After each rule, when all is at rest, there must be an order
    in which the rules explain each answer and what listeners heard; the entries must be those of the living, and
    who has none may not be linked with the registry any more.
    """

    registry: ClassVar[ChildSpec[Any]] = Registry.child_spec("regrow.testing.models", keys="unique")
    """What is tested, as ``Registry.child_spec(...)`` says it."""
    keys: ClassVar[Sequence[Any]] = ("a", 1, 1.0, ("a", True))
    """What is registered: few keys, so that they are wanted by many."""
    deeds: ClassVar[Sequence[str]] = DEEDS
    """What is done; what stands there more than once is done more often."""

    def __init__(self) -> None:
        super().__init__()
        self._told: list[Any] = []  # what the listener heard, and in the models' words
        self._handles: dict[str, Someone] = {}
        self._names: dict[Pid, str] = {}
        self._joined = 0

    # --- for users ----------------------------------------------------------------------------------------------------

    async def start_registry(self, listener: Any) -> Any:
        """Start what is tested, with *listener* as the name of a listener beside its own, and give its handle."""
        spec = self.registry
        keywords = {**spec.kwargs, "listeners": [*spec.kwargs.get("listeners", ()), listener]}
        server: Any = spec.start
        return await server.start(*spec.args, **keywords)

    # --- rules --------------------------------------------------------------------------------------------------------

    @rule(what=AT_ONCE)
    def do(self, what: list[list[Deed]]) -> None:
        """Do one thing, or some things at the same time."""
        self.make(*([call for each in strand for call in self._calls(each)] for strand in what))

    # --- start and end ------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        line = 'registry = Registry.child_spec("seats", keys="unique")'
        check_spec(f"{type(self).__name__}.registry", self.registry, Registry, line)

    def _begin(self) -> None:
        self.run(self._start())
        self.models = [RegistryModel(self.registry.kwargs["keys"] == "unique")]
        self.make(*([self._join()] for _ in range(FEW)))

    async def _start(self) -> None:
        await Listener.options(name=LISTENER).start(self._told)
        self._handle: Any = await self.start_registry(LISTENER)

    def _finish(self) -> None:
        """The registry's end takes along who is in it, and nobody else."""
        _, _, linked = self.models[0].at_rest()
        self.run(self._stopped())
        alive = set(self._living())
        assert alive == {*self.models[0].members} - linked, f"the registry has ended; alive are {alive}"

    async def _stopped(self) -> None:
        self._planned |= set(self._names)
        await stop(self._handle)
        await asyncio.sleep(TICK)

    # --- what is watched ----------------------------------------------------------------------------------------------

    def _living(self) -> dict[str, Pid]:
        return {name: pid for pid, name in self._names.items() if pid in self._rt.processes}

    def _heard(self, event: str, fields: dict[str, Any]) -> None:
        pass  # a death is seen by what follows from it

    def _seen(self) -> list[Event]:
        told, self._told[:] = list(self._told), []
        return [self._event(each) for each in told]

    def _event(self, told: Any) -> Event:
        if isinstance(told, Registered):
            return "registered", self._number(told.key), self._name(told.pid), told.value
        if isinstance(told, Unregistered):
            return "unregistered", self._number(told.key), self._name(told.pid)
        return ("unexpected", told)

    async def _is_at_rest(self) -> bool:
        await self._handle.settled()
        return not any(pid in self._rt.processes for pid in self._planned)

    async def _looks(self) -> object:
        entries = [(self._number(key), self._name(pid), value) for key, pid, value in self._handle.select()]
        living = self._living()
        keys = {name: sorted(map(self._number, self._handle.keys(pid))) for name, pid in living.items()}
        linked = {name for name, pid in living.items() if look_at(self._rt.processes[pid]).links}
        return sorted(entries), keys, linked

    def _number(self, key: Any) -> int | str:
        """The number of a key, which is compared by type and value."""
        return next((number for number, each in enumerate(self.keys) if repr(each) == repr(key)), repr(key))

    def _name(self, pid: Pid | None) -> str | None:
        return None if pid is None else self._names.get(pid, f"process {pid}")

    # --- the calls ----------------------------------------------------------------------------------------------------

    def _calls(self, deed: Deed) -> list[Call]:
        """What is done for that deed: nothing if there is nobody to do it, or no room for more."""
        members = self.models[0].members
        if deed.name == "join":
            return [self._join()] if len(members) < MANY else []
        if deed.name == "join_as":
            return [self._join_as(deed)] if len(members) < MANY and self.models[0].unique else []
        if not members:
            return []
        member = list(members)[deed.member % len(members)]
        return self._end(member, ENDS[deed.name]) if deed.name in ENDS else [self._by(member, deed)]

    def _new(self) -> str:
        self._joined += 1
        return f"member {self._joined}"

    def _join(self) -> Call:
        name = self._new()

        async def join() -> None:
            self._handles[name] = await Someone.start(name, self._names)

        return Call(("join", name), join)

    def _join_as(self, deed: Deed) -> Call:
        name, number = self._new(), deed.key % len(self.keys)

        async def join() -> object:
            via = self._handle.via(self.keys[number], deed.value)
            try:
                self._handles[name] = await Someone.options(name=via).start(name, self._names)
            except AlreadyStarted as error:
                return error
            return None

        return Call(("join_as", name, number, deed.value), join)

    def _end(self, member: str, reason: object) -> list[Call]:
        pid = next(pid for pid, name in self._names.items() if name == member)

        async def end() -> None:
            self._planned.add(pid)
            process.exit(pid, reason)

        async def see_end() -> None:
            await self._see_end(pid, "it has to")

        return [Call(("end", member), end), Call(("see_end", member), see_end)]

    def _by(self, member: str, deed: Deed) -> Call:
        """That a member does something with a key: its answer, or ``GONE``."""
        number = deed.key % len(self.keys)

        def act() -> object:
            try:
                return CALLS[deed.name](self._handle, self.keys[number], deed.value)
            except (AlreadyRegistered, NotRegistered, ValueError) as error:
                return error

        async def ask() -> object:
            try:
                return await self._handles[member].do(act)
            except ServerExited:
                return GONE

        return Call((deed.name, member, number, deed.value), ask)

    def _in_words(self, step: Step, answer: Any) -> object:
        if isinstance(answer, AlreadyStarted | AlreadyRegistered):
            return type(answer).__name__, self._name(Pid(answer.pid))
        if isinstance(answer, Exception):
            return type(answer).__name__
        if answer == GONE:
            return answer
        if step[0] == "lookup":
            return sorted((self._name(pid), value) for pid, value in answer)
        if step[0] == "keys":
            return sorted(map(self._number, answer))
        return self._name(answer) if step[0] == "whereis" else answer
