"""Who hears of whose end: links and monitors, and the sending of exit signals.

A link works both ways and carries exit signals; a monitor is one way and brings a ``Down`` message. What a signal
does where it arrives is ``exits``'s story.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from regrow.kernel import exits
from regrow.kernel.mailbox import Down, put_message
from regrow.kernel.outbox import post_exit
from regrow.kernel.process import DEAD, ENDING, Pid, Process
from regrow.kernel.reasons import KILL, NOPROC

__all__ = [
    "demonitor",
    "end_of",
    "exit_signal",
    "kill",
    "link",
    "link_child",
    "linked_to",
    "monitor",
    "stop_signal",
    "unlink",
    "watch",
]

Callback = Callable[[Process, object], None]

_refs = itertools.count(1)


# --- links --------------------------------------------------------------------------------------------------------
# The link of a child with its parent is a flag on the child and an entry in the parent's dict: a child at rest then
# needs no dict of its own. Every other link is an entry on both sides.


def link(one: Process, other: Process) -> None:
    """Tie two living processes together; a second link between them changes nothing, and one with oneself is none."""
    if one is other:
        return
    if other.parent == one.pid:
        other.linked = True
    else:
        _links(other)[one.pid] = one
    if one.parent == other.pid:
        one.linked = True
    else:
        _links(one)[other.pid] = other


def link_child(parent: Process, child: Process) -> None:
    """As ``link``, for a child that was born just now."""
    child.linked = True
    extra = parent.extra
    if extra is not None and extra.links is not None:
        extra.links[child.pid] = child
    else:
        _links(parent)[child.pid] = child


def unlink(one: Process, other: Process) -> None:
    """Cut the link; no exit signal of it takes effect afterwards."""
    if other.parent == one.pid:
        one, other = other, one
    if one.parent == other.pid:
        one.linked = False
    elif one.extra is not None and one.extra.links is not None:
        one.extra.links.pop(other.pid, None)
    if other.extra is not None and other.extra.links is not None:
        other.extra.links.pop(one.pid, None)


def linked_to(process: Process) -> list[Pid]:
    """The pids that *process* is linked with."""
    found = list(process.extra.links) if process.extra is not None and process.extra.links is not None else []
    if process.linked and process.parent is not None:
        found.insert(0, process.parent)
    return found


def _links(process: Process) -> dict[Pid, Process]:
    extra = process.more()
    if extra.links is None:
        extra.links = {}
    return extra.links


# --- monitors -----------------------------------------------------------------------------------------------------


def watch(process: Process, callback: Callback) -> Callable[[], None]:
    """Call ``callback(process, reason)`` when *process* has ended; gives the function that takes it back.

    It runs in the middle of the kernel's work, so it only notes down.
    """
    ref = next(_refs)
    _monitors(process)[ref] = callback

    def cancel() -> None:
        if process.extra is not None and process.extra.monitors is not None:
            process.extra.monitors.pop(ref, None)

    return cancel


def end_of(process: Process) -> asyncio.Future[object]:
    """A future that gets the reason when *process*, which lives now, has ended."""
    gone: asyncio.Future[object] = process.runtime.loop.create_future()
    forget = watch(process, lambda _process, reason: None if gone.done() else gone.set_result(reason))
    gone.add_done_callback(lambda _gone: forget())
    return gone


def monitor(owner: Process, target: Process | None, shown: Any) -> int:
    """Send *owner* one ``Down`` when *target* ends, at once if there is none; *shown* is its ``target``."""
    ref = next(_refs)
    if target is None or target.status == DEAD:
        put_message(owner, Down(ref, shown, NOPROC))
        return ref
    if target is owner:  # nobody hears of his own end
        return ref
    extra = owner.more()
    if extra.monitoring is None:
        extra.monitoring = {}
    extra.monitoring[ref] = target

    def down(_process: Process, reason: object) -> None:
        mine = owner.extra.monitoring if owner.extra is not None else None
        if mine is not None and mine.pop(ref, None) is not None:
            put_message(owner, Down(ref, shown, reason))

    _monitors(target)[ref] = down
    return ref


def demonitor(owner: Process, ref: int) -> bool:
    """End that monitor; says whether it was still active."""
    mine = owner.extra.monitoring if owner.extra is not None else None
    target = mine.pop(ref, None) if mine is not None else None
    if target is None:
        return False
    if target.extra is not None and target.extra.monitors is not None:
        target.extra.monitors.pop(ref, None)
    return True


def _monitors(process: Process) -> dict[int, Callback]:
    extra = process.more()
    if extra.monitors is None:
        extra.monitors = {}
    return extra.monitors


# --- exit signals -------------------------------------------------------------------------------------------------


def exit_signal(target: Process, reason: object, sender: Pid | None) -> None:
    """What ``process.exit(pid, reason)`` sends; it has taken effect when this returns, unless signals are under way."""
    post_exit(target, reason, sender, by_link=False)


def stop_signal(target: Process, reason: object, taken: Callable[[], None] | None = None) -> None:
    """Ask *target* to end as its parent would, whoever its parent is; *taken* is called when it comes to that."""
    if target.trapping and target.behaviour.handle_info is not None:
        if target.status < ENDING:
            exits.ask_to_stop(target, reason, taken)
    else:
        if taken is not None:
            taken()
        post_exit(target, reason, target.parent, by_link=True)


def kill(target: Process) -> None:
    """End *target* whatever it does."""
    post_exit(target, KILL, None, by_link=False)
