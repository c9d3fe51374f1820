"""A storm in a running program, for a client of its control socket: the command ``chaos``.

The client is told of each fault as it is done, and gets the report. When he wants it to stop, it stops; when he has
hung up, too, and nothing of it stays.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from regrow.application.lifecycle import get_supervisor
from regrow.control.commands import Request
from regrow.control.protocol import Refused
from regrow.kernel.errors import NoProcess
from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import runtime
from regrow.supervision.base import BaseSupervisor
from regrow.testing.storms.chaos import chaos
from regrow.testing.storms.errors import OverlappingStorm

__all__ = ["chaos_command"]

OPTIONS = (
    "seed", "seconds", "faults", "kill", "delay", "fail_starts", "delay_seconds", "only", "spare", "depth", "settle",
)  # fmt: skip


async def chaos_command(request: Request) -> dict[str, Any]:
    """Run a storm with the arguments of ``chaos``, below ``supervisor``, a name, or the root of the program."""
    given = dict(request.arguments)
    supervisor = given.pop("supervisor", None)
    unknown = [name for name in given if name not in OPTIONS]
    if unknown:
        raise Refused(f"chaos takes no {', '.join(unknown)}; it takes supervisor, {', '.join(OPTIONS)}")
    if isinstance(given.get("delay_seconds"), list):
        given["delay_seconds"] = tuple(given["delay_seconds"])
    root = _root(request.program)
    top = root if supervisor is None else _supervisor(supervisor, root)
    if given.get("seconds") is None and given.get("faults") is None:
        raise Refused("a storm must come to an end: say seconds or faults")
    async with AsyncExitStack() as stack:
        try:  # only what may be the client's mistake: an error of the raging storm is a bug, and is reported
            storm = await stack.enter_async_context(
                chaos(top, tell=lambda fault: request.tell(fault=fault.news), **given)
            )
        except (ValueError, TypeError, NoProcess, OverlappingStorm) as error:
            raise Refused(str(error)) from None
        request.tell(began=f"seed {storm.seed}, {storm.rates}")
        request.when_stopped(storm.stop)
        await storm.wait()
    report = storm.report
    if request.program_ends:
        whole = given.get("seconds")
        of = f"{given['faults']} faults" if whole is None else f"{whole:g} s"
        report = replace(report, cut_short=f"it was stopped after {report.seconds:.3g} s of {of}")
    return {"text": report.summary(), **report.as_json()}


def _root(program: str) -> Pid:
    root = get_supervisor(program)
    if root is None:
        raise Refused(f"the application {program!r} has no supervisor now: it is being started or stopped")
    return root


def _supervisor(wanted: object, root: Pid) -> Pid:
    """The one supervisor of the program that is called so: by its name, the name's or its own class, or its pid."""
    known = {
        each.pid: {str(each.pid), each.behaviour.name, getattr(each.name, "__qualname__", each.name)}
        for each in runtime().processes.values()
        if isinstance(each.server, BaseSupervisor) and _is_below(each, root)
    }
    fitting = [pid for pid, names in known.items() if wanted in names]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Refused(
            f"{len(fitting)} supervisors are called {wanted!r}: say a pid, {', '.join(map(str, fitting))}"
        )
    names = sorted(
        {str(name) for names in known.values() for name in names if not str(name).isdecimal()} - {"None"}
    )
    raise Refused(f"no supervisor is called {wanted!r}; there are: {', '.join(names)}")


def _is_below(process: Process | None, root: Pid) -> bool:
    while process is not None and process.pid != root:
        process = process.runtime.processes.get(process.parent) if process.parent is not None else None
    return process is not None
