"""The endpoint for agents: in memory, over HTTP beside other pages, and over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent
from starlette.applications import Starlette
from starlette.routing import Mount

from regrow import process
from regrow import sys as sys_
from regrow.kernel.runtime import runtime
from regrow.observer import mcp as endpoint
from regrow.observer import observing
from regrow.observer.operations import offered
from tests.application.subprocesses import Program, clean_environment
from tests.observer.programs import program, start_game
from tests.waiting import until

pytestmark = pytest.mark.real_time("the client of the mcp package waits by the clock")

READING = {
    *("overview", "tree", "children", "processes", "process", "memory", "registries", "entries"),
    *("crashes", "crash", "restarts"),
}
ACTING = {"stop", "kill", "suspend", "resume", "restart_child"}


@asynccontextmanager
async def client(*, mode: str = "auto", **allowed: bool) -> AsyncIterator[Client]:
    server = endpoint.local_server(offered(**allowed), show_state=allowed.get("show_state", False))
    async with Client(server, mode=mode) as found:
        yield found


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def asked(client: Client, tool: str, arguments: Mapping[str, Any] | None = None) -> Any:
    result = await client.call_tool(tool, dict(arguments or {}))
    assert not result.is_error, text_of(result)
    return json.loads(text_of(result))


async def refused(client: Client, tool: str, arguments: Mapping[str, Any] | None = None) -> str:
    result = await client.call_tool(tool, dict(arguments or {}))
    assert result.is_error, text_of(result)
    return text_of(result)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_tools_only_look_unless_more_is_allowed(mode: str) -> None:
    async with client(mode=mode) as agent:
        tools = (await agent.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        assert agent.instructions is not None
        assert "Begin with overview" in agent.instructions
        for tool in tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            assert tool.description
            assert tool.input_schema["additionalProperties"] is False
        (table,) = (tool for tool in tools if tool.name == "processes")
        assert "busy" in table.input_schema["properties"]["sort"]["enum"]
        assert table.input_schema["properties"]["limit"]["maximum"] == endpoint.MOST
        assert "there is no tool 'kill'; there are: overview," in await refused(agent, "kill", {"pid": 3})
        assert "there is no tool 'state'" in await refused(agent, "state", {"pid": 3})
    async with client(mode=mode, actions=True, show_state=True) as agent:
        tools = (await agent.list_tools()).tools
        assert {tool.name for tool in tools} == READING | ACTING | {"state"}
        acting = {tool.name for tool in tools if tool.annotations and not tool.annotations.read_only_hint}
        assert acting == ACTING


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_looks_around(mode: str) -> None:
    async with program(), client(mode=mode, actions=True) as agent:
        handles = [await start_game(number) for number in range(3)]
        overview = await asked(agent, "overview")
        assert overview["processes"] == len(runtime().processes)
        assert "messages" not in overview  # what is not known is left out
        page = await asked(agent, "processes", {"filter": "g1 in"})
        (row,) = page["rows"]
        assert row["pid"] == process.pid_of(handles[1])
        detail = await asked(agent, "process", {"pid": "g1 in by_id"})
        assert detail["row"]["kind"] == "Game"
        assert "swordfish" not in json.dumps(detail)
        forest = await asked(agent, "tree", {"root": "root", "depth": 1})
        assert [each["name"] for each in forest["roots"][0]["children"]] == ["by_id", "Games"]
        done = await asked(agent, "kill", {"pid": "g1 in by_id"})
        assert "was killed" in done["done"]
        assert (await asked(agent, "crashes"))["rows"] == []


@pytest.mark.parametrize("show", [False, True])
async def test_an_agent_sees_what_messages_hold_only_where_that_is_allowed(show: bool) -> None:
    async with observing() as look, program(), client(show_state=show) as agent:
        game, other = await start_game(0), await start_game(1)
        await sys_.suspend(game)
        game.note("my-password")
        detail = await asked(agent, "process", {"pid": "g0 in by_id"})
        assert detail["mailbox"] == ["note('my-password')" if show else "note(…)"]
        other.fall("burn")
        await until(lambda: look.crashes().total)
        crash = await asked(agent, "crash", {"id": 1})
        assert crash["message"] == ("fall('burn')" if show else "fall(…)")
        assert ("swordfish" in crash.get("state", "")) is show
        await sys_.resume(game)


async def test_what_is_wrong_is_told_to_the_agent_as_an_answer() -> None:
    async with program(), client() as agent:
        for tool, arguments, complaint in (
            ("process", {"pid": 999_999}, "there is no living process with the pid 999999"),
            ("process", {}, "process needs pid"),
            ("processes", {"limit": endpoint.MOST + 1}, "limit=201: must be 200 or less"),
            ("processes", {"sort": "size"}, "sort='size': must be one of pid"),
            ("crash", {"id": 3}, "no crash 3 is remembered"),
        ):
            assert complaint in await refused(agent, tool, arguments)


async def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "LONGEST", 2000)
    async with program(), client() as agent:
        for number in range(20):
            await start_game(number)
        told = await refused(agent, "processes", {"limit": 20})
        assert "characters, and 2,000 may be given: ask for less" in told
        assert len((await asked(agent, "processes", {"limit": 3}))["rows"]) == 3


# --- over HTTP ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def mounted(**options: bool) -> AsyncIterator[httpx.AsyncClient]:
    """The app in another one, whose lifespan nobody runs."""
    app = Starlette(routes=[Mount("/mcp", endpoint.asgi(**options))])
    transport = httpx.ASGITransport(app=app)
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:4000", headers=headers
    ) as found:
        yield found


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def test_it_is_mounted_beside_other_pages() -> None:
    hello = request(
        "initialize",
        protocolVersion="2025-06-18",
        capabilities={},
        clientInfo={"name": "test", "version": "1"},
    )
    async with program(), mounted() as web:
        for _ in range(2):  # it keeps nothing between requests
            answer = await web.post("/mcp/", json=hello)
            assert answer.status_code == 200
            assert answer.json()["result"]["serverInfo"]["name"] == "regrow"
        answer = await web.post("/mcp/", json=request("tools/list"))
        assert {tool["name"] for tool in answer.json()["result"]["tools"]} == READING
        call = request("tools/call", name="processes", arguments={"filter": "Games"})
        answer = await web.post("/mcp/", json=call)
        (content,) = answer.json()["result"]["content"]
        assert json.loads(content["text"])["rows"][0]["name"] == "Games"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
@pytest.mark.parametrize("guarded", [True, False])
async def test_nobody_can_open_a_stream_of_events(method: str, guarded: bool) -> None:
    async with program(), mounted(guarded=guarded) as web:
        async with asyncio.timeout(5):
            answer = await web.request(method, "/mcp/", headers={"accept": "text/event-stream"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_who_asks_becomes_no_process() -> None:
    async with program(), mounted() as web:
        before = len(runtime().processes)
        call = request("tools/call", name="overview", arguments={})
        answer = await web.post("/mcp/", json=call)
        assert json.loads(answer.json()["result"]["content"][0]["text"])["processes"] == before
        assert len(runtime().processes) == before


async def test_requests_from_elsewhere_are_refused_unless_somebody_else_guards() -> None:
    listing = request("tools/list")
    for headers, status in (
        ({"host": "evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"host": "localhost:4000", "origin": "http://localhost:4000"}, 200),
        ({"host": "127.0.0.1"}, 200),
    ):
        async with mounted() as web:
            answer = await web.post("/mcp/", json=listing, headers=headers)
            assert answer.status_code == status
        async with mounted(guarded=True) as web:
            answer = await web.post("/mcp/", json=listing, headers=headers)
            assert answer.status_code == 200


# --- over stdin and stdout ------------------------------------------------------------------------------------------

SHOP = """\
from regrow import Application, GenServer, Supervisor, application, cast, process
import asyncio, logging

