"""What the tests of telemetry watch: a server with every kind of handler."""

from __future__ import annotations

import asyncio

from regrow import GenServer, Reply, Stop, call, cast, process


class Refused(Exception): ...


class Boom(Exception): ...


class Game(GenServer, restart="permanent", shutdown=0.5):
    def __init__(self, other: Game | None = None) -> None:
        self.other = other
        self.heard: list[object] = []
        self.later: Reply[str] | None = None

    @call(raises=Refused)
    def play(self, cell: int) -> int:
        if cell < 0:
            raise Refused(cell)
        return cell

    @call
    async def think(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "thought"

    @call
    async def ask_other(self, cell: int) -> int:
        assert self.other is not None
        await asyncio.sleep(0.01)
        return await self.other.play(cell)

    @call
    def wait(self) -> Reply[str]:
        self.later = Reply[str]()
        return self.later

    @call
    def burn(self) -> None:
        raise Boom("as asked")

    @call
    def finish(self, reason: object) -> None:
        raise Stop(reason)

    @cast
    def note(self, what: object) -> None:
        self.heard.append(what)

    @cast
    def answer(self, text: str) -> None:
        assert self.later is not None
        self.later.send(text)

    @cast
    async def note_later(self, what: object) -> None:
        await asyncio.sleep(0.01)
        self.heard.append(what)

    @cast
    def burn_down(self) -> None:
        raise Boom("as told")

    @call
    def all(self) -> list[object]:
        return self.heard

    def handle_info(self, message: object) -> None:
        self.heard.append((process.current(), message))
