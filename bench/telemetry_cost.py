"""What telemetry costs: calls and casts while nobody listens, and while somebody does.

    python -m bench.telemetry_cost                            # eleven rounds, a minute or two; on a quiet machine
    python -m bench.telemetry_cost --quick                    # whether it works
    python -m bench.telemetry_cost --without 023e915          # beside the tree of that commit, or of a folder

Each measurement is a process of its own on one core, the best of twenty parts, and a round does all of them before
the next begins, so that a slow minute of the machine falls on all. The table has the medians of the rounds, half the
distance between their quartiles, and the ratio to the first row. Who has never had a listener and who had every kind
of one, and has none any more, have to cost what the tree without telemetry costs. That is today's with the hooks taken
out, as a folder: a commit from before telemetry, as 023e915 is, lacks all that was made quicker since. A "call" can
run inline, an "async call" has an ``async def`` handler that does not wait, and a "cast" is sent and handled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
CACHE = Path(__file__).parent / ".cache"

CHUNKS = 20
"""Parts of a measurement; the best of them counts, for others only have more of the machine's other work in them."""
WITHOUT = "without"
VARIANTS = ("nobody", "gone", "lifecycle", "calls", "handled", "meters", "prometheus", "otel")
SAID = {
    WITHOUT: "the tree to compare with",
    "nobody": "nobody listens",
    "gone": "somebody listened, and has left",
    "lifecycle": 'attach("process.*")',
    "calls": 'attach("call.*")',
    "handled": 'attach("message.handled")',
    "meters": "meters() are held",
    "prometheus": "RegrowCollector",
    "otel": "instrument(), no SDK",
}


# --- one measurement, in its own process ------------------------------------------------------------------------------


def listen(variant: str, stack: ExitStack) -> None:
    """Have somebody listen until *stack* is closed."""
    if variant in (WITHOUT, "nobody"):
        return
    from regrow.telemetry import attach, meters

    def hear(event: str, fields: Any) -> None:
        pass

    if variant == "gone":
        with ExitStack() as once:
            for each in VARIANTS[2:]:
                listen(each, once)
    elif variant == "lifecycle":
        stack.enter_context(attach("bench", "process.*", hear))
    elif variant == "calls":
        stack.enter_context(attach("bench.calls", "call.*", hear))
    elif variant == "handled":
        stack.enter_context(attach("bench.handled", "message.handled", hear))
    elif variant == "meters":
        stack.enter_context(meters())
    elif variant == "prometheus":
        from regrow.telemetry.prometheus import RegrowCollector

        stack.enter_context(RegrowCollector())
    elif variant == "otel":
        from regrow.telemetry.otel import instrument

        stack.enter_context(instrument())
    else:
        raise ValueError(f"no variant {variant!r}: there are {', '.join(VARIANTS)}")


async def measure(variant: str, number: int) -> dict[str, float]:
    """Microseconds a call, an async call and a cast."""
    from regrow import GenServer, call, cast

    class Counter(GenServer):
        def __init__(self) -> None:
            self.count = 0

        @call
        def add(self, n: int) -> int:
            self.count += n
            return self.count

        @call
        async def add_async(self, n: int) -> int:
            self.count += n
            return self.count

        @cast
        def put(self, n: int) -> None:
            self.count += n

    with ExitStack() as stack:
        counter = await Counter.start_link()
        listen(variant, stack)

        async def calls(how_many: int) -> None:
            for _ in range(how_many):
                await counter.add(1)

        async def async_calls(how_many: int) -> None:
            for _ in range(how_many // 10):
                await counter.add_async(1)

        async def casts(how_many: int) -> None:
            for _ in range(how_many // 1000):
                for _ in range(1000):
                    counter.put(1)
                await counter.add(0)

        works: dict[str, tuple[Callable[[int], Any], int]] = {
            "call": (calls, number),
            "async call": (async_calls, number // 10),
            "cast": (casts, number),
        }
        found = {}
        for name, (work, done) in works.items():
            await work(max(1000, number // 10))  # warm
            chunks = []
            for _ in range(CHUNKS):
                began = perf_counter()
                await work(number // CHUNKS)
                chunks.append((perf_counter() - began) / (done / CHUNKS) * 1e6)
            found[name] = min(chunks)
        return found


# --- all of them ------------------------------------------------------------------------------------------------------


def tree_of(given: str) -> Path:
    """The folder of sources that *given* means: a folder itself, or a commit, whose sources are put into the cache."""
    if Path(given).is_dir():
        if not (Path(given) / "regrow").is_dir():
            sys.exit(
                f"--without {given}: there is no regrow in that folder; name the one that holds it, a src"
            )
        return Path(given)
    packed = subprocess.run(["git", "archive", given, "src"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        sys.exit(f"--without {given}: is neither a folder nor a commit of this repository")
    folder = CACHE / f"src-{given}"
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def run_one(variant: str, number: int, source: Path, cpu: int | None) -> dict[str, float]:
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    done = subprocess.run(
        [*pinned, sys.executable, __file__, "--measure", variant, "--number", str(number)],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What telemetry costs.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--number", type=int, default=400_000, help="calls and casts in a measurement")
    parser.add_argument("--quick", action="store_true", help="two rounds of little")
    parser.add_argument("--without", metavar="COMMIT or FOLDER", help="another tree to compare with")
    parser.add_argument("--only", help="some variants alone, with commas between")
    parser.add_argument("--cpu", type=int, default=0 if sys.platform == "linux" else None)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(asyncio.run(measure(given.measure, given.number))))
        return
    rounds, number = (2, 20_000) if given.quick else (given.rounds, given.number)
    variants = given.only.split(",") if given.only else list(VARIANTS)
    sources = dict.fromkeys(variants, SOURCE)
    if given.without:
        sources = {WITHOUT: tree_of(given.without), **sources}
    found: dict[str, dict[str, list[float]]] = {each: {} for each in sources}
    for turn in range(rounds):
        order = list(sources)
        for variant in order if turn % 2 == 0 else reversed(order):
            for name, value in run_one(variant, number, sources[variant], given.cpu).items():
                found[variant].setdefault(name, []).append(value)
    report(found)


def report(found: dict[str, dict[str, list[float]]]) -> None:
    """The table described above."""
    first = next(iter(found))
    works = list(found[first])
    print(f"{'':34}" + "".join(f"{each:>28}" for each in works))
    for variant, rows in found.items():
        cells = []
        for name in works:
            middle = statistics.median(rows[name])
            quartiles = statistics.quantiles(rows[name], n=4) if len(rows[name]) > 1 else [middle] * 3
            ratio = middle / statistics.median(found[first][name])
            cells.append(f"{middle:7.3f} µs ±{(quartiles[2] - quartiles[0]) / 2:6.3f}  x{ratio:5.2f}")
        print(f"{SAID[variant]:34}" + "".join(f"{each:>28}" for each in cells))


if __name__ == "__main__":
    main()
