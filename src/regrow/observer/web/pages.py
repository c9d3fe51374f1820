"""The pages: for each, what it asks of the snapshot, and the template that shows it.

A page has one address. Asked for with ``Accept: text/event-stream`` it answers with itself, again and again (``live``);
that is all that the script in a browser does. What is sorted, filtered and turned over stands in the address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast, get_args

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from regrow.observer.errors import NoState, UnknownCrash, UnknownProcess
from regrow.observer.model import Overview, ProcessSort, RegistryRow, Sample
from regrow.observer.snapshots import Snapshot, snapshot
from regrow.observer.web.acting import Notes
from regrow.observer.web.charts import chart
from regrow.observer.web.guards import csrf_token
from regrow.observer.web.live import Live, Stream, address_of
from regrow.observer.web.numbers import NUMBER
from regrow.observer.web.options import WebOptions
from regrow.observer.web.rendering import Pages, count, rate, seconds, size, wants_stream

__all__ = ["Views"]

ROWS: Final = 50
"""Lines on a page of a table."""
CHILDREN: Final = 25
"""Children of each supervisor in the tree; of more, there is a page of its own."""
NODES: Final = 400
"""Nodes in the whole tree."""
POINTS: Final = 120
"""Samples in a chart."""
BESIDE: Final = 10
"""Crashes and restarts shown beside something else."""

Context = dict[str, Any]
Look = Callable[[Request], Awaitable[Context]]


class NotThere(Exception):
    """What is asked for is not there (any more): this is shown in its place."""

    def __init__(self, template: str, **context: Any) -> None:
        super().__init__(template)
        self.template = template
        self.context = context


class Views:
    """All pages of one web server."""

    def __init__(self, options: WebOptions, pages: Pages, live: Live, notes: Notes) -> None:
        self.options = options
        self.pages = pages
        self.live = live
        self.notes = notes

    def routes(self) -> list[BaseRoute]:
        return [
            self._page("/", "overview.html", self.overview),
            self._page("/tree", "tree.html", self.tree),
            self._page(f"/tree/{{pid:{NUMBER}}}", "tree.html", self.branch),
            self._page("/processes", "processes.html", self.processes),
            self._page(f"/processes/{{pid:{NUMBER}}}", "process.html", self.process),
            self._page("/registries", "registries.html", self.registries),
            self._page(f"/registries/{{pid:{NUMBER}}}", "registry.html", self.registry),
            self._page("/crashes", "crashes.html", self.crashes),
            self._page(f"/crashes/{{id:{NUMBER}}}", "crash.html", self.crash),
        ]

    def _page(self, path: str, template: str, look: Look) -> Route:
        async def shown(request: Request) -> tuple[str, Context, int]:
            try:
                return template, await look(request), 200
            except NotThere as missing:
                return missing.template, missing.context, 404

        async def fragment(request: Request) -> str:
            name, context, _ = await shown(request)
            return await self.pages.fragment(request, name, self._common(context))

        async def endpoint(request: Request) -> Response:
            if wants_stream(request):
                stream = Stream(self.live, address_of(request), lambda: fragment(request))
                return cast("Response", stream)  # any ASGI app may answer
            name, context, status = await shown(request)
            return HTMLResponse(await self.pages.whole(request, name, self._common(context)), status)

        return Route(path, endpoint, methods=["GET"], name=template)

    def _common(self, context: Context) -> Context:
        """What every page tells besides: the latest crash, for the script to announce it."""
        now = snapshot()
        latest = now.crashes(limit=1).rows
        return {
            "latest": now.crash(latest[0].id) if latest else None,
            "observed": now.observed,
            **context,
        }

    # --- the pages ----------------------------------------------------------------------------------------------------

    async def overview(self, request: Request) -> Context:
        now = snapshot()
        whole = await now.overview()
        return {
            **_charts(whole),
            "figures": _figures(whole),
            "applications": (await now.tree(depth=0, limit=1, nodes=100)).applications,
            "crashes": now.crashes(limit=5),
        }

    async def tree(self, request: Request) -> Context:
        forest = await snapshot().tree(depth=8, limit=CHILDREN, nodes=NODES)
        return {"forest": forest, "root": None}

    async def branch(self, request: Request) -> Context:
        """One supervisor and what is below, its children a page at a time."""
        now, pid, offset = snapshot(), request.path_params["pid"], _whole(request, "offset")
        try:
            forest = await now.tree(pid, depth=8, offset=offset, limit=ROWS, nodes=NODES)
            children = await now.children(pid, offset=offset, limit=ROWS)
        except UnknownProcess:
            raise self._gone(request, now, pid) from None
        if not forest.roots:
            raise self._gone(request, now, pid)
        return {"root": forest.roots[0], "page": children, "forest": None}

    async def processes(self, request: Request) -> Context:
        query = request.query_params
        sort = query.get("sort", "pid")
        chosen = cast("ProcessSort", sort if sort in get_args(ProcessSort) else "pid")
        descending = query.get("down") == "1"
        parent = _whole(request, "parent") or None
        page = await snapshot().processes(
            sort=chosen,
            descending=descending,
            query=query.get("q", "").strip(),
            parent=parent,
            offset=_whole(request, "offset"),
            limit=ROWS,
        )
        return {
            "page": page,
            "sort": chosen,
            "descending": descending,
            "parent": parent,
            "query": query.get("q", ""),
        }

    async def process(self, request: Request) -> Context:
        now, pid = snapshot(), request.path_params["pid"]
        try:
            found = await now.process(pid, messages=self.options.show_state)
            memory = await now.memory(pid) if "memory" in request.query_params else None
            state = await self._state(now, pid) if "state" in request.query_params else None
        except UnknownProcess:
            raise self._gone(request, now, pid) from None
        return {
            "it": found,
            "memory": memory,
            "state": state,
            "csrf": csrf_token(),
            "note": self.notes.get(request),
            "crashes": now.crashes(pid=pid, limit=BESIDE),
            "restarts": now.restarts(pid=pid, limit=BESIDE),
        }

    async def _state(self, now: Snapshot, pid: int) -> str | None:
        if not self.options.show_state:
            return None
        try:
            return (await now.state(pid)).text
        except NoState:
            return "It is no server, so it has no state to show."
        except TimeoutError:
            return "It is at something else, and has not come to showing its state. Try again."

    def _gone(self, request: Request, now: Snapshot, pid: int) -> NotThere:
        restarts = now.restarts(pid=pid, limit=BESIDE)
        later = [each for each in restarts.rows if each.pid > pid]
        return NotThere(
            "gone.html",
            pid=pid,
            successor=later[0] if later else None,
            note=self.notes.get(request),
            crashes=now.crashes(pid=pid, limit=BESIDE),
            restarts=restarts,
        )

    async def registries(self, request: Request) -> Context:
        return {"registries": await snapshot().registries()}

    async def registry(self, request: Request) -> Context:
        now, pid = snapshot(), request.path_params["pid"]
        query = request.query_params.get("q", "")
        try:
            found = [each for each in await now.registries() if each.pid == pid]
            page = await now.entries(
                pid,
                query=query.strip(),
                values=self.options.show_state,
                offset=_whole(request, "offset"),
                limit=ROWS,
            )
        except LookupError:
            raise self._gone(request, now, pid) from None
        if not found:
            raise self._gone(request, now, pid)
        registry: RegistryRow = found[0]
        return {"registry": registry, "page": page, "query": query}

    async def crashes(self, request: Request) -> Context:
        query = request.query_params.get("q", "")
        now = snapshot()
        return {
            "page": now.crashes(query=query.strip(), offset=_whole(request, "offset"), limit=ROWS),
            "restarts": now.restarts(limit=BESIDE),
            "query": query,
        }

    async def crash(self, request: Request) -> Context:
        id = request.path_params["id"]
        allowed = self.options.show_state
        state = allowed and "state" in request.query_params
        try:
            return {"it": snapshot().crash(id, state=state, message=allowed)}
        except UnknownCrash:
            raise NotThere(
                "message.html",
                title=f"Crash {id} is not known",
                why="Only the last crashes are kept, and this is none of them.",
                back=None,
            ) from None


# --- the overview in texts --------------------------------------------------------------------------------------------


def _charts(whole: Overview) -> Mapping[str, Any]:
    samples = whole.series.samples
    shown = samples[-POINTS:]

    def one(
        key: str,
        title: str,
        unit: str,
        value: Callable[[Sample], float | None],
        text: Callable[[Any], str],
        floor: float = 1.0,
    ) -> Mapping[str, Any]:
        drawn = chart([value(each) for each in shown], POINTS, floor)
        return {
            "key": key,
            "title": title,
            "unit": unit,
            "chart": drawn,
            "now": text(drawn.now),
            "low": text(drawn.low),
            "high": text(drawn.high),
            "top": text(drawn.top),
        }

    return {
        "charts": (
            one("processes", "Processes", "count", lambda it: it.processes, _whole_number, 10),
            one("messages", "Messages a second", "rate", lambda it: it.messages, rate, 10),
            one("restarts", "Restarts a second", "rate", lambda it: it.restarts, rate),
            one("lag", "Loop lag", "seconds", lambda it: it.loop_lag, seconds, 0.01),
        ),
        "capacity": POINTS,
        "interval": whole.series.interval,
        "span": POINTS * whole.series.interval,
    }


def _whole_number(number: float | None) -> str:
    return count(None if number is None else round(number))


def _figures(whole: Overview) -> list[tuple[str, str]]:
    scheduler = whole.scheduler
    share = scheduler.inline_share
    return [
        ("Observed for", seconds(whole.uptime)),
        ("Processes", count(whole.processes)),
        ("Names", count(whole.names)),
        ("Messages handled", count(whole.messages)),
        ("Restarts", count(whole.restarts)),
        ("Crashes", count(whole.crashes)),
        ("Memory", size(whole.memory)),
        ("Run queue", count(scheduler.run_queue)),
        ("Slice", seconds(scheduler.slice)),
        ("Worst loop lag", seconds(scheduler.loop_lag_max)),
        ("Inline calls", scheduler.inline if share is None else f"{share:.0%}"),
        ("Adopted tasks", count(scheduler.adopted)),
        ("Program", f"pid {whole.os_pid}"),
        ("Python", whole.python),
        *([("regrow", whole.regrow)] if whole.regrow != "unknown" else ()),  # a checkout has no version
    ]


def _whole(request: Request, name: str) -> int:
    """A whole number of the address; 0 for anything that is none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
