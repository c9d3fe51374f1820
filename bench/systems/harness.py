"""What the Python programs share: the clock, the checks, and the one line of JSON that each run prints.

A program is run as ``python bench/systems/regrow_.py WORKLOAD N``. It does the workload once, with its warm-up outside
the clock, checks what came of it, and prints one line: the figure, or ``error`` if the result was wrong or the program
failed, or ``why`` if the system cannot do this at all. It needs nothing but the standard library, since each system
has an environment of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import inspect
import json
import logging
import platform
import resource
import sys
import traceback
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, ClassVar

WARM_UP = 500
"""Children, or messages, before the clock starts."""


class WrongResult(Exception):
    """The workload was done and its outcome is not what it has to be: there is no figure then."""


@dataclass
class Figure:
    """What a run has measured: the value in the workload's unit, the time on the clock, and what else is to tell."""

    value: float
    wall: float = 0.0
    cpu: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)


class Stopwatch:
    """``with Stopwatch() as watch``: seconds of the wall clock and of the processor, over one stretch or several."""

    watched: ClassVar[Collections | None] = None

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> Stopwatch:
        if self.watched is not None:
            self.watched.clock_runs = True
        self._cpu, self._wall = process_time(), perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += perf_counter() - self._wall
        self.cpu += process_time() - self._cpu
        if self.watched is not None:
            self.watched.clock_runs = False

    def rate(self, n: int, **detail: Any) -> Figure:
        """*n* things were done: how many a second."""
        if self.watched is not None:
            detail |= self.watched.told(self.wall)
        return Figure(n / self.wall, self.wall, self.cpu, detail)


class Collections:
    """How often the garbage collector ran while the clock did, and for how long: for a look, not for a measurement."""

    def __init__(self) -> None:
        self.counts, self.seconds, self.clock_runs = [0, 0, 0], 0.0, False
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        now = perf_counter()
        if phase == "start":
            self._start = now
        elif self.clock_runs:
            self.seconds += now - self._start
            self.counts[info["generation"]] += 1

    def told(self, wall: float) -> dict[str, Any]:
        share = self.seconds / wall
        return {"collections": self.counts, "collections_ms": self.seconds * 1e3, "collections_share": share}


def expect(what: str, got: object, wanted: object) -> None:
    """Raise WrongResult unless *got* is what was *wanted*."""
    if got != wanted:
        raise WrongResult(f"{what}: {got!r}, and it has to be {wanted!r}")


def resident() -> int:
    """Bytes of memory that this process takes, after a full collection."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def resident_kinds() -> dict[str, float]:
    """The same in MB, by what it is for: the C library's heap, memory without a name (Python's arenas, large tables),
    and the rest, the files of the program and its libraries.
    """
    kinds, kind = dict.fromkeys(("heap_mb", "arenas_mb", "files_mb"), 0.0), "files_mb"
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # the head of a mapping, with its name at the end
            name = words[5] if len(words) > 5 else ""
            nameless = not name or name.startswith("[anon")
            kind = "heap_mb" if name == "[heap]" else "arenas_mb" if nameless else "files_mb"
        elif words[0] == "Rss:":
            kinds[kind] += int(words[1]) * 1024 / 1e6
    return kinds


def trimmed() -> int:
    """The same after the C library has given back what it holds in reserve, where it can be asked to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        gc.collect()
        trim(0)
    return resident()


