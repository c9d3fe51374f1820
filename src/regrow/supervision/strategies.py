"""Who is restarted with a child that has ended: the strategies of a static supervisor.

``one_for_one``   nobody else
``rest_for_one``  those started after it
``one_for_all``   everybody

The others of the group are ended first, in reverse order, then all are started in order. A temporary
child that was ended so is forgotten. If one fails to start, it is marked as restarting and those after
it stay stopped; the next attempt starts from the child that failed. So ``rest_for_one`` goes on from
there, while ``one_for_all`` ends those already started and begins again.
"""

from __future__ import annotations

from regrow.supervision.flags import Strategy
from regrow.supervision.stepwise import Stepwise
from regrow.supervision.table import ChildTable, StaticChild


def restart(table: ChildTable, strategy: Strategy, child: StaticChild) -> Stepwise[StaticChild | None]:
    """One attempt to restart ``child`` and its group; the child that failed to start, or None."""
    table.set_stopped(child)
    group = _group(table, strategy, child)
    for other in reversed(group):
        if other is not child:
            yield from table.stop(other)
            table.drop(other)
    failed = yield from table.start_all(each for each in group if table.get(each.spec.id) is each)
    if failed is None:
        return None
    table.set_restarting(failed[0])
    return failed[0]


def _group(table: ChildTable, strategy: Strategy, child: StaticChild) -> list[StaticChild]:
    if strategy == "one_for_one":
        return [child]
    if strategy == "rest_for_one":
        return table.from_here(child)
    return list(table)
