"""Agent: a value in a process, and functions that are let at it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from regrow import (
    KILL,
    Agent,
    AlreadyStarted,
    BadReturn,
    CallTimeout,
    ChildSpec,
    ServerExited,
    StartError,
    Stop,
    Supervisor,
    process,
    stop,
    sys,
    within,
)
from regrow.kernel.runtime import runtime
from tests.waiting import now


class Counter(Agent[int], id="the counter", restart="transient"):
    """What Elixir writes as ``use Agent``."""

    def __init__(self, first: int) -> None:
        super().__init__(int, first)


def add(state: int, n: int) -> int:
    return state + n


def boom(*_: Any) -> Any:
    raise ValueError("boom")


async def down(target: Any) -> object:
    ref = process.monitor(target)
    return (await process.receive(lambda m: isinstance(m, process.Down) and m.ref == ref)).reason


@pytest.mark.behaviour("AG-01")
def test_a_subclass_makes_its_spec_from_its_header_and_its_arguments() -> None:
    made = Counter.child_spec(3)
    assert (made.id, made.start, made.args, made.restart) == ("the counter", Counter, (3,), "transient")
    assert Counter.options(restart="temporary", shutdown=1).child_spec(3).restart == "temporary"
    plain = Agent.child_spec(dict, a=1)
    assert (plain.id, plain.args, dict(plain.kwargs), plain.restart) == (
        Agent,
        (dict,),
        {"a": 1},
        "permanent",
    )


async def test_an_agent_is_a_child_as_a_spec_or_as_a_tuple() -> None:
    async with Supervisor.scope(
        [Counter.child_spec(3), (Agent, dict), ChildSpec("b", Agent, (list,))]
    ) as root:
        values = [await row.child.get(lambda state: state) for row in await root.which_children()]
        assert values == [[], {}, 3]


@pytest.mark.behaviour("AG-02")
async def test_the_workflow_of_an_agent_without_a_name() -> None:
    agent = await Agent.start_link(lambda: 1)
    assert process.pid_of(agent) in process.info(process.current()).links  # type: ignore[union-attr]
    assert await agent.update(lambda n: n + 1) is None
    assert await agent.get(lambda n: n * 10) == 20
    assert await agent.get_and_update(lambda n: (n, n + 1)) == 2
    assert await agent.get(lambda n: n) == 3
    pid = process.pid_of(agent)
    assert await stop(agent) is None
    assert not process.alive(pid)


@pytest.mark.behaviour("AG-03", "AG-04")
async def test_the_workflow_of_an_agent_with_a_name_and_functions_with_arguments() -> None:
    agent = await Agent.options(name="stock").start(dict, apples=1)
    assert (
        process.info(process.current()) is None
        or process.pid_of(agent)
        not in process.info(  # type: ignore[union-attr]
            process.current()
        ).links
    )
    named = Agent[dict[str, int]].named("stock")
    named.cast(lambda state, **more: {**state, **more}, pears=2)
    assert await named.get(dict.get, "pears") == 2
    assert await named.get_and_update(lambda state, key: (state[key], {}), "apples") == 1
    assert await agent.get(len) == 0
    with pytest.raises(AlreadyStarted):
        await Agent.options(name="stock").start(dict)
    pid = process.pid_of("stock")
    await stop("stock")
    assert process.whereis("stock") is None
    assert process.info(pid) is None


async def test_async_functions_are_awaited_in_the_agent() -> None:
    async def later(value: Any, more: int = 0) -> Any:
        await asyncio.sleep(0)
        return value + more

    async def pair(value: int) -> tuple[str, int]:
        return f"was {value}", value + 1

    agent = await Agent.start_link(later, 1)
    assert await agent.get(later, 1) == 2
    await agent.update(later, 2)
    assert await agent.get_and_update(pair) == "was 3"
    agent.cast(later, more=6)
    assert await agent.get(later) == 10


async def test_the_functions_run_as_the_agent() -> None:
    agent = await Agent.start_link(process.current)
    assert await agent.get(lambda first: (first, process.current())) == (process.pid_of(agent),) * 2


@pytest.mark.behaviour("AG-05")
async def test_a_code_change_puts_the_value_through_a_function() -> None:
    agent = await Agent.start(lambda: 1)
    await sys.change_code(agent, None, lambda n: n + 1)
    await sys.change_code(agent, None, (add, 10))
    assert await agent.get(lambda n: n) == 12
    with pytest.raises(ValueError, match="boom"):
        await sys.change_code(agent, None, boom)
    assert await agent.get(lambda n: n) == 12


@pytest.mark.behaviour("AG-06")
async def test_a_start_function_that_fails_is_the_reason_of_the_failed_start() -> None:
    def stops(reason: object) -> Any:
        raise Stop(reason)

    with pytest.raises(StartError) as raised:
        await Agent.start(boom)
    assert isinstance(raised.value.reason, ValueError)
    for end in (stops, process.exit):
        with pytest.raises(StartError) as ended:
            await Agent.start(end, "closed")
        assert ended.value.reason == "closed"


async def test_what_is_no_function_fails_the_start_and_says_so() -> None:
    with pytest.raises(StartError) as raised:
        await Agent.start_link({})  # type: ignore[call-overload]
    assert "starts with a function" in str(raised.value.reason)


@pytest.mark.behaviour("AG-07")
@pytest.mark.parametrize("do", ["get", "update", "get_and_update"])
async def test_a_function_that_raises_is_the_agents_crash(do: str) -> None:
    agent = await Agent.start(lambda: 1)
    with pytest.raises(ServerExited) as raised:
        await getattr(agent, do)(boom)
    assert isinstance(raised.value.reason, ValueError)
    assert not process.alive(agent)


@pytest.mark.behaviour("AG-08")
@pytest.mark.parametrize("value", [3, (1, 2, 3), [1, 2]])
async def test_get_and_update_wants_a_pair(value: object) -> None:
    agent: Any = await Agent.start(lambda: 1)
    with pytest.raises(ServerExited) as raised:
        await agent.get_and_update(lambda _: value)
    assert isinstance(raised.value.reason, BadReturn)
    assert raised.value.reason.value == value
    assert "must be a pair" in str(raised.value.reason)
    assert not process.alive(agent)


@pytest.mark.behaviour("AG-09")
async def test_a_cast_says_nothing_when_its_function_raises() -> None:
    agent = await Agent.start(lambda: 1)
    pid = process.pid_of(agent)
    assert agent.cast(boom) is None  # type: ignore[func-returns-value]
    assert isinstance(await down(pid), ValueError)


@pytest.mark.behaviour("AG-10")
async def test_an_update_whose_caller_gave_up_is_made_all_the_same() -> None:
    goes_on = asyncio.Event()

    async def slow(n: int) -> int:
        await goes_on.wait()
        return n + 1

    agent = await Agent.start(lambda: 1)
    with pytest.raises(CallTimeout):
        await within(agent, 2).update(slow)
    assert now() == 2.0
    goes_on.set()
    assert await agent.get(lambda n: n) == 2


@pytest.mark.behaviour("AG-11")
async def test_the_order_of_what_one_process_sends_is_kept() -> None:
    agent = await Agent.start(list[int])
    for n in range(5):
        agent.cast(lambda now, n: [*now, n], 2 * n)
        await agent.update(lambda now, n: [*now, n], 2 * n + 1)
    assert await agent.get(list) == list(range(10))


@pytest.mark.behaviour("AG-12")
async def test_a_start_function_may_be_too_slow() -> None:
    with pytest.raises(StartError) as raised:
        await Agent.options(timeout=10).start(asyncio.Event().wait)
    assert now() == 10.0
    assert raised.value.reason == "timeout"


async def test_a_subclass_may_have_an_init_that_follows() -> None:
    class Doubled(Agent[int]):
        def __init__(self, first: int) -> None:
            async def later() -> int:
                return first

            super().__init__(later)

        async def init(self) -> None:
            self.state *= 2

    assert await (await Doubled.start(4)).get(lambda n: n) == 8


async def test_the_state_is_seen_by_sys_in_the_agent_object() -> None:
    agent = await Agent.start_link(lambda: 1)
    assert (await sys.get_state(agent)).state == 1
    assert repr(await sys.get_state(agent)) == "Agent(1)"


async def test_an_agent_that_is_killed_before_its_function_took_a_step_leaves_no_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime(), "inline", "off")  # it would begin at once
    begun: list[str] = []

    async def fetch() -> str:
        begun.append("fetch")
        return "value"

    starting = asyncio.create_task(Agent.start(fetch))
    while not (agents := [pid for pid in process.processes() if process.info(pid).kind == "Agent"]):
        await asyncio.sleep(0)
    process.exit(agents[0], KILL)
    with pytest.raises(StartError):
        await starting
    gc.collect()  # a coroutine that was never awaited would be complained of here, as an error of the test
    assert begun == []
