"""A hold on a program that outlives it, and a connection that several questions go over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from regrow import application
from regrow.control import (
    ProgramEnded,
    ProgramNotFound,
    Refused,
    Request,
    connect,
    control_for,
    find_program,
)
from regrow.control.attachment import Attached, Attachment, Lost, Told
from tests.control import shops
from tests.control.shops import Shop, program

pytestmark = pytest.mark.real_time("it is about sockets")
home = shops.home


async def watch(request: Request) -> None:
    request.tell(number=1)
    stopped = asyncio.Event()
    request.when_stopped(stopped.set)
    await stopped.wait()


async def refuse(request: Request) -> None:
    raise Refused("not today")


async def twice(request: Request) -> int:
    return 2 * int(request.arguments["number"])


async def wait(request: Request) -> None:
    request.tell(waiting=True)
    await asyncio.Event().wait()


async def test_it_holds_one_run_after_the_other() -> None:
    told: asyncio.Queue[Attached | Lost | Told] = asyncio.Queue()
    attachment = Attachment()
    with pytest.raises(ProgramNotFound):
        await attachment.find()
    async with program(watch=watch, twice=twice):
        found = await attachment.find()
        with pytest.raises(ProgramEnded, match="not running"):
            await attachment.ask("twice", {"number": 1})
        keeping = asyncio.ensure_future(attachment.keep(told.put_nowait))
        assert await told.get() == Attached(found, again=False)
        assert await told.get() == Told({"number": 1})
        assert attachment.attached
        assert await asyncio.gather(*(attachment.ask("twice", {"number": each}) for each in (1, 2, 3))) == [
            2, 4, 6,
        ]  # fmt: skip
    lost = await told.get()
    assert isinstance(lost, Lost)
    assert lost.why == f"{found} is ending"
    assert not attachment.attached
    with pytest.raises(ProgramEnded):
        await attachment.ask("twice", {"number": 1})
    async with program(twice=twice):  # not one that can be watched
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told.get(), 1.2)
    async with program(watch=watch, twice=twice):
        again = await told.get()
        assert isinstance(again, Attached)
        assert again.again
        assert isinstance(await told.get(), Told)
        assert await attachment.ask("twice", {"number": 4}) == 8
        keeping.cancel()


async def test_a_program_that_refuses_to_be_watched_ends_it() -> None:
    async with program(watch=refuse):
        attachment = Attachment("shop")
        with pytest.raises(Refused, match="not today"):
            await attachment.keep(lambda news: None)
        assert not attachment.attached


async def test_a_connection_answers_again_and_again() -> None:
    async with program(twice=twice, refuse=refuse) as path, connect(path) as connection:
        for number in range(3):
            assert await connection.ask("twice", {"number": number}) == 2 * number
            with pytest.raises(Refused, match="not today"):
                await connection.ask("refuse")


async def test_who_gives_a_question_up_closes_the_connection() -> None:
    async with program(wait=wait, twice=twice) as path, connect(path) as connection:
        begun = asyncio.Event()
        asked = asyncio.ensure_future(connection.ask("wait", tell=lambda event: begun.set()))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        with pytest.raises(ProgramEnded):  # and not the answer to another one
            await connection.ask("twice", {"number": 1})


async def test_of_several_the_one_that_knows_the_command_is_meant() -> None:
    async with program(twice=twice) as path:
        (path.parent / "999999.sock").symlink_to(path)  # as if there were two
        with pytest.raises(ProgramNotFound, match=r"^which of them\?"):
            await find_program("shop", "watch")
        (path.parent / "999999.sock").unlink()
        assert (
            await find_program("shop", "watch")
        ).pid > 0  # if there is one only, it is for its caller to see


async def test_a_program_need_not_have_a_socket(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "regrow").mkdir(mode=0o755)
    control = control_for(Shop, required=False, begin=lambda: pytest.fail("nothing is open"), watch=watch)
    await application.ensure_all_started(control)
    assert "must be a folder that is yours alone" in caplog.text
    await application.stop(control)


async def test_what_begins_with_the_socket_ends_with_it() -> None:
    told: list[str] = []

    def begin() -> Any:
        told.append("begun")
        return lambda: told.append("ended")

    control = control_for(Shop, begin=begin, watch=watch)
    await application.ensure_all_started(control)
    assert told == ["begun"]
    await application.stop(control)
    assert told == ["begun", "ended"]
