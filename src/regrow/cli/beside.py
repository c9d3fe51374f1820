"""The control socket of a program that the command line runs: by it ``regrow top`` and its kin look into it.

``regrow run`` opens it before the application starts, and remembers crashes from then on: who looks sees its start.
"""

from __future__ import annotations

from regrow.application.definition import Application
from regrow.cli.errors import UserError

__all__ = ["control_beside"]


def control_beside(
    application: type[Application],
    given: str | None,
    control: bool | None,
    *,
    chaos: bool,
    actions: bool,
    show_state: bool,
) -> list[type[Application]]:
    """The control socket, with what it can do. Imported here: a program that has none has nothing of it loaded.

    It must be there if somebody has asked for it; else a program that can't have one runs without.
    """
    asked = {"--allow-chaos": chaos, "--allow-actions": actions, "--show-state": show_state}
    wanted = [name for name, given in asked.items() if given]
    if control is False:
        if wanted:
            raise UserError(
                f"{wanted[0]} needs the control socket, and --no-control says that there is to be none.",
                "Leave one of them out; REGROW_CONTROL=0 in the environment is --no-control.",
            )
        return []
    from regrow.control.server import control_for
    from regrow.observer import remember_crashes
    from regrow.observer.commands import observing_commands

    commands = observing_commands(actions=actions, show_state=show_state)
    if chaos:
        from regrow.testing.storms.command import chaos_command

        commands["chaos"] = chaos_command
    required = bool(control or wanted)
    return [control_for(application, given, required=required, begin=remember_crashes, **commands)]
