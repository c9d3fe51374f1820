"""The model machines, on regrow's own supervisors and registries; and that they see what is wrong with one."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

import regrow.testing
from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, call, cast, process, spec
from regrow.servers.registry.server import RegistryServer
from regrow.servers.registry.tables import UniqueTable
from regrow.supervision.flags import Flags
from regrow.supervision.intensity import RestartIntensity
from regrow.supervision.table import ChildTable
from regrow.testing.models import DynamicSupervisorMachine, RegistryMachine, SupervisorMachine
from regrow.testing.models.explaining import Unexplained
from regrow.testing.models.words import SupervisorWords
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
    assert re.search(r"not explained: child '\w+'( \(start \d+\))? started", fails(OneForOneMachine))


def test_a_wrong_order_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChildTable, "__reversed__", ChildTable.__iter__)
    assert "would go on with: the supervisor goes on with that: child '" in fails(OneForAllMachine)


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


# --- what they say, and how small they make it ----------------------------------------------------------------------


class Forgetful(Supervisor):
    """Says that it has terminated a child, and has not."""

    @call
    async def terminate_child(self, child_id: Any) -> None:
        if child_id != "second":
            await super().terminate_child(child_id)


class ForgetfulMachine(SupervisorMachine):
    supervisor = Forgetful.child_spec(four(), strategy="one_for_one")


class Unfinished(Supervisor):
    @call
    def restart_child(self, child_id: Any) -> Any:
        raise RuntimeError("not implemented")


class UnfinishedMachine(SupervisorMachine):
    supervisor = Unfinished.child_spec([Worker], strategy="one_for_one")


def failure(machine: type[RuleBasedStateMachine]) -> str:
    """What a user reads: the error, and the example to which hypothesis has shrunk it."""
    own = settings(machine.TestCase.settings, database=None, derandomize=True)
    with planted(), pytest.raises(AssertionError) as found:
        run_state_machine_as_test(machine, settings=own)
    return "\n".join([str(found.value), *found.value.__notes__])


def test_a_wrong_answer_is_shrunk_to_that_call_and_told_in_the_users_words() -> None:
    told = failure(ForgetfulMachine)
    assert "state.do(what=terminate_child('second'))\nstate.teardown()" in told
    assert told.count("state.do(") <= 2, "now and then hypothesis keeps a step before it that only asks"
    assert "terminate_child('second') returned None\n  at rest: which_children=['fourth': alive, " in told
    assert "count_children=Counts(specs=4, active=4, supervisors=0, workers=4)" in told
    assert "terminate_child('second'): child 'second' ended, which was not seen" in told


def test_a_crash_is_told_with_its_error_and_what_was_done() -> None:
    told = failure(UnfinishedMachine)
    assert "state.do(what=restart_child(Worker))\nstate.teardown()" in told
    assert told.count("state.do(") <= 2
    assert "crashed: RuntimeError('not implemented')\n  what was done: restart_child(Worker)\n" in told


def test_the_words_for_what_a_supervisor_does() -> None:
    words = SupervisorWords()
    assert words.step(("crash", "attic", 1)) == "child 'attic' is made to crash"
    assert words.step(("die", "attic", "crash")) == "child 'attic' crashes"
    assert words.event(("started", Worker, 2)) == "child Worker (start 2) started"
    assert words.step(("heed", "attic", False)).endswith("has ended, and gives up: one restart too many")
    assert (
        words.step(("make_trouble", "attic", "fail", 2))
        == "starts of child 'attic' are prevented, the next 2: they fail"
    )
    assert words.answered(("restart_child", "attic"), ("attic", 2)) == "returned child 'attic' (start 2)"
    assert words.answered(("delete_child", "attic"), "ChildRunning") == "raised ChildRunning"
    assert words.answered(("which_children",), (frozenset({("Room 1", 1)}), 1)) == (
        "returned ['Room 1', restarting]"
    )


def test_a_machine_has_settings_of_its_own_which_can_be_others() -> None:
    class Fresh(CrewMachine): ...

    own = Fresh.TestCase.settings
    assert own.deadline is None
    assert Phase.explain not in own.phases
    assert not own.report_multiple_bugs

    @settings(max_examples=3)
    class Short(CrewMachine): ...

    assert Short.TestCase.settings.max_examples == 3


# --- mistakes of users --------------------------------------------------------------------------------------------


class Sick(GenServer):
    def __init__(self) -> None:
        raise ValueError("sick")


def mistaken(base: type[RuleBasedStateMachine], **told: Any) -> str:
    """What is said of a machine that is told that, before anything is done."""
    machine = type("Mistaken", (base,), told)
    with pytest.raises(TypeError) as found:
        run_state_machine_as_test(machine, settings=settings(machine.TestCase.settings, database=None))
    assert not any("state." in note for note in found.value.__notes__), "it was drawing already"
    return str(found.value)


CREW = [Worker.child_spec()]


@pytest.mark.parametrize(
    ("base", "told", "says"),
    [
        (
            SupervisorMachine,
            {},
            "has no supervisor: say what is tested, supervisor = Supervisor.child_spec([",
        ),
        (SupervisorMachine, {"supervisor": Crew.child_spec()}, "Crew is for a DynamicSupervisorMachine"),
        (
            SupervisorMachine,
            {"supervisor": 3},
            "supervisor = 3: must be the spec of a Supervisor. Write superv",
        ),
        (
            DynamicSupervisorMachine,
            {"supervisor": Shop.child_spec("Delft")},
            "Shop is for a SupervisorMachine",
        ),
        (
            DynamicSupervisorMachine,
            {"supervisor": CREW[0]},
            "the spec of Worker: must be the spec of a Dynamic",
        ),
        (DynamicSupervisorMachine, {"supervisor": Crew}, "supervisor = Crew: must be the spec of a Dynamic"),
        (DynamicSupervisorMachine, {"supervisor": Crew}, "Write supervisor = Crew.child_spec(...)"),
        (
            DynamicSupervisorMachine,
            {},
            "Mistaken.children is empty: say what may be started, children = [Room",
        ),
        (
            DynamicSupervisorMachine,
            {"children": CREW[0]},
            "must be a list of specs. Write children = [Room.ch",
        ),
        (DynamicSupervisorMachine, {"children": [Worker]}, "Write children = [Worker.child_spec(...)]"),
        (CrewMachine, {"flags": {"max_children": 2}}, "flags = {'max_children': 2}: must be Flags, or None"),
        (CrewMachine, {"flags": Crew.child_spec()}, "and flags = Flags(max_restarts=1"),
        (CrewMachine, {"flags": Flags(strategy="one_for_all")}, "must be 'one_for_one', the only strategy"),
        (
            OneForOneMachine,
            {"flags": Flags(max_children=2)},
            "max_children=2: must be INFINITY for a Supervisor",
        ),
        (RegistryMachine, {"registry": Registry}, "Write registry = Registry.child_spec(...)"),
        (
            RegistryMachine,
            {"registry": CREW[0]},
            'Write registry = Registry.child_spec("seats", keys="unique")',
        ),
    ],
)
def test_a_mistaken_machine_is_told_what_to_write_before_anything_is_drawn(
    base: type[RuleBasedStateMachine], told: dict[str, Any], says: str
) -> None:
    assert says in mistaken(base, **told)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        (DynamicSupervisorMachine, {"children": [Sick.child_spec()]}),
        (SupervisorMachine, {"supervisor": Supervisor.child_spec([Sick], strategy="one_for_one")}),
        (
            SupervisorMachine,
            {
                "supervisor": Supervisor.child_spec([Worker], strategy="one_for_one"),
                "children": [Sick.child_spec()],
            },
        ),
    ],
)
def test_a_child_that_does_not_start_is_named_with_its_error(
    base: type[RuleBasedStateMachine], told: dict[str, Any]
) -> None:
    says = failure(type("Mistaken", (base,), told))
    assert "Sick" in says
    assert "does not start: the start failed: ValueError('sick') at" in says
    assert says.count("state.do(") <= 1


def test_a_supervisor_that_is_started_by_hand_needs_no_spec() -> None:
    class ByHand(SupervisorMachine):
        async def start_supervisor(self) -> Any:
            return await Supervisor.start([Worker], strategy="one_for_one")

    run_state_machine_as_test(ByHand, settings=settings(MODEST, max_examples=2, database=None))


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
