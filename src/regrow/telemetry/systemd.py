"""``Systemd``: an application that tells the service manager how the program is, in systemd's ``sd_notify`` words.

    class Shop(Application):
        extra_applications = ["regrow.telemetry.systemd:Systemd"]

or ``run(Shop, beside=["regrow.telemetry.systemd:Systemd"])``, with a unit that says

    [Service]
    Type=notify
    WatchdogSec=10

It sends ``READY=1`` when the program is ready (see ``health``), ``STOPPING=1`` when it begins to stop, ``WATCHDOG=1``
at half of the time that the unit allows while the event loop turns and the roots live, and a ``STATUS=`` line for
``systemctl status``. Where there is no ``NOTIFY_SOCKET`` it does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

from regrow.application.controller import Controller, controller
from regrow.application.definition import Application, StartType
from regrow.application.errors import ConfigError
from regrow.kernel.runtime import runtime
from regrow.servers.tasks.task import Task
from regrow.supervision.supervisor import Supervisor
from regrow.telemetry.health import Health, liveness, readiness

__all__ = ["Notifier", "Systemd"]

STATUS_EVERY: Final = 5.0
"""Seconds from one look at the program to the next, when it is ready."""
FIRST_LOOKS: Final = (0.05, 1.0)
"""The same before that: the first wait, which doubles up to the second."""

logger = logging.getLogger("regrow.telemetry")


class Notifier:
    """The socket of the service manager. ``Notifier.found()`` gives it if there is one."""

    def __init__(self, address: str, watchdog: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address  # @: an abstract socket
        self._shown = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._complained = False
        self.watchdog = watchdog
        """Seconds within which the manager wants to hear ``WATCHDOG=1``, or None."""

    @classmethod
    def found(cls, variables: Mapping[str, str] | None = None) -> Notifier | None:
        """The one that ``NOTIFY_SOCKET`` names, with the time of ``WATCHDOG_USEC`` if that is meant for this process.

        Raises ``ConfigError`` for a ``WATCHDOG_USEC`` or ``WATCHDOG_PID`` that is no number.
        """
        variables = os.environ if variables is None else variables
        address = variables.get("NOTIFY_SOCKET", "")
        if not address:
            return None
        if address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
            logger.warning(
                "NOTIFY_SOCKET=%r is no unix socket: systemd is not told how this program is", address
            )
            return None
        microseconds = _number(variables, "WATCHDOG_USEC")
        ours = _number(variables, "WATCHDOG_PID") in (None, os.getpid())
        return cls(address, microseconds / 1_000_000 if microseconds and ours else None)

    def send(self, *lines: str) -> None:
        """Tell it these assignments, such as ``READY=1``; a manager that does not listen is reported once."""
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._complained:
                logger.warning("the service manager at %s can't be told %r: %s", self._shown, message, error)
            self._complained = True
        else:
            self._complained = False

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


class Systemd(Application):
    """Tells systemd when the program is ready, that it lives, and that it stops."""

    name = "systemd"

    async def start(self, start_type: StartType, args: list[str]) -> tuple[Supervisor, Notifier | None]:
        notifier = Notifier.found()
        if notifier is None:
            return await Supervisor.start_link([]), None
        children = [Task.child_spec(tell_state, notifier).replace(id="state", restart="permanent")]
        if notifier.watchdog is not None:
            heart = Task.child_spec(beat, notifier, notifier.watchdog / 2)
            children.append(heart.replace(id="watchdog", restart="permanent"))
        try:
            return await Supervisor.start_link(children), notifier
        except BaseException:
            notifier.close()
            raise

    def stop(self, state: Notifier | None) -> None:
        if state is not None:
            if _program_ends(controller()):
                state.send("STOPPING=1")
            state.close()


async def tell_state(notifier: Notifier) -> None:
    """``READY=1`` once, ``STATUS=`` whenever it changes, ``STOPPING=1`` as soon as the program is to stop."""
    ours = controller()
    ready, told, pause = False, "", FIRST_LOOKS[0]
    while ours.verdict is None:
        health = await readiness()
        status = _status(health)
        if health.ok and not ready:
            ready, told, pause = True, status, STATUS_EVERY
            notifier.send("READY=1", f"STATUS={status}")
        elif status != told:
            told = status
            notifier.send(f"STATUS={status}")
        try:
            async with asyncio.timeout(pause):
                await ours.sentenced.wait()
        except TimeoutError:
            pause = STATUS_EVERY if ready else min(2 * pause, FIRST_LOOKS[1])
    notifier.send("STOPPING=1", f"STATUS=stopping: {ours.verdict.why}")
    await asyncio.Event().wait()  # until the tree ends: who returned would be started again


async def beat(notifier: Notifier, seconds: float) -> None:
    """``WATCHDOG=1`` every so many seconds, for as long as the program lives."""
    while True:
        if liveness().ok:
            notifier.send("WATCHDOG=1")
        await asyncio.sleep(seconds)


def _status(health: Health) -> str:
    if not health.ok:
        return f"not ready: {health.reasons[0]}"
    return f"ready: {len(controller().running)} applications"


def _program_ends(ours: Controller) -> bool:
    """Not if this application alone was stopped: the service goes on."""
    running = ours.running.get(Systemd.name)
    return ours.verdict is not None or runtime().closed or (running is not None and not running.stopping)


def _number(variables: Mapping[str, str], name: str) -> int | None:
    text = variables.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is no number, as the service manager gives it") from None
