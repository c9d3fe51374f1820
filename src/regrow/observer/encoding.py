"""The values of ``model`` as plain ones, and those as JSON text.

An answer may have a thousand rows or two thousand nodes, so whoever answers from within the program does both in
stretches (``plain``, ``json_text``), between which the loop goes on. ``as_json`` is for who asks in his own time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from regrow.observer.pace import Pace

__all__ = ["as_json", "json_text", "plain"]

ATOMS = (str, int, bool, type(None))

Open = tuple[Any, Any]
"""A dict or list that is still empty, and the value that it is to be filled from."""


def as_json(value: object) -> Any:
    """*value* as ``json.dumps`` takes it: dicts, lists, texts, numbers, None. Infinite times are ``"infinity"``.

    >>> from regrow.observer.model import Memory, Page
    >>> as_json(Page((Memory(7, 4096, 12, cut=False),), total=1, offset=0, limit=50, at=0.0))["rows"]
    [{'pid': 7, 'bytes': 4096, 'objects': 12, 'cut': False}]
    >>> as_json(float("inf"))
    'infinity'
    """
    empty: list[Open] = []
    found = _begun(value, empty)
    for _ in _filled(empty):
        pass
    return found


async def plain(value: object) -> Any:
    """The same, in stretches."""
    empty: list[Open] = []
    found = _begun(value, empty)
    async for _ in Pace().through(_filled(empty)):
        pass
    return found


async def json_text(value: Any) -> bytes:
    """What is plain as JSON, in stretches."""
    pieces = [each async for each in Pace().through(_pieces(value))]
    return "".join(pieces).encode()


# --- plain values ---------------------------------------------------------------------------------------------------


def _begun(value: object, empty: list[Open]) -> Any:
    """*value* itself, or the dict or list that it becomes, which waits to be filled."""
    if isinstance(value, ATOMS):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    made: Any
    if isinstance(value, (tuple, list)):
        made = []
    elif isinstance(value, dict) or _names(type(value)):
        made = {}
    else:
        raise TypeError(f"as_json({value!r}): takes the values of regrow.observer.model, and plain ones")
    empty.append((made, value))
    return made


def _filled(empty: list[Open]) -> Iterator[None]:
    """Fill one after the other, with those that turn up on the way."""
    while empty:
        made, value = empty.pop()
        if isinstance(made, list):
            made += [_begun(each, empty) for each in value]
        elif isinstance(value, dict):
            made.update((str(key), _begun(each, empty)) for key, each in value.items())
        else:
            for name in _names(type(value)):
                each = getattr(value, name)
                made[name] = each if type(each) in ATOMS else _begun(each, empty)
        yield


_fields: dict[type, tuple[str, ...]] = {}


def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass; of anything else, none."""
    known = _fields.get(kind)
    if known is None and is_dataclass(kind):
        known = _fields[kind] = tuple(each.name for each in fields(kind))
    return known or ()


def _not_finite(value: float) -> str:
    return "nan" if math.isnan(value) else "infinity" if value > 0 else "-infinity"


# --- JSON -----------------------------------------------------------------------------------------------------------

_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _pieces(value: Any) -> Iterator[str]:
    """JSON in pieces, none of which has more than one row."""
    if _is_row(value):
        yield _text(value)
    elif isinstance(value, dict):
        before = "{"
        for key, each in value.items():
            yield f"{before}{_text(key)}:"
            yield from _pieces(each)
            before = ","
        yield "}"
    else:
        before = "["
        for each in value:
            yield before
            yield from _pieces(each)
            before = ","
        yield "]"


def _is_row(value: Any) -> bool:
    """Whether there is no list of dicts or of lists in it."""
    if isinstance(value, dict):
        return all(_is_row(each) for each in value.values() if isinstance(each, (dict, list)))
    return not isinstance(value, list) or not value or not isinstance(value[0], (dict, list))
