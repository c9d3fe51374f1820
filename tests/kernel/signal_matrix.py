"""What each exit signal does to a process, whatever it is doing just then: the tables that test_signal_matrix plays.

They follow from the five rules of the conformance document's appendix (1), and from the design's decisions 6 (death is
a fact: one cancellation, a bounded grace, then the fence) and 10 (``terminate`` runs for an exit signal too).

A table is where the signal comes from, its upper half for a victim that does not trap exits and its lower half for one
that does; a row is where the victim is, a column the signal's reason. In the tables of somebody's end ``kill`` is who
ended itself with the reason ``KILL``, and ``killed`` is who was killed. ``detail`` is ``Shutdown("detail")``. The
victim has a ``terminate``, unless it is played without, and the default shutdown time of 5 s.

==============  =======================================================================================================
cell            what becomes of the victim
==============  =======================================================================================================
``lives``       nothing: it is not cut, it gets no message, it handles what comes afterwards
``message``     it is not cut, handles ``Exit(sender, reason)`` in its turn, and lives
``boom:ft@5``   it ends with the reason ``boom``, and of these marks those that stand there are so:
``f``           its code was cut, and its ``finally`` has run
``r``           its plain handler has run to its return, since it can't be cut; the reply went nowhere
``d``           its work was done undisturbed first, the reply was sent, and the end came after that
``t``           ``terminate`` was called, with that reason
``@5``          it is dead 5 s after the signal (at once where nothing stands; ``d``: when its work is done)
``-``           this can't be
==============  =======================================================================================================

Where it ends, a monitor and a link see that reason, its name is free when they do, whoever waits for its answer has
an error with that reason, and from ``f`` or ``r`` on it can neither act nor handle anything more.

The rows: at *rest*; *queued*, with a message that it has not come to; in a *plain* handler; in an *async* handler that
waits for an event, as such, under ``asyncio.timeout``, in a ``TaskGroup``, at ``asyncio.shield``; in its *init*; in its
*terminate*, after ``stop(victim, "stopped")``; at a *receive* in a handler; in a handler that *swallows* cancellation.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CELLS", "Cell"]

# process.exit(victim, reason), by a stranger. Only NORMAL is ignored and only KILL can't be trapped. Whoever is in
# terminate ends already, and of that reason: only KILL still changes it. In init there is no terminate to run.
EXIT = """
not trapping  normal      shutdown       detail       boom        noproc       killed       kill
rest          lives       shutdown:t     detail:t     boom:t      noproc:t     killed:t     killed
queued        lives       shutdown:t     detail:t     boom:t      noproc:t     killed:t     killed
plain         lives       shutdown:rt    detail:rt    boom:rt     noproc:rt    killed:rt    killed:r
async         lives       shutdown:ft    detail:ft    boom:ft     noproc:ft    killed:ft    killed:f
timeout       lives       shutdown:ft    detail:ft    boom:ft     noproc:ft    killed:ft    killed:f
group         lives       shutdown:ft    detail:ft    boom:ft     noproc:ft    killed:ft    killed:f
shield        lives       shutdown:ft    detail:ft    boom:ft     noproc:ft    killed:ft    killed:f
init          lives       shutdown:f     detail:f     boom:f      noproc:f     killed:f     killed:f
terminate     stopped:dt  stopped:dt     stopped:dt   stopped:dt  stopped:dt   stopped:dt   killed:ft
receive       lives       shutdown:ft    detail:ft    boom:ft     noproc:ft    killed:ft    killed:f
swallows      lives       shutdown:ft@5  detail:ft@5  boom:ft@5   noproc:ft@5  killed:ft@5  killed:f@0.1

