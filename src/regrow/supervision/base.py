"""What all supervisors have in common: flags from the class header, init, exits, giving up.

A supervisor is a GenServer that traps exits and has any time to shut down. Its flags come from its
class header, its call site, or its ``init``:

    class Games(DynamicSupervisor, max_children=1000): ...          # known in advance

    class Rooms(DynamicSupervisor):
        def init(self, tenant: Tenant) -> Flags:                    # depending on the arguments of the start
            return self.flags(max_children=tenant.limit)

``init`` gets the arguments of the start, unless the class has an ``__init__`` of its own, which then gets
them. ``sys.change_code`` runs it again on the living supervisor, whose children notice nothing.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from regrow.kernel.errors import Ignore, Stop
from regrow.kernel.mailbox import Exit, put
from regrow.kernel.process import Pid, Process
from regrow.kernel.reasons import SHUTDOWN, describe
from regrow.kernel.runtime import runtime
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import HEADER, GenServer
from regrow.supervision.errors import GaveUp
from regrow.supervision.events import gave_up
from regrow.supervision.exits import hear_exits
from regrow.supervision.flags import FLAG_NAMES, Flags, merge, refuse_unknown
from regrow.supervision.intensity import RestartIntensity
from regrow.supervision.stepwise import Stepwise, drive

logger = logging.getLogger("regrow.supervisor")


class BaseSupervisor(GenServer):
    """The common part. Use ``Supervisor``, ``DynamicSupervisor``, ``PartitionSupervisor`` or ``TaskSupervisor``."""

    _is_supervisor: ClassVar[bool] = True
    _flag_names: ClassVar[tuple[str, ...]] = FLAG_NAMES
    _header: ClassVar[Mapping[str, Any]] = {}

    _me: Process  # who dies lets go of its server, so this closes no circle for long
    _given: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    _flags: Flags
    _intensity: RestartIntensity
    _last_words: BaseException | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        for name, value in keywords.items():
            if name not in HEADER and name not in cls._flag_names:
                raise TypeError(
                    f"{cls.__name__}: {name}={value!r} is not known here; known are its flags, "
                    f"{', '.join(cls._flag_names)}, and the keys of its spec, {', '.join(HEADER)}"
                )
        flags = {name: keywords.pop(name) for name in list(keywords) if name in FLAG_NAMES}
        super().__init_subclass__(**keywords)
        if flags:
            cls._header = {**cls._header, **flags}
            cls._checked(merge(cls._header))
        if "terminate" in cls.__dict__:
            raise TypeError(
                f"{cls.__qualname__}.terminate: a supervisor ends its children there and has no terminate of its own; "
                "put the clean-up into a child, which is ended in its turn"
            )

    def _boot(self) -> Any:
        self._me = current_process()
        hear_exits(self._me)
        return drive(self._begin())

    def _begin(self) -> Stepwise[None]:
        """The start: read the flags, and start what is to be started."""
        raise NotImplementedError

    def _stop_children(self) -> Stepwise[None]:
        """End all children the way this kind of supervisor does."""
        raise NotImplementedError

    def _child_pids(self) -> Iterable[Pid]:
        """The pids of all living children, which the kernel ends if this supervisor is killed."""
        raise NotImplementedError

    def _exit_arrived(self, pid: Pid, reason: object) -> Any:
        """A linked process has ended."""
        raise NotImplementedError

    @classmethod
    def _checked(cls, flags: Flags) -> Flags:
        """``flags``, if this kind of supervisor can keep to them."""
        return flags

    # --- flags and init ---------------------------------------------------------------------------------------------

    def _run_init(self) -> Stepwise[Any]:
        """What the class's ``init`` returns, run with the arguments of the start."""
        args, kwargs = self._given
        made = cast("Any", self).init(*args, **kwargs)
        if inspect.isawaitable(made):
            made = yield made
        return made

    @property
    def _has_init(self) -> bool:
        return hasattr(type(self), "init")

    def _merged(self, values: Mapping[str, Any]) -> Flags:
        refuse_unknown(values, self._flag_names)
        return merge(self._header, values)

    def _keep(self, flags: Flags) -> None:
        """Run on these flags from now on. Restarts counted so far are kept."""
        if hasattr(self, "_intensity"):
            self._intensity.change(flags.max_restarts, flags.max_seconds)
        else:
            loop = self._me.runtime.loop  # its clock may be a virtual one, and may become one
            self._intensity = RestartIntensity(flags.max_restarts, flags.max_seconds, lambda: loop.time())
        self._flags = flags

    def code_change(self, old_version: object, extra: object) -> Any:
        """Run ``init`` again and go on with what it says. ``Ignore`` changes nothing, and any other error neither."""
        return drive(self._change_code()) if self._has_init else None

    def _change_code(self) -> Stepwise[None]:
        try:
            made = yield from self._run_init()
        except Ignore:
            return
        self._take_over(made)

    def _take_over(self, made: Any) -> None:
        """Go on with what ``init`` returned in a code change, or raise and change nothing."""
        raise NotImplementedError

    # --- what a supervisor does ---------------------------------------------------------------------------------------

    def handle_info(self, message: object) -> Any:
        """Messages mean nothing to a supervisor, and exits of strangers neither. A class may override this."""
        if not isinstance(message, Exit):
            logger.error(
                "%r got an unexpected message: %r",
                self._me,
                message,
                extra={"regrow": {"event": "unexpected_message", "supervisor_pid": self._me.pid}},
            )

    def format_status(self, status: Any) -> Any:
        """Reports and ``sys`` show how many children there are, and not each of them."""
        return {
            **status,
            "state": {"flags": getattr(self, "_flags", None), "children": len(list(self._child_pids()))},
        }

    def terminate(self, reason: object) -> Any:
        """End all children, however long it takes."""
        return drive(self._stop_children())

    def _give_up(self, spec: ChildSpec[Any], reason: object) -> Stop:
        """The end for want of restarts: ``SHUTDOWN``, and word for the owner of a ``scope`` why."""
        gave_up(self._me, reason)
        allowed, seconds = self._flags.max_restarts, self._flags.max_seconds
        child = getattr(spec.start, "__qualname__", spec.start)
        self._last_words = GaveUp(
            f"{child} needed more than {allowed} restarts in {seconds:g} s; it ended last with {describe(reason)}"
        )
        if isinstance(reason, BaseException):
            self._last_words.__cause__ = reason
        return Stop(SHUTDOWN)

    def _later(self, function: Any, *args: Any) -> None:
        """Do ``function(self, *args)`` after everything that waits in the own queue."""
        put(self._me, (function, args, {}, None))


def current_process() -> Process:
    current = runtime().current
    assert current is not None
    return current
