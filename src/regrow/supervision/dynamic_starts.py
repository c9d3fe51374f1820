"""How a dynamic supervisor starts a child, and enters it in its books.

``_start_any`` is the usual way, by ``starts``. Most starts are plain: of a server by the spec that its class made,
without a name or options of the start. What the usual way comes to for them is written out in ``_start_child``, which
is a plain handler, so on the stack, with nothing being handled there: to go from one layer to the next would take as
long as a fifth of the start. The first child of a class is always started in the usual way, and after that it is known
whether the others may take the short one.
"""

from __future__ import annotations

from logging import DEBUG
from typing import Any, TypeGuard

from regrow.kernel.errors import MaxChildren, StartError, StartIgnored
from regrow.kernel.process import IDLE, STARTING, Behaviour, Pid, Process, new_pid
from regrow.kernel.spawning import told_of
from regrow.servers.calls import call
from regrow.servers.child_spec import ChildSpec
from regrow.servers.handles import Blank, handle_class, handle_of
from regrow.servers.starting import begun, boot_server, failed
from regrow.supervision import events, starts
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.reports import Report, logger
from regrow.supervision.specs import without_arguments
from regrow.supervision.starts import Started, begin_child, failure_of, waited_for
from regrow.supervision.stepwise import Stepwise, drive

__all__ = ["DynamicStarts"]

_new = object.__new__


class Plain:
    """What is known of the children with this template, which can be started in the short way."""

    __slots__ = ("behaviour", "handle", "is_temporary", "start", "template")

    def __init__(self, template: ChildSpec[Any], behaviour: Behaviour) -> None:
        self.template = template
        self.start: type[Any] = behaviour.kind  # type: ignore[assignment]  # a server's is its class
        self.behaviour = behaviour
        self.handle = handle_class(self.start)
        self.is_temporary = template.restart == "temporary"


