"""Rows of the process table, and all about one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from regrow.kernel import reports
from regrow.kernel.errors import ServerExited
from regrow.kernel.mailbox import put
from regrow.kernel.names import names_of
from regrow.kernel.process import DEAD, STATE_NAMES, Extra, Pid, Process, Request
from regrow.kernel.runtime import Runtime
from regrow.observer.errors import NoState, UnknownProcess
from regrow.observer.model import Neighbour, ProcessDetail, ProcessRow, StateText
from regrow.observer.pace import PORTION, Pace
from regrow.observer.recording import Recording
from regrow.observer.survey import Survey, links
from regrow.observer.texts import cut, label_of, long_text, masked, name_text, short, utf8
from regrow.observer.tree import children_of, count_of_children, place_of_child

__all__ = ["detail_of", "living", "neighbour", "row_of", "state_of"]

FIRST: Final = 100
"""Neighbours of each kind that are shown."""
NOTHING: Final = Extra()
PEEK: Final = 20
"""Messages of a mailbox that are shown."""


def living(rt: Runtime, pid: int) -> Process:
    """The process with that pid, or ``UnknownProcess``."""
    process = rt.processes.get(Pid(pid)) if type(pid) is int else None
    if process is None:
        raise UnknownProcess(pid)
    return process


def row_of(process: Process, recording: Recording, now: float) -> ProcessRow:
    """One line of the table; *now* is the loop's time."""
    extra, pid = process.extra, process.pid
    age, least = recording.ages.of(pid, now)
    counted = recording.meters.of(pid) if recording.meters.on else None
    return ProcessRow(
        pid=pid,
        name=name_text(process.name),
        kind=process.behaviour.name,
        label=label_of(process),
        status=STATE_NAMES[process.status],
        parent=process.parent,
        mailbox=len(process.mailbox or ()),
        messages=None if counted is None else counted.handled,
        busy=None if counted is None else counted.busy,
        links=links(process),
        monitors=len(extra.monitors or ()) if extra is not None else 0,
        monitoring=len(extra.monitoring or ()) if extra is not None else 0,
        age=age,
        age_is_least=least,
        supervisor=process.behaviour.children is not None,
    )


def neighbour(rt: Runtime, pid: int) -> Neighbour:
    """What one sees of another process from afar."""
    process = rt.processes.get(Pid(pid))
    if process is None:
        return Neighbour(pid, None, None, alive=False)
    return Neighbour(pid, name_text(process.name), process.behaviour.name, alive=True)


async def detail_of(
    process: Process, recording: Recording, survey: Survey, *, messages: bool
) -> ProcessDetail:
    """All about it but its state; what its *messages* hold only if that is wanted."""
    rt, pid = process.runtime, process.pid
    watching = await _watchers(process, survey)
    if process.status == DEAD:
        raise UnknownProcess(pid)
    extra, history = process.extra or NOTHING, recording.history

    def shown(pids: Iterable[int]) -> tuple[Neighbour, ...]:
        return tuple(neighbour(rt, each) for each in islice(pids, FIRST))

    asked = extra.waiting_on
    where = None if extra.steps is None else extra.steps.where()
    return ProcessDetail(
        row=row_of(process, recording, rt.loop.time()),
        names=tuple(name_text(each) or "" for each in names_of(process)),
        ancestors=shown(_ancestors(process)),
        links=shown(_linked(process)),
        monitored_by=shown(watching),
        monitoring=shown(each.pid for each in (extra.monitoring or {}).values() if each is not None),
        children=shown(pid for pid, _ in children_of(process, 0, FIRST) if pid),
        children_total=count_of_children(process),
        mailbox=_peek(process, messages),
        waiting_for=None if asked is None else neighbour(rt, asked.target.pid),
        where=None if where is None else utf8(where.removeprefix("at ")),
        traps_exits=process.trapping,
        timers=len(extra.timers or ()),
        place=place_of_child(process),
        has_state=process.behaviour.handle_info is not None,
        restarts=history.restarts(pid, 0, PEEK).rows,
        crashes=history.crashes(pid, "", 0, PEEK).rows,
    )


def _linked(process: Process) -> Iterator[int]:
    """The pids that it is linked with: its parent first. A supervisor may have very many."""
    if process.linked and process.parent is not None:
        yield process.parent
    yield from (process.extra.links or ()) if process.extra is not None else ()


def _ancestors(process: Process) -> list[int]:
    found: list[int] = []
    parent = process.parent
    while parent is not None and len(found) < FIRST:
        found.append(parent)
        above = process.runtime.processes.get(parent)
        parent = None if above is None else above.parent
    return found


async def _watchers(process: Process, survey: Survey) -> list[int]:
    """The pids of those who monitor it: only they know, so all are asked, in stretches."""
    if process.extra is None or not process.extra.monitors:
        return []
    pace, everybody = Pace(), survey.processes
    found: list[int] = []
    for start in range(0, len(everybody), PORTION):
        for each in everybody[start : start + PORTION]:
            if each.extra is not None and each.extra.monitoring and process in each.extra.monitoring.values():
                found.append(each.pid)
        if len(found) >= FIRST:
            break
        await pace.go_on(PORTION)
    survey.charge(pace)
    return found


def _peek(process: Process, whole: bool) -> tuple[str, ...]:
    texts = (short(reports.brief_message(process, each)) for each in islice(process.mailbox or (), PEEK))
    return tuple(texts if whole else map(masked, texts))


async def state_of(process: Process, at: float, timeout: float | None) -> StateText:
    """Its state as its class wants it shown, asked for by a system message, in its turn.

    The task that asks becomes no process by that, as one that uses ``regrow.sys`` would.
    """
    rt = process.runtime
    if process.behaviour.handle_info is None:
        raise NoState(f"{process!r} is no server, so it has no state to show")
    if rt.current is process:
        raise NoState(f"{process!r} asked for its own state, and would wait for itself for ever")
    try:
        async with asyncio.timeout(timeout):
            text = await asyncio.shield(_look(process))  # who has waited enough leaves it to the others
    except TimeoutError:
        where = f", it is {STATE_NAMES[process.status]}" if process.status != DEAD else ""
        raise TimeoutError(f"process {process.pid} has not shown its state in {timeout:g} s{where}") from None
    except ServerExited:
        raise UnknownProcess(process.pid) from None
    return StateText(process.pid, at, text)


def _look(process: Process) -> asyncio.Future[str]:
    """The state that it will show: one look at a time, for all who ask.

    A server that hangs would else find a message for each time that somebody has asked and gone away.
    """
    rt = process.runtime
    looks: dict[int, asyncio.Future[str]] = rt.parts.setdefault("observer.looks", {})
    under_way = looks.get(process.pid)
    if under_way is not None:
        return under_way
    answer = looks[process.pid] = rt.loop.create_future()

    def look(server: object) -> str:
        return _shown(process, server)

    def done(answer: asyncio.Future[str]) -> None:
        del looks[process.pid]
        if not answer.cancelled():
            answer.exception()  # it may be that nobody waits any more, who would see it

    answer.add_done_callback(done)
    put(process, (look, (), {}, Request(process, answer, None, "observer.state", system=True)))
    return answer


def _shown(process: Process, server: object) -> str:
    formatter = process.behaviour.format_status
    if formatter is None:
        return long_text(server)
    try:
        shown = formatter(server, {"state": server})
    except Exception as error:
        return f"<format_status raised {type(error).__name__}>"
    state = shown["state"] if isinstance(shown, dict) and "state" in shown else shown
    return cut(state, 16_000) if type(state) is str else long_text(state)
