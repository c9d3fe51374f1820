"""Every accepted form of a child becomes a ChildSpec, and what is none says what would be one."""

from __future__ import annotations

import abc
import asyncio
from typing import Any

import pytest

from regrow import process
from regrow.kernel.errors import InvalidSpec, StartError
from regrow.kernel.reasons import NORMAL, SHUTDOWN
from regrow.servers.agent import Agent
from regrow.servers.child_spec import ChildSpec, spec
from regrow.servers.tasks.task import Task
from regrow.supervision.dynamic_supervisor import DynamicSupervisor
from regrow.supervision.specs import to_spec, to_specs, without_arguments
from regrow.supervision.supervisor import Supervisor
from tests.supervision.servers import Worker, children_of, ended


async def poll(*args: Any) -> None:
    await asyncio.Event().wait()


def plain(*args: Any) -> int:
    return process.spawn_link(poll)


class Abstract(Worker, abc.ABC):
    @abc.abstractmethod
    def play(self) -> None: ...


def test_a_spec_is_itself() -> None:
    made = Worker.child_spec(1)
    assert to_spec(made) is made


@pytest.mark.behaviour("SUP-02")
def test_a_class_gives_its_own_spec_with_or_without_arguments() -> None:
    assert to_spec(Worker) == Worker.child_spec()
    assert to_spec((Worker, 1, 2)) == Worker.child_spec(1, 2)
    assert to_spec((Worker,)) == Worker.child_spec()
    assert to_spec((Agent, dict)) == Agent.child_spec(dict)
    assert to_spec(DynamicSupervisor).type == "supervisor"


def test_a_coroutine_function_is_a_task() -> None:
    assert to_spec(poll) == Task.child_spec(poll)
    assert to_spec((poll, 1)) == Task.child_spec(poll, 1)
    assert to_spec(poll).restart == "temporary"


@pytest.mark.behaviour("SUP-03")
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (int, "the class int has no child_spec, so it is not a server"),
        ((int, 3), r"\(<class 'int'>, 3\): the class int has no child_spec"),
        (plain, r"is a plain function.*wrap it, spec\(function, argument\.\.\.\)"),
        ((plain, 1), "is a plain function"),
        (len, "is a plain function"),
        (3, "3 is not a child: a child is a ChildSpec, a server class"),
        (None, "None is not a child"),
        ("my.Game", "a string names no class, give the class itself"),
        ({"id": 1, "start": plain}, "is not a child"),
        ([Worker], "is not a child"),
        ((), "empty tuple"),
        (Worker(), "this is an instance, give the class Worker"),
        (Abstract, "Abstract can't be a child: play is abstract"),
        (Task, "missing 1 required positional argument"),
    ],
)
def test_anything_else_is_refused_with_what_would_be_right(wrong: Any, text: str) -> None:
    with pytest.raises(InvalidSpec, match=text):
        to_spec(wrong)


def test_a_coroutine_that_was_called_already_is_refused() -> None:
    coroutine = poll()
    with pytest.raises(InvalidSpec, match="already called, give the function and its arguments"):
        to_spec(coroutine)  # type: ignore[arg-type]
    coroutine.close()


async def test_a_handle_is_no_child() -> None:
    async with Worker.scope() as worker:
        with pytest.raises(InvalidSpec, match="is not a child"):
            to_spec(worker)  # type: ignore[arg-type]


def test_a_child_spec_that_gives_no_spec_is_refused() -> None:
    class Wrong(Worker):
        @classmethod
        def child_spec(cls, *args: Any) -> Any:
            return {"id": 1}

    with pytest.raises(InvalidSpec, match=r"Wrong.child_spec gave \{'id': 1\}"):
        to_spec(Wrong)


async def test_the_start_of_a_server_is_no_child_the_server_is() -> None:
    for child in Worker.start_link, (Worker.start, 1):
        with pytest.raises(InvalidSpec, match=r"give the class, Worker or \(Worker, argument"):
            to_spec(child)


async def test_a_class_with_its_type_parameters_is_that_class() -> None:
    agents = await DynamicSupervisor.start_link()
    for child in (
        (Agent[dict[str, int]], dict),
        spec(Agent[dict[str, int]], dict),
        ChildSpec("a", Agent[Any], (dict,)),
    ):
        assert await (await agents.start_child(child)).get(len) == 0


@pytest.mark.behaviour("SUP-22")
def test_two_children_of_one_id_are_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"two children have the id 'a'.*replace\(id="):
        to_specs([Worker.child_spec().replace(id="a"), spec(plain).replace(id="a")])


def test_without_arguments_what_it_takes_to_end_and_show_a_child_stays() -> None:
    made = ChildSpec("x", plain, (1,), {"deep": 2}, restart="temporary", shutdown=3, name="n")
    assert without_arguments(made) == ChildSpec(None, plain, restart="temporary", shutdown=3)


async def test_both_variants_of_the_migration_from_simple_one_for_one() -> None:
    class MySupervisor(DynamicSupervisor):
        def init(self, initial: str) -> Any:
            return self.flags(strategy="one_for_one", extra_arguments=[initial])

    async def start_link(*args: Any) -> Worker:
        return await Worker.start_link(*args)

    async with MySupervisor.scope("initial") as sup:
        one = await sup.start_child((Worker, "foo", "bar", "baz"))
        two = await sup.start_child(ChildSpec(Worker, start_link, ("foo", "bar", "baz")))
        for child in (one, two):
            assert await child.arguments() == ("initial", "foo", "bar", "baz")


@pytest.mark.parametrize("kind", ["dynamic", "static"])
async def test_a_coroutine_function_runs_as_a_child_and_is_forgotten_when_it_is_done(kind: str) -> None:
    done = asyncio.Event()
    seen: list[Any] = []

    async def work(*args: Any) -> None:
        seen.append(args)
        await done.wait()

    sup: Any = await (DynamicSupervisor.start() if kind == "dynamic" else Supervisor.start([]))
    pid = await sup.start_child((work, 1, 2))
    other = await sup.start_child(poll)
    assert set(await children_of(sup)) == {pid, other}
    ref = process.monitor(pid)
    done.set()
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, NORMAL)
    assert seen == [(1, 2)]
    assert await children_of(sup) == [other]
    ref = process.monitor(other)
    process.exit(sup, SHUTDOWN)
    assert (await sup.count_children()).active == 1
    assert await sup.terminate_child(other if kind == "dynamic" else poll) is None
    assert (await process.receive(process.Down)).reason is SHUTDOWN
    assert ref


@pytest.mark.behaviour("TASK-40")
async def test_a_permanent_task_that_ends_is_run_again_until_the_supervisor_gives_up() -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(process.current())

    sup = await Supervisor.start([])
    ref = process.monitor(sup)
    await sup.start_child(Task.child_spec(work).replace(restart="permanent"))
    down = await process.receive(process.Down)
    assert (down.ref, down.reason) == (ref, SHUTDOWN)
    assert len(set(runs)) == 1 + 3


async def test_an_abstract_class_starts_nothing() -> None:
    async with DynamicSupervisor.scope() as sup:
        with pytest.raises(InvalidSpec, match="abstract"):
            await sup.start_child(Abstract)
        with pytest.raises(StartError, match="abstract"):
            await sup.start_child(spec(lambda: Abstract()))
    assert await ended(sup) is not None
