"""The arcade with the observer's page beside it: hundreds of games to look at, and to crash.

    python -m examples.observed_arcade               # the arcade at port 4040, the observer at 4000
    python -m examples.observed_arcade --no-bots     # it takes what the arcade takes
    REGROW_OBSERVER__PORT=4444 python -m examples.observed_arcade

Actions and states are on, since nothing here is secret or dear. A program of one's own leaves them off.
"""

from __future__ import annotations

import sys

from examples.arcade.__main__ import allow_many_sockets
from examples.arcade.arcade import Arcade
from examples.arcade.reports import reports_off_the_terminal
from examples.arcade.settings import Settings
from regrow import run
from regrow.observer import ObserverApplication


class ArcadeObserver(ObserverApplication):
    """The observer's page, with actions and states."""

    name = ObserverApplication.name
    env = {**ObserverApplication.env, "actions": True, "show_state": True}  # noqa: RUF012  # ClassVar in the base


def main() -> None:
    given = sys.argv[1:]
    settings = Settings.parse(given)
    allow_many_sockets()
    with reports_off_the_terminal(settings.log):
        run(Arcade, args=given, beside=[ArcadeObserver])


if __name__ == "__main__":
    main()
