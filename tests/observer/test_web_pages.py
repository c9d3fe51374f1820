"""What the pages show, and the same as JSON."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from regrow import KILL, Registry, Supervisor, process
from regrow.observer import Snapshot, pace, snapshot
from regrow.observer.web import rendering
from regrow.observer.web.pages import ROWS
from tests.observer.web_client import BROWSER, Game, Games, program, text_of

ALL = ("/", "/tree", "/processes", "/registries", "/crashes")


@pytest.mark.parametrize("path", ALL)
async def test_every_page_is_whole_accessible_and_without_inline_code(path: str) -> None:
    async with program() as it:
        html = await it.page(path)
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html
    assert html.count("<h1>") == 1
    assert 'href="#page"' in html
    assert f'aria-current="page">{re.search(r"<h1>(.*?)</h1>", html)[1]}' in html  # type: ignore[index]
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|javascript:", html)
    assert set(re.findall(r'(?:src|href)="([^"/#?]*:[^"]*)"', html)) == set()  # nothing from elsewhere


async def test_the_overview_has_charts_figures_and_the_last_crashes() -> None:
    async with program() as it:
        await asyncio.sleep(5)
        await it.crash()
        html = await it.page("/")
    text = text_of(html)
    assert html.count("<polyline") == 4
    assert len(re.findall(r"[\d.]+,[\d.]+", re.findall(r'polyline points="([^"]*)"', html)[0])) == 6
    assert re.search(r"Processes \d+", text)
    assert "IndexError" in text
    assert 'href="/crashes/1"' in html


async def test_without_an_observer_the_pages_say_what_is_missing() -> None:
    from regrow.observer.web.app import application
    from regrow.observer.web.options import WebOptions

    app, _ = application(WebOptions())
    async with (
        Supervisor.scope([]),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        for path in ALL:
            assert (await client.get(path, headers=BROWSER)).status_code == 200
        assert "No observer runs" in (await client.get("/", headers=BROWSER)).text


async def test_the_tree_draws_supervisors_with_strategy_and_intensity_and_their_children() -> None:
    async with program() as it:
        html = await it.page("/tree")
        pid = it.pid()
    text = text_of(html)
    assert "one_for_one" in text
    assert "0 of 1000 restarts in 5 s" in text
    assert "3 children" in text
    assert f'href="/processes/{pid}"' in html
    assert html.count("<details open>") >= 3
    assert "transient" in text


class Hall(Supervisor):
    def init(self) -> list[Any]:
        return [Game.child_spec(number).replace(id=number) for number in range(20)]


@pytest.mark.parametrize("path", ["/tree", "/processes", "/registries/{registry}"])
async def test_a_large_page_is_rendered_in_stretches(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, turn, made = asyncio.get_running_loop(), 0, list[tuple[int, str]]()
    pieces = rendering.Pages._pieces

    def noted(*args: Any) -> Iterator[str]:
        for each in pieces(*args):
            made.append((turn, each))
            yield each

    def turned() -> None:
        nonlocal turn, timer
        turn += 1
        timer = loop.call_soon(turned)

    async with (
        program(games=60) as it,
        Supervisor.scope([Hall.child_spec().replace(id=n) for n in range(20)]),
    ):
        (registry,) = await snapshot().registries()
        monkeypatch.setattr(rendering.Pages, "_pieces", noted)
        monkeypatch.setattr(pace, "perf_counter", lambda: 0.0)  # no clock ends a stretch
        timer = loop.call_soon(turned)
        html = await it.page(path.format(registry=registry.pid))
        timer.cancel()
    assert len(html) > 5_000
    assert max(Counter(at for at, _ in made).values()) <= pace.TURN // rendering.PIECE
    assert max(len(piece) for _, piece in made) < 2_500
    assert (len({at for at, _ in made}) > 3) == (path == "/tree")


async def test_below_a_big_supervisor_the_tree_has_pages() -> None:
    async with program(games=120) as it:
        whole = await it.page("/tree")
        games = process.pid_of(Games.named(Games))
        more = re.search(rf'href="(/tree/{games}\?offset=(\d+))">(\d+) more', whole)
        assert more is not None
        assert int(more[2]) + int(more[3]) == 120
        first = await it.page(f"/tree/{games}")
        last = await it.page(f"/tree/{games}?offset=100")
        assert "1–50 of 120 children" in text_of(first)
        assert "101–120 of 120 children" in text_of(last)
        assert f'href="/processes/{it.pid(0)}"' in first
        assert f'href="/processes/{it.pid(119)}"' in last
        assert f'href="/processes/{it.pid(0)}"' not in last


async def test_the_table_of_processes_is_sorted_filtered_and_turned_over_by_its_address() -> None:
    async with program(games=ROWS + 5) as it:
        await it.games[3].play(1, "x")
        by_messages = await it.page("/processes?sort=messages&down=1")
        assert 'aria-sort="descending"' in by_messages
        assert f'<tr id="p{it.pid(3)}">' in by_messages
        found = await it.page("/processes?q=Game&offset=50")
        assert "51–55 of 55 processes" in text_of(found) or "of 5" in text_of(found)
        assert 'value="Game"' in found
        assert "q=Game" in found  # in the links to the other pages
        none = await it.page("/processes?q=no-such-thing")
        assert "No process fits." in text_of(none)
        await it.page("/processes?sort=nonsense&offset=-4&down=maybe")  # an address that somebody made up


async def test_what_a_program_calls_itself_is_no_html() -> None:
    async with program() as it:
        process.register("<img src=x onerror=alert(1)>")
        html = await it.page("/processes?q=%3Cimg")
    assert "<img" not in html
    assert "&lt;img" in html


async def test_one_process_links_to_its_neighbours() -> None:
    async with program() as it:
        games = process.pid_of(Games.named(Games))
        html = await it.page(f"/processes/{it.pid()}")
        assert f'href="/processes/{games}"' in html
        above = await it.page(f"/processes/{games}")
        assert f'href="/tree/{games}"' in above
        assert "3 children in the tree" in text_of(above)
        assert "object" in text_of(await it.page(f"/processes/{it.pid()}?memory=1"))


async def test_state_and_messages_are_shown_only_where_that_is_allowed_and_asked_for() -> None:
    async with program() as it:
        hidden = await it.page(f"/processes/{it.pid()}?state=1")
        assert "hunter0" not in hidden
        assert "show_state=True" in hidden
        assert (await it.http.get(f"/api/state?pid={it.pid()}")).status_code == 404
    async with program(show_state=True) as it:
        assert "hunter0" not in await it.page(f"/processes/{it.pid()}")
        assert "hunter0" in await it.page(f"/processes/{it.pid()}?state=1")
        assert "hunter0" in (await it.http.get(f"/api/state?pid={it.pid()}")).json()["text"]


async def test_what_waits_in_a_mailbox_is_named_and_not_told() -> None:
    from regrow import sys

    for show, there in ((False, False), (True, True)):
        async with program(show_state=show) as it:
            await sys.suspend(it.games[0])
            asking = asyncio.ensure_future(it.games[0].play(1, "my-password"))
            await asyncio.sleep(0)
            html = await it.page(f"/processes/{it.pid()}")
            assert "play(" in html
            assert ("my-password" in html) is there
            assert "1 message waits" in text_of(html)
            assert "suspended" in text_of(html)
            await sys.resume(it.games[0])
            await asking


@pytest.mark.parametrize("show", [False, True])
async def test_json_tells_what_the_pages_tell(show: bool) -> None:
    from regrow import sys

    async with program(show_state=show) as it:
        by_id = Registry.named("games.by_id")
        by_id.register("key", "opensesame")
        await sys.suspend(it.games[1])
        asking = asyncio.ensure_future(it.games[1].play(1, "my-password"))
        await asyncio.sleep(0)
        await it.crash()

        async def ask(path: str) -> str:
            answer = await it.http.get(f"/api/{path}")
            assert answer.status_code == 200
            return answer.text

        detail = await ask(f"process?pid={it.pid(1)}")
        assert "play(" in detail
        assert ("my-password" in detail) is show
        crash = await ask("crash?id=1")
        assert "play(" in crash
        assert ("play(99" in crash) is show
        assert ("hunter0" in crash) is show
        assert ("opensesame" in await ask("entries?registry=games.by_id")) is show
        page = await it.page("/crashes/1")
        assert ("play(99" in page) is show
        assert "hunter0" not in page  # asked for apart
        await sys.resume(it.games[1])
        await asking


async def test_a_process_that_has_ended_says_who_is_in_its_place() -> None:
    async with program() as it:
        pid = it.pid()
        await it.crash()
        await asyncio.sleep(1)
        html = await it.page(f"/processes/{pid}", status=404)
        new = max(process.processes())
        assert f"Process {pid} has ended" in text_of(html)
        assert "IndexError" in text_of(html)
        assert re.search(rf'has started <a class="who" href="/processes/{new}"', html)
        successor = await it.page(f"/processes/{new}")
        assert re.search(r'id="restart-count" data-flash="1">1<', successor)
        assert 'href="/crashes/1"' in successor  # what happened in its place, not to it
        assert f'href="/processes/{new}"' in await it.page("/crashes/1")
        tree = await it.page("/tree")
        assert "↻ 1 restart" in text_of(tree)
        assert "1 of 1000 restarts in 5 s" in text_of(tree)


async def test_a_crash_is_told_in_full() -> None:
    async with program() as it:
        await it.crash()
        html = await it.page("/crashes/1")
        text = text_of(html)
        assert "Traceback (most recent call last)" in text
        assert "self.cells[cell] = mark" in text
        assert "play(…)" in text
        assert "play(99" not in text
        assert "hunter0" not in text
        assert "IndexError" in text_of(await it.page("/crashes"))
        assert "None fits" in text_of(await it.page("/crashes?q=ZeroDivision"))
        assert "is not known" in text_of(await it.page("/crashes/77", status=404))


async def test_registries_and_their_keys() -> None:
    async with program() as it:
        listed = await it.page("/registries")
        found = re.search(r'href="/registries/(\d+)">games.by_id', listed)
        assert found is not None
        keys = await it.page(f"/registries/{found[1]}")
        assert "g1" in text_of(keys)
        assert f'href="/processes/{it.pid(1)}"' in keys
        one = await it.page(f"/registries/{found[1]}?q=g2")
        assert "1–1 of 1 entries" in text_of(one)
        assert "has ended" in text_of(await it.page("/registries/999999", status=404))


@pytest.mark.parametrize(
    "path", ["overview", "tree", "processes?sort=age&limit=2", "registries", "crashes", "restarts"]
)
async def test_the_same_as_json(path: str) -> None:
    async with program() as it:
        answer = await it.http.get(f"/api/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)


async def test_json_says_what_there_is_and_what_is_wrong() -> None:
    async with program() as it:
        index = (await it.http.get("/api")).json()
        assert "processes" in index["operations"]
        assert "kill" not in index["operations"]
        assert "state" not in index["operations"]
        one = (await it.http.get(f"/api/process?pid={it.pid()}")).json()
        assert one["row"]["kind"] == "Game"
        for path, status, word in (
            ("nothing", 404, "GET /api"),
            ("processes?limit=0", 400, "limit=0"),
            ("processes?limit=many", 400, "many"),
            ("processes?wrong=1", 400, "wrong"),
            ("process?pid=999999", 404, "999999"),
            ("crash?id=99", 404, "99"),
        ):
            answer = await it.http.get(f"/api/{path}")
            assert (answer.status_code, word in answer.json()["error"]) == (status, True), answer.text
        assert (await it.http.post("/api/processes")).status_code == 405


async def test_a_bug_is_no_answer_that_says_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise KeyError("a bug")

    async with program() as it:
        monkeypatch.setattr(Snapshot, "registries", broken)
        with pytest.raises(KeyError, match="a bug"):
            await it.http.get("/api/registries")


async def test_files_are_kept_by_browsers_until_they_change() -> None:
    async with program() as it:
        html = await it.page("/")
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            answer = await it.http.get(path)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        assert (await it.http.get("/static/idiomorph.LICENSE.txt")).text.startswith("idiomorph")
        assert (await it.http.get("/static/..%2Fserver.py")).status_code == 404
        assert (await it.http.get("/nowhere")).json() == {"error": "Not Found"}
        assert "There is no such page" in await it.page("/nowhere", status=404)


async def test_health_is_open_to_all_and_follows_the_tree() -> None:
    from regrow.telemetry import health

    async with program(host="0.0.0.0", token="x" * 20) as it:
        strange = {"host": "10.1.2.3:4000"}
        assert (await it.http.get("/healthz", headers=strange)).status_code == 200
        with health.add_check("database of tenant 7", lambda: False):
            answer = await it.http.get("/readyz", headers=strange)
        assert (answer.status_code, answer.json()) == (503, {"ok": False})  # and not a word of why
        await asyncio.sleep(1)  # for so long an answer holds
        assert (await it.http.get("/readyz", headers=strange)).json() == {"ok": True}


async def test_many_who_ask_for_health_share_an_answer() -> None:
    from regrow.telemetry import health

    asked = 0

    async def database() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.5)
        return f"no connection, for the {asked}. time"

    async with program() as it:
        with health.add_check("database", database):
            answers = await asyncio.gather(*(it.http.get("/readyz") for _ in range(50)))
            assert {each.json()["reasons"][0] for each in answers} == {
                "database: no connection, for the 1. time"
            }
            await asyncio.sleep(0.9)
            await it.http.get("/readyz")
            assert asked == 1
            await asyncio.sleep(0.2)
            assert "for the 2. time" in (await it.http.get("/readyz")).text
        assert (await it.http.get("/healthz")).json() == {"ok": True, "reasons": []}


async def test_why_it_is_not_well_is_told_to_who_may_see_the_page() -> None:
    from regrow.telemetry import health

    token = "x" * 20
    why = {"ok": False, "reasons": ["database of tenant 7: failed"]}
    with health.add_check("database of tenant 7", lambda: False):
        async with program() as it:
            assert (await it.http.get("/readyz")).json() == why
            rebound = await it.http.get("/readyz", headers={"host": "evil.example:4000"})
            assert (rebound.status_code, rebound.json()) == (503, {"ok": False})
        async with program(allowed_hosts=["panel.internal"]) as it:
            assert (await it.http.get("/readyz", headers={"host": "panel.internal"})).json() == why
        async with program(token=token) as it:
            assert (await it.http.get("/readyz")).json() == {"ok": False}
            shown = await it.http.get("/readyz", headers={"authorization": f"Bearer {token}"})
            assert shown.json() == why
            wrong = await it.http.get("/readyz", headers={"authorization": "Bearer wrong"})
            assert wrong.json() == {"ok": False}
            await it.http.get(
                f"/?token={token}", headers={"accept": "text/html"}
            )  # and is a cookie from now on
            assert (await it.http.get("/readyz")).json() == why
        async with program(mounted=True) as it:
            assert (await it.http.get("/readyz")).json() == why
            assert (await it.http.get("/readyz", headers={"host": "evil.example"})).json() == {"ok": False}


@pytest.mark.parametrize("digits", [19, 5000])
async def test_a_number_that_is_too_long_is_no_crash_of_the_page(digits: int) -> None:
    long = "7" * digits
    async with program(actions=True) as it:
        for path in ("/processes", "/tree", "/registries", "/crashes"):
            assert "There is no such page" in await it.page(f"{path}/{long}", status=404)
        assert (await it.http.post(f"/processes/{long}/kill")).status_code == 404
        for question in (f"process?pid={long}", f"process?pid=-{long}", f"processes?limit={long}"):
            answer = await it.http.get(f"/api/{question}")
            assert (answer.status_code, "18 digits at most" in answer.text) == (400, True)
        most = "7" * 18
        await it.page(f"/processes/{most}", status=404)
        assert (await it.http.get(f"/api/process?pid={most}")).status_code == 404


@pytest.mark.real_time("a thread imports the library")
async def test_agents_are_told_which_library_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    from regrow.observer.web import app

    def fails(name: str) -> None:
        raise ModuleNotFoundError("the endpoint for agents needs mcp, version 2 or newer")

    monkeypatch.setattr(app, "find_spec", lambda name: name)
    monkeypatch.setattr(app, "import_module", fails)
    async with program() as it:
        answer = await it.http.post("/mcp", json={})
        assert answer.status_code == 501
        assert answer.json() == {"error": "the endpoint for agents needs mcp, version 2 or newer"}


async def test_looking_makes_no_processes() -> None:
    async with program() as it:
        before = set(process.processes())
        process.current()
        for path in ALL:
            await it.page(path)
            await asyncio.ensure_future(it.page(path))
        process.exit(it.pid(), KILL)
        await asyncio.sleep(0.5)
        assert len(process.processes()) - len(before) <= 1
