"""A registry's keys: any hashable, compared by type and value.

Python's dicts take ``1``, ``1.0`` and ``True`` for one key. A registry does not, no more than Elixir's: what a dict
would mix up is stored with its type beside it, also within tuples and frozensets. Strings, which nearly all keys are,
are stored as they are. An object of a class of your own counts by its class and its own ``==``.

>>> {exact(1), exact(True), exact(1)} == {1, exact(True)}
True
>>> exact(("game", 1)) == exact(("game", True))
False
>>> original(exact(("game", True)))
('game', True)
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["exact", "original"]

PLAIN: Final = frozenset((str, int, bytes, type(None), type))
"""The types whose values no dict mixes up with each other."""


class _Typed:
    """Stands before a key that is stored with its type."""


def exact(key: Any) -> Any:
    """The form in which *key* is stored. TypeError if it can't be hashed."""
    kind = type(key)
    if kind in PLAIN:
        return key
    try:
        hash(key)
    except TypeError:
        raise TypeError(
            f"{key!r} can't be a key: a key must be hashable, such as a string, a number or a tuple of these"
        ) from None
    if isinstance(key, tuple):
        parts = tuple(map(exact, key))
        if kind is tuple and all(part is own for part, own in zip(parts, key, strict=True)):
            return key
        return _Typed, kind, key, parts
    if isinstance(key, frozenset):
        return _Typed, kind, key, frozenset(map(exact, key))
    return _Typed, kind, key


def original(stored: Any) -> Any:
    """The key that is stored as *stored*."""
    if type(stored) is tuple and stored and stored[0] is _Typed:
        return stored[2]
    return stored
