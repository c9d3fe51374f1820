"""The arcade's web server may be cut at any moment, and leaves nothing that somebody would stumble over."""

from __future__ import annotations

import asyncio
import socket

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

import httpx

from examples.arcade.stats import Book
from examples.arcade.web import open_listener, serve, url_of
from regrow import KILL, KILLED, Supervisor, process
from tests.waiting import turns


@pytest.mark.real_time("a client and the web server talk through sockets")
@pytest.mark.parametrize("moments", range(8))
async def test_one_that_is_cut_in_the_middle_of_its_start_is_nothing_to_others(moments: int) -> None:
    with open_listener(0) as listener:
        book = Book()
        cut = process.spawn(serve, listener, book)
        await turns(moments)
        process.monitor(cut)
        process.exit(cut, KILL)
        assert (await process.receive(process.Down)).reason == KILLED
        left, right = socket.socketpair()  # one of them has the number that its listener had
        with left, right:
            for this, other in ((left, right), (right, left)):
                this.setblocking(False)
                heard = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(this, 1))
                await asyncio.sleep(0)
                other.send(b"x")
                assert await heard == b"x"
        async with Supervisor.scope([(serve, listener, book)]), httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url_of(listener)}/api/games")).status_code == 200