class Curve:
    """Resident memory at its highest and after it, for each of ten waves.

    It has its place from the start. A number that is made while memory is at its highest, and kept, would hold a
    whole megabyte of it: Python gives memory back in pieces of that size, when nothing is left in one.
    """

    def __init__(self) -> None:
        self._bytes = array("q", [0] * 20)

    def high(self, wave: int) -> None:
        self._bytes[2 * wave] = resident()

    def low(self, wave: int) -> None:
        self._bytes[2 * wave + 1] = resident()

    def figure(self, start: int, n: int, **detail: Any) -> Figure:
        """Percent over *start* at the end, after *n* children in ten waves."""
        points = [
            (n // 10 * (i + 1), self._bytes[2 * i] / 1e6, self._bytes[2 * i + 1] / 1e6) for i in range(10)
        ]
        over = (self._bytes[-1] / start - 1) * 100
        return Figure(over, detail={"start_mb": start / 1e6, "curve_mb": points, **detail})


def percentile(values: Iterable[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def median(values: Iterable[float]) -> float:
    return percentile(values, 0.5)


class Gate:
    """Opens when as many have arrived as were announced. It is asyncio's way of counting to the end of something."""

    def __init__(self) -> None:
        self.missing = 0
        self.opened: asyncio.Future[None] | None = None

    def announce(self, n: int) -> asyncio.Future[None]:
        self.missing, self.opened = n, asyncio.get_running_loop().create_future()
        return self.opened

    def arrive(self) -> None:
        self.missing -= 1
        if self.missing == 0 and self.opened is not None:
            self.opened.set_result(None)


async def timers(samples: int = 300) -> Figure:
    """How long it took each timer of 10 ms to fire and wake the task that waits for it; beside it, to fire alone."""
    loop = asyncio.get_running_loop()
    fired, woken = [], []
    for _ in range(samples):
        over = loop.create_future()
        start = perf_counter()
        loop.call_later(0.010, _fire, over)
        fired.append((await over - start) * 1e3)
        woken.append((perf_counter() - start) * 1e3)
    detail = {"p50_ms": median(woken), "max_ms": max(woken), "fired_alone_p99_ms": percentile(fired, 0.99)}
    return Figure(percentile(woken, 0.99), detail=detail)


def _fire(over: asyncio.Future[float]) -> None:
    over.set_result(perf_counter())


def full_collection() -> float:
    """Milliseconds that a full collection takes now, the second of two."""
    gc.collect()
    start = perf_counter()
    gc.collect()
    return (perf_counter() - start) * 1e3


def quiet(*names: str) -> None:
    """Crash reports are made in full, and go to a handler that throws them away."""
    for name in names:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


# --- the command line ---------------------------------------------------------------------------------------------

Workloads = Mapping[str, Callable[[int], Any]]


def main(
    workloads: Workloads,
    cannot: Mapping[str, str] | None = None,
    *,
    package: str | None = None,
    run: Callable[[Callable[[int], Any], int], Figure] | None = None,
) -> None:
    """Run one of *workloads*. *cannot* says why others are not among them, *package* whose version is to be told."""
    cannot = cannot or {}
    parser = argparse.ArgumentParser(description=f"workloads: {', '.join(workloads)}")
    parser.add_argument("workload", choices=[*workloads, *cannot])
    parser.add_argument("n", type=int, help="how many children, calls, ... (the size of the workload)")
    parser.add_argument("--uvloop", action="store_true", help="on uvloop's event loop")
    parser.add_argument(
        "--gc", choices=["default", "server"], default="default", help="as `run` sets it on demand"
    )
    parser.add_argument("--collections", action="store_true", help="tell of the garbage collector, too")
    given = parser.parse_args()
    Stopwatch.watched = Collections() if given.collections else None
    told: dict[str, Any] = {
        "workload": given.workload,
        "n": given.n,
        "version": _version("uvloop" if given.uvloop else package),
    }
    if given.workload in cannot:
        told["why"] = cannot[given.workload]
    else:
        try:
            figure = (run or run_in_loop(given.uvloop, given.gc))(workloads[given.workload], given.n)
            told |= {"value": figure.value, "wall": figure.wall, "cpu": figure.cpu, "detail": figure.detail}
        except BaseException as error:
            traceback.print_exc()
            told["error"] = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps(told), flush=True)
    sys.stdout.flush()
    sys.exit(1 if "error" in told else 0)


def run_in_loop(uvloop: bool, collection: str) -> Callable[[Callable[[int], Any], int], Figure]:
    """How a coroutine function is run: on asyncio's loop or uvloop's, with Python's gc settings or ``run``'s."""

    def run(workload: Callable[[int], Any], n: int) -> Figure:
        with asyncio.Runner(loop_factory=_loop_factory(uvloop)) as runner:
            figure: Figure = runner.run(_collected(workload, n) if collection == "server" else workload(n))
        return figure

    return run


async def _collected(workload: Callable[[int], Any], n: int) -> Figure:
    from regrow.application.collector import server_collection

    with server_collection():
        figure: Figure = await workload(n)
    return figure


def _loop_factory(uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not uvloop:
        return None
    import uvloop as library

    factory: Callable[[], asyncio.AbstractEventLoop] = library.new_event_loop
    return factory


def run_plainly(workload: Callable[[int], Any], n: int) -> Figure:
    """For systems that are no asyncio programs: threads, or a runner of their own."""
    figure = workload(n)
    if inspect.isawaitable(figure):
        raise TypeError(f"{workload} gave a coroutine")
    result: Figure = figure
    return result


def _version(package: str | None) -> str:
    python = f"Python {platform.python_version()}" + (", the distribution's" * (sys.base_prefix == "/usr"))
    return python if package is None else f"{package} {version(package)}, {python}"
