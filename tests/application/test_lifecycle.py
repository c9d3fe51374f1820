"""Applications start after what they need, stop in order, and end as their type says."""

from __future__ import annotations

import asyncio
import logging
import pickle
import types
from typing import TYPE_CHECKING, Any

import pytest

from regrow import (
    KILL,
    NORMAL,
    SHUTDOWN,
    GenServer,
    Ignore,
    StartError,
    Supervisor,
    application,
    process,
)
from regrow.application import (
    Application,
    ApplicationAlreadyLoaded,
    ApplicationAlreadyStarted,
    ApplicationNotLoaded,
    ApplicationNotStarted,
    ApplicationStartError,
    DependencyCycle,
    EnvironmentKeyError,
    InvalidApplication,
    StartType,
    UnknownApplication,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOG: list[Any] = []


@pytest.fixture(autouse=True)
def empty_log() -> None:
    LOG.clear()


class Worker(GenServer):
    """A child that tells of its stop."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def terminate(self, reason: object) -> None:
        LOG.append(f"{self.owner}: child {reason}")


class Recorded(Application):
    """Tells of its callbacks; its tree has one child."""

    version = "1.2.3"

    async def start(self, start_type: StartType, args: list[str]) -> Any:
        LOG.append(f"{self.name}: start")
        return await Supervisor.start_link([(Worker, self.name)])

    def prep_stop(self, state: Any) -> Any:
        LOG.append(f"{self.name}: prep_stop {state}")
        return "prepared"

    async def stop(self, state: Any) -> None:
        LOG.append(f"{self.name}: stop {state}")


class Base(Recorded):
    """The ground."""

    name = "base"


class Middle(Recorded):
    name = "middle"
    extra_applications = (Base,)


class Top(Recorded):
    name = "top"
    extra_applications = (Middle, Base)


class Stateful(Recorded):
    name = "stateful"

    async def start(self, start_type: StartType, args: list[str]) -> Any:
        LOG.append((start_type, args))
        return await super().start(start_type, args), "state"


def failing(act: Callable[[], Any], needs: Sequence[type[Application]] = ()) -> type[Application]:
    """An application whose ``start`` does *act*."""

    class Failing(Application):
        name = "failing"
        extra_applications = needs

        async def start(self, start_type: StartType, args: list[str]) -> Any:
            found = act()
            return await found if asyncio.iscoroutine(found) else found

    return Failing


async def gone(pid: object) -> object:
    """Wait for the end of a process."""
    process.monitor(pid)
    down = await process.receive(process.Down, timeout=5)
    assert isinstance(down, process.Down)
    return down.reason


def running() -> list[str]:
    return [each.name for each in application.started_applications()]


async def until_stopped(name: str) -> None:
    """Wait until the master, which ends after its tree, has ended too."""
    from regrow.application.controller import controller

    found = controller().running.get(name)
    if found is not None:
        assert found.master is not None
        await gone(found.master.pid)


# --- what is loaded, what runs ------------------------------------------------------------------------------------


@pytest.mark.behaviour("APP-03")
async def test_what_is_loaded_and_what_runs_is_listed() -> None:
    application.load(Top)
    assert application.loaded_applications() == [("top", "Top", "1.2.3")]
    assert application.started_applications() == []
    await application.ensure_all_started(Middle)
    assert application.started_applications() == [
        ("base", "The ground.", "1.2.3"),
        ("middle", "Middle", "1.2.3"),
    ]
    assert [each.name for each in application.loaded_applications()] == ["top", "base", "middle"]


@pytest.mark.behaviour("APP-04")
async def test_the_owner_of_a_module_is_found() -> None:
    class Near(Application):
        name = "near"
        __module__ = "shop.checkout.application"

    class Far(Application):
        name = "far"
        __module__ = "shop.application"

    assert application.get_application("shop.checkout") is None  # not loaded
    application.load(Near)
    application.load(Far)
    assert application.get_application("shop.checkout.till") is Near
    assert application.get_application("shop.stock") is Far
    assert application.get_application(types.ModuleType("shop")) is Far
    assert application.get_application(type("Till", (), {"__module__": "shop.checkout.till"})) is Near
    assert application.get_application("shopping") is None


@pytest.mark.behaviour("APP-14")
async def test_loading_twice_and_unloading_what_is_not_loaded() -> None:
    application.load(Base)
    with pytest.raises(ApplicationAlreadyLoaded, match="'base' is already loaded"):
        application.load(Base)
    application.unload("base")
    with pytest.raises(ApplicationNotLoaded, match="'base' is not loaded"):
        application.unload(Base)
    await application.start(Base)
    with pytest.raises(ApplicationAlreadyStarted):
        application.unload(Base)


# --- start --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("APP-05")
async def test_dependencies_are_started_first() -> None:
    assert await application.ensure_all_started(Top) == ["base", "middle", "top"]
    assert LOG == ["base: start", "middle: start", "top: start"]
    assert await application.ensure_all_started(Top) == []


@pytest.mark.behaviour("APP-05")
async def test_only_what_does_not_run_is_started() -> None:
    await application.start(Base)
    assert await application.ensure_all_started(Top) == ["middle", "top"]


@pytest.mark.behaviour("APP-05")
async def test_two_at_once_start_it_once() -> None:
    first, second = await asyncio.gather(
        application.ensure_all_started(Top), application.ensure_all_started(Top)
    )
    assert sorted(first + second) == ["base", "middle", "top"]
    assert len(LOG) == 3


@pytest.mark.behaviour("APP-06")
async def test_a_running_application_is_not_started_again() -> None:
    await application.start(Base)
    with pytest.raises(ApplicationAlreadyStarted, match="'base' is already started"):
        await application.start(Base)
    await application.ensure_started(Base)
    await application.ensure_started("base")
    assert LOG == ["base: start"]


async def test_start_alone_needs_its_dependencies_running() -> None:
    with pytest.raises(
        ApplicationNotStarted, match="'middle' needs 'base', which is not started; ensure_all_started"
    ):
        await application.start(Middle)


@pytest.mark.behaviour("APP-07")
async def test_start_gets_its_type_and_args_and_gives_a_root_or_a_root_and_a_state() -> None:
    await application.start(Stateful, args=["--fast"])
    assert LOG[0] == ("normal", ["--fast"])
    root = application.get_supervisor(Stateful)
    assert root is not None
    assert (await Supervisor.of(root).count_children()).active == 1


@pytest.mark.behaviour("APP-07")
async def test_start_may_be_a_plain_function_and_the_root_a_pid() -> None:
    class Plain(Application):
        name = "plain"

        def start(self, start_type: StartType, args: list[str]) -> Any:
            return process.spawn_link(process.receive)

    await application.start(Plain)
    pid = application.get_supervisor("plain")
    assert pid is not None
    assert process.alive(pid)
    await application.stop(Plain)
    assert not process.alive(pid)
    assert application.get_supervisor("plain") is None


def crash() -> None:
    raise ValueError("no luck")


@pytest.mark.behaviour("APP-08")
@pytest.mark.parametrize("value", [None, "root", 3.5, (1, 2, 3), [], 10**9])
async def test_a_start_that_returns_no_root_fails(value: object) -> None:
    with pytest.raises(ApplicationStartError) as caught:
        await application.start(failing(lambda: value))
    assert isinstance(caught.value.reason, InvalidApplication)
    assert f"start returned {value!r}; it must return the root supervisor" in str(caught.value)
    assert running() == []


@pytest.mark.behaviour("APP-08")
async def test_a_start_that_raises_or_exits_fails_with_that() -> None:
    with pytest.raises(
        ApplicationStartError, match=r"'failing' did not start: ValueError\('no luck'\) at .*test_life"
    ) as caught:
        await application.start(failing(crash))
    assert isinstance(caught.value.reason, ValueError)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ApplicationStartError) as caught:
        await application.start(failing(lambda: process.exit("enough")))
    assert caught.value.reason == "enough"

    def ignore() -> None:
        raise Ignore

    with pytest.raises(ApplicationStartError) as caught:
        await application.start(failing(ignore))
    assert caught.value.reason == "ignore"
    assert running() == []


class Refusing(GenServer):
    def __init__(self) -> None:
        raise OSError("port taken")


@pytest.mark.behaviour("APP-09")
async def test_a_root_that_fails_to_start_names_the_child_and_its_reason() -> None:
    below = Supervisor.child_spec([Refusing]).replace(id="below")
    with pytest.raises(ApplicationStartError) as caught:
        await application.start(failing(lambda: Supervisor.start_link([below])))
    because = "its child 'below' failed: its child Refusing failed: OSError('port taken')"
    assert str(caught.value).startswith(f"application 'failing' did not start: {because}")
    assert isinstance(caught.value.reason, StartError)


@pytest.mark.behaviour("APP-13")
async def test_the_one_that_failed_is_named_and_those_before_it_are_stopped_again() -> None:
    class Over(Recorded):
        name = "over"
        extra_applications = (failing(crash, needs=[Base]),)

    with pytest.raises(ApplicationStartError) as caught:
        await application.ensure_all_started(Over)
    assert caught.value.application == "failing"
    assert running() == []
    assert LOG == ["base: start", "base: prep_stop None", "base: child SHUTDOWN", "base: stop prepared"]


async def test_a_cancelled_start_leaves_nothing_behind() -> None:
    reached = asyncio.Event()

    async def wait_for_ever() -> None:
        reached.set()
        await asyncio.Event().wait()

    starting = asyncio.create_task(application.ensure_all_started(failing(wait_for_ever, needs=[Base])))
    await reached.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert running() == []
    assert LOG[-1] == "base: stop prepared"


async def test_who_waits_for_a_start_that_fails_tries_it_again() -> None:
    both = await asyncio.gather(
        application.ensure_all_started(failing(crash)),
        application.ensure_all_started(failing(crash)),
        return_exceptions=True,
    )
    assert [type(each) for each in both] == [ApplicationStartError] * 2


async def test_an_application_outlives_the_process_that_started_it() -> None:
    async def starter() -> None:
        await application.ensure_all_started(Middle)

    assert await gone(process.spawn(starter)) is NORMAL
    assert running() == ["base", "middle"]
    assert process.alive(application.get_supervisor(Middle))


async def test_a_process_of_the_application_can_stop_it() -> None:
    class Quitter(GenServer):
        async def handle_info(self, message: object) -> None:
            await application.stop("quitting")

    class Quitting(Recorded):
        name = "quitting"

        async def start(self, start_type: StartType, args: list[str]) -> Any:
            return await Supervisor.start_link([Quitter.options(name="quitter").child_spec()])

    await application.start(Quitting)
    process.send("quitter", "quit")
    await until_stopped("quitting")
    assert running() == []
    assert LOG == ["quitting: prep_stop None", "quitting: stop prepared"]


@pytest.mark.parametrize(
    "error",
    [
        ApplicationStartError("shop", "enough"),
        ApplicationAlreadyStarted("shop"),
        ApplicationAlreadyLoaded("shop"),
        ApplicationNotLoaded("shop"),
        ApplicationNotStarted("shop", "till"),
        UnknownApplication("shp", ["shop"], "till"),
        DependencyCycle(["a", "b", "a"]),
        EnvironmentKeyError("shop", "size", True),
    ],
)
def test_errors_can_be_pickled(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


async def test_a_library_application_has_no_processes() -> None:
    class Library(Application):
        name = "library"
        extra_applications = (Base,)

    assert await application.ensure_all_started(Library) == ["base", "library"]
    assert application.get_supervisor(Library) is None
    await application.stop(Library)
    assert running() == ["base"]


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"type": "eternal"}, ValueError, "one of permanent, transient, temporary, got 'eternal'"),
        ({"args": "--fast"}, TypeError, "a list of strings, got '--fast'"),
        ({"args": [1]}, TypeError, r"a list of strings, got \[1\]"),
    ],
)
async def test_bad_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        await application.start(Base, **arguments)
    with pytest.raises(error, match=complaint):
        await application.ensure_all_started(Base, **arguments)


@pytest.mark.parametrize("code", [-1, 256, 1.0, True, "1", None])
async def test_what_is_no_exit_code_stops_nothing(code: Any) -> None:
    await application.ensure_all_started(Base)
    with pytest.raises(ValueError, match=f"exit_code={code!r}: must be a number from 0 to 255"):
        application.stop_system(code)
    assert running() == ["base"]


async def test_nothing_else_than_modules_and_classes_belongs_to_an_application() -> None:
    with pytest.raises(TypeError, match="takes a module, the name of one, or a class, got 5"):
        application.get_application(5)  # type: ignore[arg-type]


async def test_an_unknown_dependency_and_a_circle_are_refused_before_anything_starts() -> None:
    class Lost(Application):
        extra_applications = (Base, "loging")

    with pytest.raises(UnknownApplication, match="did you mean 'logging'"):
        await application.ensure_all_started(Lost)

    class Circle(Application):
        extra_applications = (Base,)

    Circle.extra_applications = (Base, Circle)  # type: ignore[assignment]
    with pytest.raises(DependencyCycle):
        await application.ensure_all_started(Circle)
    assert LOG == []


# --- stop ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("APP-10")
async def test_stop_prepares_stops_the_tree_and_cleans_up() -> None:
    await application.start(Stateful)
    await application.stop(Stateful)
    assert LOG[2:] == ["stateful: prep_stop state", "stateful: child SHUTDOWN", "stateful: stop prepared"]
    assert running() == []
    with pytest.raises(ApplicationNotStarted, match="'stateful' is not started"):
        await application.stop(Stateful)


@pytest.mark.behaviour("APP-10")
async def test_without_a_state_it_is_none() -> None:
    await application.start(Base)
    await application.stop("base")
    assert LOG[1] == "base: prep_stop None"


async def test_callbacks_that_fail_are_reported_and_do_not_stop_the_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Clumsy(Recorded):
        name = "clumsy"

        def prep_stop(self, state: Any) -> Any:
            raise ValueError("first")

        async def stop(self, state: Any) -> None:
            LOG.append(f"stop {state}")
            raise ValueError("second")

    await application.start(Clumsy)
    await application.stop(Clumsy)
    assert LOG == ["clumsy: start", "clumsy: child SHUTDOWN", "stop None"]
    assert [each.message for each in caplog.records if each.name == "regrow.application"] == [
        "prep_stop of application 'clumsy' failed; it is stopped without",
        "stop of application 'clumsy' failed",
    ]


async def test_two_stops_at_once_stop_it_once() -> None:
    await application.start(Base)
    await asyncio.gather(application.stop(Base), application.stop(Base))
    assert LOG[1:] == ["base: prep_stop None", "base: child SHUTDOWN", "base: stop prepared"]


# --- the end of a tree --------------------------------------------------------------------------------------------


@pytest.mark.behaviour("APP-11")
async def test_a_temporary_application_that_ends_leaves_the_others_and_can_be_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await application.ensure_all_started(Middle, type="temporary")
    root = application.get_supervisor(Middle)
    process.exit(root, KILL)
    await until_stopped("middle")
    assert running() == ["base"]
    assert LOG[-2:] == ["middle: prep_stop None", "middle: stop prepared"]
    assert "the temporary application 'middle' has ended: KILLED; the program goes on" in caplog.text
    await application.start(Middle)
    assert running() == ["base", "middle"]


async def ended_by(name: str, reason: object) -> list[str]:
    """The names of what still runs after the root of application *name* has ended with *reason*."""
    from regrow.application.controller import controller

    root = application.get_supervisor(name)
    assert root is not None
    await process_stop(root, reason)
    await until_stopped(name)
    stopped = controller().stopped
    if stopped is not None:
        await stopped
    return running()


async def process_stop(pid: object, reason: object) -> None:
    from regrow import stop

    await stop(pid, reason)


@pytest.mark.behaviour("APP-12", "APP-15")
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "bored"])
async def test_a_permanent_application_takes_all_with_it_in_reverse_order(reason: object) -> None:
    await application.ensure_all_started(Middle)
    await application.start(Stateful, type="permanent")
    await application.start(Recorded)
    assert await ended_by("stateful", reason) == []
    stops = [each for each in LOG if isinstance(each, str) and ": stop" in each]
    assert stops == [f"{each}: stop prepared" for each in ("stateful", Recorded.name, "middle", "base")]


@pytest.mark.behaviour("APP-12")
@pytest.mark.parametrize(("reason", "left"), [(NORMAL, ["base"]), (SHUTDOWN, []), ("bored", [])])
async def test_a_transient_application_does_so_unless_it_ended_normally(
    reason: object, left: list[str]
) -> None:
    await application.start(Base)
    await application.start(Stateful, type="transient")
    assert await ended_by("stateful", reason) == left


async def test_stopping_a_permanent_application_by_hand_leaves_the_others() -> None:
    await application.ensure_all_started(Middle, type="permanent")
    await application.stop(Middle)
    assert running() == ["base"]


@pytest.mark.behaviour("APP-15")
async def test_the_system_stops_in_reverse_order() -> None:
    from regrow.application.controller import controller

    await application.ensure_all_started(Top)
    application.stop_system()
    application.stop_system(3)  # the first word counts
    ours = controller()
    assert ours.stopped is not None
    await ours.stopped
    assert [each for each in LOG if ": stop" in each] == [
        f"{each}: stop prepared" for each in ("top", "middle", "base")
    ]
    assert ours.verdict is not None
    assert ours.verdict.exit_code == 0


@pytest.mark.behaviour("APP-15")
def test_the_end_of_the_event_loop_stops_them_in_reverse_order() -> None:
    async def main() -> None:
        await application.ensure_all_started(Top, type="permanent")

    asyncio.run(main())
    assert [each for each in LOG if ": stop" in each] == [
        f"{each}: stop prepared" for each in ("top", "middle", "base")
    ]


async def test_a_killed_master_takes_its_tree_along(caplog: pytest.LogCaptureFixture) -> None:
    from regrow.application.controller import controller

    await application.start(Base)
    root = application.get_supervisor(Base)
    master = controller().running["base"].master
    assert master is not None
    process.monitor(root)
    process.exit(master.pid, KILL)
    await process.receive(process.Down, timeout=5)
    assert running() == []
    assert not process.alive(root)


# --- the logging application --------------------------------------------------------------------------------------


async def test_logging_is_a_known_application_that_is_undone_when_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wordy(Application):
        extra_applications = ("logging",)

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    before = root.level
    application.put_env("logging", "level", "debug")
    assert await application.ensure_all_started(Wordy) == ["logging", Wordy.name]
    assert root.level == logging.DEBUG
    assert len(root.handlers) == 1
    await application.stop("logging")
    assert root.level == before
    assert root.handlers == []


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("level", "LOUD", "level must be one of .*INFO.*, got 'LOUD'"),
        ("config", {"version": 7}, "refused by logging"),
    ],
)
async def test_logging_refuses_a_bad_configuration(key: str, value: object, complaint: str) -> None:
    application.put_env("logging", key, value)
    with pytest.raises(ApplicationStartError, match=complaint):
        await application.ensure_all_started("logging")
