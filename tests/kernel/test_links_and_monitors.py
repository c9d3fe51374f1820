"""Links and monitors: who hears of whose end, how often, and in which order."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    GenServer,
    LinkedExit,
    NoProcess,
    Pid,
    Shutdown,
    process,
)
from regrow.kernel.runtime import runtime


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="regrow")


async def idle() -> None:
    await asyncio.Event().wait()


async def until_told(log: list[Any] | None = None) -> None:
    """A process that traps exits and writes down what it gets, until it gets "end"."""
    process.trap_exits()
    while (message := await process.receive()) != "end":
        if log is not None:
            log.append(message)


async def ends_with(reason: object) -> None:
    process.exit(reason)


async def reason_of(ref: int) -> object:
    return (await process.receive(lambda each: isinstance(each, Down) and each.ref == ref, timeout=2)).reason


@pytest.mark.behaviour("PROC-14", "PROC-11")
@pytest.mark.parametrize("reason", ["boom", SHUTDOWN, Shutdown("x"), KILL, KILLED, ValueError("x")], ids=repr)
async def test_a_link_passes_an_abnormal_end_on_with_the_same_reason_and_so_on(reason: object) -> None:
    async def linked(depth: int, told: Pid) -> None:
        if depth:
            process.spawn_link(linked, depth - 1, told)
        else:
            process.send(told, "ready")
            await process.receive()
            process.exit(reason)
        await idle()

    _, ref = process.spawn_monitor(linked, 3, process.current())
    await process.receive("ready".__eq__)
    process.send(process.processes()[-1], "end")
    assert await reason_of(ref) is reason


@pytest.mark.behaviour("PROC-10", "PROC-15")
async def test_killed_goes_through_links_as_killed_and_can_be_trapped_there() -> None:
    log: list[Any] = []
    trapper, ref = process.spawn_monitor(until_told, log)
    victim = process.spawn(idle)

    async def link_both() -> None:
        process.link(trapper)
        process.link(victim)
        process.trap_exits()
        process.exit(victim, KILL)
        log.append(await process.receive())
        process.exit("done")

    linker, linked_ref = process.spawn_monitor(link_both)
    assert await reason_of(linked_ref) == "done"
    process.send(trapper, "end")
    assert await reason_of(ref) is NORMAL
    assert log == [Exit(victim, KILLED), Exit(linker, "done")]


@pytest.mark.behaviour("PROC-11")
async def test_a_process_that_raises_exit_kill_ends_with_kill_itself() -> None:
    _, ref = process.spawn_monitor(ends_with, KILL)
    assert await reason_of(ref) is KILL


@pytest.mark.behaviour("PROC-16")
async def test_a_link_with_the_dead_raises_or_is_an_exit_message() -> None:
    pid, ref = process.spawn_monitor(ends_with, NORMAL)
    assert await reason_of(ref) is NORMAL
    with pytest.raises(NoProcess):
        process.link(pid)
    process.trap_exits()
    process.link(pid)
    assert await process.receive() == Exit(pid, NOPROC)


@pytest.mark.behaviour("PROC-17")
async def test_links_are_symmetric_single_and_never_with_oneself() -> None:
    pid = process.spawn(idle)
    process.link(pid)
    process.link(pid)
    process.link(process.current())
    mine, its = process.info(process.current()), process.info(pid)
    assert mine is not None
    assert its is not None
    assert mine.links == (pid,)
    assert its.links == (process.current(),)
    process.unlink(pid)
    process.exit(pid, "boom")
    await asyncio.sleep(0)
    assert process.alive(process.current())


@pytest.mark.behaviour("PROC-17")
async def test_a_child_and_its_parent_can_unlink_and_link_again_from_either_side() -> None:
    async def child(parent: Pid) -> None:
        process.unlink(parent)
        process.link(parent)
        process.unlink(parent)
        process.send(parent, "unlinked")
        await process.receive()
        process.exit("boom")

    pid = process.spawn_link(child, process.current())
    process.monitor(pid)
    await process.receive("unlinked".__eq__)
    info = process.info(process.current())
    assert info is not None
    assert info.links == ()
    process.link(pid)
    process.unlink(pid)
    process.send(pid, "go")
    assert (await process.receive(Down)).reason == "boom"


@pytest.mark.behaviour("PROC-18")
async def test_unlink_leaves_an_exit_message_that_is_there_and_lets_no_later_one_come() -> None:
    process.trap_exits()
    first, second = process.spawn_link(idle), process.spawn_link(idle)
    process.exit(first, "early")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    process.unlink(first)
    process.unlink(second)
    process.exit(second, "late")
    await asyncio.sleep(0)
    assert await process.receive(Exit) == Exit(first, "early")
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)


@pytest.mark.behaviour("PROC-19")
async def test_each_monitor_brings_one_down() -> None:
    pid = process.spawn(ends_with, "x")
    refs = {process.monitor(pid), process.monitor(pid)}
    downs = [await process.receive(), await process.receive()]
    assert {each.ref for each in downs} == refs
    assert {each.target for each in downs} == {pid}
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)


@pytest.mark.behaviour("PROC-19")
async def test_a_monitor_of_nobody_is_down_at_once() -> None:
    pid, ref = process.spawn_monitor(ends_with, NORMAL)
    await reason_of(ref)
    for nobody in (pid, "no such name"):
        ref = process.monitor(nobody)
        assert await process.receive() == Down(ref, nobody, NOPROC)


@pytest.mark.behaviour("PROC-20")
async def test_a_monitor_of_oneself_is_none() -> None:
    me = process.current()
    ref = process.monitor(me)
    assert process.info(me).monitoring == 0
    assert not process.demonitor(ref)


async def test_a_monitor_by_name_is_told_the_name_and_one_by_handle_the_pid() -> None:
    class Server(GenServer):
        pass

    server = await Server.options(name="known").start()
    by_name, by_handle = process.monitor("known"), process.monitor(server)
    pid = process.pid_of(server)
    process.exit(server, "x")
    assert {await process.receive(), await process.receive()} == {
        Down(by_name, "known", "x"),
        Down(by_handle, pid, "x"),
    }


@pytest.mark.behaviour("PROC-21")
async def test_demonitor_leaves_a_down_that_came_unless_it_is_flushed() -> None:
    quick, slow = process.spawn(ends_with, NORMAL), process.spawn(idle)
    kept, flushed, active = process.monitor(quick), process.monitor(quick), process.monitor(slow)
    while process.alive(quick):
        await asyncio.sleep(0)
    assert process.demonitor(kept) is False
    assert process.demonitor(flushed, flush=True) is False
    assert process.demonitor(active) is True
    process.exit(slow, "x")
    await asyncio.sleep(0)
    assert (await process.receive()).ref == kept
    with pytest.raises(TimeoutError):
        await process.receive(timeout=0)


@pytest.mark.behaviour("PROC-22")
async def test_what_a_process_sent_before_its_end_comes_before_its_down() -> None:
    async def sender(to: Pid) -> None:
        process.trap_exits()
        for number in range(3):
            process.send(to, number)

    process.spawn_monitor(sender, process.current())
    assert [await process.receive() for _ in range(3)] == [0, 1, 2]
    assert isinstance(await process.receive(), Down)


@pytest.mark.behaviour("PROC-23")
async def test_at_the_down_the_name_is_free_and_the_process_dead() -> None:
    async def named() -> None:
        process.register("busy name")

    for _ in range(200):
        pid, _ref = process.spawn_monitor(named)
        await process.receive(Down)
        assert process.whereis("busy name") is None
        assert not process.alive(pid)
        assert process.info(pid) is None


async def test_a_monitor_dies_with_its_owner() -> None:
    target = process.spawn(idle)

    async def watcher() -> None:
        process.monitor(target)

    _, ref = process.spawn_monitor(watcher)
    await reason_of(ref)
    info = process.info(target)
    assert info is not None
    assert info.monitors == 0


async def test_an_exit_signal_comes_out_of_plain_asyncio_code_as_linked_exit() -> None:
    async def code() -> None:
        pid = process.spawn_link(ends_with, "boom")
        with pytest.raises(LinkedExit) as caught:
            await process.receive()
        assert (caught.value.pid, caught.value.reason) == (pid, "boom")
        raise caught.value

    [outcome] = await asyncio.gather(asyncio.create_task(code()), return_exceptions=True)
    assert isinstance(outcome, LinkedExit)


async def test_ten_thousand_linked_processes_die_together() -> None:
    async def member(following: Pid | None) -> None:
        if following is not None:
            process.link(following)
        await idle()

    pids: list[Pid] = []
    for _ in range(10_000):
        pids.append(process.spawn(member, pids[-1] if pids else None))
    refs = [process.monitor(pids[0]), process.monitor(pids[-1])]
    while runtime().run_queue:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    process.exit(pids[5_000], "together")
    assert [await reason_of(ref) for ref in refs] == ["together", "together"]
    while any(process.info(pid) is not None for pid in pids):
        await asyncio.sleep(0)


async def test_ten_thousand_linked_servers_at_rest_die_together() -> None:
    class Member(GenServer):
        def __init__(self, other: Pid | None) -> None:
            if other is not None:
                process.link(other)

    before: Pid | None = None
    refs = []
    for _ in range(10_000):
        server = await Member.start(before)
        before = process.pid_of(server)
        refs.append(process.monitor(server))
    process.exit(server, "together")
    downs = [await process.receive(Down) for _ in refs]
    assert {each.reason for each in downs} == {"together"}
