"""Tables that give memory back: a dict never gets smaller by what is taken out of it, so it is made anew now and then.

A hundred thousand children that have come and gone would leave three tables behind, each as large as if they were
still there. So whoever takes an entry out looks at the table once in a thousand times.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any, Final

from regrow.kernel.process import Pid

__all__ = ["compact", "is_due"]

OFTEN: Final = 1023
"""One pid in so many and one has its turn: a mask of bits."""
ROOMY: Final = 300
"""Bytes an entry; a table that has just grown takes about a hundred."""
SMALL: Final = 64 * 1024
"""Bytes of a table that is not worth the work."""


def is_due(pid: Pid) -> bool:
    """Whether the end of *pid* is the occasion to look at the tables that it was in."""
    return not pid & OFTEN


def compact(table: dict[Any, Any]) -> None:
    """Make *table* as small as what is in it, if that is much less than there was. Its order stays."""
    if getsizeof(table) > SMALL + ROOMY * len(table):
        kept = dict(table)
        table.clear()
        table.update(kept)
