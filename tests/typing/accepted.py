"""What both type checkers must take, with the types that they must find. Read by test_typing, never run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, assert_type

from regrow import (
    ChildSpec,
    DynamicSupervisor,
    Flags,
    GenServer,
    Pid,
    Plan,
    Registry,
    Reply,
    Supervisor,
    call,
    cast,
    spec,
    within,
)

K = TypeVar("K")
V = TypeVar("V")


# --- calls and casts ----------------------------------------------------------------------------------------------


class Room(GenServer, restart="transient", shutdown="brutal_kill", max_mailbox=1000):
    def __init__(self, name: str, /, *guests: str, seats: int = 4) -> None:
        self.name = name
        self.guests = [*guests]

    async def init(self) -> None: ...

    @call
    def count(self) -> int:
        return len(self.guests)

    @call(timeout=1.5, raises=(LookupError, ValueError))
    async def find(self, guest: str, *, near: bool = False) -> int:
        return self.guests.index(guest)

    @call
    def wait(self, guest: str) -> Reply[str]:
        return Reply[str]()

    @call(timeout=None)
    async def wait_longer(self, guest: str) -> Reply[str]:
        return Reply[str]()

    @call
    def sorted(self, values: list[V]) -> list[V]:  # returning a bare V is too much for mypy
        return values[::-1]

    @call
    def delegated(self, guest: str) -> Coroutine[Any, Any, int]:
        return Room.find(self, guest)

    @cast
    def leave(self, guest: str) -> None:
        self.guests.remove(guest)

    @cast
    async def leave_slowly(self, guest: str) -> None:
        await self.find(guest)

    @call
    @abstractmethod
    def price(self) -> float: ...

    def handle_info(self, message: object) -> None: ...
    def terminate(self, reason: object) -> None: ...

    @classmethod
    def name_for(cls, name: str, /, *guests: str, seats: int = 4) -> tuple[str, str]:
        return ("room", name)


class Suite(Room):
    @call
    def price(self) -> float:
        return 3.0

    @call
    def count(self, of_last: int = 0) -> int:
        return Room.count(self)

    @call
    async def doubled(self) -> int:
        assert_type(await self.count(1), int)
        assert_type(await super().count(), int)
        self.leave("anna")
        return 2 * await self.count()


async def client(room: Room, suite: Suite) -> None:
    assert_type(await room.count(), int)
    assert_type(await room.find("anna", near=True), int)
    assert_type(await room.wait("anna"), str)
    assert_type(await room.wait_longer("anna"), str)
    assert_type(await room.sorted([1, 2]), list[int])
    assert_type(await room.delegated("anna"), int)
    assert_type(room.leave("anna"), None)
    assert_type(room.leave_slowly("anna"), None)
    assert_type(await within(suite, 0.5).doubled(), int)
    assert_type(Room.count(room), int)
    assert_type(Room.wait(room, "anna"), Reply[str])


# --- starts -------------------------------------------------------------------------------------------------------


class Cache(GenServer, Generic[K, V]):
    def __init__(self, first: dict[K, V]) -> None:
        self.values = first

    @call
    def get(self, key: K) -> V:
        return self.values[key]


@dataclass(slots=True, kw_only=True)
class Meter(GenServer):
    unit: str
    value: float = 0.0


async def starts() -> None:
    assert_type(await Suite.start_link("blue", "anna", seats=2), Suite)
    assert_type(await Suite.start("blue"), Suite)
    assert_type(Suite.child_spec("blue"), ChildSpec[Suite])
    assert_type(Suite.options(name="blue", restart="temporary").child_spec("blue", seats=3), ChildSpec[Suite])
    assert_type(await Suite.options(timeout=3).start_link("blue"), Suite)
    assert_type(Suite.named(("room", "blue")), Suite)
    assert_type(Suite.of(Pid(1)), Suite)
    assert_type(await Cache[str, int].start_link({"a": 1}), Cache[str, int])
    assert_type(await (await Cache[str, int].start_link({"a": 1})).get("a"), int)
    assert_type(Meter.child_spec(unit="K", value=1), ChildSpec[Meter])
    async with Suite.scope("blue") as suite:
        assert_type(suite, Suite)


# --- specs --------------------------------------------------------------------------------------------------------


def connect(host: str, port: int = 1) -> Suite:
    raise NotImplementedError


async def connect_slowly(host: str) -> Pid:
    raise NotImplementedError


def specs() -> None:
    assert_type(spec(Suite, "blue"), ChildSpec[Suite])
    assert_type(spec(connect, "db", port=2), ChildSpec[Suite])
    assert_type(spec(connect_slowly, "db"), ChildSpec[Pid])
    assert_type(spec(connect, "db").replace(id=1, restart="transient", shutdown=None), ChildSpec[Suite])
    assert_type(spec(connect, "db").replace(start=connect_slowly), ChildSpec[Pid])
    assert_type(ChildSpec("db", connect, ("db",)), ChildSpec[Suite])
    parent: ChildSpec[Room] = Suite.child_spec("blue")
    del parent


# --- supervisors --------------------------------------------------------------------------------------------------


class Tenants(DynamicSupervisor, max_children=100, strategy="one_for_one", restart="permanent"): ...


class Tenant(DynamicSupervisor):
    def init(self, limit: int, *, eager: bool = False) -> Flags:
        return self.flags(max_children=limit, extra_arguments=["x"])


class Tree(Supervisor, strategy="rest_for_one", max_restarts=9):
    async def init(self, path: str) -> Plan:
        return self.plan([Suite.child_spec(path), Tenants], strategy="one_for_all")


async def poll() -> None: ...


async def poll_each(url: str, seconds: float) -> None: ...


async def dynamic(rooms: DynamicSupervisor) -> None:
    assert_type(await rooms.start_child(Suite.child_spec("blue")), Suite)
    assert_type(await rooms.start_child((Suite, "blue")), Suite)
    assert_type(await rooms.start_child(Tenants), Tenants)
    assert_type(await rooms.start_child(spec(connect_slowly, "db")), Pid)
    assert_type(await rooms.start_child(Tenant.child_spec(3)), Tenant)
    await rooms.start_child(poll)
    await rooms.start_child((poll_each, "http", 0.5))
    assert_type(await DynamicSupervisor.start_link(max_children=3, max_restarts=1), DynamicSupervisor)
    assert_type(await Tenants.start_link(), Tenants)
    assert_type(await Tenants.options(name=Tenants).start_link(max_children=4), Tenants)
    assert_type(await Tenant.start_link(3), Tenant)
    assert_type(Tenant.options(name="t").child_spec(3, eager=True), ChildSpec[Tenant])
    async with Tenant.scope(3) as tenant, DynamicSupervisor.options(name="d").scope(max_children=3) as other:
        assert_type(tenant, Tenant)
        assert_type(other, DynamicSupervisor)


async def static(tree: Supervisor) -> None:
    assert_type(await tree.start_child(Suite.child_spec("blue")), Suite | None)
    assert_type(await tree.start_child((Suite, "blue")), Suite | None)
    assert_type(
        await Supervisor.start_link([Tenants, (Suite, "blue"), poll], strategy="one_for_all"), Supervisor
    )
    assert_type(Supervisor.child_spec([], auto_shutdown="any_significant"), ChildSpec[Supervisor])
    assert_type(await Tree.start_link("etc"), Tree)
    assert_type(Tree.options(name="tree").child_spec("etc"), ChildSpec[Tree])


async def names() -> AsyncIterator[Room]:
    assert_type(Registry.child_spec("rooms", keys="unique"), ChildSpec[Registry])
    rooms = Registry.named("rooms")
    yield Room.named(rooms.via("blue"))
    yield await Suite.options(name=rooms.via("blue")).start_link("blue")
