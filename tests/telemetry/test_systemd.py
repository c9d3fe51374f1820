"""The service manager hears that the program is ready, lives, and stops; over real sockets, from real programs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from regrow import application, process
from regrow.application import ConfigError
from regrow.kernel.runtime import runtime
from regrow.telemetry import systemd
from regrow.telemetry.health import Health, add_check
from regrow.telemetry.systemd import Notifier, Systemd
from tests.application.subprocesses import Program

PATIENCE = 20.0


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(PATIENCE)
        self.heard: list[str] = []

    def next(self) -> str:
        self.heard.append(self._socket.recv(4096).decode())
        return self.heard[-1]

    def until(self, text: str) -> str:
        while text not in self.next():
            pass
        return self.heard[-1]

    def nothing(self) -> bool:
        self._socket.settimeout(0)
        try:
            self.next()
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(f"@regrow-{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify"))
    yield made
    made.close()


@contextmanager
def told_of(manager: Manager, monkeypatch: pytest.MonkeyPatch, **more: str) -> Iterator[None]:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    for key in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(key, raising=False)
    for key, value in more.items():
        monkeypatch.setenv(key, value)
    yield


@pytest.mark.real_time("a socket")
async def test_ready_and_status(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    with told_of(manager, monkeypatch):
        with add_check("database", lambda: "no connection"):
            await application.ensure_all_started(Systemd)
            status = await asyncio.to_thread(manager.until, "database")
            assert status == "STATUS=not ready: database: no connection"
        assert await asyncio.to_thread(manager.until, "READY=1") == "READY=1\nSTATUS=ready: 1 applications"
        await application.stop(Systemd)
        assert manager.nothing(), "the service goes on: only this application was stopped"


@pytest.mark.real_time("a socket")
async def test_the_watchdog_hears_of_the_loop_at_half_of_its_time(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with told_of(manager, monkeypatch, WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid())):
        await application.ensure_all_started(Systemd)
        begin = asyncio.get_running_loop().time()
        for _ in range(4):
            await asyncio.to_thread(manager.until, "WATCHDOG=1")
        assert 0.25 <= asyncio.get_running_loop().time() - begin < 2
        await application.stop(Systemd)


async def test_a_program_that_does_not_live_is_not_patted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = [True]
    monkeypatch.setattr(systemd, "liveness", lambda: Health(() if live[0] else ("its root has ended",)))
    manager = Manager(str(tmp_path / "notify"))
    with told_of(manager, monkeypatch, WATCHDOG_USEC="2000000"), closing(manager):
        await application.ensure_all_started(Systemd)
        for alive, expected in ((True, 10), (False, 0), (True, 10)):
            live[0] = alive
            manager.heard.clear()
            await asyncio.sleep(10)
            while not manager.nothing():
                pass
            assert abs(manager.heard.count("WATCHDOG=1") - expected) <= 1
        await application.stop(Systemd)


async def test_without_a_socket_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    await application.ensure_all_started(Systemd)
    root = application.get_supervisor(Systemd)
    assert [each for each in runtime().processes.values() if each.parent == root] == []
    await application.stop(Systemd)
    assert not process.alive(root)


def test_what_the_environment_says(caplog: pytest.LogCaptureFixture) -> None:
    assert Notifier.found({}) is None
    assert Notifier.found({"NOTIFY_SOCKET": "vsock:2:1234"}) is None
    assert "no unix socket" in caplog.text
    address = {"NOTIFY_SOCKET": "/nowhere"}
    for variables, seconds in (
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ):
        found = Notifier.found({**address, **variables})
        assert found is not None
        assert found.watchdog == seconds
        found.close()
    with pytest.raises(ConfigError, match="WATCHDOG_USEC='soon' is no number"):
        Notifier.found({**address, "WATCHDOG_USEC": "soon"})


def test_a_manager_that_is_gone_is_reported_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "gone"))
    for _ in range(3):
        notifier.send("WATCHDOG=1")
    notifier.close()
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "can't be told 'WATCHDOG=1'" in caplog.text


def test_a_line_stays_one_line(tmp_path: Path) -> None:
    with closing(Manager(str(tmp_path / "notify"))) as manager:
        with closing(Notifier(manager.address)) as notifier:
            notifier.send("STATUS=first\nREADY=1")
        assert manager.next() == "STATUS=first READY=1"


PROGRAM = """\
import asyncio, sys
from regrow import Application, GenServer, Supervisor, run


class Slow(GenServer):
    async def init(self):
        await asyncio.sleep(0.3)

    async def terminate(self, reason):
        print("terminating", flush=True)
        await asyncio.sleep(0.3)


class Shop(Application):
    name = "shop"
    extra_applications = ["regrow.telemetry.systemd:Systemd"] if "extra" in sys.argv else []

    async def start(self, start_type, args):
        return await Supervisor.start_link([Slow])


run(Shop, beside=["regrow.telemetry.systemd:Systemd"] if "beside" in sys.argv else [])
"""


@pytest.mark.parametrize("how", ["extra", "beside"])
def test_a_program_from_start_to_end(how: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with closing(Manager(str(tmp_path / "notify"))) as manager:
        env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"}
        with Program("program.py", how, cwd=tmp_path, env=env) as program:
            assert manager.until("READY=1") == "READY=1\nSTATUS=ready: 2 applications"
            program.send(signal.SIGTERM)
            assert manager.until("STOPPING=1") == "STOPPING=1\nSTATUS=stopping: SIGTERM came"
            if how == "extra":  # it is stopped last: the watchdog is patted while the others take their time
                manager.until("WATCHDOG=1")
            assert program.end() == 0
        assert manager.heard.count("STOPPING=1\nSTATUS=stopping: SIGTERM came") == 1
        while not manager.nothing():
            assert "STATUS" not in manager.heard[-1]
        assert manager.heard.count("READY=1\nSTATUS=ready: 2 applications") == 1
