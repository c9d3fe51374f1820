"""``regrow.process``: what a process can do, with itself and with others (Elixir's ``Process``).

A target is a pid, a handle, a name or a via. Functions that act *as* somebody (``link``, ``monitor``, ``receive``,
``register``, ...) act as the current process; an asyncio task that calls one becomes a process by that.

>>> import asyncio
>>> from regrow import process
>>> async def main():
...     async def echo(back):
...         process.send(back, await process.receive(str))
...     pid = process.spawn(echo, process.current())
...     process.send(pid, "hello")
...     return await process.receive()
>>> asyncio.run(main())
'hello'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar, overload

from regrow.kernel import closing as _closing  # noqa: F401  # fits out every runtime with its end
from regrow.kernel import inspection as _inspection
from regrow.kernel import names as _names
from regrow.kernel import receiving as _receiving
from regrow.kernel import scheduler as _scheduler  # noqa: F401  # fits out every runtime with its run queue
from regrow.kernel import signals as _signals
from regrow.kernel import spawning as _spawning
from regrow.kernel import timers as _timers
from regrow.kernel.adoption import current_process as _current_process
from regrow.kernel.adoption import refuse_the_dead as _refuse_the_dead
from regrow.kernel.errors import NameTaken, NoCurrentProcess, NoProcess, ProcessExit
from regrow.kernel.inspection import ProcessInfo
from regrow.kernel.mailbox import TIMEOUT, Down, Exit
from regrow.kernel.mailbox import put_message as _put_message
from regrow.kernel.names import Name
from regrow.kernel.process import DEAD as _DEAD
from regrow.kernel.process import EXITING as _EXITING
from regrow.kernel.process import Pid
from regrow.kernel.process import Process as _Process
from regrow.kernel.reasons import NOPROC
from regrow.kernel.runtime import runtime as _runtime
from regrow.kernel.targets import Target
from regrow.kernel.targets import is_handle as _is_handle
from regrow.kernel.targets import resolve as _resolve
from regrow.kernel.targets import shown as _shown
from regrow.kernel.timers import TimerRef

__all__ = [
    "TIMEOUT",
    "Down",
    "Exit",
    "Name",
    "Pid",
    "ProcessInfo",
    "Target",
    "TimerRef",
    "alive",
    "cancel_timer",
    "current",
    "demonitor",
    "exit",
    "info",
    "label",
    "link",
    "monitor",
    "pid_of",
    "processes",
    "read_timer",
    "receive",
    "register",
    "registered",
    "send",
    "send_after",
    "send_interval",
    "set_label",
    "spawn",
    "spawn_link",
    "spawn_monitor",
    "trap_exits",
    "unlink",
    "unregister",
    "whereis",
]

P = ParamSpec("P")
T = TypeVar("T")


# --- starting -----------------------------------------------------------------------------------------------------


def spawn(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Pid:
    """Start a process that runs ``function(*args, **kwargs)``, a coroutine function as a rule; gives its pid.

    It takes its first step at the loop's next turn, and ends ``NORMAL`` when the function returns. What the
    function raises is its exit reason, and reported. TypeError for what can't be called. Elixir: ``spawn/1``.
    """
    _refuse_the_dead(_runtime())
    return _spawning.spawn_process(function, args, kwargs, linked=False).pid


def spawn_link(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Pid:
    """``spawn``, linked with the current process from the first moment. Elixir: ``spawn_link/1``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     process.trap_exits()
    ...     pid = process.spawn_link(process.exit, "tired")
    ...     return await process.receive() == process.Exit(pid, "tired")
    >>> asyncio.run(main())
    True
    """
    return _spawning.spawn_process(function, args, kwargs, linked=True).pid


def spawn_monitor(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> tuple[Pid, int]:
    """``spawn``, monitored from the first moment; gives ``(pid, ref)``. Elixir: ``spawn_monitor/1``.

    >>> import asyncio
    >>> from regrow import NORMAL, process
    >>> async def main():
    ...     pid, ref = process.spawn_monitor(print, "working")
    ...     return await process.receive() == process.Down(ref, pid, NORMAL)
    >>> asyncio.run(main())
    working
    True
    """
    owner = _current_process()
    process = _spawning.spawn_process(function, args, kwargs, linked=False)
    return process.pid, _signals.monitor(owner, process, process.pid)


def current() -> Pid:
    """The pid of the process that runs now; the running asyncio task becomes one if it is none yet.

    NoCurrentProcess in a bare callback or outside of an event loop. Elixir: ``self()``.
    """
    return _current_process().pid


# --- messages -----------------------------------------------------------------------------------------------------


def send(target: Target, message: object) -> None:
    """Send a plain message. To a dead pid or a free name it goes nowhere, and that is no error.

    A server gets it in ``handle_info``, a spawned function in ``receive``. A via that is nobody's raises
    LookupError, as it does in Elixir. Elixir: ``send/2``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     process.register("me")
    ...     process.send("me", "hello")
    ...     process.send("nobody", "hello")
    ...     return await process.receive()
    >>> asyncio.run(main())
    'hello'
    """
    rt = _runtime()
    _refuse_the_dead(rt)
    if _names.is_via(target) and not _is_handle(target):
        target.send(message)
        return
    process = _resolve(target, rt)
    if process is not None:
        _put_message(process, message)


@overload
async def receive(match: type[T], timeout: float | None = None) -> T: ...
@overload
async def receive(
    match: tuple[type, ...] | Callable[[Any], bool] | None = None, timeout: float | None = None
) -> Any: ...
async def receive(match: Any = None, timeout: float | None = None) -> Any:
    """Wait for a message of the current process and take it out of the mailbox.

    *match* is a class, a tuple of classes, or a function of the message that says True or False; without it the
    first message is taken. The others stay, in order. TimeoutError if none comes within *timeout* seconds; with 0
    only what is there already is looked at. TypeError and ValueError for what is no pattern or no time.
    Elixir: ``receive``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     for message in ("a word", 7, 12):
    ...         process.send(process.current(), message)
    ...     return [await process.receive(int), await process.receive(lambda it: it != 12), await process.receive()]
    >>> asyncio.run(main())
    [7, 'a word', 12]
    """
    return await _receiving.receive(match, timeout)


def send_after(target: Target, message: object, seconds: float) -> TimerRef:
    """Send *message* in *seconds*. The timer dies with a target that is a process; a name is looked up when it is
    due, and its timer dies with the current process. ValueError for less than 0 seconds.
    Elixir: ``Process.send_after/3``, in seconds.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     process.send_after(process.current(), "wake up", 0.001)
    ...     return await process.receive()
    >>> asyncio.run(main())
    'wake up'
    """
    owner, act, what = _to_send(target, message, seconds)
    return _timers.start_timer(owner, seconds, act, what)


def send_interval(target: Target, message: object, seconds: float) -> TimerRef:
    """Send *message* every *seconds*, by the clock, until it is cancelled or the target ends.

    ValueError unless that is more than 0 seconds. Erlang: ``timer:send_interval/3``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     ticks = process.send_interval(process.current(), "tick", 0.001)
    ...     seen = [await process.receive() for _ in range(3)]
    ...     process.cancel_timer(ticks)
    ...     return seen
    >>> asyncio.run(main())
    ['tick', 'tick', 'tick']
    """
    if not seconds > 0:
        raise ValueError(f"an interval of {seconds!r} s is not allowed: it must be more than 0")
    owner, act, what = _to_send(target, message, seconds)
    return _timers.start_interval(owner, seconds, act, what)


def _to_send(target: Target, message: object, seconds: float) -> tuple[_Process, Callable[[], None], str]:
    if not seconds >= 0:
        raise ValueError(f"a timer of {seconds!r} s is not allowed: it must be 0 or more seconds")
    rt = _runtime()
    process = _resolve(target, rt)
    what = f"{message!r} to {target!r}"
    if process is not None and (type(target) is int or _is_handle(target)):
        return process, lambda: _put_message(process, message), what

    def send_by_name() -> None:
        found = _resolve(target, rt)
        if found is not None:
            _put_message(found, message)

    return _current_process(rt), send_by_name, what


def cancel_timer(ref: TimerRef) -> float | None:
    """Stop a timer. Gives the seconds it had left, or None if it was over. Elixir: ``Process.cancel_timer/1``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     timer = process.send_after(process.current(), "too late", 60)
    ...     return round(process.cancel_timer(timer)), process.cancel_timer(timer)
    >>> asyncio.run(main())
    (60, None)
    """
    return _timers.stop_timer(ref)


def read_timer(ref: TimerRef) -> float | None:
    """The seconds that a timer has left, or None if it is over. Elixir: ``Process.read_timer/1``."""
    return _timers.time_left(ref)


# --- links and monitors -------------------------------------------------------------------------------------------


def link(target: Target) -> None:
    """Link the current process with *target*: when one ends abnormally, so does the other, unless it traps exits.

    A second link changes nothing, one with oneself is none. If there is no such process, one that traps exits gets
    ``Exit(pid, NOPROC)``; any other gets NoProcess raised. Elixir: ``Process.link/1``.

    >>> import asyncio
    >>> from regrow import Agent, process
    >>> async def main():
    ...     process.trap_exits()
    ...     agent = await Agent.start(dict)
    ...     process.link(agent)
    ...     process.exit(agent, "enough")
    ...     return (await process.receive(process.Exit)).reason
    >>> asyncio.run(main())
    'enough'
    """
    me = _current_process()
    other = _resolve(target, me.runtime)
    if other is not None and other.status < _EXITING:
        _signals.link(me, other)
    elif me.trapping:
        _put_message(me, Exit(_shown(target), NOPROC))
    else:
        raise NoProcess(NOPROC, target, "link")


def unlink(target: Target) -> None:
    """Cut the link with *target*. No exit signal of it takes effect afterwards; an ``Exit`` that is in the mailbox
    already stays there. Elixir: ``Process.unlink/1``."""
    me = _current_process()
    other = _resolve(target, me.runtime)
    if other is not None:
        _signals.unlink(me, other)


def monitor(target: Target) -> int:
    """Watch *target*: one ``Down(ref, target, reason)`` comes when it ends, or at once with ``NOPROC`` if there is
    none. Gives the ref. Each call makes a monitor of its own. Elixir: ``Process.monitor/1``.

    >>> import asyncio
    >>> from regrow import Agent, process
    >>> async def main():
    ...     agent = await Agent.options(name="stock").start(dict)
    ...     process.monitor("stock")
    ...     process.exit(agent, "enough")
    ...     return await process.receive()
    >>> asyncio.run(main())
    Down(ref=..., target='stock', reason='enough')
    """
    me = _current_process()
    return _signals.monitor(me, _resolve(target, me.runtime), _shown(target))


def demonitor(ref: int, *, flush: bool = False) -> bool:
    """End a monitor; says whether it was still active. With *flush* a Down that came already is taken out of the
    mailbox. Elixir: ``Process.demonitor/2`` with ``:flush`` and ``:info``.

    >>> import asyncio
    >>> from regrow import Agent, process
    >>> async def main():
    ...     ref = process.monitor(await Agent.start(dict))
    ...     return process.demonitor(ref), process.demonitor(ref, flush=True)
    >>> asyncio.run(main())
    (True, False)
    """
    me = _current_process()
    active = _signals.demonitor(me, ref)
    if flush and not active:
        _receiving.flush(me, lambda message: isinstance(message, Down) and message.ref == ref)
    return active


@overload
def exit(reason: object, /) -> NoReturn: ...
@overload
def exit(target: Target, reason: object, /) -> None: ...
def exit(*args: Any) -> None:
    """``exit(reason)`` ends the current process: it raises, so let it pass. ``exit(pid, reason)`` sends an exit
    signal; the receiver ends unless it traps exits (then it gets ``Exit``) or *reason* is ``NORMAL``. ``KILL``
    ends it in any case. A target that is gone is no error. Elixir: ``exit/1`` and ``Process.exit/2``.

    >>> import asyncio
    >>> from regrow import NORMAL, Agent, process
    >>> async def main():
    ...     agent = await Agent.start(dict)
    ...     process.exit(agent, NORMAL)
    ...     alive = process.alive(agent)
    ...     process.exit(agent, "enough")
    ...     return alive, process.alive(agent)
    >>> asyncio.run(main())
    (True, False)
    """
    if len(args) == 1:
        raise ProcessExit(args[0])
    if len(args) != 2:
        raise TypeError(f"exit takes a reason, or a target and a reason, and not {len(args)} arguments")
    target, reason = args
    rt = _runtime()
    try:
        sender = _current_process(rt)
    except NoCurrentProcess:  # a bare callback
        sender = None
    process = _resolve(target, rt)
    if process is not None:
        _signals.exit_signal(process, reason, Pid(0) if sender is None else sender.pid)
        if process is sender and process.status == _EXITING:
            _current_process(rt)  # it has ended itself: raises here and now


def trap_exits(on: bool = True) -> bool:
    """Turn exit signals to the current process into ``Exit`` messages, or back; gives what it was before.

    Elixir: ``Process.flag(:trap_exit, on)``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     return process.trap_exits(), process.trap_exits(False)
    >>> asyncio.run(main())
    (False, True)
    """
    me = _current_process()
    before, me.trapping = me.trapping, bool(on)
    return before


# --- names --------------------------------------------------------------------------------------------------------


def register(name: Name, target: Target | None = None) -> None:
    """Give *name* to *target*, or to the current process.

    NameTaken if another living process has it, ValueError if the process has a name already or is gone,
    InvalidName for what can't be one. Elixir: ``Process.register/2``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     process.register("front desk")
    ...     found = process.whereis("front desk") == process.current(), process.registered()
    ...     process.unregister("front desk")
    ...     return found, process.registered()
    >>> asyncio.run(main())
    ((True, ['front desk']), [])
    """
    process = _current_process() if target is None else _resolve(target)
    _names.check_name(name)
    if process is None or process.status >= _DEAD:
        raise ValueError(f"{target!r} is no living process, so it can't be registered as {name!r}")
    if not all(map(_names.is_via, _names.names_of(process))):
        raise ValueError(f"{process!r} has a name already: unregister that first")
    holder = _names.claim(process, name)
    if holder is not None:
        raise NameTaken(f"the name {name!r} is taken by process {holder.pid}", holder.pid)


def unregister(name: Name) -> None:
    """Free *name*. ValueError if it is nobody's. Elixir: ``Process.unregister/1``."""
    process = _names.find(_runtime(), name)
    own = None if process is None else _names.own_name(process, name)
    if process is None or own is None:
        raise ValueError(f"no process is registered as {name!r}")
    _names.give_up(process, own)


