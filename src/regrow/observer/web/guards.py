"""Who may come in: every request passes here first, and every answer leaves through here.

===================  ==============================================================================================
guard                what it keeps out
===================  ==============================================================================================
the ``Host``         a foreign site that points its own name at 127.0.0.1 (DNS rebinding): on loopback, and with
                     ``allowed_hosts``, only known names are served
the token            whoever does not have it. It comes as ``Authorization: Bearer ...``, or once as ``?token=...`` or
                     through the form, and becomes an HttpOnly, SameSite=Strict cookie. Compared in constant time
the site             requests that another site makes in this browser's name, by ``Sec-Fetch-Site`` or, from browsers
                     that don't send it, ``Origin``. A link from elsewhere may open a page, and that is all
the CSRF token       a forged form, should a browser send neither header
===================  ==============================================================================================

Inside another ASGI app (``Observer.asgi()``) the ``Host`` is that app's business. Without a token only who calls from
this machine is let in there, unless ``open_to_all`` says that the app around looks who may come.
``/healthz`` and ``/readyz`` are open to all, for who asks them has no cookie and calls the machine by its number.

The answers may run no script and load nothing but what is in this package, may not be framed, cached or sniffed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regrow.observer.web.options import LOOPBACK_HOSTS, WebOptions
from regrow.observer.web.rendering import Pages, wants_json

__all__ = ["CSRF_FIELD", "CSRF_HEADER", "MAY_SEE", "Guard", "csrf_holds", "csrf_token", "route_path"]

PROBES: Final = ("/healthz", "/readyz")
MAY_SEE: Final = "regrow.observer.may_see"
"""In the scope of these two: whether he who asks may see the page too."""
FOR_THE_FORM: Final = ("/static/regrow.css", "/static/icon.svg")
"""What the page that asks for the token is made of."""
SAFE: Final = ("GET", "HEAD")
NOT_FROM_THERE: Final = (
    "Without a token this page is open to this machine only. Mount it with Observer.asgi(token=...); or, if the app "
    "around it lets in nobody who should not see it, with Observer.asgi(open_to_all=True)."
)
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
COOKIE_DAYS: Final = 30
_CSRF_SECRET: Final = secrets.token_bytes(32)
"""Lives as long as the program: a page stays good when the web server is restarted."""

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """The ASGI app *app*, with the guards before it.

    *mounted*: it stands in another app, which says by *open_to_all* that it has looked who the visitor is.
    """

    def __init__(
        self, app: ASGIApp, *, options: WebOptions, pages: Pages, mounted: bool, open_to_all: bool
    ) -> None:
        self.app = app
        self.pages = pages
        self.token = options.token
        self.here_only = mounted and options.token is None and not open_to_all
        self.hosts: frozenset[str] | None = None  # None: any
        if not mounted and (options.loopback or options.allowed_hosts):
            self.hosts = frozenset(map(str.lower, (*LOOPBACK_HOSTS, options.host, *options.allowed_hosts)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no WebSockets here
            await send({"type": "websocket.close", "code": 4404})
            return
        request = Request(scope, receive)
        answer = None
        if route_path(request) in PROBES:
            scope[MAY_SEE] = self._may_see(request)
        else:
            answer = await self._refusal(request)
        await (answer or self.app)(scope, receive, _with_headers(send))

    async def _refusal(self, request: Request) -> Response | None:
        """The answer to a request that may not pass."""
        name = _host_name(request.headers.get("host", ""))
        if self.hosts is not None and name not in self.hosts:
            return self._refuse(
                request,
                403,
                f"This page is not served under the name {name!r}. If it should be, start the observer with "
                f"allowed_hosts=[{name!r}].",
            )
        if self.here_only and not _on_this_machine(request):
            return self._refuse(request, 403, NOT_FROM_THERE)
        if not _from_here(request):
            return self._refuse(request, 403, "Requests that another site makes are refused.")
        if self.token is None or route_path(request) in FOR_THE_FORM:
            return None
        return await self._without_token(request, self.token)

    def _may_see(self, request: Request) -> bool:
        """Whether the page would be shown to him, and no site that has made up a name reads it in his browser."""
        if self.token is not None:
            return _has_pass(request, self.token)
        known = _host_name(request.headers.get("host", "")) in (self.hosts or LOOPBACK_HOSTS)
        return known and (not self.here_only or _on_this_machine(request))

    async def _without_token(self, request: Request, token: str) -> Response | None:
        """None for who has shown the token before; a redirect with the cookie for who shows it now; else the form."""
        given = _bearer(request)
        if _has_pass(request, token):
            if given is not None or "token" not in request.query_params:
                return None
            return RedirectResponse(_without(request, "token"), 303)  # it shall not stay in the address bar
        shown = await self._shown(request)
        if shown is None or not _equal(shown, token):
            wrong = shown is not None or bool(given)
            why = "That is not the token." if wrong else "This page needs the token it was started with."
            if wants_json(request):
                return _say(
                    401, f'{why} Send it as "Authorization: Bearer ...".', {"www-authenticate": "Bearer"}
                )
            return self.pages.answer(request, "token.html", status=401, why=why, wrong=wrong)
        to = (
            _without(request, "token")
            if request.method == "GET"
            else request.scope.get("root_path", "") + "/"
        )
        welcome = RedirectResponse(to, 303)
        welcome.set_cookie(
            _cookie(request),
            _pass_for(token),
            max_age=COOKIE_DAYS * 86_400,
            path=request.scope.get("root_path", "") or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return welcome

    async def _shown(self, request: Request) -> str | None:
        if request.method in SAFE:
            return request.query_params.get("token")
        if route_path(request) == "/enter":
            return (await read_form(request)).get("token", "").strip()
        return None

    def _refuse(self, request: Request, status: int, why: str) -> Response:
        if wants_json(request) or request.method not in SAFE:
            return _say(status, why)
        return self.pages.answer(request, "message.html", status=status, title="Refused", why=why, back=None)


def csrf_token() -> str:
    """What a form of ours carries, and no other site can know."""
    return hmac.new(_CSRF_SECRET, b"form", hashlib.sha256).hexdigest()


async def csrf_holds(request: Request, form: dict[str, str]) -> bool:
    """Whether a request that changes something comes from a page of ours, or from a script that has the token."""
    if (
        request.headers.get("authorization", "").lower().startswith("bearer ")
    ):  # no browser adds this by itself
        return True
    return _equal(form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER, ""), csrf_token())


LARGEST_FORM: Final = 16 * 1024
FORM_TIME: Final = 10.0
"""Seconds in which a form has to come: another server that we are mounted in may wait for ever."""


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small form; empty for what is none, is too large, or does not come."""
    body = b""
    try:
        async with asyncio.timeout(FORM_TIME):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_FORM:
                    return {}
    except (TimeoutError, ClientDisconnect):
        return {}
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def route_path(request: Request) -> str:
    """The path below where the app is mounted."""
    path: str = request.scope["path"]
    root: str = request.scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _host_name(host: str) -> str:
    """The name in a ``Host`` header, without the port and the brackets of an IPv6 address."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return host.lower()


def _from_here(request: Request) -> bool:
    """Whether the request is one of our own pages', or the user's own doing."""
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = request.headers.get("origin")
        return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    if site in ("same-origin", "none"):
        return site == "same-origin" or request.method in SAFE
    opens_a_page = request.headers.get("sec-fetch-mode") == "navigate" and request.headers.get(
        "sec-fetch-dest", "document"
    ) in ("document", "empty")
    return request.method in SAFE and opens_a_page


def _on_this_machine(request: Request) -> bool:
    """Whether who calls is on this machine. Where the server doesn't say who it is, nobody knows."""
    try:
        peer = ipaddress.ip_address("" if request.client is None else request.client.host)
    except ValueError:
        return False
    return (getattr(peer, "ipv4_mapped", None) or peer).is_loopback


def _cookie(request: Request) -> str:
    return f"regrow_observer_{request.url.port or request.url.scheme}"


def _bearer(request: Request) -> str | None:
    """The token in the header, if there is such a header."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else None


def _has_pass(request: Request, token: str) -> bool:
    """Whether the token came along: in the header, or as the cookie that it once became."""
    given = _bearer(request)
    if given is not None:
        return _equal(given, token)
    return _equal(request.cookies.get(_cookie(request), ""), _pass_for(token))


def _pass_for(token: str) -> str:
    """What stands in the cookie: who reads it, another server on this host say, does not learn the token."""
    return hmac.new(token.encode(), b"regrow observer", hashlib.sha256).hexdigest()


def _equal(given: str, wanted: str) -> bool:
    """Compared in a time that tells nothing of how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())


def _without(request: Request, key: str) -> str:
    """The same address without one parameter, as a path: a redirect never leaves this host."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != key]
    path = "/" + request.url.path.lstrip("/")  # never //elsewhere
    return f"{path}?{urlencode(query)}" if query else path


def _say(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status, headers)


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return guarded
