"""The tree: applications, supervisors, children, in pages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow import (
    Agent,
    Application,
    DynamicSupervisor,
    PartitionSupervisor,
    ServerExited,
    Supervisor,
    TaskSupervisor,
    application,
    process,
    spec,
)
from regrow.kernel.errors import Ignore
from regrow.observer import model, snapshot
from tests.observer.programs import Game, Games, pid_of, program, start_game


class Arcade(Application):
    """Games for everybody."""

    name = "arcade"
    version = "1.2.3"
    extra_applications = ["logging"]  # noqa: RUF012

    async def start(self, start_type: Any, args: Any) -> Any:
        return await Supervisor.options(name="arcade.root").start_link(
            [Games.options(name=Games).child_spec()], strategy="one_for_all", max_restarts=7, max_seconds=2.5
        )


def below(node: model.TreeNode, kind: str) -> model.TreeNode:
    return next(each for each in node.children if each.kind == kind)


async def test_applications_come_with_their_trees() -> None:
    await application.ensure_all_started(Arcade)
    await Games.named(Games).start_child(Game.child_spec(1))
    forest = await snapshot().tree()
    logging, arcade = forest.applications
    assert (logging.name, logging.state, logging.type) == ("logging", "running", "temporary")
    assert (arcade.name, arcade.version, arcade.description) == ("arcade", "1.2.3", "Games for everybody.")
    assert arcade.tree is not None
    assert arcade.tree.supervisor is not None
    flags = arcade.tree.supervisor
    assert (flags.strategy, flags.max_restarts, flags.max_seconds) == ("one_for_all", 7, 2.5)
    games = below(arcade.tree, "Games")
    assert games.supervisor is not None
    assert games.supervisor.max_children == 1000
    assert games.spec is not None
    assert (games.spec.id, games.spec.type) == ("Games", "supervisor")
    assert games.spec.shutdown == float("inf")
    assert [each.kind for each in games.children] == ["Game"]
    assert forest.roots == ()
    assert not forest.cut
    await application.stop("arcade")
    forest = await snapshot().tree()
    assert [(each.name, each.state) for each in forest.applications] == [
        ("logging", "running"),
        ("arcade", "loaded"),
    ]
    await application.stop("logging")


async def test_trees_of_no_application_are_roots() -> None:
    async with program(), Supervisor.options(name="other").scope([]):
        forest = await snapshot().tree()
        assert [each.name for each in forest.roots] == ["root", "other"]
        assert [each.kind for each in forest.roots[0].children] == ["Registry", "Games"]
        registry = below(forest.roots[0], "Registry")
        assert [each.kind for each in registry.children] == ["RegistryPartition"]
        assert registry.supervisor is not None
        assert registry.supervisor.max_restarts == 3


async def test_a_great_supervisor_shows_a_page_and_how_many_there_are() -> None:
    async with program():
        for number in range(30):
            await start_game(number)
        look, games = snapshot(), pid_of(Games)
        forest = await look.tree(limit=10)
        node = below(forest.roots[0], "Games")
        assert (len(node.children), node.children_total, forest.cut) == (10, 30, True)
        page = await look.children(games, offset=25, limit=10)
        assert ([each.name for each in page.rows], page.total) == (
            [f"g{n} in by_id" for n in range(25, 30)],
            30,
        )
        only = await look.tree(games, offset=28)
        assert [each.name for each in only.roots[0].children] == ["g28 in by_id", "g29 in by_id"]
        assert only.applications == ()
        assert only.roots[0].spec is not None  # what its own supervisor knows


async def test_the_number_of_nodes_is_bounded_and_the_top_comes_first() -> None:
    async with program():
        for number in range(30):
            await start_game(number)
        forest = await snapshot().tree(nodes=6)
        (root,) = forest.roots
        assert [each.kind for each in root.children] == ["Registry", "Games"]
        assert count(root) == 6
        assert forest.cut
        shallow = await snapshot().tree(depth=0)
        assert count(shallow.roots[0]) == 1
        assert shallow.cut


def count(node: model.TreeNode) -> int:
    return 1 + sum(map(count, node.children))


class Moody(Game):
    moods: list[str] = []  # noqa: RUF012

    def __init__(self, number: int) -> None:
        super().__init__(number)
        if self.moods:
            mood = self.moods.pop(0)
            if mood == "ignore":
                raise Ignore
            raise RuntimeError(mood)


async def test_children_that_are_not_there_are_stopped_or_restarting() -> None:
    Moody.moods = []
    spec = Moody.child_spec(1).replace(id="moody", restart="permanent")
    async with Supervisor.options(name="top").scope(
        [spec, Agent.child_spec(dict).replace(id="agent")], max_restarts=1000
    ) as top:
        await top.terminate_child("agent")
        Moody.moods = ["again"] * 3
        child = (await top.which_children())[-1].child
        with pytest.raises(ServerExited):
            await child.crash()
        seen = set()
        for _ in range(10):
            page = await snapshot().children(pid_of("top"))
            moody, agent = page.rows
            assert (agent.state, agent.pid, agent.kind) == ("stopped", None, "Agent")
            assert agent.spec is not None
            assert agent.spec.id == "agent"
            seen.add(moody.state)
            await asyncio.sleep(0)
        assert "running" in seen
        assert page.rows[0].state == "running"


async def test_restarting_children_of_a_dynamic_supervisor_are_seen_and_used_restarts_counted() -> None:
    Moody.moods = []
    async with DynamicSupervisor.options(name="games").scope(max_restarts=50, max_seconds=10.0) as games:
        child = await games.start_child(Moody.options(restart="permanent").child_spec(1))
        Moody.moods = ["again"] * 20
        seen: list[model.TreeNode] = []

        with pytest.raises(ServerExited):
            await child.crash()
        for _ in range(60):
            seen += (await snapshot().children(pid_of("games"))).rows
            await asyncio.sleep(0)
        states = {each.state for each in seen}
        assert "restarting" in states or "running" in states
        (now,) = (await snapshot().children(pid_of("games"))).rows
        assert now.state == "running"
        forest = await snapshot().tree()
        (root,) = [each for each in forest.roots if each.name == "games"]
        assert root.supervisor is not None
        assert root.supervisor.restarts_used == 21
        assert (root.supervisor.max_restarts, root.supervisor.max_seconds) == (50, 10.0)
        await asyncio.sleep(10.1)
        (root,) = [each for each in (await snapshot().tree()).roots if each.name == "games"]
        assert root.supervisor is not None
        assert root.supervisor.restarts_used == 0


async def test_all_kinds_of_supervisors_show_their_children() -> None:
    async def work() -> None:
        await process.receive(KeyError)

    tree = [
        PartitionSupervisor.options(name="parts").child_spec(Agent.child_spec(dict), partitions=3),
        TaskSupervisor.options(name="tasks").child_spec(),
        spec(work_alone).replace(id="alone"),
    ]
    async with Supervisor.options(name="top").scope(tree):
        await TaskSupervisor.named("tasks").start_child(work)
        (root,) = [each for each in (await snapshot().tree()).roots if each.name == "top"]
        parts, tasks, alone = root.children
        assert [each.kind for each in parts.children] == ["Agent"] * 3
        assert [each.spec.id for each in parts.children if each.spec is not None] == ["0", "1", "2"]
        (task,) = tasks.children
        assert task.spec is not None
        assert (task.kind, task.label, task.spec.restart) == ("task", qualified(work), "temporary")
        assert (alone.kind, alone.label) == ("process", "wait_for_nothing")


def qualified(function: Any) -> str:
    return str(function.__qualname__)


async def wait_for_nothing() -> None:
    await process.receive(KeyError)


async def work_alone() -> Any:
    return process.spawn_link(wait_for_nothing)


@pytest.mark.parametrize("given", [{"depth": -1}, {"depth": 51}, {"nodes": 0}, {"limit": 0}, {"offset": -1}])
async def test_wrong_numbers_are_refused(given: Any) -> None:
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        await snapshot().tree(**given)


async def test_a_child_knows_its_place() -> None:
    async with program():
        game = await start_game(1)
        place = (await snapshot().process(process.pid_of(game))).place
        assert place is not None
        assert place.key == str(process.pid_of(game))
        assert (await snapshot().process(pid_of(Games))).place is not None
        assert (await snapshot().process(pid_of("root"))).place is None
