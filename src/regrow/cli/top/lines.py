"""The two lines at the top of the screen: which program it is, and how it does as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from regrow.cli.words import bars, clean, number, rate, seconds, size
from regrow.control import Program
from regrow.control.attachment import Lost

__all__ = ["numbers", "title"]

WIDE: Final = 120
"""Columns from which on there is room for charts."""
LATE: Final = 0.1
"""Seconds by which an event loop that is well is never late."""


def title(
    program: Program | None,
    told: Mapping[str, Any] | None,
    *,
    lost: Lost | None,
    silent: float | None,
    frozen: bool,
) -> Text:
    """Which program it is; or, in red, what is the matter with it. *silent*: for so long it has not answered."""
    if lost is not None:
        waits = "; waiting for its next run, q leaves"
        return Text(f" {clean(lost.why)}{waits}", "bold white on red", overflow="ellipsis", no_wrap=True)
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    line.append("regrow top" if program is None else clean(program), "bold")
    if silent is not None:
        line.append(f"  has not answered for {silent:.0f} s: its loop is busy or held up", "bold red")
    elif frozen:
        line.append("  frozen: f goes on", "bold yellow")
    elif told is not None:
        memory = "" if told["memory"] is None else f"  {size(told['memory'])}"
        line.append(f"  watched for {seconds(told['uptime'])}{memory}  Python {told['python']}", "dim")
    return line


def numbers(told: Mapping[str, Any] | None, samples: Sequence[Mapping[str, Any]], width: int) -> Text:
    """The whole in numbers, with charts of the last samples where there is room."""
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    if told is None:
        return line
    last = samples[-1] if samples else {}
    scheduler, crashes, restarts = told["scheduler"], told["crashes"], last.get("restarts")
    lag = last.get("loop_lag", scheduler["loop_lag"])
    for value, name, key, style in (
        (number(told["processes"]), "processes", "processes", ""),
        (rate(last.get("messages")), "msgs/s", "messages", ""),
        (rate(restarts), "restarts/s", "restarts", "bold red" if restarts else ""),
        (seconds(lag), "lag", "loop_lag", "bold red" if (lag or 0) > LATE else ""),
        (number(scheduler["run_queue"]), "queued", "run_queue", ""),
        (number(crashes), "crash" if crashes == 1 else "crashes", "", "red" if crashes else ""),
    ):
        line.append(value, style or "bold")
        line.append(f" {name}", "dim")
        if width >= WIDE and key:
            line.append(f" {bars((each[key] for each in samples), 10)}", "cyan")
        line.append("  ")
    return line
