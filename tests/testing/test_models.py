"""The model machines, on regrow's own supervisors and registries; and that they see what is wrong with one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

import regrow.testing
from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, cast, process, spec
from regrow.servers.registry.server import RegistryServer
from regrow.servers.registry.tables import UniqueTable
from regrow.supervision.flags import Flags
from regrow.supervision.intensity import RestartIntensity
from regrow.supervision.table import ChildTable
from regrow.testing.models import DynamicSupervisorMachine, RegistryMachine, SupervisorMachine
from regrow.testing.models.explaining import Unexplained
from tests.invariants import planted

MODEST = settings(max_examples=8, stateful_step_count=25)


class Worker(GenServer):
    def __init__(self, *args: Any) -> None:
        self.args = args

    @cast
    def burn(self) -> None:
        raise OSError("on fire")


class Slow(Worker):
    """Takes its time to start, and to end."""

    async def init(self) -> None:
        await asyncio.sleep(0.5)

    async def terminate(self, reason: object) -> None:
        await asyncio.sleep(0.25)


async def by_a_function(*args: Any) -> Worker:
    await asyncio.sleep(0)
    return await Worker.start_link(*args)


# --- dynamic supervisors ------------------------------------------------------------------------------------------


class Crew(DynamicSupervisor, max_children=2, max_restarts=2): ...


class CrewMachine(DynamicSupervisorMachine):
    supervisor = Crew.child_spec()
    children = (
        Worker.child_spec(),
        Worker.child_spec().replace(restart="transient"),
        Worker.child_spec().replace(restart="temporary", shutdown="brutal_kill"),
    )


class Rooms(DynamicSupervisor, max_seconds=2.0):
    def init(self, limit: int) -> Flags:
        return self.flags(max_children=limit, max_restarts=1, extra_arguments=["house"])


class RoomsMachine(DynamicSupervisorMachine):
    """Flags from ``init``, a start function, names, children that take their time, and a crash of their own."""

    supervisor = Rooms.options(name="rooms").child_spec(5)
    flags = Flags(max_restarts=1, max_seconds=2.0, max_children=5)
    children = (
        Worker.child_spec(),
        Slow.child_spec().replace(restart="transient"),
        Worker.options(name="the only one").child_spec(),
        spec(by_a_function, "attic").replace(restart="transient", type="supervisor"),
    )

    def crash(self, child: Any) -> None:
        child.burn()

    @invariant()
    def the_handle_is_that_of_the_supervisor(self) -> None:
        assert self.handle is None or process.pid_of(self.handle)
        assert not self.living or self.handle is not None


def strict(machine: type[RuleBasedStateMachine]) -> Any:
    """The machine's test, under the settings of this file."""
    test = machine.TestCase
    test.settings = settings(MODEST)
    return test


TestCrew = strict(CrewMachine)
TestRooms = strict(RoomsMachine)


# --- static supervisors -------------------------------------------------------------------------------------------


def four(**keys: Any) -> list[Any]:
    """Children of every kind; with *keys* for those that may be significant."""
    return [
        Worker.child_spec().replace(id="first"),
        Worker.child_spec().replace(id="second", restart="transient", **keys),
        Worker.child_spec().replace(id="third", restart="temporary", **keys),
        spec(by_a_function).replace(id="fourth"),
    ]


MORE = (
    Worker.child_spec().replace(id="fifth", type="supervisor"),
    Worker.child_spec().replace(id="sixth", restart="temporary"),
)


class OneForOneMachine(SupervisorMachine):
    supervisor = Supervisor.child_spec(four())
    children = MORE


class RestForOneMachine(SupervisorMachine):
    supervisor = Supervisor.child_spec(four(), strategy="rest_for_one", max_restarts=4)
    children = MORE


class OneForAllMachine(SupervisorMachine):
    supervisor = Supervisor.child_spec(four(), strategy="one_for_all", max_restarts=4)
    children = MORE


class AnySignificantMachine(SupervisorMachine):
    supervisor = Supervisor.child_spec(
        four(significant=True), strategy="rest_for_one", auto_shutdown="any_significant"
    )