class DynamicStarts(BaseSupervisor):
    """What a ``DynamicSupervisor`` does when it is asked for a child."""

    # A child's spec, or the template that it has in common with others, and then its own arguments beside it: two
    # objects less that the garbage collector has to look at, for each of a hundred thousand children.
    _table: dict[Pid, ChildSpec[Any]]
    _arguments: dict[Pid, tuple[Any, ...]]
    _restarting: dict[Pid, ChildSpec[Any]]
    _kept: ChildSpec[Any] | None = None
    _plain: dict[Any, Plain]  # by class

    @call(timeout=None, raises=StartError)
    def _start_child(self, spec: ChildSpec[Any]) -> Any:
        flags, table, me, template = self._flags, self._table, self._me, spec.template
        limit = flags.max_children
        if limit is not None and len(table) + len(self._restarting) >= limit:
            raise MaxChildren(limit)
        plain = None if template is None else self._plain.get(template.start)
        rt, links = me.runtime, None if me.extra is None else me.extra.links
        if (
            plain is None
            or template is not plain.template
            or spec.kwargs
            or flags.extra_arguments
            or links is None
            or rt.inline != "on"
            or starts.attendants
        ):
            return self._start_any(spec)
        behaviour, args = plain.behaviour, spec.args

        # As ``born`` and ``link_child``, and the ``__init__`` of a process.
        process = _new(Process)
        process.pid = pid = new_pid()
        process.runtime = rt
        process.behaviour = behaviour
        process.parent = me.pid
        process.linked = True
        process.trapping = behaviour.trap_exits
        process.context = me.context
        process.status = STARTING
        process.server = process.mailbox = process.request = process.extra = None
        rt.processes[pid] = process
        if rt.listeners:
            told_of(process)
        links[pid] = process

        # As ``launch``, on this stack.
        if not rt.slice_armed:
            rt.arm_slice()
        rt.current = process
        try:
            context = me.context.copy()
            # To unpack takes longer than to call.
            server = context.run(plain.start, args[0]) if len(args) == 1 else context.run(plain.start, *args)
            process.server = server
            boot = behaviour.boot
            result = None if boot is None else context.run(boot_server, process, boot, server)
        except BaseException as error:
            rt.current = me
            failure = self._failed(spec, failed(process, error))
            raise failure from failure.__cause__
        rt.current = me
        if result is not None or process.extra is not None or process.mailbox is not None:
            return self._go_on(spec, process, result)
        process.status = IDLE

        # As ``_add``, and ``handle_of``.
        table[pid] = plain.template
        if args and not plain.is_temporary:
            self._arguments[pid] = args
        if rt.listeners or logger.isEnabledFor(DEBUG):
            self._tell_of(spec, pid)
        handle: Any = Blank()
        handle._target = process
        handle._timeout = ...
        handle.__class__ = plain.handle
        return handle

    def _go_on(self, spec: ChildSpec[Any], process: Process, result: Any) -> Any:
        """Its ``init`` gave *result*, or there is something to do before it can rest."""
        try:
            made = begun(process, result, spec.timeout)
        except BaseException as error:
            raise self._failed(spec, error) from error.__cause__
        kind: Any = spec.start
        if isinstance(made, Process):
            self._add(spec, process.pid)
            return handle_of(kind, process)
        return drive(self._go_on_starting(spec, waited_for(self._me, kind, made)))

    def _start_any(self, spec: ChildSpec[Any]) -> Any:
        try:
            made = begin_child(self._me, spec, self._flags.extra_arguments, self._table)
        except StartError as error:
            self._refused(spec, error)
            raise
        if not isinstance(made, Process):
            return drive(self._go_on_starting(spec, made))
        self._add(spec, made.pid)
        kind: Any = made.behaviour.kind
        if _is_plain(spec.template, made.behaviour):
            self._plain[kind] = Plain(spec.template, made.behaviour)
        return handle_of(kind, made)

    def _go_on_starting(self, spec: ChildSpec[Any], steps: Stepwise[Started]) -> Stepwise[Any]:
        try:
            started = yield from steps
        except StartError as error:
            self._refused(spec, error)
            raise
        self._add(spec, started.pid)
        return started.answer

    def _failed(self, spec: ChildSpec[Any], error: BaseException) -> BaseException:
        failure = error if isinstance(error, StartError) else failure_of(self._me, error)
        if isinstance(failure, StartError):
            self._refused(spec, failure)
        return failure

    def _refused(self, spec: ChildSpec[Any], error: StartError) -> None:
        if not isinstance(error, StartIgnored):
            events.child_start_failed(self._me, spec, None, error.reason)

    def _add(self, spec: ChildSpec[Any], pid: Pid) -> None:
        self._enter(pid, self._without_arguments(spec) if spec.restart == "temporary" else spec)
        self._tell_of(spec, pid)

    def _enter(self, pid: Pid, spec: ChildSpec[Any]) -> None:
        template = spec.template
        if template is None or spec.kwargs:
            self._table[pid] = spec
        else:
            self._table[pid] = template
            if spec.args:
                self._arguments[pid] = spec.args

    def _tell_of(self, spec: ChildSpec[Any], pid: Pid) -> None:
        events.child_started(self._me, spec, pid)
        if logger.isEnabledFor(DEBUG):
            self._report("progress", spec, pid, None)

    def _report(self, kind: Report, spec: ChildSpec[Any], pid: Pid, reason: object) -> None:
        raise NotImplementedError

    def _without_arguments(self, spec: ChildSpec[Any]) -> ChildSpec[Any]:
        """What has to be known of a child that is never started again; children of a kind share it."""
        kept = self._kept
        if (
            kept is None
            or kept.start is not spec.start
            or kept.shutdown != spec.shutdown
            or kept.type != spec.type
            or kept.modules != spec.modules
        ):
            kept = self._kept = without_arguments(spec)
        return kept


def _is_plain(template: ChildSpec[Any] | None, behaviour: Behaviour) -> TypeGuard[ChildSpec[Any]]:
    """Whether what is started by specs of this *template* may be started in the short way."""
    return (
        template is not None and template.name is None and not template.debug and behaviour.name_for is None
    )
