"""The prompt: reads lines in a thread of its own and hands statements to the evaluator.

The event loop keeps the main thread, where signals arrive.
"""

from __future__ import annotations

import ast
import code
import sys
import traceback
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regrow.cli.evaluator import Evaluator

__all__ = ["Console"]


class Console(code.InteractiveConsole):
    """An interactive console whose statements may ``await``."""

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator.names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._evaluator = evaluator

    def runcode(self, code: CodeType) -> None:
        try:
            self._evaluator.submit(code).result()
        except SystemExit:
            raise
        except KeyboardInterrupt:
            self.write("\nKeyboardInterrupt\n")
        except BaseException as error:
            self._show(error)
        finally:
            sys.stdout.flush()

    def read(self, banner: str) -> int:
        """Read and run until the input ends or ``exit()`` is called; gives the exit code."""
        try:
            self.interact(banner, exitmsg="")
        except SystemExit as error:
            if error.code is None or isinstance(error.code, int):
                return error.code or 0
            self.write(f"{error.code}\n")
            return 1
        return 0

    def _show(self, error: BaseException) -> None:
        """The traceback from the typed line on; what called it is the shell's own affair."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != self.filename:
            trace = trace.tb_next
        shown = error.with_traceback(trace or error.__traceback__)
        self.write("".join(traceback.format_exception(shown)))


def complete_names(names: dict[str, Any]) -> None:
    """Line editing and completion by Tab, where this Python has readline."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
