"""Servers and supervisors that behave by script; ``elixir/scripted.exs`` and ``supervisors.exs`` are the others' form.

A script says how the starts of a server go, and what it does when it is told to end. The messages that it gets are
commands, the same for a call, a cast and a plain message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from conformance.reasons import Crash, term, word
from regrow import (
    INFINITY,
    ChildSpec,
    DynamicSupervisor,
    Flags,
    GenServer,
    Ignore,
    Plan,
    Registry,
    Reply,
    StartError,
    StartResult,
    Stop,
    Supervisor,
    call,
    cast,
    process,
    spec,
)

if TYPE_CHECKING:
    from conformance.player import Player

__all__ = ["Dynamic", "Script", "Scripted", "Static", "child_spec", "start"]

Script = dict[str, Any]


def pick(outcomes: list[Any], number: int) -> Any:
    return outcomes[number - 1] if number <= len(outcomes) else "ok"


class Scripted(GenServer):
    """A server by script."""

    def __init__(self, *args: Any) -> None:
        *extra, self.player, self.script = args
        self.extra = extra[0] if extra else None
        self.value: Any = None
        self.kept: list[Reply[Any]] = []

    def init(self) -> Coroutine[Any, Any, None] | None:
        if self.script.get("trap"):
            process.trap_exits()
        how, me, number = self.player.collector.started(self.script["id"], type(self))
        if how == "gated":
            return fail()
        self.me = me
        outcome = pick(self.script.get("init", []), number)
        match outcome:
            case "hold":
                self.tell("waits")
                return self.init_later(self.player.collector.hold(self.ancestors()))
            case ["sleep", int(time)]:
                return self.init_later(asyncio.sleep(time / 1000))
            case "ok":
                self.up()
            case "ignore":
                self.tell("ignored")
                raise Ignore
            case ["raise", message]:
                self.tell(f"refused error:{message}")
                raise Crash(message)
            case [how, reason]:
                self.tell(f"refused {reason}")
                if how == "stop":
                    raise Stop(term(reason))
                process.exit(term(reason))
        return None

    async def init_later(self, wait: Coroutine[Any, Any, None]) -> None:
        await wait
        self.up()

    def up(self) -> None:
        self.tell("started")
        if "self" in self.script:
            process.send(process.current(), self.script["self"])
        if "continue" in self.script:
            self.continue_with(self.script["continue"])
        elif "timeout" in self.script:
            self.set_timeout(self.script["timeout"] / 1000)

    # --- messages ---------------------------------------------------------------------------------------------------

    @call
    def ask(self, command: Any) -> Any:
        return self.run(command)

    @cast
    def tell_to(self, command: Any) -> Any:
        return self.run(command)

    def handle_info(self, message: Any) -> Any:
        if isinstance(message, (str, list)):
            result = self.run(message)
            return result if asyncio.iscoroutine(result) else None
        self.tell(f"got {self.player.message(message)}")
        return None

    def handle_continue(self, term: list[Any]) -> Any:
        command, *rest = term
        is_command = isinstance(command, list)
        self.tell(f"continue {command[0] if is_command else command}")
        if rest:
            self.continue_with(rest)
        elif is_command:
            return self.run(command)
        return None

    def run(self, command: Any) -> Any:
        match command:
            case "ping":
                return "pong"
            case "get":
                return self.value
            case "extra":
                return self.extra
            case ["put", value]:
                self.value = value
            case ["note", text]:
                self.tell(f"note {text}")
            case ["crash", message]:
                raise Crash(message)
            case ["exit", reason]:
                process.exit(term(reason))
            case ["stop", reason]:
                raise Stop(term(reason))
            case ["reply_stop", value, reason]:
                return self.stopping(value, term(reason))
            case "later":
                self.kept.append(Reply[Any]())
                return self.kept[-1]
            case ["answer" | "answer_twice", _] if not self.kept:
                return "nobody waits"
            case ["answer", value]:
                self.kept.pop(0).send(value)
            case ["answer_twice", value]:
                self.kept[0].send(value)
                self.kept.pop(0).send("again")
            case ["continue", *terms]:
                self.continue_with(terms)
            case ["timeout", int(time)]:
                self.set_timeout(time / 1000)
            case _:
                return self.run_slowly(command)
        return "ok"

    async def run_slowly(self, command: Any) -> Any:
        match command:
            case ["sleep", int(time)]:
                await asyncio.sleep(time / 1000)
            case "hold":
                self.tell("waits")
                await self.player.collector.hold([])
            case ["do", step]:
                return await self.player.step(step)
            case ["must", step]:
                return await self.player.step_or_exit(step)
            case _:
                raise ValueError(f"{command!r} is no command")
        return "ok"

    # --- reports ----------------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        self.player.collector.event(f"{self.me} {text}")

    def ancestors(self) -> list[int]:
        found: list[int] = []
        info = process.info(process.current())
        while info is not None and info.parent is not None:
            found.append(info.parent)
            info = process.info(info.parent)
        return found


async def fail() -> None:
    """Fail in the next turn of the loop, so that a supervisor that keeps trying makes one attempt a turn."""
    await asyncio.sleep(0)
    raise Stop("gated")


class Tidy(Scripted):
    """One that has a ``terminate``. It is another class, since to have one means something (see differences.json)."""

    def terminate(self, reason: Any) -> Any:
        self.tell(f"terminate {word(reason, self.player.collector.label_of)}")
        match self.script["terminate"]:
            case ["raise", message]:
                raise Crash(message)
            case ["exit", reason]:
                process.exit(term(reason))
            case ["sleep", int(time)]:
                return asyncio.sleep(time / 1000)
            case "hold":
                return self.player.collector.hold(self.ancestors())
            case "refuse":
                return self.player.collector.refuse()
        return None


# --- supervisors ----------------------------------------------------------------------------------------------------


class Static(Supervisor):
    """A ``Supervisor`` by script."""

    def init(self, *args: Any) -> Plan:
        *_, player, script = args
        script = introduce(player, script, Static)
        return self.plan([child_spec(player, each) for each in script.get("children", [])], **flags(script))


class Dynamic(DynamicSupervisor):
    """A ``DynamicSupervisor`` by script."""

    def init(self, *args: Any) -> Flags:
        *_, player, script = args
        return self.flags(**flags(introduce(player, script, Dynamic)))


def introduce(player: Player, script: Script, kind: type[GenServer]) -> Script:
    """The script to go by, after a word to the collector."""
    how, me, number = player.collector.started(script["id"], kind)
    if how == "again":
        script = player.collector.overrides[script["id"]]
        if script.get("ignore"):
            raise Ignore
        return script
    ignored = pick(script.get("init", []), number) == "ignore"
    player.collector.event(f"{me} {'ignored' if ignored else 'started'}")
    if ignored:
        raise Ignore
    return script


def flags(script: Script) -> Any:
    keys = ("strategy", "max_restarts", "max_seconds", "max_children", "auto_shutdown")
    extra = {"extra_arguments": [script["extra"]]} if "extra" in script else {}
    return {key: script[key] for key in keys if key in script} | extra


# --- starts and specs -----------------------------------------------------------------------------------------------


def kind_of(script: Script) -> Any:
    match script.get("is", "server"):
        case "static":
            return Static
        case "dynamic":
            return Dynamic
    return Tidy if "terminate" in script else Scripted


def start_options(script: Script) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "name" in script:
        options["name"] = script["name"]
    if "via" in script:
        registry, key, *value = script["via"]
        options["name"] = Registry.named(registry).via(key, *value)
    if "start_timeout" in script:
        options["timeout"] = script["start_timeout"] / 1000
    return options


async def start(player: Player, script: Script) -> Any:
    options = kind_of(script).options(**start_options(script))
    return await (options.start_link if script.get("link", True) else options.start)(player, script)


def child_spec(player: Player, script: Script) -> ChildSpec[Any]:
    keys: dict[str, Any] = {key: script[key] for key in ("restart", "significant", "type") if key in script}
    if "shutdown" in script:
        time = script["shutdown"]
        keys["shutdown"] = INFINITY if time == "infinity" else time / 1000 if isinstance(time, int) else time
    if "starts" in script:
        made = spec(start_by_script, player, script)
    else:
        made = kind_of(script).options(**start_options(script)).child_spec(player, script)
    return made.replace(id=script["id"], **keys)


async def start_by_script(*args: Any) -> Any:
    *_, player, script = args
    match pick(script["starts"], player.collector.attempt(script["id"])):
        case "garbage":
            return "garbage"
        case ["error", reason]:
            raise StartError(term(reason))
        case ["raise", message]:
            raise Crash(message)
        case ["exit", reason]:
            process.exit(term(reason))
        case outcome:
            handle = await kind_of(script).options(**start_options(script)).start_link(*args)
            return StartResult(handle, "info") if outcome == "info" else handle
