"""Where a child among many costs more than one among few: ``python -m bench.growth_curve``.

One supervisor grows by ten thousand children at a time, with Python's collector as it is and switched off. For each ten
thousand: microseconds a start and a crash (of a thousand children, evenly spread), how often the system had to give a
new page of memory, and how often the collector went over all objects. What stays with the collector off is the growth
of the tables, which comes by leaps, and the memory that lies ever farther from the processor.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from regrow import DynamicSupervisor, GenServer, cast

ROOT = Path(__file__).parents[1]
TENS, STEP, CRASHES = 20, 10_000, 1_000
Row = tuple[float, float, float, int]


class Child(GenServer):
    """Tells when it is up, and crashes on demand."""

    missing = 0
    all_up: asyncio.Future[None]

    def __init__(self) -> None:
        Child.missing -= 1
        if Child.missing == 0:
            Child.all_up.set_result(None)

    @cast
    def crash(self) -> None:
        raise RuntimeError("as asked")


async def grow() -> list[Row]:
    rows = []
    async with DynamicSupervisor.scope(max_restarts=10**9) as sup:
        children: list[Child] = []
        for _ in range(TENS):
            pages, over_all, begun = page_faults(), full_collections(), perf_counter()
            for _ in range(STEP):
                children.append(await sup.start_child(Child))  # one start after the other
            start = (perf_counter() - begun) / STEP * 1e6
            new_pages, collections = (page_faults() - pages) / STEP, full_collections() - over_all
            Child.missing, Child.all_up = CRASHES, asyncio.get_running_loop().create_future()
            apart = len(children) // CRASHES
            begun = perf_counter()
            for child in children[::apart][:CRASHES]:
                child.crash()
            await Child.all_up
            crash = (perf_counter() - begun) / CRASHES * 1e6
            children = [row.child async for row in sup.iter_children() if isinstance(row.child, Child)]
            rows.append((start, crash, new_pages, collections))
    return rows


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def full_collections() -> int:
    count: int = gc.get_stats()[2]["collections"]
    return count


def main() -> None:
    if len(sys.argv) > 1:
        logging.getLogger("regrow").addHandler(logging.NullHandler())
        logging.getLogger("regrow").propagate = False
        if sys.argv[1] == "off":
            gc.disable()
        print(json.dumps(asyncio.run(grow())))
        return
    usual, without = measured("on"), measured("off")
    print(f"{'':>10}  {'the collector as it is':^44}   {'switched off':^33}")
    print(
        f"{'children':>10}  " + f"{'start µs':>10}{'crash µs':>10}{'pages':>8}{'full coll.':>13}" + "      ",
        end="",
    )
    print(f"{'start µs':>10}{'crash µs':>10}{'pages':>8}")
    for place, (one, other) in enumerate(zip(usual, without, strict=True), 1):
        print(f"{place * STEP:>10,}  {one[0]:>10.2f}{one[1]:>10.1f}{one[2]:>8.2f}{one[3]:>13}      ", end="")
        print(f"{other[0]:>10.2f}{other[1]:>10.1f}{other[2]:>8.2f}")


def measured(collector: str) -> list[Row]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "REGROW_INLINE": "on"}
    command = [sys.executable, "-m", "bench.growth_curve", collector]
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=ROOT)
    rows: list[Row] = [(start, crash, pages, full) for start, crash, pages, full in json.loads(told.stdout)]
    return rows


if __name__ == "__main__":
    main()
