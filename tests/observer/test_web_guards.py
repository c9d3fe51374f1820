"""Who may come in: each guard with what it lets in and what it keeps out."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from regrow import Supervisor, process
from regrow.observer import Observer
from regrow.observer.web import WebOptions, asgi, guards
from regrow.observer.web.guards import csrf_token
from tests.observer.web_client import BROWSER, TOKEN, csrf_of, program

FORM = {**BROWSER, "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
BEYOND = "http://panel.internal:4000"


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"host": "0.0.0.0"}, ValueError, "token"),
        ({"host": "192.168.1.5"}, ValueError, "secrets.token_urlsafe"),
        ({"host": "::"}, ValueError, "token"),
        ({"host": "panel.internal"}, ValueError, "token"),
        ({"token": "short"}, ValueError, "5 characters"),
        ({"token": "long enough but has spaces"}, ValueError, "without spaces"),
        ({"token": 12345678901234567}, TypeError, "string"),
        ({"port": 70_000}, ValueError, "70000"),
        ({"port": "4000"}, TypeError, "'4000'"),
        ({"port": True}, TypeError, "True"),
        ({"actions": "no"}, TypeError, "'no'"),
        ({"show_state": 1}, TypeError, "show_state=1"),
        ({"max_clients": 0}, ValueError, "1 or more"),
        ({"allowed_hosts": "panel"}, TypeError, "list"),
    ],
)
def test_options_that_can_not_be_are_refused_at_once(
    options: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=re.escape(says)) as refused:
        WebOptions(**options)  # type: ignore[arg-type]  # that is the point
    token = options.get("token")
    assert token is None or str(token) not in str(refused.value)  # errors end up in logs


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_needs_no_token(host: str) -> None:
    assert WebOptions(host=host).loopback


def test_the_observer_refuses_at_its_spec_and_shows_no_token() -> None:
    with pytest.raises(ValueError, match="token"):
        Observer.child_spec(port=4000, host="0.0.0.0")
    spec = Observer.child_spec(port=4000, host="0.0.0.0", token=TOKEN)
    assert TOKEN not in repr(spec)
    with pytest.raises(TypeError, match="mounted"):
        asgi(port=4000)


# --- the Host header: DNS rebinding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost:4000", "127.0.0.1:4000", "[::1]:4000", "LOCALHOST", "127.0.0.1"])
async def test_this_machine_is_known_by_its_names(host: str) -> None:
    async with program() as it:
        await it.page("/", host=host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4000", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
async def test_no_other_name_is_served_on_loopback(host: str) -> None:
    async with program(actions=True) as it:
        for path in ("/", "/api/processes", "/static/regrow.css"):
            answer = await it.http.get(path, headers={**BROWSER, "host": host})
            assert answer.status_code == 403
            assert "allowed_hosts" in answer.text
            assert "Game" not in answer.text


async def test_more_names_can_be_allowed() -> None:
    async with program(allowed_hosts=["panel.internal"]) as it:
        await it.page("/", host="panel.internal:4000")
        await it.page("/", status=403, host="other.internal:4000")


# --- the token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/tree", "/processes/1", "/crashes/1", "/api", "/api/processes", "/static/live.js"]
)
async def test_nothing_is_shown_without_the_token(path: str) -> None:
    async with program(base=BEYOND, host="0.0.0.0", token=TOKEN) as it:
        for headers in (
            {},
            {"authorization": "Bearer wrong-wrong-wrong-wrong"},
            {"authorization": "Bearer "},
            {"authorization": f"Basic {TOKEN}"},
            {"cookie": f"regrow_observer_4000={TOKEN}"},  # the token itself is no pass
            {"cookie": "regrow_observer_4000="},
        ):
            for accept in ("text/html", "application/json", "text/event-stream"):
                answer = await it.http.get(path, headers={"accept": accept, **headers})
                assert answer.status_code == 401
                assert "Game" not in answer.text
                assert "set-cookie" not in answer.headers


async def test_the_token_comes_as_a_bearer_for_programs() -> None:
    async with program(base=BEYOND, host="0.0.0.0", token=TOKEN) as it:
        answer = await it.http.get("/api/processes", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        refused = await it.http.get("/api/processes")
        assert refused.headers["www-authenticate"] == "Bearer"


async def test_the_token_in_an_address_becomes_a_cookie_and_leaves_the_address() -> None:
    async with program(base=BEYOND, host="0.0.0.0", token=TOKEN) as it:
        answer = await it.http.get(f"/processes?sort=age&token={TOKEN}&q=Game", headers=BROWSER)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/processes?sort=age&q=Game"
        cookie = answer.headers["set-cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "secure" not in cookie.lower()  # it came over http
        assert "Game" in await it.page(answer.headers["location"])
        again = await it.http.get(f"/?token={TOKEN}", headers=BROWSER)
        assert (again.status_code, again.headers["location"]) == (303, "/")
        wrong = await it.http.get("/?token=no-no-no-no-no-no-no", headers=BROWSER, follow_redirects=False)
        assert wrong.status_code == 303  # has a good cookie: the address is cleaned, and that is all


async def test_the_token_is_taken_by_a_form_too() -> None:
    async with program(base=BEYOND, host="0.0.0.0", token=TOKEN) as it:
        form = await it.page("/tree", status=401)
        assert 'type="password"' in form
        assert (await it.http.get("/static/regrow.css")).status_code == 200
        wrong = await it.http.post("/enter", content="token=wrong-wrong-wrong-wrong", headers=FORM)
        assert wrong.status_code == 401
        assert "That is not the token" in wrong.text
        right = await it.http.post("/enter", content=f"token={TOKEN}", headers=FORM)
        assert (right.status_code, right.headers["location"]) == (303, "/")
        await it.page("/tree")


async def test_over_https_the_cookie_is_for_https_only() -> None:
    async with program(base="https://panel.internal", host="0.0.0.0", token=TOKEN) as it:
        answer = await it.http.get(f"/?token={TOKEN}", headers=BROWSER)
        assert "secure" in answer.headers["set-cookie"].lower()


async def test_the_redirect_never_leaves_this_host() -> None:
    async with program(base=BEYOND, host="0.0.0.0", token=TOKEN) as it:
        answer = await it.http.get(f"{BEYOND}//evil.example/x?token={TOKEN}", headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/evil.example/x")


async def test_a_token_can_guard_loopback_too() -> None:
    async with program(token=TOKEN) as it:
        await it.page("/", status=401)
        await it.page("/", authorization=f"Bearer {TOKEN}")


# --- requests of other sites ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {
            "sec-fetch-site": "same-site",
            "sec-fetch-mode": "cors",
            "sec-fetch-dest": "empty",
        },  # another port of localhost
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"origin": "http://evil.example"},  # a browser without Sec-Fetch
        {"origin": "null"},
        {"origin": "http://localhost:5000"},
    ],
)
@pytest.mark.parametrize("mounted", [False, True])
async def test_what_another_site_asks_for_is_refused(headers: dict[str, str], mounted: bool) -> None:
    async with program(actions=True, mounted=mounted) as it:
        for accept in ("text/html", "text/event-stream", "*/*"):
            answer = await it.http.get("/processes", headers={"accept": accept, **headers})
            assert answer.status_code == 403
            assert "Game" not in answer.text
        pid = it.pid()
        body = f"csrf={csrf_token()}"  # even if it knew the token
        kind = {"content-type": "application/x-www-form-urlencoded"}
        refused = await it.http.post(f"/processes/{pid}/kill", content=body, headers={**headers, **kind})
        assert refused.status_code == 403
        assert process.alive(it.games[0])


async def test_a_link_on_another_site_may_open_a_page() -> None:
    async with program() as it:
        link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        answer = await it.http.get("/processes", headers={**BROWSER, **link})
        assert (answer.status_code, "Game" in answer.text) == (200, True)


# --- actions ----------------------------------------------------------------------------------------------------------


async def test_actions_are_off_unless_they_are_switched_on() -> None:
    async with program() as it:
        html = await it.page(f"/processes/{it.pid()}")
        assert '<form method="post"' not in html
        for path in (f"/processes/{it.pid()}/kill", f"/api/kill?pid={it.pid()}"):
            answer = await it.http.post(
                path, content=f"csrf={csrf_token()}", headers={**FORM, "x-csrf-token": csrf_token()}
            )
            assert answer.status_code in (403, 404)
        assert process.alive(it.games[0])


@pytest.mark.parametrize("body", ["", "csrf=", "csrf=wrong", "csrf=" + "0" * 64, "csrf=" + "a" * 20_000])
async def test_a_form_without_the_csrf_token_does_nothing(body: str) -> None:
    async with program(actions=True) as it:
        for headers in (
            FORM,
            {"content-type": FORM["content-type"]},
            {**FORM, "authorization": "Basic eDp5"},
        ):
            answer = await it.http.post(f"/processes/{it.pid()}/kill", content=body, headers=headers)
            assert answer.status_code == 403
        huge = f"csrf={csrf_token()}&padding={'a' * 20_000}"
        foreign = {**FORM, "sec-fetch-site": "cross-site"}  # a form of another site that leads here
        unseen = {**FORM, "sec-fetch-site": "none"}  # no address bar posts
        right = f"csrf={csrf_token()}"
        for content, headers in ((huge, FORM), (right, foreign), (right, unseen)):
            answer = await it.http.post(f"/processes/{it.pid()}/kill", content=content, headers=headers)
            assert answer.status_code == 403
        assert process.alive(it.games[0])


async def test_actions_are_never_done_by_a_get() -> None:
    async with program(actions=True) as it:
        for path in (f"/processes/{it.pid()}/kill?csrf={csrf_token()}", f"/api/kill?pid={it.pid()}"):
            assert (await it.http.get(path, headers=BROWSER)).status_code == 405
        assert process.alive(it.games[0])


@pytest.mark.parametrize(
    ("action", "says"), [("kill", "was killed"), ("stop", "has stopped"), ("restart", "in its place")]
)
async def test_a_form_of_the_page_acts_and_says_what_was_done(action: str, says: str) -> None:
    async with program(actions=True) as it:
        pid = it.pid()
        html = await it.page(f"/processes/{pid}")
        answer = await it.http.post(
            f"/processes/{pid}/{action}", content=f"csrf={csrf_of(html)}", headers=FORM
        )
        assert answer.status_code == 303
        await asyncio.sleep(0.1)
        assert says in await it.page(answer.headers["location"], status=404)
        assert pid not in process.processes()


async def test_suspend_and_resume() -> None:
    async with program(actions=True) as it:
        pid = it.pid()
        body = f"csrf={csrf_of(await it.page(f'/processes/{pid}'))}"
        answer = await it.http.post(f"/processes/{pid}/suspend", content=body, headers=FORM)
        html = await it.page(answer.headers["location"])
        assert "is suspended" in html
        assert f'action="/processes/{pid}/resume"' in html
        answer = await it.http.post(f"/processes/{pid}/resume", content=body, headers=FORM)
        assert "goes on" in await it.page(answer.headers["location"])
        assert await it.games[0].play(1, "x") == "x"


async def test_what_was_not_done_is_said() -> None:
    async with program(actions=True) as it:
        body = f"csrf={csrf_token()}"
        gone = await it.http.post("/processes/999999/kill", content=body, headers=FORM)
        assert "Not done: there is no process 999999" in await it.page(gone.headers["location"], status=404)
        unknown = await it.http.post(f"/processes/{it.pid()}/explode", content=body, headers=FORM)
        assert unknown.status_code == 404
        here = process.current()
        answer = await it.http.post(f"/processes/{here}/restart", content=body, headers=FORM)
        assert "no supervisor&#39;s child" in await it.page(answer.headers["location"])
        assert "Done" not in await it.page(f"/processes/{it.pid()}?note=made-up-key")


async def test_actions_by_json_need_the_header_or_the_bearer() -> None:
    async with program(actions=True) as it:
        path = f"/api/kill?pid={it.pid()}"
        assert (await it.http.post(path)).status_code == 403
        key = (await it.http.get("/api")).json()["x-csrf-token"]
        answer = await it.http.post(path, headers={"x-csrf-token": key})
        assert answer.status_code == 200
        assert (await it.http.post(path, headers={"x-csrf-token": key})).status_code == 409
    async with program(actions=True, token=TOKEN) as it:
        answer = await it.http.post(f"/api/kill?pid={it.pid()}", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200


# --- what goes out ----------------------------------------------------------------------------------------------------


async def test_every_answer_is_strict_about_scripts_frames_and_caches() -> None:
    async with program(token=TOKEN) as it:
        for path in ("/", "/healthz", "/static/regrow.css", "/nowhere", "/api"):
            for headers in (
                BROWSER,
                {**BROWSER, "host": "evil.example"},
                {**BROWSER, "authorization": f"Bearer {TOKEN}"},
            ):
                answer = await it.http.get(path, headers=headers)
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["x-frame-options"] == "DENY"
                assert "no-store" in answer.headers["cache-control"] or path.startswith("/static")


# --- mounted ----------------------------------------------------------------------------------------------------------


async def test_mounted_the_app_around_it_says_who_may_come_and_links_stay_below() -> None:
    app = Starlette(
        routes=[Mount("/observer", asgi(actions=True, open_to_all=True)), Mount("/", Starlette())]
    )
    async with (
        Supervisor.scope([Observer.child_spec()]),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as client,
    ):
        html = (await client.get("/observer/processes", headers=BROWSER)).text
        paths = set(re.findall(r'(?:href|src|action)="([^"#]*)"', html))
        assert paths
        assert {path for path in paths if not path.startswith("/observer/")} == set()
        pid = int(re.findall(r'href="/observer/processes/(\d+)"', html)[0])
        page = (await client.get(f"/observer/processes/{pid}", headers=BROWSER)).text
        assert f'action="/observer/processes/{pid}/kill"' in page
        assert (await client.get("/observer/healthz")).status_code == 200
        done = await client.post(
            "/observer/processes/999999/kill", content=f"csrf={csrf_of(page)}", headers=FORM
        )
        assert done.headers["location"].startswith("/observer/processes/999999?note=")


@pytest.mark.parametrize(
    "peer", [("10.1.2.3", 5), ("2001:db8::1", 5), ("testclient", 5), ("::ffff:10.1.2.3", 5)]
)
async def test_mounted_without_a_token_only_this_machine_is_let_in(peer: tuple[str, int]) -> None:
    async def status(client: tuple[str, int] | None, path: str = "/", **options: object) -> tuple[int, str]:
        transport = httpx.ASGITransport(asgi(**options), client=client)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.get(path, headers=BROWSER)
            return answer.status_code, answer.text

    async with Supervisor.scope([Observer.child_spec()]):
        for path in ("/", "/api/processes", "/static/regrow.css", "/mcp"):
            refused = await status(peer, path)
            assert refused[0] == 403
            assert "Observer.asgi(token=...)" in refused[1]
            assert "open_to_all=True" in refused[1]
        assert (await status(None))[0] == 403  # nobody knows who that is
        assert (await status(peer, "/healthz")) == (200, '{"ok": true}')
        assert (await status(peer, open_to_all=True))[0] == 200
        assert (await status(peer, token=TOKEN))[0] == 401
        assert (await status(peer, f"/static/regrow.css?token={TOKEN}", token=TOKEN))[0] == 200
        for here in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
            assert (await status((here, 5)))[0] == 200


def test_mounted_actions_need_a_token_or_the_word_of_the_app_around() -> None:
    with pytest.raises(ValueError, match=r"needs a token=.*open_to_all=True"):
        Observer.asgi(actions=True)
    Observer.asgi(actions=True, token=TOKEN)
    Observer.asgi(actions=True, open_to_all=True)
    with pytest.raises(TypeError, match="open_to_all='yes'"):
        Observer.asgi(open_to_all="yes")
    with pytest.raises(TypeError, match="open_to_all"):
        Observer.child_spec(port=0, open_to_all=True)  # type: ignore[call-arg]  # it is for the mounted one


async def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "FORM_TIME", 0.1)
    app = asgi(token=TOKEN)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(3600)
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/enter", "headers": [(b"content-length", b"5")],
        "query_string": b"", "root_path": "", "scheme": "http", "server": ("localhost", 80), "client": ("::1", 5),
    }  # fmt: skip
    async with asyncio.timeout(5):
        await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 401


async def test_a_websocket_is_refused() -> None:
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await asgi()({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 4404}]
