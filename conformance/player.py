"""Plays the steps of a scenario on regrow, each to the end of all that it sets off: ``elixir/player.exs`` in Python.

Time is virtual, so what a scenario waits for takes none. Quiet is when nothing is ready on the loop and everybody who
can has answered.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from conformance.collector import Collector
from conformance.reasons import invalid, term, word
from conformance.scripted import Dynamic, Script, Scripted, Static, child_spec, start
from regrow import (
    RESTARTING,
    AlreadyRegistered,
    CallingSelf,
    CallTimeout,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    Down,
    Exit,
    InvalidFlags,
    InvalidSpec,
    NoProcess,
    NotRegistered,
    Registered,
    Registry,
    ServerExited,
    StartError,
    StartIgnored,
    StartResult,
    Unregistered,
    process,
    stop,
    sys,
    within,
)
from regrow.process import TIMEOUT
from regrow.testing import run_virtual

__all__ = ["Player", "play"]

Trace = list[dict[str, Any]]

A_MOMENT: Final = 1e-6
"""Seconds of virtual time: they pass when nothing is ready any more."""
TURNS: Final = 10
"""Turns of the loop, where a supervisor that keeps trying never lets it come to rest."""


def play(scenario: Script) -> Trace:
    """The trace of a scenario on regrow."""
    return run_virtual(Player(scenario).play())


class Player:
    def __init__(self, scenario: Script) -> None:
        self.scenario = scenario
        self.collector = Collector()
        self.monitors: dict[tuple[int, str], int] = {}
        self.background: list[asyncio.Task[None]] = []

    async def play(self) -> Trace:
        process.trap_exits()
        await self.collector.watch()
        return [await self.line(step) for step in self.scenario["steps"]]

    async def line(self, step: list[Any]) -> dict[str, Any]:
        saw = await self.step(step)
        await self.settle()
        await self.mail()
        events, asides = self.collector.take()
        then = [*events, *sorted(asides)] if self.scenario.get("ordered") else sorted([*events, *asides])
        return {"saw": saw, "then": then}

    async def mail(self) -> None:
        while True:
            try:
                message = await process.receive(timeout=0)
            except TimeoutError:
                return
            self.collector.aside(f"client got {self.message(message)}")

    async def settle(self) -> None:
        quiet = 0
        while quiet < 3:
            before = self.collector.version
            await self.rest()
            for pid in self.collector.asked():
                await self.answered(process.Pid(pid))
            quiet = quiet + 1 if self.collector.version == before else 0

    async def rest(self) -> None:
        """Until nothing is ready on the loop. A supervisor that keeps trying never lets it come to that."""
        if not self.collector.gates:
            await asyncio.sleep(A_MOMENT)
        else:
            for _ in range(TURNS):
                await asyncio.sleep(0)

    async def answered(self, pid: process.Pid) -> None:
        """Wait until the process has come to a message, unless the scenario makes it wait before."""
        asking = asyncio.create_task(sys.get_state(pid, None))
        while not asking.done() and pid in self.collector.asked():
            changed = asyncio.create_task(self.collector.changed.wait())
            await asyncio.wait({asking, changed}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        asking.cancel()
        await asyncio.wait({asking})
        if not asking.cancelled():
            asking.exception()  # a death is an event, and told as that

    # --- one step ---------------------------------------------------------------------------------------------------

    async def step(self, step: list[Any]) -> Any:
        """What the one who takes the step sees."""
        try:
            return await self.step_or_exit(step)
        except ServerExited as error:
            return f"exit:{self.word(error.reason)}"
        except CallTimeout:
            return "exit:timeout"
        except CallingSelf:
            return "exit:calling_self"
        except (ValueError, LookupError):
            return "raise"

    async def step_or_exit(self, step: list[Any]) -> Any:
        """``step``, and what in Elixir would be an exit is raised."""
        operation, *args = step
        try:
            result = await getattr(self, f"do_{operation}")(*args)
        except StartIgnored:
            return "ignored"
        except StartError as error:
            known = type(error).__name__ == "AlreadyStarted"
            return f"error:{self.word(error if known else error.reason)}"
        except ChildNotFound:
            return "error:not_found"
        except ChildRunning:
            return "error:running"
        except ChildRestarting:
            return "error:restarting"
        except (InvalidSpec, InvalidFlags) as error:
            return f"error:{invalid(error)}"
        return "ok" if result is None and operation not in SILENT else result

    # --- supervisors ------------------------------------------------------------------------------------------------

    async def do_start(self, script: Script) -> Any:
        return self.shown(await start(self, script))

    async def do_start_child(self, sup: str, script: Script) -> Any:
        return self.shown(await self.supervisor(sup).start_child(child_spec(self, script)))

    async def do_terminate_child(self, sup: str, child: str) -> None:
        handle = self.supervisor(sup)
        await handle.terminate_child(self.handle(child) if isinstance(handle, Dynamic) else child)

    async def do_restart_child(self, sup: str, child: str) -> Any:
        return self.shown(await self.supervisor(sup).restart_child(child))

    async def do_delete_child(self, sup: str, child: str) -> None:
        await self.supervisor(sup).delete_child(child)

    async def do_count(self, sup: str) -> list[int]:
        counts = await self.supervisor(sup).count_children()
        return [counts.specs, counts.active, counts.supervisors, counts.workers]

    async def do_which(self, sup: str) -> list[Any]:
        handle = self.supervisor(sup)
        rows = [[row.id, self.shown(row.child), row.type] for row in await handle.which_children()]
        return sorted(rows, key=lambda row: str(row[1])) if isinstance(handle, Dynamic) else rows

    async def do_spec(self, sup: str, child: str) -> list[Any]:
        spec = await self.supervisor(sup).get_childspec(child)
        time: Any = spec.shutdown
        if time != "brutal_kill":
            time = "infinity" if time == float("inf") else round(time * 1000)
        return [spec.restart, time, spec.type, spec.significant]

    async def do_change(self, sup: str, script: Script) -> None:
        pid = process.pid_of(self.supervisor(sup))
        label = self.collector.label_of(pid).partition("#")[0]
        self.collector.overrides[label] = script
        await sys.change_code(pid)

    # --- servers ----------------------------------------------------------------------------------------------------

    async def do_call(self, to: str, command: Any, time: Any = 5000) -> Any:
        handle = self.handle(to)
        return await within(handle, None if time == "infinity" else time / 1000).ask(command)

    async def do_cast(self, to: str, command: Any) -> None:
        self.handle(to).tell_to(command)

    async def do_send(self, to: str, message: Any) -> None:
        process.send(self.target(to), message)

    async def do_stop(self, to: str, reason: str = "normal", time: int | None = None) -> None:
        await stop(self.target(to), term(reason), None if time is None else time / 1000)

    async def do_sys_stop(self, to: str, reason: str) -> None:
        await sys.terminate(self.target(to), term(reason))

    async def do_suspend(self, to: str) -> None:
        await sys.suspend(self.target(to))

    async def do_resume(self, to: str) -> None:
        await sys.resume(self.target(to))

    async def do_state(self, of: str) -> Any:
        return (await sys.get_state(self.target(of))).value

    async def do_set_state(self, of: str, value: Any) -> Any:
        return (
            await sys.replace_state(self.target(of), lambda server: setattr(server, "value", value))
        ).value

    # --- processes --------------------------------------------------------------------------------------------------

    async def do_exit(self, to: str, reason: str) -> None:
        process.exit(self.target(to), term(reason))

    async def do_link(self, to: str) -> str:
        try:
            process.link(self.target(to))
        except NoProcess:
            return "error:noproc"
        return "ok"

    async def do_unlink(self, to: str) -> None:
        process.unlink(self.target(to))

    async def do_monitor(self, to: str) -> None:
        self.monitors[process.current(), to] = process.monitor(self.target(to))

    async def do_demonitor(self, to: str, flush: str = "") -> bool:
        return process.demonitor(self.monitors[process.current(), to], flush=flush == "flush")

    async def do_trap(self, on: bool) -> bool:
        return process.trap_exits(on)

    async def do_alive(self, of: str) -> bool:
        return process.alive(self.target(of))

    async def do_register(self, to: str, name: str) -> None:
        process.register(name, self.target(to))

    async def do_unregister(self, name: str) -> None:
        process.unregister(name)

    async def do_whereis(self, to: str) -> Any:
        return self.shown(process.whereis(self.target(to)))

    # --- registries -------------------------------------------------------------------------------------------------

    async def do_registry(self, name: str, options: dict[str, Any]) -> str:
        registry = await Registry.start_link(
            name,
            keys=options["keys"],
            listeners=options.get("listeners", []),
            partitions=options.get("partitions", 1),
        )
        self.collector.name(process.pid_of(registry), name)
        for at, pid in enumerate(registry.partitions()):
            self.collector.name(pid, f"{name}.{at}")
        return name

    async def do_reg(self, registry: str, key: Any, value: Any) -> Any:
        try:
            Registry.named(registry).register(key, value)
        except AlreadyRegistered as error:
            return f"error:already_registered({self.collector.label_of(error.pid)})"
        return None

    async def do_unreg(self, registry: str, key: Any) -> None:
        Registry.named(registry).unregister(key)

    async def do_unreg_match(self, registry: str, key: Any, value: Any) -> None:
        Registry.named(registry).unregister_match(key, value)

    async def do_lookup(self, registry: str, key: Any) -> Any:
        return self.entries(Registry.named(registry).lookup(key))

    async def do_match(self, registry: str, key: Any, value: Any) -> Any:
        return self.entries(Registry.named(registry).match(key, value))

    async def do_keys(self, registry: str, of: str) -> Any:
        return sorted(Registry.named(registry).keys(self.target(of)))

    async def do_values(self, registry: str, key: Any, of: str) -> Any:
        return sorted(Registry.named(registry).values(key, self.target(of)))

    async def do_entries(self, registry: str) -> int:
        return Registry.named(registry).count()

    async def do_update(self, registry: str, key: Any, value: Any) -> Any:
        try:
            return list(Registry.named(registry).update_value(key, lambda _: value))
        except NotRegistered:
            return "not registered"

    async def do_dispatch(self, registry: str, key: Any, message: Any) -> None:
        def send(entries: list[Any]) -> None:
            for pid, _ in entries:
                process.send(pid, message)

        Registry.named(registry).dispatch(key, send)

    async def do_put_meta(self, registry: str, key: Any, value: Any) -> None:
        Registry.named(registry).put_meta(key, value)

    async def do_meta(self, registry: str, key: Any) -> Any:
        return Registry.named(registry).meta(key, "none")

    # --- the scenario itself ----------------------------------------------------------------------------------------

    async def do_wait(self, time: int) -> None:
        await asyncio.sleep(time / 1000)

    async def do_release(self, label: str) -> None:
        self.collector.release(label)

    async def do_gate(self, label: str, how: str) -> None:
        if how == "open":
            self.collector.gates.discard(label)
        else:
            self.collector.gates.add(label)

    async def do_background(self, label: str, step: list[Any]) -> None:
        async def run() -> None:
            saw = await self.step(step)
            self.collector.aside(f"{label} saw {json.dumps(saw)}")

        self.background.append(asyncio.create_task(run()))

    # --- handles, names and words -----------------------------------------------------------------------------------

    def supervisor(self, label: str) -> Any:
        if not label.startswith("@"):
            return self.handle(label)
        pid = process.whereis(label[1:])
        return Static.named(label[1:]) if pid is None else self.handle(self.collector.labels[pid])

    def handle(self, label: str) -> Any:
        target = self.target(label)
        return target if label in self.collector.handles else Scripted.named(target)

    def target(self, label: str) -> Any:
        match label[0]:
            case "@":
                return label[1:]
            case "%":
                registry, key = label[1:].split("/")
                return Registry.named(registry).via(key)
        if label == "client":
            return process.Pid(self.collector.client)
        if label == "self":
            return process.current()
        known = self.collector.handles.get(label)
        return process.Pid(self.collector.pids[label]) if known is None else known

    def message(self, message: Any) -> str:
        """A message as an event tells it."""
        label = self.collector.label_of
        match message:
            case Exit(pid, reason):
                return f"exit {label(pid)} {self.word(reason)}"
            case Down(_, str(name), reason):
                return f"down @{name} {self.word(reason)}"
            case Down(_, target, reason):
                return f"down {self.shown(target)} {self.word(reason)}"
            case Registered(registry, key, pid, value):
                return f"register {registry} {key} {label(pid)} {json.dumps(value)}"
            case Unregistered(registry, key, pid):
                return f"unregister {registry} {key} {label(pid)}"
            case str() | list():
                return json.dumps(message)
        return "timeout" if message is TIMEOUT else "a stray message"

    def word(self, reason: object) -> str:
        return word(reason, self.collector.label_of)

    def shown(self, child: Any) -> Any:
        if child is None:
            return None
        if child is RESTARTING:
            return "restarting"
        if isinstance(child, StartResult):
            return f"{self.shown(child.pid)} with {child.info}"
        pid = child if isinstance(child, int) else child.__regrow_process__().pid
        return self.collector.label_of(pid)

    def entries(self, rows: list[Any]) -> Any:
        return sorted([self.collector.label_of(pid), value] for pid, value in rows)


SILENT: Final = ("call", "start_child", "restart_child", "whereis", "state", "set_state", "meta")
"""Steps that may see None."""
