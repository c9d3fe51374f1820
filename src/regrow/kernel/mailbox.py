"""Putting messages into a process's mailbox.

A mailbox is a queue of envelopes, and exists only while it holds something. Whoever puts one in also sees to it
that the process gets a turn. What a process takes out by hand, ``receive``, is in ``receiving``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from regrow.kernel.events import emit
from regrow.kernel.process import DEAD, QUEUED, SUSPENDED, Envelope, Pid, Process

__all__ = ["TIMEOUT", "Down", "Exit", "put", "put_message"]


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored process has ended: Elixir's ``{:DOWN, ref, :process, target, reason}``.

    ``target`` is its pid, or the name where a name was monitored.
    """

    ref: int
    target: Any
    reason: object


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit signal that a process trapping exits gets as a message: Elixir's ``{:EXIT, pid, reason}``."""

    pid: Pid
    reason: object


class _Timeout:
    """The message of a receive time-out; there is one, ``TIMEOUT``: Elixir's ``:timeout``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "TIMEOUT"

    def __reduce__(self) -> str:
        return "TIMEOUT"


TIMEOUT: Final = _Timeout()


def put(process: Process, envelope: Envelope) -> None:
    """Put *envelope* into the mailbox of *process*, which must not be dead, and see that it gets a turn."""
    if process.mailbox is None:
        made = deque((envelope,))
        if process.mailbox is None:
            process.mailbox = made
        else:  # garbage was collected just now, and a finalizer has sent something
            process.mailbox.append(envelope)
    else:
        process.mailbox.append(envelope)
        if process.behaviour.max_mailbox is not None and len(process.mailbox) > process.behaviour.max_mailbox:
            _alarm(process)
    status = process.status
    if status == QUEUED:
        return
    if status < QUEUED:
        process.status = QUEUED
        rt = process.runtime
        rt.run_queue.append(process)  # as ``schedule``
        if not rt.armed:
            rt.arm()
        return
    extra = process.extra
    if extra is not None and extra.receiver is not None:
        _offer(process, envelope)
    elif status == SUSPENDED and envelope[3] is not None and envelope[3].system:
        process.runtime.schedule(process)


def put_message(process: Process, message: object) -> None:
    """Put a plain message in; the dead get none."""
    if process.status != DEAD:
        put(process, (None, message, None, None))


def _offer(process: Process, envelope: Envelope) -> None:
    """*process* waits in ``receive``: if this is what it waits for, hand it over."""
    extra = process.more()
    receiver = extra.receiver
    if receiver is None or envelope[0] is not None or envelope[3] is not None:
        return
    wanted, future = receiver
    if future.done():
        return
    try:
        found = wanted(envelope[1])
    except Exception as error:  # of the receiver's own pattern: the receiver's error, not the sender's
        extra.receiver = None
        future.set_exception(error)
        return
    if found:
        take_last(process)
        extra.receiver = None
        future.set_result(envelope[1])


def take_last(process: Process) -> None:
    mailbox = process.mailbox
    if mailbox is not None:
        mailbox.pop()
        if not mailbox:
            process.mailbox = None


def _alarm(process: Process) -> None:
    extra = process.more()
    if not extra.alarmed:
        extra.alarmed = True
        length = len(process.mailbox or ())
        emit(process.runtime, "mailbox.alarm", pid=process.pid, name=process.name, length=length)