trapping      normal      shutdown       detail       boom        noproc       killed       kill
rest          message     message        message      message     message      message      killed
queued        message     message        message      message     message      message      killed
plain         message     message        message      message     message      message      killed:r
async         message     message        message      message     message      message      killed:f
timeout       message     message        message      message     message      message      killed:f
group         message     message        message      message     message      message      killed:f
shield        message     message        message      message     message      message      killed:f
init          message     message        message      message     message      message      killed:f
terminate     stopped:dt  stopped:dt     stopped:dt   stopped:dt  stopped:dt   stopped:dt   killed:ft
receive       message     message        message      message     message      message      killed:f
swallows      message     message        message      message     message      message      killed:f@0.1
"""

# process.exit(victim, reason), by the victim itself. As a stranger's, but NORMAL is a reason like any other.
ITSELF = """
not trapping  normal       boom        kill
rest          normal:t     boom:t      killed
queued        normal:t     boom:t      killed
plain         normal:rt    boom:rt     killed:r
async         normal:ft    boom:ft     killed:f
timeout       normal:ft    boom:ft     killed:f
group         normal:ft    boom:ft     killed:f
shield        normal:ft    boom:ft     killed:f
init          normal:f     boom:f      killed:f
terminate     stopped:dt   stopped:dt  killed:ft
receive       normal:ft    boom:ft     killed:f
swallows      normal:ft@5  boom:ft@5   killed:f@0.1

trapping      normal       boom        kill
rest          message      message     killed
queued        message      message     killed
plain         message      message     killed:r
async         message      message     killed:f
timeout       message      message     killed:f
group         message      message     killed:f
shield        message      message     killed:f
init          message      message     killed:f
terminate     stopped:dt   stopped:dt  killed:ft
receive       message      message     killed:f
swallows      message      message     killed:f@0.1
"""

# A process that the victim is linked with ends. The reason KILL is a reason like any other here; so is KILLED, and
# therefore who dies of a link to somebody who was killed does terminate.
LINK = """
not trapping  normal      shutdown       boom        kill        killed
rest          lives       shutdown:t     boom:t      kill:t      killed:t
queued        lives       shutdown:t     boom:t      kill:t      killed:t
plain         lives       shutdown:rt    boom:rt     kill:rt     killed:rt
async         lives       shutdown:ft    boom:ft     kill:ft     killed:ft
timeout       lives       shutdown:ft    boom:ft     kill:ft     killed:ft
group         lives       shutdown:ft    boom:ft     kill:ft     killed:ft
shield        lives       shutdown:ft    boom:ft     kill:ft     killed:ft
init          lives       shutdown:f     boom:f      kill:f      killed:f
terminate     stopped:dt  stopped:dt     stopped:dt  stopped:dt  stopped:dt
receive       lives       shutdown:ft    boom:ft     kill:ft     killed:ft
swallows      lives       shutdown:ft@5  boom:ft@5   kill:ft@5   killed:ft@5

trapping      normal      shutdown       boom        kill        killed
rest          message     message        message     message     message
queued        message     message        message     message     message
plain         message     message        message     message     message
async         message     message        message     message     message
timeout       message     message        message     message     message
group         message     message        message     message     message
shield        message     message        message     message     message
init          message     message        message     message     message
terminate     stopped:dt  stopped:dt     stopped:dt  stopped:dt  stopped:dt
receive       message     message        message     message     message
swallows      message     message        message     message     message
"""

# The process that start_link'ed the victim ends. One that does not trap exits dies as by any link; one that does gets
# no message: it takes the end of its parent in its turn and ends with that reason, NORMAL too. A parent that waits for
# the victim's init can't end by its own doing; when it is ended, one that traps exits is killed (differences, 10).
PARENT = """
not trapping  normal      shutdown       boom        kill        killed
rest          lives       shutdown:t     boom:t      kill:t      killed:t
queued        lives       shutdown:t     boom:t      kill:t      killed:t
plain         lives       shutdown:rt    boom:rt     kill:rt     killed:rt
async         lives       shutdown:ft    boom:ft     kill:ft     killed:ft
timeout       lives       shutdown:ft    boom:ft     kill:ft     killed:ft
group         lives       shutdown:ft    boom:ft     kill:ft     killed:ft
shield        lives       shutdown:ft    boom:ft     kill:ft     killed:ft
init          -           shutdown:f     boom:f      -           killed:f
terminate     stopped:dt  stopped:dt     stopped:dt  stopped:dt  stopped:dt
receive       lives       shutdown:ft    boom:ft     kill:ft     killed:ft
swallows      lives       shutdown:ft@5  boom:ft@5   kill:ft@5   killed:ft@5