def whereis(name: Name) -> Pid | None:
    """The pid of the process of that name, or None. Elixir: ``Process.whereis/1``, ``GenServer.whereis/1``."""
    process = _resolve(name)
    return None if process is None else process.pid


def registered() -> list[Name]:
    """All local names. Elixir: ``Process.registered/0``."""
    holders = _runtime().names.values()
    return [name for each in holders for name in _names.names_of(each) if not _names.is_via(name)]


# --- looking ------------------------------------------------------------------------------------------------------


def pid_of(target: Target) -> Pid:
    """The pid behind a handle, name or via, as it is now. NoProcess if there is none.

    Elixir: ``GenServer.whereis/1``.
    """
    process = _resolve(target)
    if process is None:
        raise NoProcess(NOPROC, target)
    return process.pid


def alive(target: Target) -> bool:
    """Whether the process lives. From the moment its exit is decided it does not, unless it is to run ``terminate``.

    Elixir: ``Process.alive?/1``.
    """
    return _inspection.is_alive(_resolve(target))


def info(target: Target) -> ProcessInfo | None:
    """What can be seen of a process from outside; None if it is gone. Elixir: ``Process.info/1``.

    >>> import asyncio
    >>> from regrow import Agent, process
    >>> async def main():
    ...     about = process.info(await Agent.options(name="stock").start(dict))
    ...     return about.kind, about.name, about.status, about.mailbox_length
    >>> asyncio.run(main())
    ('Agent', 'stock', 'idle', 0)
    """
    process = _resolve(target)
    return None if process is None else _inspection.look_at(process)


def processes() -> list[Pid]:
    """The pids of all living processes of this event loop. Elixir: ``Process.list/0``."""
    return list(_runtime().processes)


def set_label(label: object) -> None:
    """Say what the current process is about; shown in ``info`` and observers. Elixir: ``Process.set_label/1``.

    >>> import asyncio
    >>> from regrow import process
    >>> async def main():
    ...     process.set_label(("tenant", 7))
    ...     return process.label(process.current())
    >>> asyncio.run(main())
    ('tenant', 7)
    """
    _current_process().more().label = label


def label(target: Target) -> object:
    """The label that a process has set, or None. Elixir: ``Process.info(pid, :label)``."""
    process = _resolve(target)
    return process.extra.label if process is not None and process.extra is not None else None
