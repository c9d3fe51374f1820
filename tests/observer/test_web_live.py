"""Live pages: what a client gets, and what one that is slow, gone or one too many can't do."""

from __future__ import annotations

import asyncio
import signal
import types
from collections.abc import Callable
from typing import Any

import pytest

from regrow.observer import pace
from regrow.observer.web import live as module
from regrow.observer.web.live import LIFETIME, PACE, PATIENCE, SILENCE, SLOWEST, Live, Stream
from tests.observer.web_client import program


class Browser:
    """The other end of a stream: takes what is sent at once, unless it is *slow*."""

    def __init__(self, live: Live, render: Callable[[], str], address: str = "/") -> None:
        self.chunks: list[bytes] = []
        self.status: int | None = None
        self.ended = False
        self._gone = asyncio.Event()
        self._taking = asyncio.Event()
        self._taking.set()

        async def rendered() -> str:
            return render()

        self.scope: dict[str, Any] = {"type": "http", "method": "GET", "path": address, "headers": []}
        self.task = asyncio.ensure_future(
            Stream(live, address, rendered)(self.scope, self._receive, self._send)
        )

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._taking.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.chunks.append(message["body"])
            self.ended = not message.get("more_body", False)

    def leave(self) -> None:
        self._gone.set()

    def stall(self) -> None:
        self._taking.clear()

    @property
    def pages(self) -> list[str]:
        return [
            chunk.decode().removeprefix("event: page\n").replace("data: ", "").strip()
            for chunk in self.chunks
            if chunk.startswith(b"event: page")
        ]


def counting() -> Callable[[], str]:
    numbers = iter(range(1_000_000))
    return lambda: str(next(numbers))


async def test_a_page_comes_at_once_and_then_as_often_as_it_changes() -> None:
    live, shown = Live(4, mounted=False), ["first"]
    browser = Browser(live, lambda: shown[0])
    await asyncio.sleep(0.01)
    assert browser.status == 200
    assert browser.pages == ["first"]
    await asyncio.sleep(5 * PACE)
    assert browser.pages == ["first"]
    shown[0] = "second\nline"
    await asyncio.sleep(PACE)
    assert browser.pages == ["first", "second\nline"]
    assert not any(chunk.startswith(b":") for chunk in browser.chunks)
    await asyncio.sleep(SILENCE + 2 * PACE)
    assert b": still here\n\n" in browser.chunks
    browser.leave()
    await browser.task


async def test_it_is_rendered_once_for_all_who_look() -> None:
    live, render = Live(9, mounted=False), counting()
    browsers = [Browser(live, render) for _ in range(5)]
    await asyncio.sleep(3.5 * PACE)
    assert {tuple(each.pages) for each in browsers} == {("0", "1", "2", "3")}
    for each in browsers:
        each.leave()
    await asyncio.gather(*(each.task for each in browsers))
    assert live.clients == 0
    assert live._views == {}
    await asyncio.sleep(10)
    assert render() == "4"  # nobody looks, nobody renders


async def test_a_slow_client_gets_the_newest_and_misses_those_between() -> None:
    live, render = Live(9, mounted=False), counting()
    slow, quick = Browser(live, render), Browser(live, render)
    await asyncio.sleep(0.1)
    slow.stall()
    await asyncio.sleep(6 * PACE)
    assert slow.pages == ["0"]
    slow._taking.set()
    await asyncio.sleep(1.5 * PACE)
    assert quick.pages == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert slow.pages[-1] == "7"
    assert len(slow.pages) <= 4  # "0", the one that it took so long for, and the newest
    for each in (slow, quick):
        each.leave()
    await asyncio.gather(slow.task, quick.task)


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    live = Live(9, mounted=False)
    cut: list[object] = []
    live.hang_up = cut.append
    dead, alive = Browser(live, counting()), Browser(live, counting(), "/other")
    await asyncio.sleep(0.1)
    dead.stall()
    await asyncio.sleep(PATIENCE + 2 * PACE)
    assert dead.task.done()
    assert cut == [dead.scope]
    assert live.clients == 1
    assert len(alive.pages) > 8
    alive.leave()
    await alive.task


async def test_one_that_leaves_is_noticed_at_once() -> None:
    live = Live(9, mounted=False)
    browser = Browser(live, counting())
    await asyncio.sleep(0.1)
    browser.leave()
    await asyncio.sleep(0.01)
    assert browser.task.done()
    assert live.clients == 0


async def test_there_is_a_limit_to_clients() -> None:
    live = Live(2, mounted=False)
    two = [Browser(live, counting()) for _ in range(2)]
    await asyncio.sleep(0)
    third = Browser(live, counting())
    await asyncio.sleep(0.1)
    assert [each.status for each in (*two, third)] == [200, 200, 503]
    assert third.ended
    two[0].leave()
    await asyncio.sleep(0.1)
    fourth = Browser(live, counting())
    await asyncio.sleep(0.1)
    assert fourth.status == 200
    live.stop()
    await asyncio.gather(two[1].task, fourth.task)


