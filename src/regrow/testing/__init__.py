"""``regrow.testing``: tests of trees of processes that are exact, quick, and leave nothing behind.

Under pytest it is a plugin (``pytest_plugin``): the fixtures ``start_supervised``, ``stop_supervised``, ``runtime``,
``capture_reports``, ``assert_receive``, ``refute_receive``, ``eventually``, and the mark ``virtual_time``. What is
here works without pytest too. Read it in this order: ``clock`` is virtual time; ``waiting`` and ``reports`` are what
a test sees; ``supervised`` is its own supervisor; ``snapshots`` is what lives on a loop, and ``watching`` puts them
together round one test. The page docs/testing.md shows their use.

Each part is imported when it is first asked for: pytest loads the plugin in every project that has regrow installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regrow.testing.chosen_loop import EndlessSchedule, UnexpectedCrash
    from regrow.testing.clock import ClockStuck, VirtualClock, run_virtual, virtual_time
    from regrow.testing.exploring import Explored, FailingSchedule, explore, find_failing_schedule
    from regrow.testing.reports import CrashReport, Expectation, Notice, Reports, SupervisorReport
    from regrow.testing.snapshots import Snapshot, TestedRuntime, snapshot
    from regrow.testing.storms.chaos import chaos
    from regrow.testing.storms.errors import ChaosError
    from regrow.testing.storms.report import ChaosReport, Fault
    from regrow.testing.storms.storm import Storm
    from regrow.testing.supervised import RefusedToStop, StartSupervised, StopSupervised
    from regrow.testing.waiting import assert_receive, eventually, refute_receive

__all__ = [
    "ChaosError",
    "ChaosReport",
    "ClockStuck",
    "CrashReport",
    "EndlessSchedule",
    "Expectation",
    "Explored",
    "FailingSchedule",
    "Fault",
    "Notice",
    "RefusedToStop",
    "Reports",
    "Snapshot",
    "StartSupervised",
    "StopSupervised",
    "Storm",
    "SupervisorReport",
    "TestedRuntime",
    "UnexpectedCrash",
    "VirtualClock",
    "assert_receive",
    "chaos",
    "eventually",
    "explore",
    "find_failing_schedule",
    "refute_receive",
    "run_virtual",
    "snapshot",
    "virtual_time",
]

_PARTS = {
    "chosen_loop": ("EndlessSchedule", "UnexpectedCrash"),
    "clock": ("ClockStuck", "VirtualClock", "run_virtual", "virtual_time"),
    "exploring": ("Explored", "FailingSchedule", "explore", "find_failing_schedule"),
    "reports": ("CrashReport", "Expectation", "Notice", "Reports", "SupervisorReport"),
    "snapshots": ("Snapshot", "TestedRuntime", "snapshot"),
    "storms.chaos": ("chaos",),
    "storms.errors": ("ChaosError",),
    "storms.report": ("ChaosReport", "Fault"),
    "storms.storm": ("Storm",),
    "supervised": ("RefusedToStop", "StartSupervised", "StopSupervised"),
    "waiting": ("assert_receive", "eventually", "refute_receive"),
}


def __getattr__(name: str) -> Any:
    for part, names in _PARTS.items():
        if name in names:
            return getattr(importlib.import_module(f"regrow.testing.{part}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
