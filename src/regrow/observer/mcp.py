"""What the observer knows, for agents: an endpoint of the Model Context Protocol (extra ``regrow[mcp]``).

Each operation is a tool. Those that act are offered where they are allowed, and so is the one that shows states.
``asgi`` is an app to mount beside other pages of the same program; ``regrow mcp`` serves a program that runs elsewhere
over stdin and stdout (``mcp_stdio``). Answers are compact JSON without what is not known, and have an upper bound.

    app = FastAPI()
    app.mount("/mcp", regrow.observer.mcp.asgi())        # an agent then connects to http://127.0.0.1:8000/mcp

The app keeps nothing between two requests and needs no lifespan, so it works wherever it is mounted. Unless it is told
that somebody before it guards the door, it answers only requests that were meant for this machine's own addresses.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

try:
    from mcp.server import Server, ServerRequestContext
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from mcp.server.transport_security import TransportSecuritySettings
    from mcp_types import (
        CallToolRequestParams,
        CallToolResult,
        ListToolsResult,
        PaginatedRequestParams,
        TextContent,
        Tool,
        ToolAnnotations,
    )
except ImportError as error:
    raise ModuleNotFoundError(
        f"the endpoint for agents needs mcp, version 2 or newer ({error}). "
        'Install it with:  pip install "regrow[mcp]"',
        name="mcp",
    ) from error

from regrow.control.protocol import ControlError
from regrow.observer.answers import answer
from regrow.observer.operations import REQUIRED, Operation, offered

__all__ = ["LONGEST", "asgi", "server_for"]

LONGEST: Final = 60_000
"""Characters in an answer, at most."""
MOST: Final = 200
"""Rows or nodes in an answer, at most: an agent reads all that it is given."""

INSTRUCTIONS: Final = """\
This shows a running Python program that is made of regrow's supervised processes, as Erlang's observer does: small
processes with a mailbox each, under supervisors that restart those that crash.
Begin with overview. To find out why something fails: crashes, then crash with an id; restarts says what keeps coming
back. To find out why something is slow: processes sorted by mailbox or busy, then process with a pid, which says where
it stands and whose answer it waits for. tree shows what belongs to what.
A process is meant by its pid or by its name. Pids are never used again: one that has ended is replaced by another.
What is not known is left out of an answer. Times are seconds; those called "at" are seconds since 1970."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Asks for an operation by its name. ``ControlError`` has a sentence for the agent."""
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def server_for(ask: Ask, offers: Callable[[], Sequence[Operation]]) -> Server[Any]:
    """A server that *offers* operations, looked at anew each time, and *asks* for them."""

    async def list_tools(
        _: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[tool(each) for each in offers()])

    async def call_tool(_: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        operations = {each.name: each for each in offers()}
        operation = operations.get(params.name)
        if operation is None:
            return _told(f"there is no tool {params.name!r}; there are: {', '.join(operations)}", wrong=True)
        given = params.arguments or {}
        try:
            return _answered(await ask(operation.name, _bounded(operation, given)))
        except (ControlError, ValueError) as error:
            return _told(str(error), wrong=True)

    try:
        ours = version("regrow")
    except PackageNotFoundError:  # run from a checkout
        ours = ""
    return Server(
        "regrow",
        version=ours,
        title="regrow: a running program",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def tool(operation: Operation) -> Tool:
    """The operation as an agent is told of it."""
    properties = {name: argument.schema for name, argument in operation.arguments.items()}
    for each in properties.values():
        if each.get("maximum", 0) > MOST:
            each["maximum"] = MOST
    return Tool(
        name=operation.name,
        description=operation.does,
        input_schema={
            "type": "object",
            "properties": properties,
            "required": [name for name, each in operation.arguments.items() if each.default is REQUIRED],
            "additionalProperties": False,
        },
        annotations=ToolAnnotations(
            read_only_hint=not operation.acts,
            destructive_hint=operation.name in ("stop", "kill", "restart_child"),
            idempotent_hint=operation.name != "restart_child",
            open_world_hint=False,
        ),
    )


def _bounded(operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, checked before they go on their way; ``BadArgument`` says what is wrong."""
    checked = operation.check(given)
    for name, argument in operation.arguments.items():
        if (argument.most or 0) > MOST and checked[name] is not None and checked[name] > MOST:
            raise ValueError(f"{name}={checked[name]}: must be {MOST} or less")
    return {name: value for name, value in checked.items() if value is not None}


def _answered(answer: Any) -> CallToolResult:
    text = json.dumps(_compact(answer), ensure_ascii=False, separators=(",", ":"))
    if len(text) > LONGEST:
        return _told(
            f"the answer has {len(text):,} characters, and {LONGEST:,} may be given: ask for less, by limit, depth, "
            "nodes or filter",
            wrong=True,
        )
    return _told(text)


def _compact(value: Any) -> Any:
    """Without what is not known, and times to the millisecond."""
    if isinstance(value, dict):
        return {
            key: _compact(each)
            for key, each in value.items()
            if each is not None and (each != [] or key == "rows")
        }
    if isinstance(value, list):
        return [_compact(each) for each in value]
    if isinstance(value, float):
        return round(value, 6 if abs(value) < 1 else 3)
    return value


def _told(text: str, *, wrong: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=wrong)


# --- in the program itself ------------------------------------------------------------------------------------------


def asgi(
    *, actions: bool = False, show_state: bool = False, guarded: bool = False
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI app that serves the program that it runs in, by streamable HTTP, at the path where it is mounted.

    With *actions* an agent may stop, kill, suspend, resume and restart processes; with *show_state* it may see the
    states of servers. *guarded* says that somebody before it has looked at the Host and Origin of a request: then it
    does not. It runs in the loop that it tells of.
    """
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=not guarded,
        allowed_hosts=[each + port for each in ("127.0.0.1", "localhost", "[::1]") for port in ("", ":*")],
        allowed_origins=[
            f"http://{each}{port}" for each in ("127.0.0.1", "localhost", "[::1]") for port in ("", ":*")
        ],
    )
    offers = offered(actions=actions, show_state=show_state)
    server = local_server(offers, show_state=show_state)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a lifespan: there is nothing to begin
            return
        if scope["method"] != "POST":  # a GET would open a stream of events that never come, and nobody ends
            await _only_post(send)
            return
        manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, security_settings=security
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    return app


async def _only_post(send: Send) -> None:
    said = b'{"error": "agents ask by POST; there is no stream to listen to"}'
    headers = [(b"allow", b"POST"), (b"content-type", b"application/json")]
    headers.append((b"content-length", str(len(said)).encode()))
    await send({"type": "http.response.start", "status": 405, "headers": headers})
    await send({"type": "http.response.body", "body": said})


def local_server(offers: Sequence[Operation], *, show_state: bool = False) -> Server[Any]:
    """A server for the program that it runs in; with *show_state* its answers hold what may be secret."""
    by_name = {each.name: each for each in offers}

    async def ask(name: str, given: Mapping[str, Any]) -> Any:
        return await answer(by_name[name], given, show_state=show_state)

    return server_for(ask, lambda: offers)
