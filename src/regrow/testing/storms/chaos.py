"""``chaos``: what users call; it checks what it is given, and the rest is the ``Storm``'s."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from regrow.kernel.targets import Target
from regrow.testing.storms.plan import Rates, is_number, new_seed
from regrow.testing.storms.report import Fault
from regrow.testing.storms.storm import SETTLE, Storm
from regrow.testing.storms.targets import Aim, Who

__all__ = ["chaos"]


def chaos(
    sup: Target,
    *,
    seed: int | None = None,
    seconds: float | None = None,
    faults: int | None = None,
    kill: float | None = None,
    delay: float | None = None,
    fail_starts: float | None = None,
    delay_seconds: float | tuple[float, float] = (0.01, 0.5),
    only: Who | Iterable[Who] = (),
    spare: Who | Iterable[Who] = (),
    depth: int | None = None,
    settle: float = SETTLE,
    tell: Callable[[Fault], object] | None = None,
) -> Storm:
    """A storm over the tree below the supervisor *sup*: kills, crashes, delays and failing starts, drawn from *seed*.

    ``report = await chaos(sup, seconds=10)`` runs it, and gives the ``ChaosReport`` when whoever has to be restarted is
    back, or *settle* seconds have passed. ``async with chaos(sup) as storm:`` lets it rage while the block lasts, and
    ``storm.report`` is there afterwards. *sup* itself is not hit.

    *kill*, *delay* and *fail_starts* are faults a second, on average; if none of them is given, ``kill=1.0``. Half of
    the kills are crashes, with ``ChaosError``. A delay suspends a server for *delay_seconds*, or for a time between
    the two. A failing start is the next start of a child, a restart or not, from its time on. The storm is over after
    *seconds*, or after so many *faults*.

    *only* names those that may be hit and *spare* those that may not, one or a list: a server class, a pid or handle,
    or a text: a name, an id, a path as the report has them, the name of a class. *depth* is how far down, 1 for
    *sup*'s own children. Without a *seed* one is chosen, and the report has it. *tell* is called with each ``Fault``
    when it has been done, by the event loop: what it raises goes to the loop's exception handler.

    Raises ValueError or TypeError for what can't be, NoProcess if there is no *sup*, TypeError if it is no supervisor,
    and RuntimeError if a storm is on already in a part of its tree. Elixir has none in its library; Erlang's testers
    have ``chaos_monkey``.

    >>> import asyncio, logging
    >>> from regrow import Agent, DynamicSupervisor
    >>> from regrow.testing import run_virtual
    >>> async def main():
    ...     async with DynamicSupervisor.scope(max_restarts=100) as sup:
    ...         for _ in range(10):
    ...             await sup.start_child((Agent, dict))
    ...         return await chaos(sup, seed=7, faults=20)
    >>> logging.disable()     # or it tells of every crash
    >>> report = run_virtual(main())
    >>> logging.disable(logging.NOTSET)
    >>> report.ok, len(report.faults), len(report.healing), report.restarts
    (True, 20, 20, 20)
    """
    if kill is delay is fail_starts is None:
        kill = 1.0
    for name, value in (("seconds", 0 if seconds is None else seconds), ("settle", settle)):
        if not (is_number(value) and 0 <= value < math.inf):
            raise ValueError(f"{name}={value!r}: must be seconds, 0 or more, and not endless: {name}=10, say")
    if faults is not None and (isinstance(faults, bool) or not isinstance(faults, int) or faults < 1):
        raise ValueError(f"faults={faults!r}: must be a whole number, 1 or more, or None for no limit")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ValueError(f"seed={seed!r}: must be a whole number, or None to have one chosen")
    lengths = delay_seconds if isinstance(delay_seconds, tuple) else (delay_seconds, delay_seconds)
    if len(lengths) != 2:
        raise ValueError(f"delay_seconds={delay_seconds!r}: must be a number of seconds, or (least, most)")
    return Storm(
        sup,
        new_seed() if seed is None else seed,
        Rates(
            0.0 if kill is None else kill,
            0.0 if delay is None else delay,
            0.0 if fail_starts is None else fail_starts,
            lengths,
        ),
        Aim(only, spare, depth),
        seconds=seconds,
        faults=faults,
        settle=settle,
        tell=tell,
    )