async def test_the_end_ends_all_streams_at_once() -> None:
    live, loop = Live(9, mounted=False), asyncio.get_running_loop()
    browsers = [Browser(live, counting(), f"/{number}") for number in range(4)]
    await asyncio.sleep(0.1)
    began = loop.time()
    live.stop()
    await asyncio.gather(*(each.task for each in browsers))
    assert loop.time() - began < 0.01
    assert all(each.ended for each in browsers)
    late = Browser(live, counting())
    await asyncio.sleep(0)
    await late.task
    assert late.status == 503


async def test_a_page_that_is_dear_comes_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    used = 0.0
    monkeypatch.setattr(pace, "thread_time", lambda: used)

    def dear(cost: float) -> Callable[[], str]:
        count = counting()

        def render() -> str:
            nonlocal used
            used += cost
            return count()

        return render

    live = Live(9, mounted=False)
    cheap, costly, worst = (
        Browser(live, dear(cost), path) for cost, path in ((0.001, "/a"), (0.05, "/b"), (60, "/c"))
    )
    await asyncio.sleep(PACE + 4 * SLOWEST + 0.5)  # what the first time costs does not count
    assert len(cheap.pages) == 1 + 1 + 4 * SLOWEST / PACE
    assert len(costly.pages) == 1 + 1 + 4 * SLOWEST / 5  # a hundredth of a core
    assert len(worst.pages) == 1 + 1 + 4
    live.stop()
    await asyncio.gather(cheap.task, costly.task, worst.task)


async def test_what_others_do_meanwhile_is_no_cost_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    used = 0.0
    monkeypatch.setattr(pace, "thread_time", lambda: used)

    async def render() -> str:
        nonlocal used
        used += 0.005
        await asyncio.sleep(0.5)  # the loop's turn, and others use it
        used += 0.015
        return "page"

    async def others() -> None:
        nonlocal used
        while True:
            used += 10.0
            await asyncio.sleep(0.1)

    busy = asyncio.create_task(others())
    view = module.View(render)
    await view.newest()
    await asyncio.sleep(PACE)
    await view.newest()
    busy.cancel()
    assert used > 40
    assert view.pace == pytest.approx(module.SHARE * 0.020)


async def test_a_page_that_fails_ends_its_stream_and_no_other() -> None:
    live = Live(9, mounted=False)
    broken, fine = Browser(live, lambda: str(1 / 0), "/broken"), Browser(live, counting())
    with pytest.raises(ZeroDivisionError):
        await broken.task
    await asyncio.sleep(3.5 * PACE)
    assert len(fine.pages) == 4
    assert live.clients == 1
    fine.leave()
    await fine.task


async def test_in_another_server_a_stream_ends_now_and_then() -> None:
    live = Live(9, mounted=True)
    browser = Browser(live, counting())
    await asyncio.sleep(LIFETIME - 2)
    assert not browser.task.done()
    await asyncio.sleep(2 + 2.5 * PACE)
    assert browser.task.done()
    assert browser.ended


async def test_in_another_server_it_ends_when_that_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uvicorn:
        should_exit = False

        def handle_exit(self, number: int, frame: object) -> None: ...

    server = Uvicorn()
    monkeypatch.setattr(
        module,
        "signal",
        types.SimpleNamespace(SIGTERM=signal.SIGTERM, getsignal=lambda _: server.handle_exit),
    )
    browser = Browser(Live(9, mounted=True), counting())
    await asyncio.sleep(3.5 * PACE)
    assert not browser.task.done()
    server.should_exit = True
    await asyncio.sleep(PACE)
    assert browser.ended


async def test_a_page_asked_for_as_a_stream_is_what_is_between_its_main_tags() -> None:
    async with program() as it:
        whole = await it.page("/tree")
        sent: list[Any] = []
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"accept", b"text/event-stream")]
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/tree",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "server": ("localhost", 4000),
            "client": ("127.0.0.1", 5000),
        }
        stream = asyncio.ensure_future(it.app(scope, receive, send))
        await asyncio.sleep(0.2)
        await it.crash()
        await asyncio.sleep(2)
        gone.set()
        await stream
    start = dict(sent[0]["headers"])
    assert start[b"content-type"].startswith(b"text/event-stream")
    assert b"content-security-policy" in start
    events = [m["body"].decode() for m in sent[1:] if m["body"].startswith(b"event: page")]
    assert len(events) >= 2  # the crash has changed something
    assert "<html" not in events[0]
    main = whole.partition("data-live>")[2].partition("</main>")[0]
    lines = [line.removeprefix("data: ") for line in events[0].splitlines()[1:]]
    assert [line for line in lines if line.strip()] == [line for line in main.splitlines() if line.strip()]
