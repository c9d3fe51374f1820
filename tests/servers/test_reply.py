"""`Reply` on its own: who gets the answer, and who is told that none will come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regrow.servers.reply import Reply, ReplyDropped, run_directly


class Asked:
    """A request that writes down what it is told."""

    label = "Game.turn"

    def __init__(self) -> None:
        self.future: Any = self
        self.told: list[Any] = []

    def reply(self, value: object) -> None:
        self.told.append(value)

    def fail(self, error: BaseException) -> None:
        self.told.append(error)

    def get_loop(self) -> None:
        """It waits in no event loop."""


class Handling:
    """Which request the kernel would say is being handled."""

    request: Any = None


@pytest.fixture
def handling(monkeypatch: pytest.MonkeyPatch) -> Handling:
    now = Handling()
    monkeypatch.setattr("regrow.servers.reply.handled_now", lambda: now.request)
    return now


def test_an_answer_reaches_who_waits_and_who_comes_later() -> None:
    answer, first, second, late = Reply[str](), Asked(), Asked(), Asked()
    answer.take(first)  # type: ignore[arg-type]
    answer.take(second)  # type: ignore[arg-type]
    answer.send("yours")
    answer.take(late)  # type: ignore[arg-type]
    assert first.told == second.told == late.told == ["yours"]


def test_the_first_answer_counts() -> None:
    answer, asked, error = Reply[str](), Asked(), ValueError("no seat")
    answer.take(asked)  # type: ignore[arg-type]
    answer.fail(error)
    answer.send("yours")
    assert asked.told == [error]
    assert repr(answer) == "<Reply, failed: ValueError('no seat')>"


def test_a_reply_dropped_unanswered_fails_who_waits_at_once() -> None:
    answer, asked = Reply[str](), Asked()
    answer.take(asked)  # type: ignore[arg-type]
    del answer
    [error] = asked.told
    assert isinstance(error, ReplyDropped)
    assert "Game.turn" in str(error)


def test_outside_of_an_event_loop_it_is_a_plain_value() -> None:
    answer = Reply[str]()
    answer.send("yours")
    assert repr(answer) == "<Reply, sent: 'yours'>"


def test_only_an_exception_can_be_the_failure() -> None:
    with pytest.raises(TypeError, match="must be an exception"):
        Reply[str]().fail("no seat")  # type: ignore[arg-type]


def test_made_in_a_call_it_may_answer_before_the_handler_returns(handling: Handling) -> None:
    handling.request = asked = Asked()
    answer = Reply[str]()
    answer.send("early")
    assert asked.told == ["early"]


def test_made_in_a_call_and_not_returned_it_says_nothing(handling: Handling) -> None:
    handling.request = asked = Asked()
    answer = Reply[str]()
    del answer
    assert asked.told == []


async def test_a_call_on_self_does_not_answer_the_caller_of_the_handler(handling: Handling) -> None:
    handling.request = outer = Asked()

    def at_once() -> Reply[str]:
        answer = Reply[str]()
        answer.send("inner")
        return answer

    async def after_a_step() -> Reply[str]:
        await asyncio.sleep(0)
        return at_once()

    assert await run_directly(at_once) == "inner"
    assert await run_directly(after_a_step) == "inner"
    assert outer.told == []
    Reply[str]().send("outer")
    assert outer.told == ["outer"]


async def test_another_call_handled_inside_a_call_on_self_is_not_hidden(handling: Handling) -> None:
    handling.request, inner = Asked(), Asked()

    def calls_another_server() -> None:
        handling.request = inner
        Reply[str]().send("for the other caller")

    await run_directly(calls_another_server)
    assert inner.told == ["for the other caller"]


async def test_an_exception_thrown_into_a_call_on_self_reaches_it() -> None:
    reached = []

    async def waits() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            reached.append("cancelled")
            await asyncio.sleep(0)
        return "done"

    task = asyncio.ensure_future(run_directly(waits))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "done"
    assert reached == ["cancelled"]


def test_it_cannot_be_subclassed_since_it_is_known_by_its_type() -> None:
    with pytest.raises(TypeError, match="can't be subclassed"):

        class Own(Reply[str]):
            pass
