"""The same as the pages as JSON: ``GET /api`` lists what can be asked, ``GET /api/processes?sort=mailbox`` asks.

What can be asked, with which arguments, is the table of ``regrow.observer.operations``, as it is for the control socket
and for agents. What acts is a POST, and needs the CSRF token of ``GET /api`` in a header, unless a bearer token came:

    curl -X POST -H "X-CSRF-Token: ..." "localhost:4000/api/kill?pid=12"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from regrow.observer.actions import ActionRefused
from regrow.observer.encoding import json_text
from regrow.observer.errors import NoState, UnknownCrash, UnknownProcess
from regrow.observer.operations import Argument, BadArgument, NotFound, Operation, offered
from regrow.observer.snapshots import snapshot
from regrow.observer.web.guards import CSRF_HEADER, csrf_holds, csrf_token
from regrow.observer.web.numbers import MOST_DIGITS
from regrow.observer.web.options import WebOptions

__all__ = ["Api"]


class Api:
    def __init__(self, options: WebOptions) -> None:
        self.actions = options.actions
        self.show_state = options.show_state
        self.offered: Mapping[str, Operation] = {
            each.name: each for each in offered(actions=options.actions, show_state=options.show_state)
        }

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api", self.index, methods=["GET"]),
            Route("/api/{name}", self.ask, methods=["GET", "POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """What can be asked, and how."""
        return JSONResponse(
            {
                "operations": {
                    name: {
                        "method": "POST" if each.acts else "GET",
                        "does": each.does,
                        "arguments": {key: argument.schema for key, argument in each.arguments.items()},
                    }
                    for name, each in self.offered.items()
                },
                **({CSRF_HEADER: csrf_token()} if self.actions else {}),
            }
        )

    async def ask(self, request: Request) -> Response:
        name = request.path_params["name"]
        operation = self.offered.get(name)
        if operation is None:
            return _error(404, f"there is no {name!r} here; GET /api lists what there is")
        method = "POST" if operation.acts else "GET"
        if request.method.replace("HEAD", "GET") != method:
            return _error(405, f"{name} takes a {method}", {"allow": method})
        if operation.acts and not await csrf_holds(request, {}):
            return _error(403, f"{name} needs the header {CSRF_HEADER}, with the value that GET /api gives")
        try:
            given = _given(operation, request)
            answer = await operation.answer(snapshot(), given, show_state=self.show_state)
            return Response(await json_text(answer), media_type="application/json")
        except BadArgument as error:
            return _error(400, str(error))
        except ActionRefused as error:
            return _error(409, str(error))
        except (NotFound, UnknownProcess, UnknownCrash, NoState) as error:
            return _error(404, str(error))
        except TimeoutError:
            return _error(504, f"process {request.query_params.get('pid')} has not come to answering it")


def _given(operation: Operation, request: Request) -> dict[str, object]:
    """The arguments of the address, as the operation wants them; what it doesn't know it will refuse itself."""
    return {
        key: _read(operation.arguments[key], text) if key in operation.arguments else text
        for key, text in request.query_params.items()
    }


def _read(argument: Argument, text: str) -> Any:
    digits = text.removeprefix("-")
    if argument.type in ("integer", "process") and digits.isdecimal():
        if len(digits) > MOST_DIGITS:
            raise BadArgument(f"a number has {MOST_DIGITS} digits at most, and this one {len(digits)}")
        return int(text)
    if argument.type == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return text


def _error(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status, headers)
