"""What is told of the machine: its kind, and nothing that names it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["facts"]


def facts() -> list[str]:
    """Processor, cores, memory, kernel."""
    return [
        f"{_processor()}, {os.cpu_count()} cores seen, {_memory()} of memory",
        f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not a Linux
    return platform.processor() or "processor unknown"


def _memory() -> str:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 2**30:.0f} GiB"
