"""``regrow observe``: where the web observer of a program is, or how to give it one."""

from __future__ import annotations

import json
from typing import Any, Final

from regrow.cli.once.asking import Ask, look
from regrow.control import Program

__all__ = ["run_observe"]

HOW_TO_SERVE: Final = """\
{program} has no web observer. To give it one (it needs  pip install "regrow[web]"), put it among the children
of a supervisor of yours:

    from regrow.observer import Observer

    Observer.child_spec(port=4000)

Or name it in an application:  extra_applications = ["observer"]
In the terminal there is:  regrow top"""


def run_observe(target: str | None, *, as_json: bool) -> int:
    """Say where the web observer of the program is; 1 if it has none."""

    async def question(ask: Ask, program: Program) -> Any:
        return program, await ask("web", {})

    program, found = look(target, question)
    if as_json:
        print(json.dumps(found))
    elif found["urls"]:
        print(*found["urls"], sep="\n")
    else:
        print(HOW_TO_SERVE.format(program=program))
    return 0 if found["urls"] else 1
