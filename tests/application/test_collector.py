"""What ``gc = "server"`` does to the C library's heap; what it does to the collector is in ``test_runner``."""

from __future__ import annotations

import ctypes
import gc
import platform
import sys
from pathlib import Path

import pytest

from regrow.application.collector import server_collection
from tests.application.subprocesses import run_python

HEAP = """
import gc
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
    gc.collect()
    print(grown, heap() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is GNU's C library that keeps a reserve")
@pytest.mark.parametrize(("block", "keeps"), [("nullcontext()", True), ("server_collection()", False)])
def test_a_full_collection_of_a_server_gives_back_the_heap_that_it_does_not_use(
    block: str, keeps: bool
) -> None:
    told = run_python("-c", HEAP.format(block=block), cwd=Path.cwd())
    assert told.returncode == 0, told.stderr
    grown, kept = map(int, told.stdout.split())
    assert grown > 10_000_000
    assert (kept > 10_000_000) == keeps
    assert keeps or kept < 1_000_000


@pytest.mark.parametrize("missing", ["ctypes", "dlopen", "malloc_trim"])
def test_where_the_library_can_not_be_asked_the_rest_is_as_usual(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_name: object) -> object:
        if missing == "dlopen":
            raise OSError("Dynamic loading not supported")
        return object()

    if missing == "ctypes":
        monkeypatch.setitem(sys.modules, "ctypes", None)
    else:
        monkeypatch.setattr(ctypes, "CDLL", refuse)
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    with server_collection():
        assert gc.get_threshold() != before
        gc.collect()
    assert gc.get_threshold() == before
    assert gc.callbacks == callbacks
    assert gc.get_freeze_count() == 0
