"""Templates and texts: how a page is put together, and how numbers are written in it.

A page is rendered in two ways by the same template: whole, with its head and its navigation, or only what changes while
it is open (``fragment.html``), which is what a live page gets. Either is rendered in stretches: it may have hundreds
of rows, and the program goes on meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from regrow.observer.model import TreeNode
from regrow.observer.pace import Pace
from regrow.observer.web.files import version

__all__ = ["Pages", "clock", "count", "rate", "seconds", "size", "wants_json", "wants_stream"]

PIECE: Final = 2
"""What it costs to make one of the pieces that a template gives, in things of ``pace``."""
TEMPLATES: Final = Path(__file__).with_name("templates")


@cache
def _environment() -> Environment:
    """All templates, compiled: once in a program, however often its web server is started."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        count=count, seconds=seconds, size=size, clock=clock, day=day, plural=plural, steps=steps
    )
    made.globals.update(version=version)
    for name in made.list_templates():
        made.get_template(name)
    return made


class Pages:
    """The pages as text. *facts* are the options that the templates ask for."""

    def __init__(self, **facts: Any) -> None:
        self._facts = facts
        self._environment = _environment()

    async def whole(self, request: Request, template: str, context: Mapping[str, Any]) -> str:
        """The page with its head and its navigation."""
        return await self._in_stretches(request, template, "base.html", context)

    async def fragment(self, request: Request, template: str, context: Mapping[str, Any]) -> str:
        """What of it is exchanged while it is open."""
        return await self._in_stretches(request, template, "fragment.html", context)

    def answer(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """A page of a few words, at once."""
        return HTMLResponse("".join(self._pieces(request, template, "base.html", context)), status)

    async def _in_stretches(
        self, request: Request, template: str, layout: str, context: Mapping[str, Any]
    ) -> str:
        pieces = self._pieces(request, template, layout, context)
        return "".join([each async for each in Pace().through(pieces, PIECE)])

    def _pieces(
        self, request: Request, template: str, layout: str, context: Mapping[str, Any]
    ) -> Iterator[str]:
        """The page as the template makes it: what a macro gives is one piece."""
        links = Links(request)  # ``at("/tree")`` is another page, ``here.but(offset=50)`` this one
        found = self._environment.get_template(template)
        return found.generate(layout=layout, at=links, here=links, **self._facts, **context)


def steps(top: TreeNode, depth: int = 0) -> Iterator[tuple[str, TreeNode, int]]:
    """A tree as it is written down: a node without children in one step; one with them begins, and ends after them."""
    if not top.children:
        yield "whole", top, depth
        return
    yield "begin", top, depth
    for each in top.children:
        yield from steps(each, depth + 1)
    yield "end", top, depth


class Links:
    """Addresses within the observer, wherever it is mounted: ``at("/processes", sort="age")``."""

    def __init__(self, request: Request) -> None:
        self._root: str = request.scope.get("root_path", "")
        path: str = request.scope["path"]
        self.path = path[len(self._root) :] if self._root and path.startswith(self._root) else path
        self.query = dict(request.query_params)

    def __call__(self, path: str, **query: object) -> str:
        shown = {key: value for key, value in query.items() if value not in (None, "")}
        return f"{self._root}{path}?{urlencode(shown)}" if shown else f"{self._root}{path}"

    def but(self, **changed: object) -> str:
        """This very page with other parameters; None takes one away."""
        return self(self.path, **{**self.query, **changed})


def wants_stream(request: Request) -> bool:
    return request.method == "GET" and "text/event-stream" in request.headers.get("accept", "")


def wants_json(request: Request) -> bool:
    """Whether it is a program that asks, and not somebody who reads."""
    accept = request.headers.get("accept", "")
    return "text/html" not in accept


# --- numbers --------------------------------------------------------------------------------------------------------


def count(number: int | None) -> str:
    """
    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    return "–" if number is None else f"{number:,}"


def rate(number: float | None) -> str:
    """
    >>> rate(1234.5), rate(12.34), rate(0.25), rate(0.0)
    ('1,234', '12.3', '0.25', '0')
    """
    if number is None:
        return "–"
    if number == 0:
        return "0"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}" if number >= 1 else f"{number:.2g}"


def seconds(span: float | str | None) -> str:
    """
    >>> seconds(0.00042), seconds(0.25), seconds(42), seconds(125), seconds(7260), seconds(200_000)
    ('0.42 ms', '250 ms', '42 s', '2 min 5 s', '2 h 1 min', '2 d 7 h')
    """
    if span is None:
        return "–"
    if isinstance(span, str):
        return span
    if span == float("inf"):
        return "any time"
    if span < 1:
        ms = span * 1000
        return f"{ms:.0f} ms" if ms >= 10 or ms == 0 else f"{ms:.1f} ms" if ms >= 1 else f"{ms:.2f} ms"
    if span < 60:
        return f"{span:.0f} s" if span >= 10 or span == int(span) else f"{span:.1f} s"
    whole, unit, part, below = next(each for each in _UNITS if span >= each[0])
    rest = int(span) % whole // part
    return f"{int(span) // whole} {unit} {rest} {below}" if rest else f"{int(span) // whole} {unit}"


_UNITS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def size(number: float | None) -> str:
    """
    >>> size(512), size(20_000), size(7_340_032), size(None)
    ('512 B', '19.5 KiB', '7.0 MiB', '–')
    """
    if number is None:
        return "–"
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.2f} GiB"


def clock(at: float) -> str:
    """The time of day, in the program's time zone."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))


def plural(number: int, one: str, many: str | None = None) -> str:
    """
    >>> plural(1, "child", "children"), plural(2000, "restart")
    ('1 child', '2,000 restarts')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
