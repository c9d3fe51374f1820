"""Registry: what is registered is found, by whoever asks, and by nobody else's key."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from regrow import (
    AlreadyRegistered,
    AlreadyStarted,
    ChildSpec,
    Global,
    InvalidName,
    NameTaken,
    NotRegistered,
    Registry,
    RuntimeClosed,
    UnknownRegistry,
    WrongThread,
    process,
    stop,
    within,
)
from tests.servers.registry_members import Member, pid_of

KINDS: list[Any] = ["unique", "duplicate", ("duplicate", "pid"), ("duplicate", "key")]
MANY: list[Any] = KINDS[1:]


# --- the start --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-01")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"keys": "single"}, "keys='single'.*'unique', 'duplicate'"),
        ({"keys": ("duplicate", "value")}, "keys="),
        ({"keys": ("unique", "pid")}, "keys="),
        ({"keys": "unique", "partitions": 0}, "partitions=0"),
        ({"keys": "unique", "partitions": 1.0}, "partitions=1.0"),
        ({"keys": "unique", "partitions": True}, "partitions=True"),
        ({"keys": "unique", "meta": [1]}, r"meta=\[1\]"),
        ({"keys": "unique", "listeners": "ear"}, r"listeners='ear'.*\['ear'\]"),
        ({"keys": "unique", "listeners": [3]}, "3 must be the name"),
    ],
)
async def test_bad_arguments_are_refused_in_the_caller_and_nothing_starts(
    wrong: dict[str, Any], says: str
) -> None:
    before = [*process.processes(), process.current()]
    with pytest.raises(ValueError, match=says):
        await Registry.start_link("r", **wrong)
    with pytest.raises(ValueError, match=says):
        Registry.child_spec("r", **wrong)
    assert set(process.processes()) == set(before)


@pytest.mark.behaviour("REG-01")
async def test_keys_and_a_local_name_are_needed() -> None:
    start: Any = Registry.start_link
    with pytest.raises(TypeError, match="keys"):
        await start("r")
    with pytest.raises(TypeError, match="name"):
        await start(keys="unique")
    for bad in (3, None, Global("r"), Registry.named("r").via("x")):
        with pytest.raises(InvalidName, match="the name of a registry"):
            await start(bad, keys="unique")


@pytest.mark.behaviour("REG-01")
async def test_a_meta_key_that_cannot_be_hashed_is_refused() -> None:
    registry = await Registry.start_link("r", keys="unique")
    with pytest.raises(TypeError, match="hashable"):
        registry.put_meta([], 1)


@pytest.mark.behaviour("REG-02")
def test_the_spec_is_a_supervisors_with_the_registrys_name_for_its_id() -> None:
    for made in (
        Registry.child_spec("games.by_id", keys="unique"),
        Registry.options(timeout=2).child_spec("games.by_id", keys="unique"),
    ):
        assert isinstance(made, ChildSpec)
        assert (made.id, made.type, made.shutdown) == ("games.by_id", "supervisor", float("inf"))
    assert Registry.options(id="other").child_spec("games.by_id", keys="unique").id == "other"


@pytest.mark.behaviour("REG-02")
async def test_a_second_registry_of_the_same_name_is_already_started() -> None:
    first = await Registry.start_link("r", keys="unique")
    with pytest.raises(AlreadyStarted) as failure:
        await Registry.start_link("r", keys="duplicate")
    assert failure.value.pid == process.whereis("r") == pid_of(first)


def test_the_name_is_the_first_argument_and_no_option() -> None:
    with pytest.raises(TypeError, match="is its identity"):
        Registry.options(name="r")


async def test_a_registry_is_not_started_under_another_name_than_its_own() -> None:
    from regrow import StartError
    from regrow.servers.options import Options

    with pytest.raises(StartError, match="can't be started under the name 'other'"):
        start: Any = Options(Registry, {"name": "other"}).start_link
        await start("r", keys="unique")
    assert process.whereis("other") is None


@pytest.mark.parametrize("name", ["r", Member, ("games", 1), ("games", Member)])
async def test_any_local_name_names_a_registry(name: Any) -> None:
    await Registry.start_link(name, keys="unique")
    Registry.named(name).register("a", 1)
    assert Registry.named(name).lookup("a") == [(process.current(), 1)]


@pytest.mark.behaviour("REG-03")
@pytest.mark.parametrize("keys", KINDS)
@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_registry_is_a_supervisor_of_one_child_a_partition(keys: Any, partitions: int) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=partitions)
    pids = registry.partitions()
    assert len(set(pids)) == partitions
    for pid in pids:
        info = process.info(pid)
        assert info is not None
        assert info.parent == pid_of(registry)
        assert pid_of(registry) in info.links


# --- unique keys ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-04")
@pytest.mark.parametrize("partitions", [1, 4])
async def test_entries_are_counted_and_not_keys(partitions: int) -> None:
    unique = await Registry.start_link("u", keys="unique", partitions=partitions)
    assert unique.count() == 0
    unique.register("a")
    unique.register("b")
    assert unique.count() == 2
    for index, kind in enumerate(MANY):
        many = await Registry.start_link(("m", index), keys=kind, partitions=partitions)
        assert many.count() == 0
        many.register("a", 1)
        many.register("a", 2)
        assert many.count() == 2


@pytest.mark.behaviour("REG-05")
@pytest.mark.parametrize("partitions", [1, 4])
async def test_an_owned_unique_key_is_refused_to_all_and_keeps_its_value(partitions: int) -> None:
    registry = await Registry.start_link("r", keys="unique", partitions=partitions)
    registry.register("hello", "old")
    member = await Member.start()
    with pytest.raises(AlreadyRegistered, match="'hello' is taken") as again:
        registry.register("hello", "new")
    with pytest.raises(AlreadyRegistered) as other:
        await member.do(registry.register, "hello", "new")
    assert again.value.pid == other.value.pid == process.current()
    assert other.value.key == "hello"
    assert isinstance(other.value, NameTaken)
    assert registry.lookup("hello") == [(process.current(), "old")]


@pytest.mark.behaviour("REG-06")
@pytest.mark.parametrize("partitions", [1, 4])
async def test_keys_and_values_are_those_of_one_process(partitions: int) -> None:
    registry = await Registry.start_link("r", keys="unique", partitions=partitions)
    member = await Member.start()
    registry.register("mine", 1)
    registry.register("mine too", 2)
    await member.do(registry.register, "theirs", 3)
    assert registry.keys() == registry.keys(process.current()) == ["mine", "mine too"]
    assert registry.keys(member) == registry.keys(pid_of(member)) == ["theirs"]
    assert registry.values("mine") == [1]
    assert registry.values("theirs", member) == [3]
    assert registry.values("theirs") == registry.values("mine", member) == registry.values("none") == []


@pytest.mark.behaviour("REG-07")
async def test_a_refused_registration_leaves_no_link_and_no_entry_behind() -> None:
    registry = await Registry.start_link("r", keys="unique")
    member = await Member.start()
    registry.register("hello")
    for _ in range(2):
        with pytest.raises(AlreadyRegistered):
            await member.do(registry.register, "hello")
    (partition,) = registry.partitions()
    assert registry.keys(member) == []
    assert partition not in _links(member)


@pytest.mark.behaviour("REG-07")
async def test_a_refused_registration_keeps_the_link_of_another() -> None:
    registry = await Registry.start_link("r", keys="unique")
    member = await Member.start()
    registry.register("hello")
    await member.do(registry.register, "own")
    with pytest.raises(AlreadyRegistered):
        await member.do(registry.register, "hello")
    assert registry.partitions()[0] in _links(member)
    assert registry.keys(member) == ["own"]


@pytest.mark.behaviour("REG-14")
async def test_the_owner_updates_its_value_and_gets_new_and_old() -> None:
    registry = await Registry.start_link("r", keys="unique")
    registry.register("hits", 1)
    assert registry.update_value("hits", lambda hits: hits + 1) == (2, 1)
    assert registry.lookup("hits") == [(process.current(), 2)]


@pytest.mark.behaviour("REG-14")
async def test_a_value_that_is_another_processs_or_nobodys_is_not_updated() -> None:
    registry = await Registry.start_link("r", keys="unique")
    member = await Member.start()
    registry.register("hits", 1)
    calls: list[Any] = []
    with pytest.raises(NotRegistered, match="'hits'"):
        await member.do(registry.update_value, "hits", calls.append)
    with pytest.raises(NotRegistered):
        registry.update_value("none", calls.append)
    assert calls == []
    assert registry.lookup("hits") == [(process.current(), 1)]


async def test_an_update_that_loses_the_key_meanwhile_leaves_nothing_behind() -> None:
    registry = await Registry.start_link("r", keys="unique")
    registry.register("hits", 1)
    with pytest.raises(NotRegistered):
        registry.update_value("hits", lambda _: registry.unregister("hits"))
    assert registry.count() == 0


@pytest.mark.behaviour("REG-15")
@pytest.mark.parametrize("keys", MANY)
async def test_a_duplicate_registry_has_no_update_value(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys)
    registry.register("hits", 1)
    with pytest.raises(ValueError, match="duplicate"):
        registry.update_value("hits", lambda hits: hits + 1)


# --- duplicate keys ---------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-28")
@pytest.mark.parametrize("keys", MANY)
@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_process_may_have_a_duplicate_key_several_times(keys: Any, partitions: int) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=partitions)
    for value in (1, 2, 2):
        registry.register("hello", value)
    registry.register("other")
    assert registry.keys() == ["hello", "hello", "hello", "other"]
    assert registry.values("hello") == [1, 2, 2]
    assert registry.lookup("hello") == [(process.current(), value) for value in (1, 2, 2)]


@pytest.mark.behaviour("REG-29")
@pytest.mark.parametrize("keys", MANY)
@pytest.mark.parametrize("partitions", [1, 4])
async def test_processes_share_a_duplicate_key_and_see_their_own(keys: Any, partitions: int) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=partitions)
    members = [await Member.start() for _ in range(5)]
    for number, member in enumerate(members):
        await member.do(registry.register, "hello", number)
    assert sorted(registry.lookup("hello")) == [(pid_of(m), n) for n, m in enumerate(members)]
    for number, member in enumerate(members):
        assert registry.keys(member) == ["hello"]
        assert registry.values("hello", member) == [number]
    assert registry.keys() == []


# --- keys are compared by type and value ------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-13")
@pytest.mark.parametrize("keys", KINDS)
async def test_keys_that_python_takes_for_one_are_several(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys, partitions=2)
    alike = [1, 1.0, True, 1 + 0j, ("a", 1), ("a", True), ("a", 1.0), frozenset([1]), frozenset([True]), ()]
    for key in alike:
        registry.register(key, repr(key))
    for key in alike:
        assert registry.lookup(key) == [(process.current(), repr(key))]
    assert list(map(repr, registry.keys())) == list(map(repr, alike))
    registry.unregister(1.0)
    assert [repr(key) for key, _, _ in registry.select(key=lambda key: key == 1)] == ["1", "True", "(1+0j)"]


async def test_a_key_that_cannot_be_hashed_is_an_error_that_says_so() -> None:
    registry = await Registry.start_link("r", keys="unique")
    for use in (registry.register, registry.lookup, registry.via, registry.lock, registry.unregister):
        with pytest.raises(TypeError, match=r"\['a'\] can't be a key: a key must be hashable"):
            use(["a"])
    with pytest.raises(TypeError, match="can't be a key"):
        registry.register(("a", ["b"]))
    assert registry.count() == 0


# --- unregistering ----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-19")
@pytest.mark.parametrize("partitions", [1, 4])
async def test_unregister_takes_the_callers_entries_of_the_key_and_no_others(partitions: int) -> None:
    for index, keys in enumerate(KINDS):
        registry = await Registry.start_link(("r", index), keys=keys, partitions=partitions)
        member = await Member.start()
        registry.register("mine")
        if keys != "unique":
            registry.register("mine")
            await member.do(registry.register, "mine", "theirs")
        await member.do(registry.register, "theirs")
        registry.register("kept")
        registry.unregister("mine")
        registry.unregister("theirs")
        registry.unregister("nobody's")
        assert registry.keys() == ["kept"]
        assert registry.lookup("mine") == ([] if keys == "unique" else [(pid_of(member), "theirs")])
        assert registry.lookup("theirs") == [(pid_of(member), None)]


@pytest.mark.behaviour("REG-20")
async def test_unregister_match_takes_the_callers_entries_that_match() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=2)
    member = await Member.start()
    for value in (("a", 1), ("b", 2), ("a", 3)):
        registry.register("hello", value)
    await member.do(registry.register, "hello", ("a", 4))
    registry.unregister_match("hello", ("b", ...))
    assert registry.values("hello") == [("a", 1), ("a", 3)]
    registry.unregister_match("hello", ("a", lambda n: n > 2))
    assert registry.values("hello") == [("a", 1)]
    registry.unregister_match("hello", ...)
    assert registry.lookup("hello") == [(pid_of(member), ("a", 4))]
    assert registry.keys() == []


@pytest.mark.behaviour("REG-20")
async def test_unregister_match_leaves_a_unique_entry_that_does_not_match() -> None:
    registry = await Registry.start_link("r", keys="unique")
    registry.register("hello", 1)
    for other in (2, 1.0, True, str):
        registry.unregister_match("hello", other)
    assert registry.keys() == ["hello"]
    registry.unregister_match("hello", int)
    assert registry.keys() == []
    assert registry.partitions()[0] not in _links(process.current())


# --- matching ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-10", "REG-12")
@pytest.mark.parametrize("keys", KINDS)
async def test_match_compares_values_by_shape_and_type(keys: Any) -> None:
    registry = await Registry.start_link("r", keys=keys)
    value = (1, "atom", 1, {"name": "anna", "age": 3})
    registry.register("hello", value)
    entry = [(process.current(), value)]
    pattern: Any
    same_ends = lambda v: v[0] == v[2]  # noqa: E731  # as a pattern
    for pattern in (
        ...,
        value,
        (1, ..., ..., ...),
        (..., "atom", ..., {"name": "anna"}),
        (int, str, int, {}),
        same_ends,
    ):
        assert registry.match("hello", pattern) == entry
        assert registry.count_match("hello", pattern) == 1
    for pattern in (
        (1.0, ..., ..., ...),
        (True, ..., ..., ...),
        (1, ..., ...),
        [1, ..., ..., ...],
        (..., ..., ..., {"name": "bert"}),
        (..., ..., ..., {"height": ...}),
        "atom",
        lambda v: v[0] == v[1],
    ):
        assert registry.match("hello", pattern) == []
        assert registry.count_match("hello", pattern) == 0
    assert registry.match("none", ...) == []


@pytest.mark.behaviour("REG-11", "REG-12")
async def test_a_function_in_a_pattern_is_a_guard() -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=3)
    for value in range(5):
        registry.register("hello", ("n", value))
    over_two = ("n", lambda n: n > 2)
    assert registry.match("hello", over_two) == [(process.current(), ("n", n)) for n in (3, 4)]
    assert registry.count_match("hello", over_two) == 2
    with pytest.raises(ZeroDivisionError):
        registry.match("hello", lambda value: value[1] / 0 > 1)


@pytest.mark.behaviour("REG-12", "REG-26")
@pytest.mark.parametrize("partitions", [1, 3])
async def test_select_goes_through_all_entries(partitions: int) -> None:
    registry = await Registry.start_link("r", keys="duplicate", partitions=partitions)
    member = await Member.start()
    registry.register("a", 1)
    registry.register("b", "x")
    await member.do(registry.register, "a")
    me, them = process.current(), pid_of(member)
    assert sorted(registry.select(), key=repr) == sorted(
        [("a", me, 1), ("b", me, "x"), ("a", them, None)], key=repr
    )
    assert registry.select(value=int) == [("a", me, 1)]
    assert registry.select(key="a", pid=them) == [("a", them, None)]
    assert registry.select(key=lambda key: key > "a") == [("b", me, "x")]
    assert registry.count_select() == 3
    assert registry.count_select(key="a") == 2
    assert registry.count_select(value=1.0) == 0


# --- metadata ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-36")
async def test_metadata_is_given_at_the_start_put_read_and_deleted() -> None:
    registry = await Registry.start_link("r", keys="unique", meta={"opened": 2026, "nothing": None})
    assert registry.meta("opened") == 2026
    assert registry.meta("nothing") is None
    with pytest.raises(KeyError, match="no meta 'closed'; it has 'opened', 'nothing'"):
        registry.meta("closed")
    assert registry.meta("closed", "never") == "never"
    registry.put_meta(("closed", 1), 2027)
    assert registry.meta(("closed", 1)) == 2027
    assert registry.meta(("closed", True), None) is None
    registry.delete_meta(("closed", 1))
    registry.delete_meta("unknown")
    assert registry.meta(("closed", 1), None) is None
    assert registry.count() == 0


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("REG-24")
async def test_an_unknown_registry_is_an_error_that_names_it_and_those_that_run() -> None:
    await Registry.start_link("known", keys="unique")
    unknown: Any = Registry.named("nowhere")
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("register", ("a",)),
        ("unregister", ("a",)),
        ("unregister_match", ("a", 1)),
        ("lookup", ("a",)),
        ("keys", ()),
        ("values", ("a",)),
        ("count", ()),
        ("match", ("a", 1)),
        ("count_match", ("a", 1)),
        ("select", ()),
        ("count_select", ()),
        ("dispatch", ("a", print)),
        ("broadcast", ("a", 1)),
        ("update_value", ("a", print)),
        ("meta", ("a",)),
        ("put_meta", ("a", 1)),
        ("delete_meta", ("a",)),
        ("partitions", ()),
    ]
    for name, args in calls:
        with pytest.raises(UnknownRegistry, match=r"unknown registry: 'nowhere'.*running are 'known'"):
            getattr(unknown, name)(*args)
    with pytest.raises(UnknownRegistry, match="nowhere"):
        async with unknown.lock("a"):
            pass
    with pytest.raises(LookupError, match="nowhere"):
        await unknown.settled()


@pytest.mark.behaviour("REG-24")
async def test_a_name_that_is_no_registrys_is_said_to_be_none() -> None:
    await Member.options(name="member").start()
    with pytest.raises(UnknownRegistry, match="'member' is no registry but <Member"):
        Registry.named("member").lookup("a")


async def test_a_handle_of_a_pid_and_one_by_name_do_the_same() -> None:
    by_pid = await Registry.start_link("r", keys="unique")
    for handle in (by_pid, Registry.named("r"), Registry.of(pid_of(by_pid)), within(by_pid, 0)):
        handle.register("a", 1)
        assert handle.lookup("a") == [(process.current(), 1)]
        assert handle.via("a") == Registry.named("r").via("a")
        handle.unregister("a")


@pytest.mark.real_time("a thread works beside the loop")
async def test_a_handle_is_refused_in_another_thread() -> None:
    registry = await Registry.start_link("r", keys="unique")
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            registry.lookup("a")
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert isinstance(errors[0], WrongThread)


def test_a_handle_is_refused_when_its_loop_has_ended() -> None:
    async def start() -> Registry:
        return await Registry.start_link("r", keys="unique")

    registry = asyncio.run(start())
    with pytest.raises(RuntimeClosed):
        registry.lookup("a")


def test_who_lives_in_another_loop_is_not_registered() -> None:
    with asyncio.Runner() as one, asyncio.Runner() as two:
        registry = one.run(Registry.start("r", keys="unique"))

        async def register() -> None:
            registry.register("a")

        with pytest.raises(WrongThread, match="another event loop"):
            two.run(register())
        one.run(stop(registry))


def test_a_registry_object_without_a_process_is_refused() -> None:
    async def make() -> None:
        Registry("r", keys="unique")

    with pytest.raises(RuntimeError, match=r"start it by Registry.start_link"):
        asyncio.run(make())


async def test_the_handle_shows_what_a_client_can_do() -> None:
    registry = await Registry.start_link("r", keys="unique")
    assert {"lookup", "register", "via", "dispatch", "lock", "select"} <= set(dir(registry))
    assert isinstance(registry, Registry)
    with pytest.raises(AttributeError, match="can't be reached"):
        registry.handle_info  # noqa: B018


def _links(target: Any) -> tuple[process.Pid, ...]:
    info = process.info(target)
    assert info is not None
    return info.links
