"""The control socket, both ends of it: commands, events, the wish to stop, clients that hang up."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regrow import TaskSupervisor, application
from regrow.control import (
    ControlError,
    ProgramEnded,
    ProgramNotFound,
    Refused,
    Request,
    ask,
    client,
    find_program,
    protocol,
    running_programs,
    server,
)
from regrow.control.server import Clients
from regrow.testing import Reports, eventually
from tests.control import shops
from tests.control.shops import program
from tests.waiting import turns

pytestmark = pytest.mark.real_time("it is about sockets")
home = shops.home


def test_half_a_character_goes_over_the_wire() -> None:
    message = {"result": "caf\u00e9 \ud83d"}
    assert protocol.decode(protocol.encode(message)) == message


async def add(request: Request) -> int:
    for number in request.arguments["numbers"]:
        request.tell(adding=number)
    return sum(request.arguments["numbers"])


async def wait(request: Request) -> str:
    """Wait to be stopped."""
    stopped = asyncio.Event()
    request.when_stopped(stopped.set)
    request.tell(waiting=True)
    await stopped.wait()
    await turns()
    return "stopped"


async def fail(request: Request) -> None:
    raise Refused("not today")


async def crash(request: Request) -> None:
    raise {"OSError": OSError, "BrokenPipeError": BrokenPipeError, "ControlError": ControlError}[
        request.arguments["kind"]
    ]("on fire")


async def test_a_command_tells_and_answers() -> None:
    events: list[dict[str, Any]] = []
    async with program(add=add) as path:
        assert await ask(path, "add", {"numbers": [1, 2]}, tell=events.append, stop=asyncio.Event()) == 3
        await turns()
        assert not [
            each for each in asyncio.all_tasks() if "_stop" in repr(each)
        ]  # nobody waits for that any more
        assert await ask(path, "about") == {
            "pid": os.getpid(),
            "program": "shop",
            "aliases": [f"{shops.__name__}:Shop", shops.__name__, "Shop", "front:Till", "front", "Till"],
            "commands": ["about", "add"],
        }
    assert events == [{"adding": 1}, {"adding": 2}]


async def test_refusals_come_from_the_command_or_for_want_of_one() -> None:
    async with program(fail=fail) as path:
        with pytest.raises(Refused, match="not today"):
            await ask(path, "fail")
        with pytest.raises(Refused, match="there is no command 'dance'; there are: about, fail"):
            await ask(path, "dance")


@pytest.mark.parametrize("kind", [OSError, BrokenPipeError, ControlError])
async def test_a_command_that_crashes_is_told_and_reported_and_takes_the_connection_along_and_no_more(
    kind: type[Exception],
) -> None:
    with Reports() as reports:
        async with program(crash=crash, add=add) as path:
            async with reports.expect(kind, match="on fire"):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(
                    json.dumps({"command": "crash", "arguments": {"kind": kind.__name__}}).encode() + b"\n"
                )
                told = json.loads(await reader.readline())
                assert told["error"].startswith(f"the command crashed: {kind.__name__}('on fire')")
                assert await reader.read() == b""
                writer.close()
            assert await ask(path, "add", {"numbers": []}) == 0
            async with reports.expect(kind):
                with pytest.raises(Refused, match="the command crashed"):
                    await ask(path, "crash", {"kind": kind.__name__})


async def test_what_tell_raises_is_not_told_as_an_end_of_the_program() -> None:
    for error in (BrokenPipeError("of the terminal"), ValueError("a mistake")):

        def tell(event: object, error: Exception = error) -> None:
            raise error

        async with program(add=add) as path:
            with pytest.raises(type(error), match=str(error)):
                await ask(path, "add", {"numbers": [1]}, tell=tell)


async def test_a_connection_that_breaks_is_an_end_of_the_program(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, loop = home / "x.sock", asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.setblocking(False)
        asked = asyncio.ensure_future(ask(path, "about"))
        connection, _ = await loop.sock_accept(listening)
        await loop.sock_recv(connection, 1)
        connection.close()  # with the rest unread: that is a reset
        with pytest.raises(ProgramEnded, match=r"broke: .*reset"):
            await asked
        monkeypatch.setattr(client, "LIMIT", 100)
        asked = asyncio.ensure_future(ask(path, "about"))
        connection, _ = await loop.sock_accept(listening)
        await loop.sock_sendall(connection, b"x" * 1000)
        with pytest.raises(ProgramEnded, match=r"broke: .*limit"):
            await asked
        connection.close()


async def test_a_client_who_breaks_the_connection_or_sends_no_request_is_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "LIMIT", 100)
    with Reports() as reports:
        async with program(add=add) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"x" * 1000)
            assert json.loads(await reader.readline()) == {"error": "a line has 100 bytes at most"}
            writer.close()
            with socket.socket(socket.AF_UNIX) as rude:
                rude.setblocking(False)
                await asyncio.get_running_loop().sock_connect(rude, str(path))
                await asyncio.get_running_loop().sock_sendall(rude, b'{"command": "about"}\n')
                await asyncio.get_running_loop().sock_recv(rude, 1)
            await eventually(lambda: _clients_are_gone(), timeout=10)
    assert reports.crashes == []


async def test_too_many_open_files_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, accept, failures = (
        asyncio.get_running_loop(),
        asyncio.get_running_loop().sock_accept,
        [1, 2, 3, 4, 5],
    )

    async def full(listening: socket.socket) -> tuple[socket.socket, Any]:
        if failures:
            failures.pop()
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(listening)

    monkeypatch.setattr(server, "TRY_AGAIN", 0.02)
    monkeypatch.setattr(loop, "sock_accept", full)
    with Reports() as reports:
        async with program(add=add) as path, asyncio.timeout(10):
            assert await ask(path, "add", {"numbers": [1, 2]}) == 3
    assert (failures, reports.crashes) == ([], [])


async def test_several_requests_go_over_one_connection_and_nonsense_ends_it() -> None:
    async with program(add=add) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        for _ in range(2):
            writer.write(b'{"command": "add", "arguments": {"numbers": []}}\n')
            assert json.loads(await reader.readline()) == {"result": 0}
        for nonsense in (b"hello\n", b"[1]\n"):
            writer.write(nonsense)
            told = json.loads(await reader.readline())
            assert told["error"].startswith("a line is a JSON object, and this is none")
            assert await reader.read() == b""
            writer.close()
            reader, writer = await asyncio.open_unix_connection(path)
        writer.close()


async def test_a_command_is_asked_to_stop() -> None:
    stop = asyncio.Event()
    async with program(wait=wait) as path:
        answer = await ask(path, "wait", stop=stop, tell=lambda event: stop.set())
    assert answer == "stopped"


async def test_who_hangs_up_has_his_command_cancelled() -> None:
    cancelled = asyncio.Event()

    async def last(request: Request) -> None:
        request.tell(begun=True)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    begun = asyncio.Event()
    async with program(last=last) as path:
        asked = asyncio.ensure_future(ask(path, "last", tell=lambda event: begun.set()))
        await begun.wait()
        asked.cancel()
        await asyncio.wait_for(cancelled.wait(), 10)
        await eventually(lambda: _clients_are_gone(), timeout=10)


async def _clients_are_gone() -> bool:
    clients: TaskSupervisor = Clients.named(Clients)
    return not await clients.children()


async def test_when_the_program_stops_a_command_may_still_answer() -> None:
    begun = asyncio.Event()
    async with program(wait=wait) as path:
        asked = asyncio.ensure_future(ask(path, "wait", tell=lambda event: begun.set()))
        await begun.wait()
        await application.stop("regrow.control")
        assert await asked == "stopped"


async def test_a_client_who_does_not_read_misses_events_and_holds_nothing_up() -> None:
    async def flood(request: Request) -> str:
        for _ in range(200):
            request.tell(noise="x" * 100_000)
        return "done"

    async with program(flood=flood) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=2**20)
        writer.write(b'{"command": "flood"}\n')
        lines = []
        while "result" not in (line := json.loads(await reader.readline())):
            lines.append(line)
        writer.close()
    assert line == {"result": "done"}
    assert 5 < len(lines) < 30  # a megabyte of them, and what the system has taken


async def test_programs_are_found_by_pid_or_name() -> None:
    async with program(add=add) as path:
        (found,) = await running_programs()
        assert (found.pid, found.name, found.commands, found.path) == (
            os.getpid(),
            "shop",
            ("about", "add"),
            path,
        )
        assert (
            await find_program()
            == await find_program("shop")
            == await find_program(str(os.getpid()))
            == await find_program(f"{shops.__name__}:Shop")
            == await find_program(shops.__name__)
            == await find_program("Shop")
            == await find_program("front:Till")
            == found
        )
        with pytest.raises(ProgramNotFound, match=rf"is called 'x'\. Running: shop \(pid {os.getpid()}\)\."):
            await find_program("x")
        (path.parent / "999999.sock").symlink_to(path)  # as if there were two
        shown = rf"shop \(pid {os.getpid()}\)"
        with pytest.raises(ProgramNotFound, match=rf"^which of them\? Say its pid: {shown}, {shown}\.$"):
            await find_program("shop")
        (path.parent / "999999.sock").unlink()
    with pytest.raises(ProgramNotFound, match="no running program can be asked"):
        await find_program()
    with pytest.raises(ControlError, match="nobody answers at"):
        await ask(path, "about")


def _dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        return ended.pid


async def test_of_a_pid_that_does_not_answer_is_said_what_can_be_known(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, mine = str(_dead_pid()), str(os.getpid())
    for pid, told in (
        (gone, f"there is no process {gone}: it has ended, or never was."),
        ("9" * 40, f"there is no process {'9' * 40}: it has ended, or never was."),
        (mine, f"process {mine} runs, and was not started so that it can be asked."),
    ):
        with pytest.raises(ProgramNotFound) as caught:
            await find_program(pid)
        assert str(caught.value) == f"{told} Running: none that can be asked."
    (home / "regrow").mkdir(mode=0o700)
    for pid, told in (
        (gone, "the program that had it was killed"),
        (mine, "has not said within 2 s who it is"),
    ):
        (home / "regrow" / f"{pid}.sock").touch()
        with pytest.raises(ProgramNotFound, match=told):
            await find_program(pid)

    def kill(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    with pytest.raises(ProgramNotFound, match=r"^process 1 is another user's\."):
        await find_program("1")
