"""What is measured: the workloads with their sizes, units and targets. The programs in ``systems/`` do them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["SHORT", "TIMES", "WORKLOADS", "Kind", "Workload"]

SHORT, TIMES = 0.3, 3
"""A run whose clock ran for fewer seconds says little on a machine with moods: so many are made in each round. The very
first one decides it, so that a quick minute of the machine has no more runs than a slow one."""

Kind = Literal["speed", "growth", "latency"]


@dataclass(frozen=True, eq=False)
class Workload:
    """One row of the results, or one for each size.

    ``targets`` is what regrow's figure over that system's has to be: at least, or at most where ``less_is_better``.
    ``limit`` is what regrow's own figure must not be above.
    """

    name: str
    what: str
    unit: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    targets: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    less_is_better: bool = False
    kind: Kind = "speed"


WORKLOADS = (
    Workload(
        "start_child",
        "children started one by one under a dynamic supervisor",
        "/s",
        (20_000, 100_000),
        (2_000,),
        {"elixir": 2.0, "asyncio": 5.0},
    ),
    Workload(
        "memory",
        "bytes a live child, everything included",
        "B",
        (100_000,),
        (20_000,),
        {"elixir": 1 / 3, "asyncio": 1 / 5},
        less_is_better=True,
    ),
    Workload(
        "call",
        "round trips, one client, one server, plain handler",
        "/s",
        (100_000,),
        (10_000,),
        {"elixir": 1.5, "asyncio": 6.0},
    ),
    Workload(
        "call_clients",
        "round trips of 1,000 clients, each with its own server",
        "/s",
        (100_000,),
        (10_000,),
        {"elixir": 1.5},
    ),
    Workload(
        "call_async", "round trips, the handler awaits once", "/s", (100_000,), (10_000,), {"asyncio": 1.0}
    ),
    Workload("cast", "casts to one server, then a call", "/s", (500_000,), (50_000,), {"elixir": 0.5}),
    Workload(
        "restart",
        "crashes of as many children at once, until all are up again",
        "/s",
        (2_000,),
        (200,),
        {"elixir": 1.5},
    ),
    Workload(
        "restart_latency",
        "from one crash to its new child, median of as many",
        "µs",
        (200,),
        (50,),
        {"elixir": 1.0},
        less_is_better=True,
    ),
    Workload(
        "shutdown",
        "children of one supervisor, stopped with it",
        "/s",
        (20_000, 100_000),
        (2_000,),
        {"elixir": 20.0},
    ),
    Workload("lookup", "look-ups among 10,000 names", "/s", (1_000_000,), (100_000,), {"elixir": 1.0}),
    Workload(
        "start_via",
        "children started under a name of a registry",
        "/s",
        (20_000,),
        (2_000,),
        {"elixir": 1.0},
    ),
    Workload(
        "ring",
        "hops of a message round 10,000 processes",
        "/s",
        (1_000_000,),
        (100_000,),
        {"elixir": 0.5},
    ),
    Workload(
        "growth",
        "start, call, crash and shutdown of a child among as many",
        "µs",
        (1_000, 10_000, 100_000, 1_000_000),
        (1_000, 10_000),
        less_is_better=True,
        kind="growth",
    ),
    Workload(
        "timer",
        "a timer of 10 ms fires after, p99, beside 1,000 busy servers and as many children at rest",
        "ms",
        (50_000,),
        (5_000,),
        limit=20.0,
        less_is_better=True,
        kind="latency",
    ),
    Workload(
        "flood",
        "the longest call to a server while another gets as many casts",
        "ms",
        (1_000_000,),
        (100_000,),
        limit=20.0,
        less_is_better=True,
        kind="latency",
    ),
    Workload(
        "leak",
        "more memory than at the start after as many children have come and gone",
        "%",
        (1_000_000,),
        (100_000,),
        limit=10.0,
        less_is_better=True,
        kind="latency",
    ),
)
