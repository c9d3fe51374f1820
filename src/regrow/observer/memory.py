"""How much memory one process takes: an estimate, since in Python everything may belong to several.

What can be reached from its state and its mailbox is added up, up to a number of objects. Left out is what is the
program's and nobody's own: classes, functions, modules, other processes, the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Sequence
from itertools import chain, islice
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final

from regrow.kernel.process import DEAD, Behaviour, Process
from regrow.kernel.runtime import Runtime
from regrow.kernel.targets import is_handle
from regrow.observer.errors import UnknownProcess
from regrow.observer.model import Memory
from regrow.observer.pace import PORTION, Pace

__all__ = ["estimate"]

SHARED: Final = (
    type,
    ModuleType,
    FunctionType,
    BuiltinFunctionType,
    CodeType,
    FrameType,
    GetSetDescriptorType,
    MemberDescriptorType,
    WrapperDescriptorType,
    Process,
    Runtime,
    Behaviour,
    asyncio.AbstractEventLoop,
    asyncio.Future,
    asyncio.Handle,
)
CONTAINERS: Final[tuple[Any, ...]] = (dict, list, tuple, set, frozenset, deque)
PLAIN: Final = frozenset((str, bytes, int, float, complex, bool, type(None), type(...), bytearray, range))


async def estimate(process: Process, objects: int) -> Memory:
    """Look at *objects* objects at most."""
    pace, done = Pace(), 0
    seen: set[int] = set()  # those that wait are in it too: so no more wait than may be looked at
    size, cut = sys.getsizeof(process), False
    if process.extra is not None:
        size += sys.getsizeof(process.extra)
    waiting: deque[Any] = deque()
    parts: Sequence[Any] = (process.server, process.mailbox)
    while True:
        for start in range(0, len(parts), PORTION):
            portion = parts[start : start + PORTION]
            cut = _queue(portion, seen, waiting, objects)
            done += len(portion)
            if cut:
                break
            if done >= PORTION:
                done = await _go_on(process, pace, done)
        if not waiting:
            return Memory(process.pid, size, len(seen), cut)
        each = waiting.popleft()  # what is looked at stays alive, so no id is met twice by chance
        size += _size_of(each)
        parts = () if cut or type(each) in PLAIN else _parts(each, objects + 1 - len(seen))
        done += 1
        if done >= PORTION:
            done = await _go_on(process, pace, done)


def _queue(parts: Sequence[Any], seen: set[int], waiting: deque[Any], objects: int) -> bool:
    """Let those wait that are new; whether there are more of them than may be looked at."""
    for each in parts:
        if each is None or each is True or each is False or id(each) in seen or _is_shared(each):
            continue
        if len(seen) >= objects:
            return True
        seen.add(id(each))
        waiting.append(each)
    return False


async def _go_on(process: Process, pace: Pace, done: int) -> int:
    """The loop may have its turn, in which the process may end; gives what is done since: nothing."""
    await pace.go_on(done)
    if process.status == DEAD:
        raise UnknownProcess(process.pid)
    return 0


def _is_shared(each: object) -> bool:
    return issubclass(type(each), SHARED) or is_handle(each)  # isinstance would ask a proxy what it is


def _size_of(each: object) -> int:
    try:
        return sys.getsizeof(each)
    except Exception:  # by a __sizeof__ of its own
        return 0


def _parts(each: Any, limit: int) -> Sequence[Any]:
    """What it refers to. Of a great container only so many as can be looked at."""
    parts: list[Any] = []
    if issubclass(type(each), dict):
        parts += chain.from_iterable(islice(dict.items(each), limit))
    else:
        kind = next((kind for kind in CONTAINERS if issubclass(type(each), kind)), None)
        if kind is None:
            return gc.get_referents(each)
        parts += islice(kind.__iter__(each), limit)
    if type(each) not in CONTAINERS:
        parts += [getattr(each, "__dict__", None)]
    return parts
