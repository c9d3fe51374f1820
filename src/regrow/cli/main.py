"""The entry point of the ``regrow`` command, and of ``python -m regrow``.

Mistakes end with two lines on stderr and exit code 2. ``regrow --traceback ...`` or ``REGROW_TRACEBACK=1`` shows
where such an error came from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from regrow.application.errors import ConfigError, DependencyCycle, InvalidApplication, UnknownApplication
from regrow.cli.errors import UserError

__all__ = ["main"]

MISSING = """\
error: the regrow command line needs typer and rich, which are not installed ({error}).
Install them with:  pip install "regrow[cli]"
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with *arguments*, or those of the process."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    traceback = os.environ.get("REGROW_TRACEBACK", "0") not in ("", "0") or words[:1] == ["--traceback"]
    try:
        from regrow.cli.commands import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(MISSING.format(error=error))
        sys.exit(1)
    try:
        app(args=words, prog_name="regrow")
    except (UserError, ConfigError, UnknownApplication, DependencyCycle, InvalidApplication) as error:
        if traceback:
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
