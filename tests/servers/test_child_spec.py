"""Child specs: their defaults, what `replace` completes again, and that a bad value is refused by name."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import types
from abc import ABC, abstractmethod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow import DynamicSupervisor, call, process, sys
from regrow.kernel.errors import InvalidSpec
from regrow.servers.child_spec import ChildSpec, spec
from regrow.servers.gen_server import GenServer


class Abstract(ABC):
    @abstractmethod
    def price(self) -> int: ...


class OwnSpec:
    @classmethod
    def child_spec(cls, *args: Any) -> ChildSpec[Any]:
        return ChildSpec("own", cls, args, restart="temporary")


def start(*args: Any, **kwargs: Any) -> None: ...


class Plain(GenServer):
    def __init__(self, name: str) -> None:
        self.name = name

    @call
    def db(self) -> str:
        return self.name


class Late(GenServer):
    pass


@pytest.mark.behaviour("SUP-20")
def test_a_spec_is_completed_when_it_is_made() -> None:
    worker = ChildSpec("w", start)
    assert (worker.restart, worker.type, worker.shutdown) == ("permanent", "worker", 5.0)
    assert (worker.modules, worker.significant, worker.name, worker.timeout) == ((start,), False, None, None)
    assert ChildSpec("s", start, type="supervisor").shutdown == math.inf


@pytest.mark.behaviour("SUP-21", "DS-15")
@pytest.mark.parametrize("given", [3, "start", None, ("module", "function", []), OwnSpec()])
def test_a_start_must_be_callable(given: Any) -> None:
    with pytest.raises(InvalidSpec, match=r"^start=.* must be a server class or a function"):
        ChildSpec("id", given)


@pytest.mark.behaviour("SUP-21")
def test_id_and_start_are_required() -> None:
    with pytest.raises(TypeError, match="'id' and 'start'"):
        ChildSpec()  # type: ignore[call-arg]
    with pytest.raises(InvalidSpec, match=r"^id=\[\]: must be hashable"):
        ChildSpec([], start)  # type: ignore[arg-type]


def test_an_abstract_class_cannot_be_started() -> None:
    with pytest.raises(InvalidSpec, match="leaves price abstract"):
        spec(Abstract)


@pytest.mark.behaviour("SUP-23", "DS-16", "DS-18")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("restart", "sometimes"),
        ("restart", None),
        ("type", "boss"),
        ("shutdown", -1),
        ("shutdown", math.nan),
        ("shutdown", True),
        ("shutdown", "softly"),
        ("modules", "module"),
        ("modules", ["module"]),
        ("modules", 3),
        ("significant", 1),
        ("args", "abc"),
        ("args", {"a": 1}),
        ("kwargs", [1]),
        ("kwargs", {1: 2}),
        ("timeout", -1),
        ("timeout", "soon"),
    ],
)
def test_a_bad_value_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as refused:
        ChildSpec("id", start, **{key: value})
    assert str(refused.value).startswith(f"{key}={value!r} in the spec of 'id': must be ")
    assert isinstance(refused.value, ValueError)


@pytest.mark.behaviour("DS-16", "SUP-12")
@pytest.mark.parametrize("shutdown", [0, 1, 0.5, math.inf, "brutal_kill"])
def test_shutdown_times(shutdown: Any) -> None:
    assert ChildSpec("id", start, shutdown=shutdown).shutdown == shutdown


@pytest.mark.behaviour("SUP-87")
def test_a_permanent_child_cannot_be_significant() -> None:
    with pytest.raises(InvalidSpec, match="restart='permanent'"):
        ChildSpec("id", start, significant=True)
    assert ChildSpec("id", start, significant=True, restart="transient").significant


@pytest.mark.parametrize("modules", ["dynamic", (start, types), [ChildSpec]])
def test_modules(modules: Any) -> None:
    kept = ChildSpec("id", start, modules=modules).modules
    assert kept == (tuple(modules) if isinstance(modules, list) else modules)


@pytest.mark.behaviour("SUP-02")
def test_replace_changes_some_keys_and_completes_the_rest_again() -> None:
    first = spec(start, "db", port=2)
    assert (first.id, first.args, first.kwargs) == (start, ("db",), {"port": 2})
    second = first.replace(id="db", restart="transient", args=["other"])  # type: ignore[arg-type]
    assert (second.id, second.restart, second.args) == ("db", "transient", ("other",))
    assert first.restart == "permanent"
    assert first.replace(type="supervisor").shutdown == math.inf
    assert first.replace(shutdown=9).replace(type="supervisor").shutdown == 9
    assert first.replace(start=len).modules == (len,)
    assert first.replace(modules=(types,)).replace(start=len).modules == (types,)


def test_replace_refuses_what_is_no_key_and_what_is_no_value() -> None:
    with pytest.raises(InvalidSpec, match=r"strategy='one': a spec has no such key; the keys are id, start"):
        spec(start).replace(strategy="one")  # type: ignore[call-overload]
    with pytest.raises(InvalidSpec, match=r"restart='never'"):
        spec(start).replace(restart="never")  # type: ignore[call-overload]


def test_a_class_that_makes_its_own_spec_is_asked() -> None:
    made = spec(OwnSpec, 1)  # type: ignore[call-arg]
    assert (made.id, made.args, made.restart) == ("own", (1,), "temporary")


async def test_a_spec_of_a_class_that_has_run_is_a_value_too() -> None:
    made = Plain.child_spec("db")
    async with DynamicSupervisor.scope() as sup:
        await sup.start_child(made)
        again = pickle.loads(pickle.dumps(made))
        assert again == made == copy.deepcopy(made)
        assert await (await sup.start_child(again)).db() == "db"


async def test_what_is_set_on_a_class_before_its_first_start_holds() -> None:
    told: list[object] = []
    made = Late.child_spec()
    Late.handle_info = lambda _self, message: told.append(message)  # type: ignore[method-assign]  # that is the point
    async with DynamicSupervisor.scope() as sup:
        late = await sup.start_child(made)
        process.send(late, "hi")
        await sys.get_state(late)
    assert told == ["hi"]


def test_a_spec_is_a_value() -> None:
    first = spec(start, "db", port=2)
    assert first == spec(start, "db", port=2) == pickle.loads(pickle.dumps(first)) == copy.deepcopy(first)
    assert hash(first) == hash(spec(start, "db", port=2))
    with pytest.raises(AttributeError):
        first.id = "x"  # type: ignore[misc]


@given(st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.booleans(), st.lists(st.integers())))
def test_a_shutdown_is_kept_or_refused_and_never_anything_between(value: Any) -> None:
    good = value is None or (type(value) in (int, float) and value >= 0) or value == "brutal_kill"
    if good:
        assert ChildSpec("id", start, shutdown=value).shutdown == (5.0 if value is None else value)
    else:
        with pytest.raises(InvalidSpec):
            ChildSpec("id", start, shutdown=value)


def test_the_keywords_of_a_spec_are_its_own() -> None:
    class Clock(GenServer): ...

    one, another = Clock.child_spec(), Clock.child_spec()
    assert one.kwargs == {}
    assert one.kwargs is not another.kwargs


def test_a_spec_made_from_the_one_of_its_class_is_a_spec_like_any_other() -> None:
    class Clock(GenServer, restart="transient"):
        def __init__(self, hour: int, *, minute: int = 0) -> None: ...

    made = Clock.child_spec(12, minute=30)
    assert type(made) is ChildSpec
    assert made == ChildSpec(Clock, Clock, (12,), {"minute": 30}, restart="transient")
    assert hash(made) == hash(made.replace())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.restart = "permanent"  # type: ignore[misc]  # wrong on purpose
    assert Clock.child_spec(1).args == (1,)
    assert made.args == (12,)
