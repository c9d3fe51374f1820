"""``[tool.regrow] gc = "server"``: memory managed for a program with very many living objects, which come and go.

A full collection looks at every living object, and halts the loop meanwhile: 34 ms at 100,000 children, 218 ms at a
million. ``gc = "server"`` makes collections rarer, and takes what lives after the start out of them (``gc.freeze``):
frozen objects are freed as always when nothing refers to them, but cycles among them never. And after each full
collection GNU's C library, where it is that, is asked for what it holds in reserve: once a program has freed a large
table, that may be twice as much. The library does not touch these settings by itself; ``run``, which owns the program,
does it when the program asks.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["SERVER_THRESHOLDS", "server_collection"]

SERVER_THRESHOLDS: Final = (50_000, 20, 100)

log = logging.getLogger("regrow.application")


@contextmanager
def server_collection() -> Iterator[None]:
    """Collect and freeze what is there now, and collect rarely inside the block."""
    before = gc.get_threshold()
    trim = _malloc_trim()

    def give_back(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            trim(0)

    gc.collect()
    gc.freeze()
    gc.set_threshold(*SERVER_THRESHOLDS)
    gc.callbacks.append(give_back)
    log.info("gc = server: thresholds %s, %d objects frozen", SERVER_THRESHOLDS, gc.get_freeze_count())
    try:
        yield
    finally:
        gc.callbacks.remove(give_back)
        gc.set_threshold(*before)
        gc.unfreeze()


def _malloc_trim() -> Callable[[int], Any]:
    """The function of GNU's C library; one that does nothing where there is another, or none that can be called."""
    try:
        import ctypes  # a megabyte that only those have who have asked for this

        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (ImportError, OSError, TypeError, AttributeError):
        return lambda _keep: None
    return trim
