"""What goes over the socket: JSON objects, one a line, in UTF-8.

    client    {"command": "chaos", "arguments": {"seconds": 10}}
    program   {"event": {...}}            as many as the command has to tell
    program   {"result": {...}}           or {"error": "what is wrong"}: the answer, and the next request may come,
                                          unless the command has crashed: then the program hangs up
    client    {"stop": true}              while it is under way: come to an end, and answer

A client that hangs up has its command cancelled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["LIMIT", "ControlError", "ProgramEnded", "ProgramNotFound", "Refused", "decode", "encode"]

LIMIT: Final = 16 * 1024 * 1024
"""Bytes in a line, at most: a picture of a large tree fits."""


class ControlError(Exception):
    """The control socket can't be opened, or not be talked to."""


class ProgramNotFound(ControlError):
    """No running program is the one that is meant, or several are. *running*: the commands of those that run."""

    def __init__(self, message: str, running: Sequence[Sequence[str]] = ()) -> None:
        super().__init__(message)
        self.running = running


class ProgramEnded(ControlError):
    """The program ended, or was killed, before it had answered."""


class Refused(ControlError):
    """The program has answered that it can't do what it was asked to. A command raises it to say so."""


def encode(message: dict[str, Any]) -> bytes:
    """*message* as a line. Half a character, which UTF-8 has no bytes for, goes as JSON's escape for it."""
    return json.dumps(message, ensure_ascii=False, default=repr).encode("utf-8", "backslashreplace") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object in *line*; ControlError if there is none."""
    try:
        message = json.loads(line)
    except ValueError:
        raise ControlError(f"a line is a JSON object, and this is none: {line[:100]!r}") from None
    if not isinstance(message, dict):
        raise ControlError(f"a line is a JSON object, and this is none: {line[:100]!r}")
    return message
