"""Live and ready: what the tree says, what the program's own checks say, and the answers for a web server."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from regrow import Application, DynamicSupervisor, GenServer, ServerExited, Supervisor, application, process
from regrow.application.controller import Verdict, controller
from regrow.kernel.runtime import runtime
from regrow.telemetry.health import (
    Check,
    Health,
    Response,
    add_check,
    liveness,
    readiness,
    respond,
    tree_readiness,
)
from tests.telemetry.servers import Game
from tests.waiting import turns, until

FINE = Health()


class Gate:
    """Lets starts through, or keeps them waiting, or fails them."""

    open = asyncio.Event()
    broken = False


class Guarded(GenServer):
    async def init(self) -> None:
        await Gate.open.wait()
        if Gate.broken:
            raise OSError("no way in")

    def handle_info(self, message: object) -> None:
        raise OSError(message)


@pytest.fixture(autouse=True)
def gate(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "regrow")
    caplog.set_level(logging.INFO, "regrow.telemetry")
    Gate.open = asyncio.Event()
    Gate.broken = False


class Shop(Application):
    name = "shop"

    async def start(self, start_type: Any, args: list[str]) -> Supervisor:
        return await Supervisor.start_link([Guarded], max_restarts=2)


async def test_a_tree_that_runs_is_live_and_ready() -> None:
    async with Supervisor.scope([Game, DynamicSupervisor]):
        assert (liveness(), tree_readiness(), await readiness()) == (FINE, FINE, FINE)


async def test_an_application_that_starts_is_live_and_not_ready() -> None:
    starting = asyncio.create_task(application.ensure_all_started(Shop))
    await turns()
    assert liveness().ok
    assert "application 'shop' is starting" in (await readiness()).reasons
    Gate.open.set()
    await starting
    assert await readiness() == FINE


async def test_under_run_nothing_is_ready_before_all_is_started() -> None:
    boot = asyncio.get_running_loop().create_future()
    ours = controller()
    ours.booting = boot  # type: ignore[assignment]  # as `run` sets it
    assert (await readiness()).reasons == ("the program is starting",)
    boot.set_result(None)
    assert await readiness() == FINE


async def test_a_root_that_is_gone_is_not_live() -> None:
    Gate.open.set()
    await application.ensure_all_started(Shop)
    root = application.get_supervisor("shop")
    assert root is not None
    rt = runtime()
    gone = rt.processes.pop(root)  # the moment before its application hears of it
    assert liveness() == Health(("application 'shop': its root supervisor has ended",))
    assert not tree_readiness().ok
    controller().verdict = Verdict(1, "something else has ended")
    assert liveness().ok, "a program that is being stopped is live"
    rt.processes[root] = gone


async def test_a_program_that_stops_is_live_and_not_ready() -> None:
    Gate.open.set()
    await application.ensure_all_started(Shop)
    application.stop_system(0)
    assert liveness().ok
    reasons = (await readiness()).reasons
    assert reasons[0] == "stopping: stop_system(0) was called"


async def test_a_supervisor_that_tries_to_restart_is_not_ready() -> None:
    Gate.open.set()
    async with Supervisor.scope([Guarded], max_restarts=10**6) as root:
        (row,) = await root.which_children()
        Gate.open.clear()
        process.send(row.child, "go")
        await turns()
        (reason,) = (await readiness()).reasons
        assert "is starting its child" in reason
        assert "Guarded" in reason
        Gate.broken = True
        Gate.open.set()
        await until(lambda: "tries to restart its child" in str(tree_readiness().reasons))
        Gate.broken = False
        await until(lambda: tree_readiness().ok)
        assert liveness().ok


async def test_a_dynamic_supervisor_that_tries_to_restart_is_not_ready() -> None:
    Gate.open.set()
    async with DynamicSupervisor.scope(max_restarts=10**6) as root:
        children = [await root.start_child(Guarded) for _ in range(2)]
        Gate.broken = True
        for each in children:
            process.send(each, "go")
        await until(lambda: "tries to restart 2 of its children" in str(tree_readiness().reasons))
        Gate.broken = False
        await until(lambda: tree_readiness().ok)


async def test_a_child_that_was_stopped_on_purpose_does_not_matter() -> None:
    async with Supervisor.scope([Game]) as root:
        await root.terminate_child(Game)
        assert await readiness() == FINE


async def test_many_reasons_are_counted() -> None:
    checks = [add_check(f"check {number}", lambda: False) for number in range(13)]
    reasons = (await readiness()).reasons
    assert len(reasons) == 11
    assert reasons[0] == "check 0: failed"
    assert reasons[-1] == "and 3 more"
    for each in checks:
        each.remove()
    assert await readiness() == FINE


# --- checks -----------------------------------------------------------------------------------------------------------


async def text() -> str:
    return "no connection"


async def slow() -> None:
    await asyncio.sleep(3600)


def broken() -> None:
    raise OSError("password=secret")


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda: None, None),
        (lambda: True, None),
        (lambda: False, "failed"),
        (lambda: "", "failed"),
        (lambda: "full", "full"),
        (text, "no connection"),
        (slow, "no answer within 0.5 s"),
        (broken, "raised OSError"),
    ],
)
async def test_what_a_check_says(function: Any, wrong: str | None) -> None:
    with add_check("database", function, timeout=0.5):
        health = await readiness()
    assert health == (FINE if wrong is None else Health((f"database: {wrong}",)))
    assert await readiness() == FINE


async def test_checks_are_asked_beside_each_other() -> None:
    async def one() -> None:
        await asyncio.sleep(0.9)

    begin = asyncio.get_running_loop().time()
    with add_check("a", one), add_check("b", one):
        assert (await readiness()).ok
    assert asyncio.get_running_loop().time() - begin == pytest.approx(0.9)


async def test_the_log_has_the_error_once_and_hears_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    down = [True]

    def database() -> None:
        if down[0]:
            raise OSError("password=secret")

    with add_check("database", database):
        for _ in range(3):
            assert "secret" not in str(await readiness())
        down[0] = False
        for _ in range(3):
            assert (await readiness()).ok
    rows = [each for each in caplog.records if each.name == "regrow.telemetry"]
    assert [each.getMessage() for each in rows] == [
        "not ready: database: raised OSError",
        "the check database is content again",
    ]
    assert "password=secret" in str(rows[0].exc_info)


async def test_a_check_may_ask_a_server() -> None:
    game = await Game.start()

    async def plays() -> bool:
        return await game.play(4) == 4

    with add_check("game", plays):
        assert (await readiness()).ok
        with pytest.raises(ServerExited):
            await game.burn()
        assert (await readiness()).reasons == ("game: raised NoProcess",)


async def test_mistakes_with_checks() -> None:
    first = add_check("database", lambda: None)
    with pytest.raises(ValueError, match="a check named 'database' already"):
        add_check("database", lambda: None)
    with pytest.raises(TypeError, match="function without arguments"):
        add_check("cache", None)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="timeout=-1"):
        add_check("cache", lambda: None, timeout=-1)
    first.remove()
    second = add_check("database", lambda: False)
    first.remove()
    assert not (await readiness()).ok, "the second one of that name is not the first one's business"
    assert isinstance(second, Check)


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_the_answers_for_a_web_server() -> None:
    assert await respond("/") is None
    assert await respond("/healthz") == Response(200, b'{"ok": true, "reasons": []}')
    with add_check("database", text):
        answer = await respond("/readyz")
        live = await respond("/healthz")
    assert answer is not None
    assert answer.status == 503
    assert json.loads(answer.body) == {"ok": False, "reasons": ["database: no connection"]}
    assert dict(answer.headers) == {"content-type": "application/json", "cache-control": "no-store"}
    assert live is not None
    assert live.status == 200


def test_the_dead_loop_is_not_live() -> None:
    async def main() -> Any:
        return runtime()

    assert liveness(asyncio.run(main())) == Health(("the event loop has ended",))
