"""``regrow chaos``: a storm in a program that runs, seen from here.

The program must have been started with ``regrow run --allow-chaos``: what harms a program is off unless whoever
starts it says otherwise. Ctrl-C ends the storm, and the report comes all the same; a second one does not wait for it.
Whatever happens here, the program ends the storm when it sees that nobody listens.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

from regrow.cli.errors import UserError
from regrow.control import ControlError, ProgramEnded, ProgramNotFound, Refused, ask, find_program

__all__ = ["HOW_TO_ENABLE", "run_chaos"]

HOW_TO_ENABLE: Final = (
    "Chaos is off unless a program is started with it:  regrow run --allow-chaos MODULE:App\n"
    "(or with REGROW_ALLOW_CHAOS=1 in its environment)"
)
INTERRUPTED: Final = 130


def run_chaos(target: str | None, arguments: Mapping[str, Any], *, as_json: bool) -> int:
    """Run a storm in the program *target*; gives the exit code: 0 if its tree stood it, else 1."""
    try:
        return asyncio.run(_storm(target, arguments, as_json=as_json))
    except KeyboardInterrupt:
        return INTERRUPTED
    except ProgramNotFound as error:
        listed = any("chaos" in commands for commands in error.running)
        raise UserError(str(error), "" if listed else HOW_TO_ENABLE) from None
    except ProgramEnded as error:
        print(f"regrow: {error}: its last words are where it was started", file=sys.stderr)
        return 1
    except Refused as error:
        raise UserError(f"the program refuses: {error}") from None
    except ControlError as error:
        raise UserError(str(error)) from None


async def _storm(target: str | None, arguments: Mapping[str, Any], *, as_json: bool) -> int:
    program = await find_program(target, "chaos")
    if "chaos" not in program.commands:
        raise UserError(f"{program} does not allow chaos.", HOW_TO_ENABLE)

    def tell(event: Mapping[str, Any]) -> None:
        if not as_json:
            began = event.get("began")
            print(event.get("fault", f"a storm in {program}, {began}; Ctrl-C ends it"), flush=True)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked = asyncio.create_task(ask(program.path, "chaos", arguments, tell=tell, stop=stop))

    def interrupt() -> None:
        if stop.is_set():
            asked.cancel()
            return
        stop.set()
        print("ending the storm, and waiting for its report; Ctrl-C again does not wait", file=sys.stderr)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        report = await asked
    except asyncio.CancelledError:
        return INTERRUPTED
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    text = report.pop("text")
    print(json.dumps(report, indent=2) if as_json else text)
    return 0 if report["ok"] else 1
