"""``Observer`` as a child, and as an application."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest

from regrow import KILL, Agent, AlreadyStarted, Application, Supervisor, application, process
from regrow.application import ConfigError
from regrow.kernel.runtime import QUEUE_SLICE, runtime
from regrow.observer import Observer, ObserverApplication, Settings, snapshot
from regrow.observer.recording import recording_of
from tests.observer.programs import pid_of
from tests.waiting import turns


async def test_it_records_while_it_runs_and_leaves_nothing() -> None:
    rt = runtime()
    before = list(rt.listeners), rt.probes
    async with Supervisor.scope([Observer.child_spec(interval=0.5, samples=3)]):
        await asyncio.sleep(5)
        look = snapshot()
        assert look.observed
        assert len(look.series().samples) == 3
        assert look.series().interval == 0.5
    assert (list(rt.listeners), rt.probes) == before
    assert not snapshot().observed


async def test_a_killed_recorder_lets_go_and_begins_anew() -> None:
    rt = runtime()
    async with Supervisor.scope([Observer.child_spec()]):
        await asyncio.sleep(5)
        listeners = len(rt.listeners)
        stream = snapshot().subscribe()
        (recorder,) = [each.pid for each in (await snapshot().processes(query="Recorder")).rows]
        process.exit(recorder, KILL)
        await turns()
        assert stream.closed
        assert snapshot().samples == 1
        assert recording_of(rt)._holders == 1
        assert len(rt.listeners) == listeners
    assert not recording_of(rt).on


async def test_there_is_one() -> None:
    async with Supervisor.scope([Observer.child_spec()]) as top:
        with pytest.raises(AlreadyStarted):
            await top.start_child(Observer.child_spec().replace(id="another"))
        assert pid_of(Observer)


async def test_settings_may_be_given_as_a_value() -> None:
    async with Observer.scope(Settings(interval=0.25)):
        await asyncio.sleep(1.1)
        assert snapshot().samples == 5


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"interval": 0}, ValueError, "interval=0"),
        ({"colour": "red"}, TypeError, "colour.*interval, samples"),
        ({"token": "a secret that is long"}, ValueError, r"token=\.\.\. .*port=4000"),
    ],
)
def test_wrong_options_are_refused_at_once(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Observer.child_spec(**given)


def test_the_slice_that_is_shown_is_that_of_the_run_queue() -> None:
    async def shown() -> float:
        return snapshot().scheduler().slice

    assert asyncio.run(shown()) == QUEUE_SLICE


# --- the web page -----------------------------------------------------------------------------------------------------


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A page that says how it was asked for."""
    asked: list[Any] = []
    module: Any = ModuleType("regrow.observer.web")

    class WebOptions:
        def __init__(self, **options: Any) -> None:
            self.options = options
            if options.get("port") == -1:
                raise ValueError("port=-1")

    def child_spec(options: WebOptions) -> Any:
        asked.append(options.options)
        return Agent.options(name="web").child_spec(dict)

    module.WebOptions, module.child_spec = WebOptions, child_spec
    module.asgi = lambda **options: asked.append(options)
    monkeypatch.setitem(sys.modules, "regrow.observer.web", module)
    return asked


async def test_with_a_port_it_has_a_page(web: list[Any]) -> None:
    async with Supervisor.scope([Observer.child_spec(port=4001, actions=True, interval=0.5)]):
        assert web == [{"port": 4001, "actions": True}]
        (root,) = (await snapshot().tree(query_root())).roots
        assert [each.kind for each in root.children] == ["Recorder", "Agent"]
    Observer.asgi(show_state=True)
    assert web[-1] == {"show_state": True}


def query_root() -> int:
    return pid_of(Observer)


async def test_it_is_an_application(web: list[Any]) -> None:
    class Shop(Application):
        extra_applications = [ObserverApplication]  # noqa: RUF012

    assert await application.ensure_all_started(Shop) == ["observer", Shop.name]
    assert web == [{"port": 4000}]
    assert snapshot().observed
    await application.stop(Shop)
    await application.stop("observer")
    assert not snapshot().observed


async def test_the_application_is_configured(web: list[Any]) -> None:
    application.put_env("observer", "web", False)
    application.put_env("observer", "interval", 2.0)
    await application.ensure_all_started(ObserverApplication)
    assert web == []
    assert snapshot().series().interval == 2.0
    await application.stop("observer")


async def test_what_is_wrong_with_its_configuration_is_said(web: list[Any]) -> None:
    application.put_env("observer", "port", -1)
    with pytest.raises(application.ApplicationStartError) as refused:
        await application.ensure_all_started(ObserverApplication)
    assert isinstance(refused.value.__cause__, ConfigError)
    assert "port=-1" in str(refused.value.__cause__)
