"""The few files that a page loads: read once, served from memory, kept by browsers until they change."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

__all__ = ["static", "version"]

FOLDER: Final = Path(__file__).with_name("static")
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
FOR_EVER: Final = "private, max-age=31536000, immutable"


@cache
def _files() -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(FOLDER.iterdir()) if each.suffix in TYPES}


@cache
def version() -> str:
    """Stands in the addresses of the files: a browser never shows today's page in last year's style."""
    return hashlib.sha256(b"".join(_files().values())).hexdigest()[:10]


async def static(request: Request) -> Response:
    name = request.path_params["name"]
    content = _files().get(name)
    if content is None:
        return PlainTextResponse(f"there is no file {name}", 404)
    caching = FOR_EVER if request.query_params.get("v") == version() else "no-cache"
    return Response(content, media_type=TYPES[Path(name).suffix], headers={"cache-control": caching})
