"""The forms of a process's page: each posts one action, and comes back to the page with a note of what was done."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from regrow.observer.actions import ACTIONS, ActionRefused
from regrow.observer.web.guards import csrf_holds, read_form
from regrow.observer.web.numbers import NUMBER
from regrow.observer.web.rendering import Pages

__all__ = ["Forms", "Notes"]

STALE: Final = (
    "This form is not one of this page's own, or it was made before the program was last started. "
    "Go back, load the page again, and send it from there."
)
OFF: Final = "Actions are off. The observer offers them if it is started with actions=True."


class Notes:
    """What was done, for the page that is shown next. The address holds a key only, so nobody can make one up."""

    KEPT: Final = 100

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()

    def add(self, text: str) -> str:
        """Keep *text*, for as long as there are not a hundred newer ones; gives its key."""
        key = secrets.token_urlsafe(6)
        self._texts[key] = text
        if len(self._texts) > self.KEPT:
            self._texts.popitem(last=False)
        return key

    def get(self, request: Request) -> str | None:
        return self._texts.get(request.query_params.get("note", ""))


class Forms:
    """Where the forms are sent to."""

    def __init__(self, pages: Pages, notes: Notes, *, actions: bool) -> None:
        self.pages = pages
        self.notes = notes
        self.actions = actions

    def route(self) -> Route:
        return Route(f"/processes/{{pid:{NUMBER}}}/{{action}}", self.act, methods=["POST"])

    async def act(self, request: Request) -> Response:
        pid, name = request.path_params["pid"], request.path_params["action"]
        page = f"{request.scope.get('root_path', '')}/processes/{pid}"
        if not self.actions:
            return self._message(request, 403, "Not allowed", OFF, page)
        if not await csrf_holds(request, await read_form(request)):
            return self._message(request, 403, "Not done", STALE, page)
        action = ACTIONS.get(name)
        if action is None:
            why = f"There is no action {name!r}; there are {', '.join(ACTIONS)}."
            return self._message(request, 404, "Not done", why, page)
        try:
            done = f"Done: {await action(pid)}."
        except ActionRefused as refusal:
            done = f"Not done: {refusal}."
        return RedirectResponse(f"{page}?note={self.notes.add(done)}", 303)

    def _message(self, request: Request, status: int, title: str, why: str, back: str) -> Response:
        return self.pages.answer(request, "message.html", status=status, title=title, why=why, back=back)
