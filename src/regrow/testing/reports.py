"""What went wrong during a test, as objects: crash reports and supervisors' reports, and which of them are expected.

They are the records that regrow writes to the loggers ``regrow`` and ``regrow.supervisor``; nothing is asked of the
processes. A crash that no ``expect`` or ``allow`` covers is *unexpected*, and fails the test under the plugin.
Who makes processes crash on purpose says by ``tolerate`` which crashes are its doing.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from regrow.kernel.process import Pid
from regrow.testing.waiting import eventually

__all__ = ["CrashReport", "Expectation", "Notice", "Reports", "SupervisorReport", "tolerate"]


@dataclass(frozen=True, slots=True)
class CrashReport:
    """One process ended by a crash."""

    pid: Pid
    name: str | None
    kind: str
    """The class of a server; "process" of a spawned function, "task" of a task."""
    reason: str
    """Why, as text; for an exception its ``repr``."""
    error: BaseException | None
    """The exception itself, unless the reason is none or ``format_status`` hides it."""
    trace: str
    """Its traceback, as text; empty without an exception."""
    message: str | None
    """The last message, as text."""
    state: str | None
    """The state as ``format_status`` shows it, as text."""
    ancestors: tuple[str, ...]
    fields: Mapping[str, Any] = field(repr=False)
    """All fields of the log record."""

    def __str__(self) -> str:
        name = "" if self.name is None else f" {self.name}"
        return f"{self.kind} {self.pid}{name} crashed: {self.reason}"


@dataclass(frozen=True, slots=True)
class SupervisorReport:
    """What a supervisor told of a child."""

    event: str
    """start_error, child_terminated, shutdown_error, or shutdown when the supervisor gave up."""
    supervisor: object
    supervisor_pid: Pid
    reason: object
    child: Mapping[str, Any]
    """pid, id, start, args, restart, shutdown, type, significant."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Anything else that regrow reported: a process that had to be cut off, a message nobody handles."""

    event: str
    text: str
    fields: Mapping[str, Any] = field(repr=False)


Report = CrashReport | SupervisorReport | Notice
_tolerated: list[Callable[[CrashReport], bool]] = []


def tolerate(crash: Callable[[CrashReport], bool]) -> Callable[[], None]:
    """Crashes that *crash* says yes to are unexpected in no test; gives what takes that back."""
    _tolerated.append(crash)
    return lambda: _tolerated.remove(crash)


Kind = type[BaseException] | Callable[[CrashReport], bool]


