"""``[tool.regrow] gc = "server"``: memory managed for a program with very many living objects, which come and go.

A full collection looks at every living object, and halts the loop meanwhile: 34 ms at 100,000 children, 218 ms at a
million. ``gc = "server"`` makes collections rarer, and takes what lives after the start out of them (``gc.freeze``):
frozen objects are freed as always when nothing refers to them, but cycles among them never. And GNU's C library,
where it is that, is told to go on giving back to the system what is free at the end of its heap: once it has freed a
large table, it would keep twice as much in reserve. The library does not touch these settings by itself; ``run``,
which owns the program, does it when the program asks.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["SERVER_THRESHOLDS", "server_collection"]

SERVER_THRESHOLDS: Final = (50_000, 20, 100)
M_TRIM_THRESHOLD: Final = -1
"""What ``mallopt`` calls the bytes at the end of the heap that may stay free."""
RESERVE: Final = 128 * 1024
"""As it is at the start of a program."""

log = logging.getLogger("regrow.application")


@contextmanager
def server_collection() -> Iterator[None]:
    """Collect and freeze what is there now, and collect rarely inside the block."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SERVER_THRESHOLDS)
    _keep_the_reserve_small()
    log.info("gc = server: thresholds %s, %d objects frozen", SERVER_THRESHOLDS, gc.get_freeze_count())
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _keep_the_reserve_small() -> None:
    """Not undone at the end: nobody can ask for what was set before, and it is what every program begins with."""
    import ctypes  # a megabyte that only those have who asked for this

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError):  # another C library, or Windows
        return
    mallopt(M_TRIM_THRESHOLD, RESERVE)
