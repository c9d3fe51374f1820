"""Patterns for the values in a registry: what Elixir's match specs say, in Python's words.

=========================================  ==============================================
Elixir                                     here
=========================================  ==============================================
``:_``                                     ``...``
``{1, :_, :_}``                            ``(1, ..., ...)``
``%{name: "anna"}`` (more keys may follow)  ``{"name": "anna"}``
``{:"$1"}, [{:is_atom, :"$1"}]``           ``(str,)``: a class takes its instances
``{:"$1", :_}, [{:>, :"$1", 3}]``          ``(lambda n: n > 3, ...)``
``{:"$1", :_, :"$1"}``                     ``lambda value: value[0] == value[2]``
anything else: equal                       anything else: equal, and of the same type
=========================================  ==============================================

A function is given what stands in its place, or the whole value, and says True or False. What it raises goes to
whoever asked. A value that is a function or class itself is found by ``lambda value: value is it``.

>>> matcher((1, str, lambda n: n > 2))((1, "x", 3))
True
>>> matcher(1)(True)
False
>>> matcher({"name": str})({"name": "anna", "age": 3})
True
"""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any

__all__ = ["matcher"]


def matcher(pattern: Any) -> Callable[[Any], bool]:
    """The function that says whether a value matches *pattern*."""
    if pattern is ...:
        return _anything
    if isinstance(pattern, type | UnionType):
        return lambda value: isinstance(value, pattern)
    if callable(pattern):
        return lambda value: bool(pattern(value))
    if isinstance(pattern, dict):
        return _superset(pattern)
    if isinstance(pattern, tuple | list):
        return _sequence(pattern)
    return lambda value: type(value) is type(pattern) and bool(value == pattern)


def _anything(_value: Any) -> bool:
    return True


def _sequence(pattern: tuple[Any, ...] | list[Any]) -> Callable[[Any], bool]:
    kind, parts = type(pattern), [matcher(part) for part in pattern]

    def matches(value: Any) -> bool:
        return (
            type(value) is kind
            and len(value) == len(parts)
            and all(part(own) for part, own in zip(parts, value, strict=True))
        )

    return matches


def _superset(pattern: dict[Any, Any]) -> Callable[[Any], bool]:
    parts = {key: matcher(part) for key, part in pattern.items()}

    def matches(value: Any) -> bool:
        return isinstance(value, dict) and all(
            key in value and part(value[key]) for key, part in parts.items()
        )

    return matches
