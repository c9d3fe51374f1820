"""The flags of a supervisor: how many restarts it allows, how it restarts, whom it takes.

Flags come from three places: the header of a supervisor class, the options of a start, the call
site. Each place gives only what it wants to say, as a plain mapping; ``merge`` lays them over one
another, the nearest last, and makes the ``Flags``. A ``Flags`` is checked when it is made, so a
supervisor never runs on flags that it cannot keep.

Elixir: the options of ``Supervisor.init/2`` and ``DynamicSupervisor.init/1``, and ``sup_flags()``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

from regrow.kernel.errors import InvalidFlags

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]

STRATEGIES: Final = get_args(Strategy)
AUTO_SHUTDOWNS: Final = get_args(AutoShutdown)


@dataclass(frozen=True, slots=True)
class Flags:
    """What a supervisor keeps to. Every value is checked; ``InvalidFlags`` names the one that is wrong.

    ``max_restarts`` in ``max_seconds`` is the restart intensity: one restart more inside that time stops
    the supervisor. ``max_children`` and ``extra_arguments`` are for a ``DynamicSupervisor``, the other
    strategies and ``auto_shutdown`` for a ``Supervisor``. ``None`` for ``max_children`` means no limit.
    """

    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    max_seconds: float = 5.0
    max_children: float | None = math.inf
    extra_arguments: Sequence[Any] = ()
    auto_shutdown: AutoShutdown = "never"

    def __post_init__(self) -> None:
        if self.max_children is None:
            object.__setattr__(self, "max_children", math.inf)
        _require(self.strategy in STRATEGIES, "strategy", self.strategy, _one_of(STRATEGIES))
        _require(_is_count(self.max_restarts), "max_restarts", self.max_restarts, "a whole number, 0 or more")
        _require(
            _is_duration(self.max_seconds),
            "max_seconds",
            self.max_seconds,
            "a finite number of seconds above 0",
        )
        _require(
            _is_count(self.max_children) or self.max_children == math.inf,
            "max_children",
            self.max_children,
            "a whole number, 0 or more, or INFINITY",
        )
        _require(
            isinstance(self.extra_arguments, (list, tuple)),
            "extra_arguments",
            self.extra_arguments,
            "a list or a tuple of arguments",
        )
        _require(
            self.auto_shutdown in AUTO_SHUTDOWNS, "auto_shutdown", self.auto_shutdown, _one_of(AUTO_SHUTDOWNS)
        )
        object.__setattr__(self, "extra_arguments", tuple(self.extra_arguments))

    @property
    def limit(self) -> float:
        """``max_children`` as a number."""
        return math.inf if self.max_children is None else self.max_children

    @classmethod
    def raw(cls, *, intensity: int = 1, period: float = 5.0, **others: Any) -> Flags:
        """Flags by Erlang's names and with Erlang's default of one restart in five seconds (``sup_flags()``)."""
        return merge({"max_restarts": intensity, "max_seconds": period}, others)


FLAG_NAMES: Final = tuple(field.name for field in fields(Flags))
DYNAMIC_FLAG_NAMES: Final = tuple(name for name in FLAG_NAMES if name != "auto_shutdown")
STATIC_FLAG_NAMES: Final = ("strategy", "max_restarts", "max_seconds", "auto_shutdown")


def merge(*layers: Mapping[str, Any]) -> Flags:
    """Lay mappings of flags over one another, the last one winning, and make the checked ``Flags``.

    >>> merge({"max_restarts": 1, "max_seconds": 60}, {"max_restarts": 2}).max_restarts
    2
    >>> merge({"max_restarts": -1})
    Traceback (most recent call last):
    regrow.kernel.errors.InvalidFlags: max_restarts=-1: must be a whole number, 0 or more
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values.update(layer)
    refuse_unknown(values, FLAG_NAMES)
    return Flags(**values)


def refuse_unknown(given: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Raise ``InvalidFlags`` if ``given`` holds a name that is no flag of this kind of supervisor."""
    for name in given:
        if name not in allowed:
            raise InvalidFlags(
                f"{name}={given[name]!r}: there is no such flag here; the flags are {', '.join(allowed)}"
            )


def require_dynamic(flags: Flags) -> Flags:
    """Refuse what only a static ``Supervisor`` can do."""
    _require(
        flags.strategy == "one_for_one",
        "strategy",
        flags.strategy,
        "'one_for_one', the only strategy of a DynamicSupervisor",
    )
    _require(
        flags.auto_shutdown == "never",
        "auto_shutdown",
        flags.auto_shutdown,
        "'never' for a DynamicSupervisor, whose children are never significant",
    )
    return flags


def require_static(flags: Flags) -> Flags:
    """Refuse what only a ``DynamicSupervisor`` can do."""
    _require(
        flags.max_children == math.inf,
        "max_children",
        flags.max_children,
        "INFINITY for a Supervisor, which has no limit",
    )
    _require(
        not flags.extra_arguments, "extra_arguments", flags.extra_arguments, "left to a DynamicSupervisor"
    )
    return flags


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise InvalidFlags(f"{name}={value!r}: must be {allowed}")


def _one_of(values: Sequence[str]) -> str:
    return "one of " + ", ".join(repr(value) for value in values)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_duration(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