logging.disable()


class Till(GenServer, restart="permanent"):
    def __init__(self):
        self.secret = "swordfish"

    @cast
    def burn(self):
        raise OSError("the till is on fire")


async def burn_later():
    while not application.get_supervisor("regrow.control"):
        await asyncio.sleep(0.01)
    Till.named("till").burn()
    print("burnt", flush=True)


class Shop(Application):
    name = "shop"

    async def start(self, start_type, args):
        root = await Supervisor.options(name="root").start_link([Till.options(name="till").child_spec()])
        if "burn" in args:
            process.spawn(burn_later)
        print("open", flush=True)
        return root
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        yield {"XDG_RUNTIME_DIR": folder, "TMPDIR": folder}


def running(cwd: Path, env: Mapping[str, str], *options: str) -> Program:
    return Program("-m", "regrow", "run", *options, "shop:Shop", cwd=cwd, env=env)


@asynccontextmanager
async def stdio(cwd: Path, env: Mapping[str, str], *options: str) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "regrow", "mcp", *options],
        env=clean_environment(env),
        cwd=cwd,
    )
    async with Client(stdio_client(server)) as found:
        yield found


async def test_a_running_program_is_served_over_stdio_across_its_restart(
    shop: Path, env: dict[str, str]
) -> None:
    with running(shop, env, "--arg", "burn") as first:
        await asyncio.to_thread(first.wait_for, "burnt")
        async with stdio(shop, env) as agent:
            assert {tool.name for tool in (await agent.list_tools()).tools} == READING
            assert (await asked(agent, "overview"))["os_pid"] == first.process.pid
            crashes = await asked(agent, "crashes")  # from before anybody has looked
            assert [row["reason"] for row in crashes["rows"]] == ["OSError('the till is on fire')"]
            assert (await asked(agent, "overview"))["messages"] >= 0  # an agent is one who watches
            first.process.kill()
            first.process.wait()
            told = await refused(agent, "overview")
            assert "has ended; its next run will be taken" in told or "not running" in told
            with running(shop, env) as second:
                await asyncio.to_thread(second.wait_for, "open")
                while (result := await agent.call_tool("overview", {})).is_error:
                    pass
                assert json.loads(text_of(result))["os_pid"] == second.process.pid


async def test_actions_need_the_yes_of_the_program_and_of_who_starts_the_endpoint(
    shop: Path, env: dict[str, str]
) -> None:
    with running(shop, env, "--allow-actions") as program:
        await asyncio.to_thread(program.wait_for, "open")
        async with stdio(shop, env, "shop") as agent:
            await asked(agent, "overview")
            assert {tool.name for tool in (await agent.list_tools()).tools} == READING
        async with stdio(shop, env, "--actions") as agent:
            before = (await asked(agent, "process", {"pid": "till"}))["row"]["pid"]
            assert {tool.name for tool in (await agent.list_tools()).tools} == READING | ACTING
            await asked(agent, "kill", {"pid": "till"})
            assert (await asked(agent, "process", {"pid": "till"}))["row"]["pid"] != before


async def test_without_a_program_the_agent_is_told_how_to_start_one(shop: Path, env: dict[str, str]) -> None:
    async with stdio(shop, env) as agent:
        assert {tool.name for tool in (await agent.list_tools()).tools} == READING
        told = await refused(agent, "overview")
        assert "no running program can be asked" in told
        assert "regrow run MODULE:App" in told
        with running(shop, env) as program:
            await asyncio.to_thread(program.wait_for, "open")
            while (result := await agent.call_tool("overview", {})).is_error:
                pass
            assert json.loads(text_of(result))["os_pid"] == program.process.pid
