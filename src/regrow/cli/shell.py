"""``regrow shell``: a prompt beside a running application.

The application is started as temporary, so that its end leaves the prompt. The loop runs in the main thread, with the
application's processes and whatever is typed; a daemon thread waits at the prompt. Ctrl-C breaks off a statement;
SIGTERM, Ctrl-D and ``exit()`` stop the application in order.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import regrow
from regrow import application as application_functions
from regrow import process
from regrow.application.controller import Controller, controller
from regrow.application.errors import ApplicationStartError
from regrow.application.os_signals import signals_wake_the_loop
from regrow.cli.console import Console, complete_names
from regrow.cli.evaluator import Evaluator
from regrow.cli.tree import tree_of

if TYPE_CHECKING:
    from regrow.application.config import Settings
    from regrow.application.definition import Application
    from regrow.kernel.process import Pid

__all__ = ["run_shell"]


def run_shell(application: type[Application] | None, settings: Settings, args: Sequence[str]) -> int:
    """Start *application*, if there is one, and serve the prompt until it is left; gives the exit code."""
    with _terminal_restored():
        exit_code, reading = asyncio.run(_beside(application, settings, args))
    if reading:
        # The thread still waits for a line and holds the lock of stdin, which Python's own way out would want.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    return exit_code


async def _beside(
    application: type[Application] | None, settings: Settings, args: Sequence[str]
) -> tuple[int, bool]:
    ours = controller()
    ours.settings = settings
    if application is not None:
        try:
            await ours.ensure_all_started(application, "temporary", args)
        except ApplicationStartError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1, False
    evaluator = Evaluator(_names(application), sys.stderr.write)
    left = threading.Event()
    leave = asyncio.create_task(_leave_when_stopped(ours, evaluator))
    with signals_wake_the_loop(), _signals(evaluator):
        _read_in_thread(evaluator, _banner(application), left)
        exit_code = await evaluator.run()
        leave.cancel()
        await ours.stop_all()
    return exit_code, not left.is_set()


def _read_in_thread(evaluator: Evaluator, banner: str, left: threading.Event) -> None:
    loop = asyncio.get_running_loop()

    def read() -> None:
        exit_code = Console(evaluator).read(banner)
        left.set()
        try:
            loop.call_soon_threadsafe(evaluator.close, exit_code)
        except RuntimeError:
            pass  # the loop has ended before

    complete_names(evaluator.names)
    threading.Thread(target=read, name="regrow shell", daemon=True).start()


async def _leave_when_stopped(ours: Controller, evaluator: Evaluator) -> None:
    """``application.stop_system(code)`` ends the shell as it ends a program."""
    await ours.sentenced.wait()
    assert ours.verdict is not None
    evaluator.close(ours.verdict.exit_code)


def _names(application: type[Application] | None) -> dict[str, Any]:
    """What is predefined at the prompt."""

    def root() -> Pid | None:
        """The pid of the application's root supervisor; None while it does not run."""
        return None if application is None else application_functions.get_supervisor(application)

    def tree(limit: int = 100) -> None:
        """Print the processes, each below the one that started it."""
        print(tree_of(limit))

    names: dict[str, Any] = {name: getattr(regrow, name) for name in regrow.__all__ if name != "sys"}
    names |= {"__name__": "__console__", "__doc__": None, "__builtins__": __builtins__}
    names |= {"regrow": regrow, "asyncio": asyncio, "application": application_functions, "process": process}
    names |= {"App": application, "root": root, "tree": tree}
    return names


def _banner(application: type[Application] | None) -> str:
    runs = f"{application.name} is running" if application is not None else "no application is running"
    return (
        f"regrow shell on Python {sys.version.split()[0]}; {runs}.\n"
        "await works here. Predefined: regrow and its names, application, process, App, root(), tree(). "
        "exit() or Ctrl-D leaves."
    )


@contextmanager
def _signals(evaluator: Evaluator) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not evaluator.interrupt(frame):
            sys.stderr.write("\nCtrl-D or exit() leaves\n>>> ")

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the shell at once
        loop.call_soon_threadsafe(evaluator.close, 0)

    before = signal.signal(signal.SIGINT, interrupt), signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """A thread that is left behind at the prompt leaves the terminal as line editing needs it: undo that."""
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    try:
        before = termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):  # no terminal
        yield
        return
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