class Reports:
    """The reports of a test, in their order; the fixture ``capture_reports`` gives them.

    Outside of pytest use it as a context manager: ``with Reports() as reports: ...``.
    """

    def __init__(self) -> None:
        self.all: list[Report] = []
        self._expectations: list[Expectation] = []
        self._expected: set[int] = set()
        self._checked = 0
        self._handler = _Handler(self._took)

    @property
    def crashes(self) -> list[CrashReport]:
        """The crash reports so far."""
        return [each for each in self.all if isinstance(each, CrashReport)]

    @property
    def supervisors(self) -> list[SupervisorReport]:
        """The supervisors' reports so far."""
        return [each for each in self.all if isinstance(each, SupervisorReport)]

    @property
    def notices(self) -> list[Notice]:
        """All other reports so far."""
        return [each for each in self.all if isinstance(each, Notice)]

    def expect(self, *kinds: Kind, match: str | None = None, timeout: float = 1.0) -> Expectation:
        """A crash has to be reported while the block lasts, and does not fail the test.

        *kinds* are exception classes, or functions of the report; without any, every crash will do. *match* is a
        regular expression that must be found in the reason. ``with`` checks when the block is left; ``async with``
        waits up to *timeout* seconds for the crash. AssertionError if none came. ExUnit: ``capture_log``.

            with capture_reports.expect(ValueError):
                with pytest.raises(ServerExited):
                    await game.play(99, "x")
        """
        return Expectation(self, kinds, match, timeout)

    def allow(self, *kinds: Kind, match: str | None = None) -> None:
        """From now on such crashes may happen or not: neither fails the test. As for ``expect`` else."""
        self._expectations.append(Expectation(self, kinds, match, 0.0))

    def unexpected(self) -> list[CrashReport]:
        """The crashes that neither ``expect`` nor ``allow`` covered."""
        return [
            each
            for number, each in enumerate(self.all)
            if number >= self._checked and isinstance(each, CrashReport) and number not in self._expected
        ]

    def __enter__(self) -> Reports:
        logging.getLogger("regrow").addHandler(self._handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("regrow").removeHandler(self._handler)

    def _took(self, report: Report) -> None:
        if isinstance(report, CrashReport):
            covered = [each for each in self._expectations if each.covers(report)]
            if covered or any(each(report) for each in _tolerated):
                self._expected.add(len(self.all))
            for each in covered:
                each.found.append(report)
        self.all.append(report)

    def forget_unexpected(self) -> None:
        """They have been told; the next part of the test, another example say, starts afresh."""
        self._checked = len(self.all)


class Expectation(AbstractContextManager["Expectation"], AbstractAsyncContextManager["Expectation"]):
    """What ``capture_reports.expect(...)`` gives; ``found`` holds the crashes that it covered."""

    def __init__(self, reports: Reports, kinds: tuple[Kind, ...], match: str | None, timeout: float) -> None:
        for each in kinds:
            if not callable(each) or (isinstance(each, type) and not issubclass(each, BaseException)):
                raise TypeError(f"expect takes exception classes and functions of the report, not {each!r}")
        self._reports = reports
        self._kinds = kinds
        self._match = None if match is None else re.compile(match)
        self._timeout = timeout
        self.found: list[CrashReport] = []

    def covers(self, report: CrashReport) -> bool:
        """Whether *report* is one of those."""
        if self._match is not None and not self._match.search(report.reason):
            return False
        return not self._kinds or any(_fits(each, report) for each in self._kinds)

    def __enter__(self) -> Expectation:
        self._reports._expectations.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self._reports._expectations.remove(self)
        if error is None and not self.found:
            raise AssertionError(
                f"{self._missed()}\nOne that comes a moment later: `async with` waits for it"
            )

    async def __aenter__(self) -> Expectation:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            if error is None:
                await eventually(lambda: self.found, timeout=self._timeout)
        except AssertionError:
            raise AssertionError(self._missed()) from None
        finally:
            self._reports._expectations.remove(self)

    def _missed(self) -> str:
        wanted = " or ".join(getattr(each, "__name__", repr(each)) for each in self._kinds) or "any error"
        match = "" if self._match is None else f" matching {self._match.pattern!r}"
        came = "".join(f"\n  {each}" for each in self._reports.crashes) or " none"
        return f"expected a crash by {wanted}{match}, and none came. The crashes of this test:{came}"


def _fits(kind: Kind, report: CrashReport) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, BaseException) and isinstance(report.error, kind)
    return bool(kind(report))


class _Handler(logging.Handler):
    def __init__(self, took: Callable[[Report], None]) -> None:
        super().__init__()
        self._tell = took

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "regrow", None)
        if isinstance(fields, Mapping) and record.levelno >= logging.WARNING:
            self._tell(_report(record, fields))


def _report(record: logging.LogRecord, fields: Mapping[str, Any]) -> Report:
    event = str(fields.get("event"))
    if event == "crash":
        error = record.exc_info[1] if record.exc_info else None
        return CrashReport(
            pid=fields["pid"],
            name=fields.get("name"),
            kind=fields["kind"],
            reason=fields["reason"],
            error=error,
            trace="" if error is None else "".join(traceback.format_exception(error)),
            message=fields.get("message"),
            state=fields.get("state"),
            ancestors=tuple(fields.get("ancestors", ())),
            fields=fields,
        )
    if "supervisor_pid" in fields and "child" in fields:
        return SupervisorReport(
            event=event,
            supervisor=fields["supervisor"],
            supervisor_pid=fields["supervisor_pid"],
            reason=fields["reason"],
            child=fields["child"],
        )
    return Notice(event, record.getMessage(), fields)
