"""The master of a running application: the process that its root supervisor is linked to.

It calls ``start`` and holds the state that ``start`` returned. When it is told to stop, or when the root has ended
by itself, it calls ``prep_stop``, stops the tree if there is one left, and calls ``stop``. It traps exits, so that
the end of the tree is a message to it and these callbacks always run.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from typing import TYPE_CHECKING, Any

from regrow import process
from regrow.application.errors import InvalidApplication
from regrow.kernel import signals
from regrow.kernel.errors import NoProcess, StartError, Stop
from regrow.kernel.reasons import SHUTDOWN, Shutdown
from regrow.kernel.runtime import runtime
from regrow.servers.gen_server import GenServer

if TYPE_CHECKING:
    from regrow.application.definition import Application, StartType
    from regrow.kernel.process import Pid

__all__ = ["Master"]

log = logging.getLogger("regrow.application")


class Master(GenServer, restart="temporary", shutdown=math.inf, trap_exits=True):
    """One process an application."""

    def __init__(
        self, application: type[Application], start_type: StartType, args: list[str], born: list[Pid]
    ) -> None:
        born.append(process.current())  # so that the controller knows it even if the start is broken off
        self.application = application()
        self.start_type: StartType = start_type
        self.args = args
        self.root: Pid | None = None
        self.state: Any = None

    async def init(self) -> None:
        try:
            started = await _awaited(self.application.start(self.start_type, self.args))
        except StartError as error:
            raise Stop(error) from error  # what failed to start has reported it: no second report
        root, self.state = started if isinstance(started, tuple) and len(started) == 2 else (started, None)
        self.root = _pid_of(root, type(self.application), started)
        process.link(self.root)

    def _children(self) -> list[Pid]:
        """Whom the kernel must not leave behind; and, like a supervisor, it gets all the time that they need."""
        return [] if self.root is None else [self.root]

    def handle_info(self, message: object) -> None:
        if isinstance(message, process.Exit) and message.pid == self.root:
            self.root = None
            raise Stop(Shutdown(message.reason))  # the controller, who watches, looks into it

    async def terminate(self, reason: object) -> None:
        state = self.state
        try:
            state = await _awaited(self.application.prep_stop(state))
        except Exception:
            log.exception("prep_stop of application %r failed; it is stopped without", self.application.name)
        if self.root is not None:
            await _stop_tree(self.root)
        try:
            await _awaited(self.application.stop(state))
        except Exception:
            log.exception("stop of application %r failed", self.application.name)


async def _stop_tree(root: Pid) -> None:
    """Tell the root supervisor to shut down, and wait for as long as its children need."""
    supervisor = runtime().processes.get(root)
    if supervisor is None:
        return
    ended = asyncio.Event()
    signals.watch(supervisor, lambda process, reason: ended.set())
    process.exit(root, SHUTDOWN)
    await ended.wait()


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _pid_of(root: object, application: type[Application], returned: object) -> Pid:
    try:
        if root is None or isinstance(root, (str, tuple, type)):
            raise TypeError
        return process.pid_of(root)
    except (TypeError, ValueError, NoProcess):
        raise InvalidApplication(
            f"{application.__qualname__}.start returned {returned!r}; it must return the root supervisor, "
            "as start_link gives it, or (root, state)"
        ) from None
