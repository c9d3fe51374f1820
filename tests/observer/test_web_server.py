"""The web server as a child: over real sockets, beside another uvicorn, and with clients that misbehave."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from regrow import KILL, StartError, Supervisor, process
from regrow.observer import Observer
from regrow.observer.web import WebOptions, asgi, live, server, urls
from tests.observer.web_client import TOKEN
from tests.waiting import until

pytestmark = pytest.mark.real_time("sockets")


@asynccontextmanager
async def serving(**options: Any) -> AsyncGenerator[str]:
    async with Supervisor.scope([Observer.child_spec(**{"port": 0, **options})], max_restarts=9):
        await until(server_process)
        yield urls()[0].rstrip("/")


@asynccontextmanager
async def stream(
    url: str, path: str = "/"
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection by hand that has asked for a live page, and has had its first."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=2**24)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n".encode())
    async with asyncio.timeout(5):
        await reader.readuntil(b"event: page")
    try:
        yield reader, writer
    finally:
        writer.close()


def server_process() -> int:
    return next((pid for pid in process.processes() if "web page at" in str(process.label(pid))), 0)


async def test_it_serves_pages_live_pages_and_json_and_says_where(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert f"{url}/" in caplog.text
        html = (await client.get("/", headers={"accept": "text/html"})).text
        assert "<h1>Overview</h1>" in html
        assert (await client.get("/api/overview")).json()["os_pid"] == os.getpid()
        async with stream(url) as (reader, _):
            async with asyncio.timeout(5):
                await reader.readuntil(b"event: page")  # the second one, since the charts go on
        assert "server" not in (await client.get("/")).headers
    assert urls() == ()


async def test_the_signals_and_the_logs_stay_the_programs() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    access = logging.getLogger("uvicorn.access")
    told = access.handlers[:], access.propagate, access.level
    async with serving() as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        await client.get("/healthz")
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
        assert (access.handlers, access.propagate, access.level) == told


async def test_its_end_ends_open_pages_at_once() -> None:
    loop = asyncio.get_running_loop()
    async with serving() as url, stream(url, "/tree") as (one, _), stream(url, "/crashes") as (two, _):
        began = loop.time()
        process.exit(server_process(), process_shutdown())
        async with asyncio.timeout(5):
            await one.read(-1)
            await two.read(-1)
        assert loop.time() - began < 1.0
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert tasks == []


def process_shutdown() -> object:
    from regrow.kernel.reasons import SHUTDOWN

    return SHUTDOWN


async def test_killed_it_comes_back_at_the_same_place() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with serving(port=port) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        before = server_process()
        async with stream(url) as (reader, _):
            process.exit(before, KILL)
            async with asyncio.timeout(5):
                await reader.read(-1)
        await until(lambda: server_process() not in (0, before))
        assert (await client.get("/healthz")).status_code == 200


async def test_it_can_restart_itself_from_its_own_page() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with (
        serving(port=port, actions=True) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        before = server_process()
        key = (await client.get("/api")).json()["x-csrf-token"]
        try:
            await client.post(f"/api/restart_child?pid={before}", headers={"x-csrf-token": key})
        except httpx.HTTPError:
            pass  # who serves the answer is the one who is restarted
        await until(lambda: server_process() not in (0, before))
        assert (await client.get("/healthz")).status_code == 200


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as refused:
            async with Supervisor.scope([Observer.child_spec(port=port)]):
                pass
    assert f"can't be at 127.0.0.1 port {port}" in str(refused.value)
    assert "port=0" in str(refused.value)


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_is_stopped_in_the_middle_of_its_start_is_nothing_to_the_next(turns: int) -> None:
    async with Supervisor.scope([Observer.child_spec(port=0)]):
        for _ in range(turns):
            await asyncio.sleep(0)
    async with serving() as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=2) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_it_listens_where_it_is_told_to() -> None:
    async with serving() as url:
        assert url.startswith("http://127.0.0.1:")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return  # this machine has no IPv6
    async with serving(host="::1") as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert url.startswith("http://[::1]:")
        assert (await client.get("/", headers={"accept": "text/html"})).status_code == 200


async def test_all_addresses_with_a_token() -> None:
    async with serving(host="0.0.0.0", token=TOKEN) as url:
        local = url.replace("0.0.0.0", "127.0.0.1")
        async with httpx.AsyncClient(base_url=local, trust_env=False, follow_redirects=True) as client:
            page = {"accept": "text/html"}
            assert (await client.get("/", headers=page)).status_code == 401
            answer = await client.get(f"/tree?token={TOKEN}", headers=page)
            assert answer.status_code == 200
            assert str(answer.url) == f"{local}/tree"
        assert TOKEN not in str(process.label(server_process()))


async def test_one_that_reads_nothing_is_cut_off_and_nothing_of_it_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.5)
    monkeypatch.setattr(live, "PACE", 0.02)
    monkeypatch.setattr(live, "SHARE", 0)
    pages = 0

    async def huge() -> str:
        nonlocal pages
        pages += 1
        return f"{pages} " + "x" * 200_000

    lives = live.Live(8, mounted=False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await live.Stream(lives, "/", huge)(scope, receive, send)

    listener = server.open_listener(WebOptions(port=0))
    web = server.Server(server.Config(app, limit_concurrency=20))
    lives.hang_up = web.hang_up
    running = asyncio.ensure_future(web.serve([listener]))
    try:
        await until(lambda: web.started)
        loop = asyncio.get_running_loop()
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.setblocking(False)
        await loop.sock_connect(stuck, listener.getsockname())
        await loop.sock_sendall(
            stuck, b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
        )
        await until(lambda: lives.clients == 1)
        waiting = 0
        async with asyncio.timeout(10):
            while lives.clients:
                for each in web.server_state.connections:
                    waiting = max(waiting, each.transport.get_write_buffer_size())
                await asyncio.sleep(0.01)
        assert pages > 1
        assert 0 < waiting < 600_000  # a page and what was under way; it has missed all others
        await until(lambda: not web.server_state.connections)
        stuck.close()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await web.end(lives)
        listener.close()


async def test_one_that_vanishes_leaves_nothing_behind() -> None:
    async with serving() as url:
        before = len(asyncio.all_tasks())
        for _ in range(5):
            async with stream(url, "/processes") as (_, writer):
                writer.transport.abort()
        await until(lambda: len(asyncio.all_tasks()) == before)


async def test_one_that_asks_for_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WHOLE_REQUEST", 0.2)
    async with serving() as url:
        host, port = url.removeprefix("http://").rsplit(":", 1)
        silent, writer = await asyncio.open_connection(host, int(port))
        half, other = await asyncio.open_connection(host, int(port))
        other.write(b"GET / HTTP/1.1\r\nhost: local")
        async with asyncio.timeout(3):
            for reader in (silent, half):
                try:
                    assert await reader.read() == b""
                except ConnectionResetError:
                    pass
        for each in (writer, other):
            each.close()


WHOLE = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
HEADERS = b"host: localhost\r\ncontent-type: application/json\r\naccept: */*\r\ncontent-length: 5\r\n\r\n"
FORM = b"POST /processes/1/kill HTTP/1.1\r\n" + HEADERS


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (WHOLE + WHOLE[:20], b""),  # half of a second one, behind the first
        (WHOLE + WHOLE[:20], b"x"),  # a byte now and then is no more time
        (FORM, b""),  # a body that never comes
        (WHOLE + FORM, b""),  # nor after one that was answered
        (FORM.replace(b"/processes/1/kill", b"/mcp"), b""),  # nor from an agent
    ],
)
async def test_one_that_never_finishes_a_request_is_sent_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, first: bytes, drip: bytes
) -> None:
    pytest.importorskip("regrow.observer.mcp")  # now, since it takes a while
    monkeypatch.setattr(server, "WHOLE_REQUEST", 0.4)
    async with serving(actions=True) as url:
        host, port = url.removeprefix("http://").rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(first)
        ended = asyncio.ensure_future(reader.read(-1))
        async with asyncio.timeout(3):
            while not ended.done():
                if drip:
                    writer.write(drip)
                await asyncio.wait((ended,), timeout=0.1)
        assert isinstance(ended.exception(), (ConnectionError, type(None)))
        writer.close()
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    told = {each.name.partition(".")[0] for each in errors}
    assert told <= {"mcp"}  # that library tells of it


async def test_one_that_takes_its_time_between_requests_and_for_an_answer_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "WHOLE_REQUEST", 0.3)
    async with serving() as url, stream(url) as (reader, _):
        host, port = url.removeprefix("http://").rsplit(":", 1)
        other, writer = await asyncio.open_connection(host, int(port))
        for _ in range(3):
            writer.write(WHOLE)
            async with asyncio.timeout(3):
                assert b"200" in await other.readline()
                await other.readuntil(b"}")
            await asyncio.sleep(0.4)
        async with asyncio.timeout(3):
            await reader.readuntil(b"event: page")
        writer.close()


async def test_too_many_open_pages_get_a_503() -> None:
    async with serving(max_clients=2) as url, stream(url), stream(url):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            answer = await client.get("/", headers={"accept": "text/event-stream"})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert (await client.get("/tree", headers={"accept": "text/html"})).status_code == 200


async def test_mounted_in_somebody_elses_server_it_does_not_hold_that_up() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[Mount("/observer", asgi())])
    theirs = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
    async with Supervisor.scope([Observer.child_spec()]):
        running = asyncio.ensure_future(theirs.serve([listener]))
        await until(lambda: theirs.started)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with stream(url, "/observer/tree") as (reader, _):
            theirs.handle_exit(signal.SIGTERM, None)  # what their handler does
            theirs._captured_signals.clear()  # and this test shall live on
            async with asyncio.timeout(5):
                await reader.read(-1)
                await running


async def test_as_an_extra_application() -> None:
    from regrow import Application, application
    from regrow.application import put_env

    class Shop(Application):
        name = "shop.with.page"
        extra_applications = ("observer",)

        async def start(self, start_type: Any, args: list[str]) -> Any:
            return await Supervisor.start_link([])

    put_env("observer", "port", 0)
    await application.ensure_all_started(Shop)
    try:
        (url,) = urls()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            html = (await client.get("/", headers={"accept": "text/html"})).text
            assert "shop.with.page" in html
            assert (await client.get("/readyz")).json() == {"ok": True, "reasons": []}
    finally:
        await application.stop("shop.with.page")
        await application.stop("observer")
    assert urls() == ()


async def test_agents_are_served_behind_the_same_guards() -> None:
    pytest.importorskip("mcp")
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "overview", "arguments": {}},
    }
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    async with serving(token=TOKEN) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        bearer = {**headers, "authorization": f"Bearer {TOKEN}"}
        assert (await client.post("/mcp", json=call, headers=headers)).status_code == 401
        foreign = {**bearer, "origin": "http://evil.example"}
        assert (await client.post("/mcp", json=call, headers=foreign)).status_code == 403
        answer = await client.post("/mcp", json=call, headers=bearer)
        assert answer.status_code == 200
        assert str(os.getpid()) in answer.text
