"""The answer to an operation that somebody outside has asked for, in this program.

What is wrong with the question is a ``Refused`` with a sentence, whoever has asked: over the control socket, or an
agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regrow.control.protocol import Refused
from regrow.observer.actions import ActionRefused
from regrow.observer.errors import NoState, NotObserved, UnknownCrash, UnknownProcess
from regrow.observer.operations import BadArgument, NotFound, Operation
from regrow.observer.snapshots import snapshot

__all__ = ["answer"]

SAID = (BadArgument, NotFound, UnknownProcess, UnknownCrash, NoState, NotObserved, ActionRefused)
"""What may be wrong with a question; anything else is a bug, and is reported as a crash."""


async def answer(operation: Operation, given: Mapping[str, object], *, show_state: bool = False) -> Any:
    """What *operation* gives for these arguments, as plain values; with *show_state*, what may be secret too."""
    try:
        return await operation.answer(snapshot(), given, show_state=show_state)
    except (*SAID, TimeoutError) as error:
        raise Refused(str(error) or f"{operation.name} has taken too long") from None
