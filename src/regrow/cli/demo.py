"""``regrow demo``: find the arcade and play.

The arcade is an example in the repository and no part of the library. A wheel carries it along as ``regrow._arcade``;
in a checkout, installed editable or not at all, it is at ``examples/arcade`` beside ``src``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import regrow
from regrow.cli.beside import control_beside
from regrow.cli.errors import UserError

__all__ = ["run_demo"]

NEEDED = ("starlette", "uvicorn", "websockets", "rich")


def run_demo(options: Sequence[str]) -> int:
    """Run the arcade with its own command-line *options*; gives its exit code."""
    missing = [each for each in NEEDED if importlib.util.find_spec(each) is None]
    if missing:
        raise UserError(
            f"the demo needs {', '.join(missing)}.", 'Install what it needs with:  pip install "regrow[demo]"'
        )
    arcade = _arcade()
    beside = control_beside(arcade.Arcade, "demo", None, chaos=False, actions=False, show_state=False)
    code: int = arcade.main(list(options), beside=beside)
    return code


def _arcade() -> ModuleType:
    if importlib.util.find_spec("regrow._arcade") is not None:
        return importlib.import_module("regrow._arcade.__main__")
    checkout = Path(regrow.__file__).resolve().parents[2]
    if not (checkout / "examples" / "arcade" / "__main__.py").is_file():
        raise UserError(
            "the arcade is not there: neither in the installed package nor in a checkout round it.",
            f"Looked for regrow._arcade and for {checkout / 'examples' / 'arcade'}.",
        )
    sys.path.insert(0, str(checkout))
    return importlib.import_module("examples.arcade.__main__")
