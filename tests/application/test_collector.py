"""What ``gc = "server"`` does to the C library's heap; what it does to the collector is in ``test_runner``."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.application.subprocesses import run_python

HEAP = """
import re
from contextlib import nullcontext
from pathlib import Path

from regrow.application.collector import server_collection


def heap() -> int:
    "Bytes of the heap that are in memory."
    found = re.search(r"\\[heap\\]\\n(?:.*\\n)*?Rss: *([0-9]+) kB", Path("/proc/self/smaps").read_text())
    return int(found[1]) * 1024


with {block}:
    large = bytearray(16_000_000)
    del large  # from now on the library would keep twice as much
    before = heap()
    pieces = [bytes(60_000) for _ in range(300)]
    grown = heap() - before
    del pieces
    print(grown, heap() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is GNU's C library that keeps a reserve")
@pytest.mark.parametrize(("block", "keeps"), [("nullcontext()", True), ("server_collection()", False)])
def test_a_server_gives_back_the_heap_that_it_does_not_use(block: str, keeps: bool) -> None:
    told = run_python("-c", HEAP.format(block=block), cwd=Path.cwd())
    assert told.returncode == 0, told.stderr
    grown, kept = map(int, told.stdout.split())
    assert grown > 10_000_000
    assert (kept > 10_000_000) == keeps
    assert keeps or kept < 1_000_000
