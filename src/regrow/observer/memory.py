"""How much memory one process takes: an estimate, since in Python everything may belong to several.

What can be reached from its state and its mailbox is added up, up to a number of objects. Left out is what is the
program's and nobody's own: classes, functions, modules, other processes, the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Iterable
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
    pace = Pace()
    seen: set[int] = set()
    size, cut = sys.getsizeof(process), False
    if process.extra is not None:
        size += sys.getsizeof(process.extra)
    waiting: deque[Any] = deque([process.server, process.mailbox])
    while waiting and not cut:
        for _ in range(min(PORTION, len(waiting))):
            each = waiting.popleft()  # what is looked at stays alive, so no id is met twice by chance
            if each is None or each is True or each is False or id(each) in seen or _is_shared(each):
                continue
            if len(seen) >= objects:
                cut = True
                break
            seen.add(id(each))
            size += _size_of(each)
            if type(each) not in PLAIN:
                waiting.extend(_parts(each, objects + 1 - len(seen)))
        await pace.go_on(PORTION)
        if process.status == DEAD:
            raise UnknownProcess(process.pid)
    return Memory(process.pid, size, len(seen), cut)


def _is_shared(each: object) -> bool:
    return issubclass(type(each), SHARED) or is_handle(each)  # isinstance would ask a proxy what it is


def _size_of(each: object) -> int:
    try:
        return sys.getsizeof(each)
    except Exception:  # by a __sizeof__ of its own
        return 0


def _parts(each: Any, limit: int) -> Iterable[Any]:
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