trapping      normal      shutdown       boom        kill        killed
rest          normal:t    shutdown:t     boom:t      kill:t      killed:t
queued        normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
plain         normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
async         normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
timeout       normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
group         normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
shield        normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
init          -           killed:f       killed:f    -           killed:f
terminate     stopped:dt  stopped:dt     stopped:dt  stopped:dt  stopped:dt
receive       normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
swallows      normal:dt   shutdown:dt    boom:dt     kill:dt     killed:dt
"""

# process.exit(victim, reason), by the parent, which lives on. As a stranger's, but who traps exits ends of it.
PARENTS_EXIT = """
not trapping  normal      shutdown       boom        kill
rest          lives       shutdown:t     boom:t      killed
queued        lives       shutdown:t     boom:t      killed
plain         lives       shutdown:rt    boom:rt     killed:r
async         lives       shutdown:ft    boom:ft     killed:f
timeout       lives       shutdown:ft    boom:ft     killed:f
group         lives       shutdown:ft    boom:ft     killed:f
shield        lives       shutdown:ft    boom:ft     killed:f
init          lives       shutdown:f     boom:f      killed:f
terminate     stopped:dt  stopped:dt     stopped:dt  killed:ft
receive       lives       shutdown:ft    boom:ft     killed:f
swallows      lives       shutdown:ft@5  boom:ft@5   killed:f@0.1

trapping      normal      shutdown       boom        kill
rest          normal:t    shutdown:t     boom:t      killed
queued        normal:dt   shutdown:dt    boom:dt     killed
plain         normal:dt   shutdown:dt    boom:dt     killed:r
async         normal:dt   shutdown:dt    boom:dt     killed:f
timeout       normal:dt   shutdown:dt    boom:dt     killed:f
group         normal:dt   shutdown:dt    boom:dt     killed:f
shield        normal:dt   shutdown:dt    boom:dt     killed:f
init          normal:dt   shutdown:dt    boom:dt     killed:f
terminate     stopped:dt  stopped:dt     stopped:dt  killed:ft
receive       normal:dt   shutdown:dt    boom:dt     killed:f
swallows      normal:dt   shutdown:dt    boom:dt     killed:f@0.1
"""

TABLES = {"exit": EXIT, "itself": ITSELF, "link": LINK, "parent": PARENT, "parent's exit": PARENTS_EXIT}


@dataclass(frozen=True)
class Cell:
    """One cell. ``dies_of`` is the reason's word, None for one that lives; ``after`` are seconds."""

    source: str
    reason: str
    place: str
    trapping: bool
    word: str

    @property
    def dies_of(self) -> str | None:
        return None if self.word in ("lives", "message") else self.word.partition(":")[0].partition("@")[0]

    @property
    def marks(self) -> str:
        return self.word.partition(":")[2].partition("@")[0]

    @property
    def after(self) -> float:
        return float(self.word.partition("@")[2] or 0)

    def __str__(self) -> str:
        return f"{self.source}-{self.reason}-{self.place}-{'trapping' if self.trapping else 'not trapping'}"


def read(source: str, table: str) -> list[Cell]:
    """The cells of one table, whose two halves an empty line parts."""
    cells = []
    for half in table.strip().split("\n\n"):
        header, *rows = half.splitlines()
        trapping = header.startswith("trapping")
        reasons = header.partition("trapping")[2].split()
        for row in rows:
            place, *words = row.split()
            for reason, word in zip(reasons, words, strict=True):
                cells.append(Cell(source, reason, place, trapping, word))
    return cells


CELLS = [cell for source, table in TABLES.items() for cell in read(source, table) if cell.word != "-"]
