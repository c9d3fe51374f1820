"""Run the arcade: `python -m examples.arcade --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from regrow import Application, run

from .arcade import Arcade
from .reports import reports, reports_off_the_terminal
from .settings import Settings
from .view import summary


def main(argv: Sequence[str] | None = None, beside: Sequence[type[Application]] = ()) -> int:
    """Run until it closes by itself or by Ctrl-C; print the summary; 0 if all of it adds up.

    The applications *beside* it are run along, such as the control socket for `regrow top`.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    settings = Settings.parse(given)  # --help and mistakes end here, before anything runs
    allow_many_sockets()
    exit_code, Arcade.last_book = 0, None
    with reports_off_the_terminal(settings.log):
        try:
            run(Arcade, args=given, beside=beside)
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else 1
    book = Arcade.last_book
    if book is None:  # it did not even start, and run has said why
        return exit_code
    if exit_code:  # it gave up, and the reason is among what was kept off the screen
        print(*reports.last_words(), sep="\n", file=sys.stderr)
        return exit_code
    print(summary(book), flush=True)
    return 1 if book.complaints() else 0


def allow_many_sockets() -> None:
    """200 games are 400 sockets with two ends each; many systems begin with a limit of 1024 open files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
