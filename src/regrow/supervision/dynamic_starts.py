"""How a dynamic supervisor starts a child, and enters it in its books.

``_start_any`` is the usual way, by ``starts``. Most starts are plain: of a server by the spec that its class made, or
by one with a name of its own that regrow keeps, while nobody listens to events. What the usual way comes to for them is
written out in ``_start_child``, so that it takes one function: to go from one layer to the next would take as long as a
fifth of the start. (It is a handler, which nothing calls that handles an exception; so what ``launch`` has to make sure
of is so.)

The first child of a class that starts at once takes the usual way, and leaves word at the class that the next may take
the short one.
"""

from __future__ import annotations

from logging import DEBUG
from math import inf
from typing import Any

from regrow.kernel.death import finish
from regrow.kernel.errors import AlreadyStarted, MaxChildren, StartError, StartIgnored
from regrow.kernel.names import claim, is_known
from regrow.kernel.process import DEAD, IDLE, STARTING, Behaviour, Pid, Process, new_pid
from regrow.kernel.reasons import NORMAL
from regrow.kernel.settling import is_settled
from regrow.kernel.signals import link_child, unlink
from regrow.kernel.spawning import told_of
from regrow.servers.calls import call
from regrow.servers.child_spec import ChildSpec
from regrow.servers.handles import Blank, handle_class, handle_of
from regrow.servers.starting import begun, boot_server, failed
from regrow.supervision import events, starts
from regrow.supervision.base import BaseSupervisor
from regrow.supervision.reports import Report, logger, report
from regrow.supervision.specs import without_arguments
from regrow.supervision.starts import Started, begin_child, failure_of, waited_for
from regrow.supervision.stepwise import Stepwise, drive

__all__ = ["DynamicStarts", "dressed"]

_new = object.__new__


class Plain:
    """What a class knows of its children that can be started in the short way: those with a name, and those without
    one that have this *template*, if there is one."""

    __slots__ = ("behaviour", "entry", "handle", "is_temporary", "kind", "template")

    def __init__(self, kind: type[Any], template: ChildSpec[Any] | None, behaviour: Behaviour) -> None:
        self.kind = kind
        self.template = template
        self.behaviour = behaviour
        self.handle = handle_class(kind)
        self.is_temporary = template is not None and template.restart == "temporary"
        # In a supervisor's books.
        self.entry: Any = (
            without_arguments(template) if template is not None and self.is_temporary else template
        )


