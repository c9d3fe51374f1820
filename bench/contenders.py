"""Who is measured: the systems, what each needs, and how its program is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.workloads import WORKLOADS

__all__ = ["CONTENDERS", "PEERS", "TITLES", "Contender"]

PROGRAMS = Path(__file__).parent / "systems"


@dataclass(frozen=True, eq=False)
class Contender:
    """A system as one column of the results.

    ``packages`` are installed into the environment ``env``, made with the first Python that is at least ``python``.
    ``sizes`` are for workloads that it can't do at the usual size, ``only`` limits the workloads, ``rounds`` how
    often they are done. ``free`` ones run on all cores, the others on one.
    """

    name: str
    title: str
    program: str
    env: str = ""
    packages: tuple[str, ...] = ()
    python: tuple[int, int] = (3, 11)
    flags: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    only: frozenset[str] = frozenset()
    free: bool = False
    rounds: int = 1_000

    @property
    def path(self) -> Path:
        return PROGRAMS / self.program

    @property
    def is_elixir(self) -> bool:
        return self.program.endswith(".exs")


UVLOOP = ("uvloop==0.23.0",)
SPEED = frozenset(each.name for each in WORKLOADS if each.kind == "speed")
SMALL = {
    "start_child": 2_000,
    "memory": 2_000,
    "call": 10_000,
    "call_clients": 10_000,
    "call_async": 10_000,
    "cast": 20_000,
    "restart": 200,
    "restart_latency": 50,
    "shutdown": 2_000,
    "lookup": 10_000,
    "start_via": 2_000,
    "ring": 20_000,
}


def _peer(
    name: str,
    *packages: str,
    python: tuple[int, int] = (3, 11),
    sizes: Mapping[str, int] | None = None,
    rounds: int = 3,
) -> Contender:
    return Contender(
        name,
        name,
        f"{name}_.py",
        name,
        packages,
        python,
        sizes={**SMALL, **(sizes or {})},
        only=SPEED,
        rounds=rounds,
    )


PEERS = (
    _peer("triotp", "triotp==0.3.1", python=(3, 13)),
    _peer("fauxtp", "fauxtp==0.3.1", "rpds-py"),
    _peer("otpylib", "otpylib==0.5.18"),
    _peer("mode", "mode-streaming==0.7.1"),
    _peer("pykka", "pykka==4.5.0"),
    _peer("xoscar", "xoscar==0.12.2"),
    _peer(
        "ray",
        "ray==2.60.0",
        sizes={
            "start_child": 20,
            "memory": 20,
            "call": 2_000,
            "cast": 2_000,
            "restart": 20,
            "restart_latency": 5,
        }
        | {"shutdown": 20, "lookup": 200, "start_via": 20},
        rounds=2,
    ),
)

CONTENDERS = (
    Contender("regrow", "regrow", "regrow_.py", "regrow", UVLOOP),
    Contender("regrow-gc", "regrow, gc = server", "regrow_.py", "regrow", UVLOOP, flags=("--gc", "server")),
    Contender("regrow-uvloop", "regrow (uvloop)", "regrow_.py", "regrow", UVLOOP, flags=("--uvloop",)),
    Contender("elixir", "Elixir", "elixir.exs"),
    Contender("asyncio", "asyncio by hand", "asyncio_.py", "regrow", UVLOOP),
    Contender("asyncio-uvloop", "asyncio (uvloop)", "asyncio_.py", "regrow", UVLOOP, flags=("--uvloop",)),
    *PEERS,
    Contender(
        "regrow-free", "regrow, all cores", "regrow_.py", "regrow", UVLOOP, only=SPEED - {"memory"}, free=True
    ),
    Contender("elixir-free", "Elixir, all cores", "elixir.exs", only=SPEED - {"memory"}, free=True),
    Contender(
        "asyncio-free",
        "asyncio, all cores",
        "asyncio_.py",
        "regrow",
        UVLOOP,
        only=SPEED - {"memory"},
        free=True,
    ),
)

TITLES = {each.name: each.title for each in CONTENDERS}
