"""Where the time of a workload goes inside CPython: ``python -m bench.profile start_child cast``.

Linux's ``perf`` samples regrow's program, and its samples are grouped by what the C functions are for. Each function of
regrow has a few percent at most, so a profile of those says little; this one says what the interpreter does for them.
Its last rows are of another run: what the garbage collector took of the clock, and how many collections of the young,
of those that outlived one, and of all objects that was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIZES = {
    "start_child": 100_000,
    "cast": 500_000,
    "ring": 1_000_000,
    "call": 500_000,
    "call_async": 100_000,
    "lookup": 3_000_000,
    "start_via": 50_000,
    "restart_latency": 5_000,
}
# The first that fits a function's name is its group.
GROUPS = {
    "the garbage collector": r"gc_collect|^visit_|traverse|GC_Link|IS_GC|VisitInstance|untrack|UnTrack",
    "bytecode": r"_PyEval_EvalFrameDefault",
    "the system": r"^\[k\]|vdso|epoll|clock_gettime|syscall",
    "asyncio in C": r"task_|Task|future_|Future|asyncio",
    "frames and calls": r"Frame|frame|initialize_locals|Vector|vectorcall|Call|method|context_|gen_|Iter_Send|coro",
    "objects made and dropped": r"alloc|Alloc|Free|free|Del$|New|_new|memset|memmove|memcpy|init",
    "attributes and tables": r"dict|lookup|Lookup|[Gg]et_?[Aa]ttr|[Ss]et_?[Aa]ttr|unicodekeys|member|hash|PyType_",
}
REST = "the rest"


def profile(workload: str, n: int) -> dict[str, float]:
    """The share of each group in percent, of the whole program: its imports and its clean-up are in it."""
    program = ROOT / "bench" / "systems" / "regrow_.py"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "perf.data")
        record = ["perf", "record", "-q", "-F", "4000", "-o", data, sys.executable]
        subprocess.run([*record, str(program), workload, str(n)], env=env, capture_output=True, check=True)
        report = ["perf", "report", "-i", data, "--stdio", "-q", "-F", "overhead,symbol"]
        told = subprocess.run(report, capture_output=True, text=True, check=True).stdout
    shares = dict.fromkeys((*GROUPS, REST), 0.0)
    for share, name in re.findall(r"^\s*([\d.]+)%\s+(\[.\] \S+)", told, re.MULTILINE):
        symbol = name if name.startswith("[k]") else name[4:]
        group = next((each for each, pattern in GROUPS.items() if re.search(pattern, symbol)), REST)
        shares[group] += float(share)
    return shares


def collections(workload: str, n: int) -> tuple[str, str]:
    """The share of the clock that the garbage collector took, and its collections."""
    program = ROOT / "bench" / "systems" / "regrow_.py"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    line = [sys.executable, str(program), workload, str(n), "--collections"]
    told = subprocess.run(line, env=env, capture_output=True, text=True, check=True).stdout
    detail = json.loads(told.splitlines()[-1])["detail"]
    if "collections" not in detail:
        return "-", "-"
    return f"{detail['collections_share']:.0%}", " + ".join(map(str, detail["collections"]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("workloads", nargs="*", help="some of " + ", ".join(SIZES) + "; all if none is said")
    given = parser.parse_args().workloads or list(SIZES)
    if unknown := [each for each in given if each not in SIZES]:
        parser.error(f"{unknown[0]} is no workload of this: they are {', '.join(SIZES)}")
    if shutil.which("perf") is None:
        parser.error("it needs Linux's perf: apt-get install linux-perf")
    width = max(map(len, GROUPS)) + 4
    columns = [profile(each, SIZES[each]) for each in given]
    print(" " * width + "".join(f"{each:>17}" for each in given))
    for group in (*GROUPS, REST):
        print(f"{group:{width}}" + "".join(f"{shares[group]:>16.0f}%" for shares in columns))
    rows = zip(*(collections(each, SIZES[each]) for each in given), strict=True)
    for title, row in zip(("collecting, of the clock", "collections"), rows, strict=True):
        print(f"{title:{width}}" + "".join(f"{each:>17}" for each in row))


if __name__ == "__main__":
    main()