class DynamicStarts(BaseSupervisor):
    """What a ``DynamicSupervisor`` does when it is asked for a child."""

    # A child's spec, or the template that it has in common with others, and then its own arguments beside it, a
    # single one ``bare``: up to three objects less for the garbage collector to look at, a child.
    _table: dict[Pid, ChildSpec[Any]]
    _arguments: dict[Pid, Any]
    _restarting: dict[Pid, ChildSpec[Any]]
    _kept: ChildSpec[Any] | None = None

    @call(timeout=None, raises=StartError)
    def _start_child(self, spec: ChildSpec[Any]) -> Any:
        flags, table, me, name, start = self._flags, self._table, self._me, spec.name, spec.start
        if flags.max_children is not inf and len(table) + len(self._restarting) >= flags.limit:
            raise MaxChildren(flags.limit)
        plain: Plain | None = getattr(start, "_regrow_plain", None)
        rt, links = me.runtime, None if me.extra is None else me.extra.links
        if (
            plain is None
            or (
                (spec.template is None or plain.template is not spec.template)
                if name is None
                else (plain.kind is not start or spec.debug or rt.listeners or not is_known(name))
            )
            or spec.kwargs
            or flags.extra_arguments
            or links is None
            or rt.inline != "on"
            or starts.attendants
        ):
            return self._start_any(spec)
        behaviour, args = plain.behaviour, spec.args

        # As ``born``, and the ``__init__`` of a process.
        process = _new(Process)
        process.pid = pid = new_pid()
        process.runtime = rt
        process.behaviour = behaviour
        process.parent = me.pid
        process.linked = False
        process.trapping = behaviour.trap_exits
        process.context = me.context
        process.status = STARTING
        process.server = process.mailbox = process.request = process.extra = None
        rt.processes[pid] = process
        if name is not None:
            self._name(spec, process)
        try:
            if rt.listeners:
                told_of(process)
            process.linked = True  # as ``link_child``
            links[pid] = process

            # As ``launch``, on this stack.
            if not rt.slice_armed:
                rt.arm_slice()
            rt.current = process
            context = me.context.copy()
            if len(args) == 1:  # to unpack it would take longer than to call
                kept = args[0]
                process.server = server = context.run(start, kept)
                if type(kept) is tuple:
                    kept = args
            else:
                kept = args
                process.server = server = context.run(start, *args)
            boot = behaviour.boot
            result = None if boot is None else context.run(boot_server, process, boot, server)
        except BaseException as error:
            rt.current = me
            failure = self._failed(spec, failed(process, error))
            raise failure from failure.__cause__
        rt.current = me
        if (
            result is not None
            or process.mailbox is not None
            or (process.extra is not None and not is_settled(process))
        ):
            return self._go_on(spec, process, result)
        process.status = IDLE

        # As ``_add``, with ``bare``, and ``handle_of``.
        if name is not None:
            table[pid] = self._without_arguments(spec) if spec.restart == "temporary" else spec
        else:
            table[pid] = plain.entry
            if args and not plain.is_temporary:
                self._arguments[pid] = kept
        if rt.listeners or logger.isEnabledFor(DEBUG):
            self._tell_of(spec, pid)
        handle: Any = Blank()
        handle._target = process
        handle._timeout = ...
        handle.__class__ = plain.handle
        return handle

    def _name(self, spec: ChildSpec[Any], process: Process) -> None:
        """Give a process, which nobody was told of yet, the name of its *spec*, as ``launch``."""
        link_child(self._me, process)
        try:
            holder = claim(process, spec.name)
        except BaseException as error:  # a key's own hash, say, when the registry had begun
            unlink(self._me, process)
            finish(process, NORMAL)
            raise self._failed(spec, error) from None
        if holder is not None:
            # As if it had never been: its end would be news to its supervisor, and the next start would have to wait.
            unlink(self._me, process)
            process.status = DEAD
            del process.runtime.processes[process.pid]
            raise AlreadyStarted(holder.pid, spec.name)

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
        _leave_word(kind, spec, made.behaviour)
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
                self._arguments[pid] = bare(spec.args)

    def _tell_of(self, spec: ChildSpec[Any], pid: Pid) -> None:
        events.child_started(self._me, spec, pid)
        if logger.isEnabledFor(DEBUG):
            self._report("progress", spec, pid, None)

    def _report(self, kind: Report, spec: ChildSpec[Any], pid: Pid, reason: object) -> None:
        report(kind, self._me, spec, pid, reason, extra_arguments=self._flags.extra_arguments)

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


def bare(args: tuple[Any, ...]) -> Any:
    """*args* as a supervisor keeps them: one alone without its tuple, unless it is a tuple itself."""
    return args[0] if len(args) == 1 and type(args[0]) is not tuple else args


def dressed(kept: Any) -> tuple[Any, ...]:
    """The arguments that are kept as *kept*."""
    return kept if type(kept) is tuple else (kept,)


def _leave_word(kind: Any, spec: ChildSpec[Any], behaviour: Behaviour) -> None:
    """What was started by *spec* may be started in the short way the next time, if it is plain."""
    template = spec.template
    if behaviour.name_for is not None or spec.debug or (template is None and spec.name is None):
        return
    known: Plain | None = vars(kind).get("_regrow_plain")
    if (
        known is None
        or (known.template is None and template is not None)
        # The class's own template goes before those of options, which may be made for each start.
        or (
            known.template is not template
            and template is vars(kind).get("_regrow_spec")
            and template is not None
        )
    ):
        kind._regrow_plain = Plain(kind, template, behaviour)