class Shop(Supervisor, strategy="one_for_one", auto_shutdown="all_significant"):
    """Children from ``init``; one of them is slow."""

    def init(self, town: str) -> list[Any]:
        return [Slow.child_spec().replace(id=town, restart="transient"), *four(significant=True)]


class AllSignificantMachine(SupervisorMachine):
    supervisor = Shop.child_spec("Utrecht")


TestOneForOne = strict(OneForOneMachine)
TestRestForOne = strict(RestForOneMachine)
TestOneForAll = strict(OneForAllMachine)
TestAnySignificant = strict(AnySignificantMachine)
TestAllSignificant = strict(AllSignificantMachine)


# --- registries ---------------------------------------------------------------------------------------------------


class UniqueMachine(RegistryMachine): ...


class SplitMachine(RegistryMachine):
    registry = Registry.child_spec("seats", keys="unique", partitions=2)


class DuplicateMachine(RegistryMachine):
    registry = Registry.child_spec("groups", keys="duplicate", partitions=2)


class DeathMachine(RegistryMachine):
    """No names: whoever wants a key asks for it."""

    deeds = ("join", "register", "register", "crash", "kill")


TestUnique = strict(UniqueMachine)
TestSplit = strict(SplitMachine)
TestDuplicate = strict(DuplicateMachine)


# --- that they see what is wrong ----------------------------------------------------------------------------------


def fails(machine: type[RuleBasedStateMachine]) -> str:
    """What the machine says when it has found what is wrong."""
    thorough = settings(max_examples=300, database=None, derandomize=True, phases=[Phase.generate])
    with planted(), pytest.raises(Unexplained) as found:
        run_state_machine_as_test(machine, settings=thorough)
    return str(found.value)


def test_a_restart_that_is_not_called_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    terminate = DynamicSupervisor.__dict__["_terminate_child"]
    original = terminate.function

    def forgetful(self: Any, pid: Any) -> Any:
        return None if pid in self._restarting else original(self, pid)

    monkeypatch.setattr(terminate, "function", forgetful)

    class Fresh(DynamicSupervisor): ...  # the handles of other classes know the right function already

    class FreshMachine(CrewMachine):
        supervisor = Fresh.child_spec()

    assert "terminate_child('Worker" in fails(FreshMachine)


def test_one_restart_too_many_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = RestartIntensity.admit

    def generous(self: RestartIntensity) -> bool:
        self.max_restarts, allowed = self.max_restarts + 1, self.max_restarts
        try:
            return original(self)
        finally:
            self.max_restarts = allowed

    monkeypatch.setattr(RestartIntensity, "admit", generous)
    assert "not explained: started(" in fails(OneForOneMachine)


def test_a_wrong_order_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChildTable, "__reversed__", ChildTable.__iter__)
    assert "would go on with: go_on()" in fails(OneForAllMachine)


def test_an_entry_that_stays_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UniqueTable, "remove", lambda self, key, pid, matches=None: 1)
    assert "clean_up('member" in fails(UniqueMachine)


def test_a_name_of_the_dead_that_is_taken_for_a_living_ones_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = RegistryServer._register

    def believing(self: Any, member: Any, key: Any, value: Any) -> Any:
        entry = self._unique.get(key)
        return entry[0] if entry is not None else original(self, member, key, value)

    monkeypatch.setattr(RegistryServer, "_register", believing)
    assert "gave ('AlreadyRegistered', 'member" in fails(DeathMachine)


# --- mistakes of users --------------------------------------------------------------------------------------------


def test_a_machine_without_children_is_told_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"children = \[Room.child_spec"):
        run_state_machine_as_test(
            DynamicSupervisorMachine, settings=settings(MODEST, database=None, phases=[Phase.generate])
        )


def test_without_hypothesis_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import regrow.testing; dir(regrow.testing)\n"
        "try:\n    import regrow.testing.models\nexcept ImportError as error:\n    print(error)\n"
    )
    source = str(Path(regrow.testing.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": source},
        check=True,
        capture_output=True,
    )
    assert b"pip install hypothesis" in done.stdout
