"""The last crashes, in full, and the restarts that followed: written down when they happen, as bounded text.

A history belongs to a runtime and goes on while somebody holds it. It does not depend on how logging is set up.

A crash is written down while the process is still there: its message and its state can be shown as the class wants
them shown, and the traceback still has its frames. What is kept of it is text. In a storm a few crashes a second are
written down, and the others counted; so a storm neither costs much, nor does it push out all that was there before.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from time import time
from typing import Any, Final

from regrow.kernel import reports
from regrow.kernel.process import Pid, Process
from regrow.kernel.runtime import Runtime
from regrow.observer.errors import UnknownCrash
from regrow.observer.model import Crash, CrashRow, Page, Restart
from regrow.observer.texts import (
    cut,
    hidden_reason,
    label_of,
    masked,
    name_text,
    reason_text,
    short,
    traceback_text,
    utf8,
    where_raised,
)

__all__ = ["A_SECOND", "History", "history_of"]

logger = logging.getLogger("regrow.observer")

A_SECOND: Final = 20
"""Crashes in a second that are written down. So many reasons of restarts are, too."""
STEPS: Final = 100
"""Restarts that the history of one place shows."""


class _Crashed:
    """A crash as it is kept."""

    __slots__ = (
        "ancestors", "at", "client", "id", "kind", "label", "masked", "message", "name", "parent", "pid", "reason",
        "restart", "state", "traceback", "unwritten", "where",
    )  # fmt: skip

    def __init__(self, id: int, at: float, process: Process, reason: object, message: object) -> None:
        self.id = id
        self.at = at
        self.pid: int = process.pid
        self.name = name_text(process.name)
        self.kind = process.behaviour.name
        self.label = label_of(process)
        self.parent: int | None = process.parent
        self.ancestors = tuple(short(name_text(each)) for each in islice(reports.ancestors(process), 16))
        request = process.request
        self.client: int | None = None if request is None or request.caller is None else request.caller.pid
        if message is None and request is not None:
            message = request.label
        shown = reports.shown(process, reason, message)
        self.reason = reason_text(shown["reason"])
        kept = shown["reason"] is reason  # else format_status has put something in its place, for a reason
        self.where = where_raised(reason) if kept else None
        self.traceback = traceback_text(reason) if kept and isinstance(reason, BaseException) else ""
        text = reports.text_of(shown["message"])
        plain = type(message) is str and text == reports.brief(
            message
        )  # the name of a function, and no message
        self.message = cut(str(message) if plain else text, reports.LIMIT)
        self.masked = self.message if plain or message is None else masked(self.message)
        self.state = None if process.server is None else utf8(reports.state_text(process, shown["state"]))
        self.restart: Restart | None = None
        self.unwritten = 0

    def row(self) -> CrashRow:
        restarted_as = None if self.restart is None else self.restart.pid
        return CrashRow(
            self.id, self.at, self.pid, self.name, self.kind, self.label, self.reason, self.where, restarted_as,
            self.unwritten,
        )  # fmt: skip


class History:
    """The last crashes and restarts of one runtime: see ``history_of``."""

    def __init__(self, rt: Runtime) -> None:
        self.runtime = rt
        self.most_crashes = 200
        self.most_restarts = 2000
        self.told: Callable[[CrashRow | None], None] | None = None
        """Called at each crash, with None for one that is only counted."""
        self._epoch = time() - rt.loop.time()
        self._holders = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.crashed = 0
        """All crashes, those that are not written down too."""
        self.restarted = 0
        self._crashes: dict[int, _Crashed] = {}  # by id, the oldest first
        self._crash_of: dict[int, _Crashed] = {}  # by pid
        self._restarts: deque[Restart] = deque()
        self._after: dict[int, Restart] = {}  # by the pid of who was there before
        self._before: dict[int, Restart] = {}  # by the pid of who came
        self._second = 0.0
        self._left = self._reasons = A_SECOND

    # --- on and off -------------------------------------------------------------------------------------------------

    def acquire(self) -> None:
        """Write crashes down, from now on at the latest: one ``release`` is owed for each."""
        self._holders += 1
        if self._holders == 1:
            self.runtime.on_crash.append(self._crashed)

    def release(self) -> None:
        """Hold it no more; without a holder, everything is forgotten."""
        self._holders -= 1
        if self._holders == 0:
            self.runtime.on_crash.remove(self._crashed)
            self.clear()

    def now(self) -> float:
        """Seconds since 1970, by the loop's clock: it never jumps."""
        return self._epoch + self.runtime.loop.time()

    # --- what happens -----------------------------------------------------------------------------------------------

    def _crashed(self, process: Process, reason: object, message: object) -> None:
        """*process* crashes right now. Whatever goes wrong here must not get into the way of its end."""
        try:
            row = self._written_down(process, reason, message)
            if self.told is not None:
                self.told(row)
        except Exception:
            logger.exception("the crash of %r could not be written down", process)

    def _written_down(self, process: Process, reason: object, message: object) -> CrashRow | None:
        """None if it is only counted, since there are so many."""
        self.crashed += 1
        now = self._next_second()
        if not self._left:
            if self._crashes:
                self._crashes[next(reversed(self._crashes))].unwritten += 1
            return None
        self._left -= 1
        while len(self._crashes) >= self.most_crashes:
            oldest = self._crashes.pop(next(iter(self._crashes)))
            if self._crash_of.get(oldest.pid) is oldest:
                del self._crash_of[oldest.pid]
        made = _Crashed(self.crashed, now, process, reason, message)
        self._crashes[made.id] = self._crash_of[made.pid] = made
        return made.row()

    def restart(self, fields: dict[str, Any]) -> Restart | None:
        """A child was started again. Gives None for one of so many that nobody could follow them."""
        self.restarted += 1
        now = self._next_second()
        few = self._reasons > 0
        self._reasons -= few
        old, pid, id = fields.get("old_pid"), fields["pid"], fields.get("id")
        supervisor: Pid = fields["supervisor"]
        made = Restart(
            now,
            supervisor,
            self._name_of(supervisor) if few else None,
            name_text(id) if few or type(id) is str else None,
            old,
            pid,
            fields.get("restarts", 0),
            self._why(old, pid, fields.get("reason"), few),
        )
        self._remember(made)
        return made if few else None

    def _name_of(self, supervisor: Pid) -> str | None:
        process = self.runtime.processes.get(supervisor)
        return None if process is None or process.name is None else name_text(process.name)

    def _why(self, old: int | None, pid: Pid, reason: object, few: bool) -> str | None:
        """Why *old* had ended: as much of it as there is time for, and as its class allows. *pid* came after it."""
        crash = None if old is None else self._crash_of.get(old)
        if crash is not None:
            return crash.reason
        if reason is None:
            return None
        after = self.runtime.processes.get(pid)  # the one before has gone, and this one is of its class
        hides = after is not None and after.behaviour.format_status is not None
        return reason_text(reason) if few and not hides else hidden_reason(reason)

    def last_exit(self, pid: int | None, before: int | None) -> str | None:
        """Why the one before *pid* ended, or with no pid why *before* did, as its class wants it shown, if known."""
        if pid is not None:
            restart = self._before.get(pid)
            return None if restart is None else restart.reason
        crash = None if before is None else self._crash_of.get(before)
        return None if crash is None else crash.reason

    def _remember(self, made: Restart) -> None:
        while len(self._restarts) >= self.most_restarts:
            oldest = self._restarts.popleft()
            self._before.pop(oldest.pid, None)
            if oldest.old_pid is not None:
                self._after.pop(oldest.old_pid, None)
        self._restarts.append(made)
        self._before[made.pid] = made
        if made.old_pid is not None:
            self._after[made.old_pid] = made
            crash = self._crash_of.get(made.old_pid)
            if crash is not None:
                crash.restart = made

    def _next_second(self) -> float:
        """The time; in another second than before there is room for more."""
        now = self.now()
        if not 0 <= now - self._second < 1:
            self._second, self._left, self._reasons = now, A_SECOND, A_SECOND
        return now

    # --- what is asked ----------------------------------------------------------------------------------------------

    def crashes(self, pid: int | None, query: str, offset: int, limit: int) -> Page[CrashRow]:
        """The newest first; those of the place that *pid* is in, or was; those that *query* is found in."""
        pids = None if pid is None else self._place(pid)
        words = query.casefold()
        found = [
            each
            for each in reversed(self._crashes.values())
            if (pids is None or each.pid in pids) and (not words or _mentions(each, words))
        ]
        rows = tuple(each.row() for each in found[offset : offset + limit])
        return Page(rows, len(found), offset, limit, self.now())

    def full(self, id: int, *, state: bool, message: bool) -> Crash:
        found = self._crashes.get(id)
        if found is None:
            raise UnknownCrash(id)
        return Crash(
            row=found.row(),
            parent=found.parent,
            ancestors=found.ancestors,
            traceback=found.traceback,
            message=found.message if message else found.masked,
            client=found.client,
            state=found.state if state else None,
            restart=found.restart,
            history=tuple(islice(self._chain(found.pid), STEPS)),
        )

    def restarts(self, pid: int | None, offset: int, limit: int) -> Page[Restart]:
        """The newest first; those of the place that *pid* is in, or was."""
        found = list(reversed(self._restarts)) if pid is None else list(self._chain(pid))
        rows = tuple(found[offset : offset + limit])
        return Page(rows, len(found), offset, limit, self.now())

    def _chain(self, pid: int) -> Iterator[Restart]:
        """The restarts of one place, the newest first: who is there now came in the place of who was before."""
        for _ in range(self.most_restarts):
            later = self._after.get(pid)
            if later is None:
                break
            pid = later.pid
        for _ in range(self.most_restarts):
            one = self._before.get(pid)
            if one is None:
                return
            yield one
            if one.old_pid is None:
                return
            pid = one.old_pid

    def _place(self, pid: int) -> set[int]:
        """All pids that were in the same place."""
        chain = list(self._chain(pid))
        return {
            pid,
            *(each.pid for each in chain),
            *(each.old_pid for each in chain if each.old_pid is not None),
        }


def history_of(rt: Runtime) -> History:
    """The history of *rt*, held or not."""
    found: History | None = rt.parts.get("observer.history")
    if found is None:
        found = rt.parts["observer.history"] = History(rt)
    return found


def _mentions(crash: _Crashed, words: str) -> bool:
    texts = (str(crash.pid), crash.name, crash.kind, crash.label, crash.reason)
    return any(words in text.casefold() for text in texts if text)
