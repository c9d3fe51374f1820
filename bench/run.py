"""``make bench``: do all workloads on all systems, side by side, several times over.

One run is one process: a workload on a system, once, started afresh. The rounds are interleaved (each round does every
workload on every system before the next begins), so that a slow minute of the machine falls on all of them. Each
system has one core, the same one for all; the ``-free`` columns may use what there is. The raw records are kept after
each round, so a run that is cut short can be shown all the same (``python -m bench.report``).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import report
from bench.contenders import CONTENDERS, Contender
from bench.environments import CACHE, NotAvailable, environment, find_elixir
from bench.workloads import SHORT, TIMES, WORKLOADS, Workload

ROOT = Path(__file__).parents[1]
LIMIT = 300.0
"""Seconds that one run may take."""
PATIENCE = 20.0
"""Seconds to wait at most until the machine is at rest; if others use it, they will go on."""
GLANCE = 0.2
AT_REST = 0.9
"""The part of all cores' time that is idle then."""
ENOUGH = 90.0
"""A workload that has taken a system as many seconds, over all rounds, is not repeated any more."""


def main() -> None:
    given = arguments()
    if shutil.which("taskset") is None:
        sys.exit(
            "the benchmarks hold each system to one core with taskset (util-linux), and there is none here"
        )
    workloads = chosen(WORKLOADS, given.only, "ONLY")
    systems = chosen(CONTENDERS, given.systems, "SYSTEMS")
    commands, missing = prepare(systems)
    core = max(os.sched_getaffinity(0))
    cells = [
        (workload, n, system)
        for workload in workloads
        for n in (workload.quick if given.quick else workload.sizes)
        for system in systems
        if not system.only or workload.name in system.only
    ]
    cells = list(dict.fromkeys((w, size_for(s, w, n), s) for w, n, s in cells))
    records: list[dict[str, Any]] = []
    results = {"rounds": 0, "clock": given.clock, "records": records}
    taken: dict[Any, float] = {}
    times: dict[Any, int] = {}
    for round_ in range(given.rounds):
        for workload, n, system in cells:
            cell = workload.name, n, system.name
            if round_ >= system.rounds or taken.get(cell, 0.0) >= ENOUGH:
                continue
            if system.name in missing:
                runs: Iterable[dict[str, Any]] = [{"why": missing[system.name]}]
                taken[cell] = ENOUGH
            else:
                line = command(commands[system.name], system, workload, n, core)
                runs = oftener_if_short(partial(run_once, line), times.get(cell))
            start = time.monotonic()
            for number, told in enumerate(runs, 1):
                times[cell] = number
                record = {**told, "workload": workload.name, "n": n, "system": system.name, "round": round_}
                records.append(record)
                print(report.progress(record), file=sys.stderr, flush=True)
                if "value" not in told:
                    taken[cell] = ENOUGH  # it won't do better the next time
            taken[cell] = taken.get(cell, 0.0) + time.monotonic() - start
        results["rounds"] = round_ + 1
        CACHE.mkdir(exist_ok=True)
        (CACHE / "records.json").write_text(json.dumps(results))
    whole = not (given.only or given.systems or given.quick)
    report.tell(results, write=whole or given.write)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--only", default="", help="workloads, with commas: " + ", ".join(w.name for w in WORKLOADS)
    )
    parser.add_argument("--systems", default="", help="with commas: " + ", ".join(c.name for c in CONTENDERS))
    parser.add_argument("--rounds", type=int, default=0, help="5, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all of it works")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a machine that is shared"
    )
    parser.add_argument("--write", action="store_true", help="write RESULTS.md, though it is not the whole")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 5)
    return given


def chosen(known: Sequence[Any], names: str, word: str) -> list[Any]:
    """Those of *known* that *names* has, or all if it is empty."""
    wanted = [name for name in names.replace(",", " ").split() if name]
    by_name = {each.name: each for each in known}
    for name in wanted:
        if name not in by_name:
            sys.exit(f"{word}={name}: is not known; there are {', '.join(by_name)}")
    return [by_name[name] for name in by_name if not wanted or name in wanted]


def prepare(systems: Iterable[Contender]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """How the program of each system is started, and why some can't be."""
    commands: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for system in systems:
        try:
            if system.is_elixir:
                schedulers = [] if system.free else ["--erl", "+S 1"]
                commands[system.name] = [find_elixir(), *schedulers]
            else:
                commands[system.name] = [str(environment(system.env, system.packages, system.python))]
        except NotAvailable as why:
            missing[system.name] = str(why)
            print(f"{system.name}: {why}", file=sys.stderr)
    return commands, missing


def size_for(system: Contender, workload: Workload, n: int) -> int:
    usual = system.sizes.get(workload.name)
    return n if usual is None else min(usual, n)


def command(start: list[str], system: Contender, workload: Workload, n: int, core: int) -> list[str]:
    one_core = [] if system.free else ["taskset", "-c", str(core)]
    return [*one_core, *start, str(system.path), workload.name, str(n), *system.flags]


def oftener_if_short(run: Callable[[], dict[str, Any]], times: int | None) -> Iterator[dict[str, Any]]:
    """What *run* tells, so many *times*; if that is None, several times if the first one is short."""
    told = run()
    yield told
    if times is None:
        times = TIMES if 0 < told.get("wall", 0.0) < SHORT else 1
    for _ in range(times - 1):
        yield run()


def run_once(line: list[str]) -> dict[str, Any]:
    """What the program told, with the load of the machine before it."""
    settle()
    load = os.getloadavg()[0]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "REGROW_INLINE": "on"}
    try:
        ended = subprocess.run(
            line, capture_output=True, text=True, timeout=LIMIT, env=env, cwd=ROOT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {LIMIT:g} s", "load": load}
    for text in reversed(ended.stdout.splitlines()):
        if text.startswith("{"):
            told: dict[str, Any] = json.loads(text)
            return {**told, "load": load}
    last = (ended.stderr or ended.stdout).strip().splitlines()[-1:]
    return {"error": f"ended with {ended.returncode}: {' '.join(last)[:200]}", "load": load}


def settle() -> None:
    """Wait until the machine is at rest: some runs leave daemons behind (Ray), which take the next one's time."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        before = idle()
        time.sleep(GLANCE)
        if idle() - before >= GLANCE * (os.cpu_count() or 1) * AT_REST:
            return


def idle() -> float:
    """Seconds that the machine's cores have been idle since it was started."""
    return float(Path("/proc/uptime").read_text().split()[1])


if __name__ == "__main__":
    main()
