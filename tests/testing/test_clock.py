"""Virtual time: what waits ends exactly when it should, in no time; and the real world is never jumped over."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from regrow import (
    CallTimeout,
    DynamicSupervisor,
    GenServer,
    Supervisor,
    call,
    cast,
    process,
    within,
)
from regrow.kernel.reasons import KILLED
from regrow.testing import ClockStuck, VirtualClock, run_virtual, virtual_time


class Boom(Exception): ...


class Sleeper(GenServer, shutdown=7.5):
    """Naps, and takes a minute to end, unless it crashes."""

    @call
    async def nap(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return now()

    @cast
    def crash(self) -> None:
        raise Boom

    async def terminate(self, reason: object) -> None:
        if not isinstance(reason, Boom):
            await asyncio.sleep(60)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_timers_are_exact_and_take_no_time() -> None:
    seen: list[float] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        for delay in (0.3, 0.1, 0.1 + 0.2, 86_400 * 365, 1e-9):
            loop.call_later(delay, lambda: seen.append(loop.time()))
        await asyncio.sleep(1e9)
        return loop.time()

    begin = time.monotonic()
    assert run_virtual(main()) == 1e9
    assert seen == [1e-9, 0.1, 0.3, 0.1 + 0.2, 86_400 * 365]
    assert time.monotonic() - begin < 5


def test_time_stands_still_while_anything_is_ready() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return now()

    assert run_virtual(main()) == 0.0


def test_call_timeouts_timers_and_shutdown_times_are_exact() -> None:
    async def main() -> None:
        server = await Sleeper.start()
        with pytest.raises(CallTimeout):
            await server.nap(6)
        assert now() == 5.0
        assert await within(server, 90).nap(30) == 36.0  # the first nap lasts until 6
        process.send_after(process.current(), "due", 0.25)
        await process.receive(str)
        assert now() == 36.25
        async with DynamicSupervisor.scope() as sup:
            child = await sup.start_child(Sleeper)
            process.monitor(child)
            await sup.terminate_child(child)
            assert now() == 36.25 + 7.5
            assert (await process.receive(process.Down)).reason is KILLED

    run_virtual(main())


@pytest.mark.parametrize(("pause", "lives"), [(5.0, False), (5.001, True)])
@pytest.mark.parametrize("kind", [DynamicSupervisor, Supervisor])
def test_restart_windows_follow_it(kind: Any, pause: float, lives: bool) -> None:
    async def main() -> bool:
        children: list[Any] = [] if kind is DynamicSupervisor else [[]]
        sup = await kind.start(*children, max_restarts=1, max_seconds=5.0)
        await sup.start_child(Sleeper)
        for _ in range(2):
            (row,) = await sup.which_children()
            child: Any = row.child
            child.crash()
            await asyncio.sleep(pause)
        return process.alive(sup)

    assert run_virtual(main()) is lives


@pytest.mark.real_time("how virtual time begins and ends on a loop that had none")
async def test_it_can_be_turned_on_and_off_on_a_loop_that_runs() -> None:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    before = loop.time()
    loop.call_later(3600.02, lambda: fired.append(loop.time()))
    with virtual_time() as clock:
        await asyncio.sleep(3600)
        assert clock.elapsed == 3600
        with virtual_time(real_wait=0.5) as same:
            assert same is clock
            assert clock.real_wait == 0.5
            await asyncio.sleep(0)
        assert clock.running
    assert not clock.running
    assert "select" not in vars(loop._selector)  # type: ignore[attr-defined]  # it sleeps again, and does not spin
    assert not fired
    assert loop.time() >= before + 3600  # a loop's time never goes back
    begin = time.monotonic()
    while not fired:
        await asyncio.sleep(0.005)
    assert time.monotonic() - begin >= 0.01  # what was left of it passed at the real pace
    assert fired[0] >= before + 3600.02
    with virtual_time() as again:
        assert again is clock
        await asyncio.sleep(10)
        assert again.elapsed == 10


def test_a_wait_for_nothing_is_an_error_that_says_where() -> None:
    async def main() -> None:
        async def forgotten() -> None:
            await process.receive(str)

        process.spawn(forgotten)
        await asyncio.Event().wait()

    with pytest.raises(
        ClockStuck, match=r"nothing is ready and no timer is set.*\n.*test_clock.py:\d+\n.*<process"
    ):
        run_virtual(main(), real_wait=0.01)


def test_a_job_in_a_thread_is_waited_for_and_time_stands_still() -> None:
    async def main() -> float:
        async with asyncio.timeout(0.001):
            assert await asyncio.to_thread(lambda: time.sleep(0.02) or 7) == 7
        await asyncio.sleep(3)
        return now()

    assert run_virtual(main()) == 3.0


def test_a_subprocess_is_waited_for_too() -> None:
    async def main() -> float:
        command = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(command.communicate(), 0.001)
        assert out == b"hi\n"
        command = await asyncio.create_subprocess_shell("exit 3")
        assert await asyncio.wait_for(command.wait(), 0.001) == 3
        await asyncio.sleep(3)
        return now()

    assert run_virtual(main(), real_wait=20) == 3.0


def test_an_open_socket_stops_the_clock_and_says_so() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            loop.call_later(5, other.send, b"never")
            other.send(b"now")
            assert await loop.sock_recv(one, 10) == b"now"
            await asyncio.sleep(1)  # nobody listens at the moment
            assert now() == 1.0
            return (await loop.sock_recv(one, 10)).decode()

    with pytest.raises(
        ClockStuck, match=r"file descriptor \d+ .*The next timer is due in 4 s of virtual time"
    ):
        run_virtual(main(), real_wait=0.01)


def test_a_loop_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="asyncio's own selector loop, and this is a "):
        VirtualClock(asyncio.AbstractEventLoop())


def test_a_server_that_waits_in_its_end_is_given_up_on_in_no_time_when_the_loop_closes() -> None:
    async def main() -> None:
        await Sleeper.start()

    begin = time.monotonic()
    run_virtual(main())
    assert time.monotonic() - begin < 5
