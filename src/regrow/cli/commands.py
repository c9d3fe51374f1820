"""The commands and their options; what they do is in the modules named after them."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from regrow.application.config import Settings, find_settings
from regrow.application.definition import Application
from regrow.application.runner import run
from regrow.cli.beside import control_beside
from regrow.cli.chaos import run_chaos
from regrow.cli.demo import run_demo
from regrow.cli.looking import Running, crashes, mcp, observe, ps, top, tree
from regrow.cli.new import make_project
from regrow.cli.shell import run_shell
from regrow.cli.target import find_application
from regrow.telemetry import logs

__all__ = ["app"]

app = typer.Typer(
    name="regrow",
    help="Supervised processes for Python: make a project, run it, look into it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class EndType(StrEnum):
    """The values of --type."""

    permanent = "permanent"
    transient = "transient"
    temporary = "temporary"


class LogFormat(StrEnum):
    """The values of --log."""

    text = "text"
    json = "json"


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:App",
        help="The application: a module and a class in it. Left out, it is `application` in the table "
        "the nearest pyproject.toml that has a `tool.regrow`.",
        show_default=False,
    ),
]
Args = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        metavar="TEXT",
        help="An argument for the application's start; give it as often as needed. Left out, it is `args` "
        "in `tool.regrow`.",
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        try:
            found = version("regrow")
        except PackageNotFoundError:
            found = "(not installed: run from a checkout)"
        typer.echo(f"regrow {found}, Python {sys.version.split()[0]}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which regrow this is, and end."
        ),
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option(
            "--traceback",
            help="Show where an error comes from. Goes before the command; REGROW_TRACEBACK=1 does the same.",
        ),
    ] = False,
) -> None:
    pass  # both are dealt with elsewhere: --version in its callback, --traceback in main


@app.command()
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The project's name, or the path of its new folder.")
    ],
    sup: Annotated[
        bool,
        typer.Option("--sup", help="With an application and its supervisor, wired up in pyproject.toml."),
    ] = False,
) -> None:
    """Make a new project, with tests that pass at once.

    The folder must not exist yet, or be empty. The package in it is named like the folder, with `_` for `-`.
    """
    typer.echo(make_project(Path(name), sup=sup))


@app.command("run")
def run_(
    target: Target = None,
    type: Annotated[
        EndType | None,
        typer.Option(
            "--type",
            help="What the end of the application means. permanent: the program ends too, with exit code 1 unless "
            "it ended normally. transient: the same, but after a normal end the program goes on. temporary: it "
            "always goes on. Left out, it is `type` in `tool.regrow`, else permanent.",
            show_default=False,
        ),
    ] = None,
    arg: Args = None,
    allow_chaos: Annotated[
        bool,
        typer.Option(
            "--allow-chaos",
            envvar="REGROW_ALLOW_CHAOS",
            help="Let `regrow chaos` kill, crash and delay its processes, over a socket in a folder that is yours "
            "alone.",
        ),
    ] = False,
    control: Annotated[
        bool | None,
        typer.Option(
            "--control/--no-control",
            envvar="REGROW_CONTROL",
            help="Open the control socket, in a folder that is yours alone: `regrow top`, `ps`, `tree`, `crashes` and "
            "`mcp` look through it, and whoever may open it is you. Left out, it is opened where that can be.",
            show_default=False,
        ),
    ] = None,
    allow_actions: Annotated[
        bool,
        typer.Option(
            "--allow-actions",
            envvar="REGROW_ALLOW_ACTIONS",
            help="Let `regrow top` and `regrow mcp` stop, kill, suspend, resume and restart its processes, over the "
            "control socket.",
        ),
    ] = False,
    show_state: Annotated[
        bool,
        typer.Option(
            "--show-state",
            envvar="REGROW_SHOW_STATE",
            help="Let them show states of servers and what messages hold, too: maybe secrets.",
        ),
    ] = False,
    log: Annotated[
        LogFormat | None,
        typer.Option(
            "--log",
            envvar="REGROW_LOG",
            help="Set logging up, from INFO on, to stderr. text: for people, coloured on a terminal. json: a line of "
            "JSON a record. Left out, that is the program's affair; until it sees to it, crash reports are written.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run an application until it ends, or until Ctrl-C or SIGTERM.

    These stop it in order, what was started last first, and the exit code is 0. A second one ends the program at
    once, with 130 or 143. The working directory and its `src` are put on the module path.
    """
    settings = find_settings()
    application = find_application(target, settings)
    args = _start_args(arg, target, application, settings)
    watching = control_beside(
        application,
        target or settings.application,
        control,
        chaos=allow_chaos,
        actions=allow_actions,
        show_state=show_state,
    )
    with nullcontext() if log is None else logs.configure(format="json" if log == "json" else "auto"):
        run(
            application,
            type=settings.restart_type if type is None else type.value,
            args=args,
            before=watching,
        )


@app.command()
def shell(target: Target = None, arg: Args = None) -> None:
    """A Python prompt with `await`, beside the running application.

    The application is started as temporary: if it ends, that is reported and the prompt stays. Without one, the
    prompt has the library and nothing running. Predefined are: `regrow` and all its public names, `application`
    and `process` (the modules), `App` (the class), `root()` (the root supervisor's pid) and `tree()` (prints what
    runs). What is typed runs in one process, `process.current()`; what it links to can end it, and a new one takes
    over with the same variables. Ctrl-C breaks off what is running; Ctrl-D or `exit()` stops the application and
    leaves.
    """
    settings = find_settings()
    if target is None and settings.application is None:
        raise typer.Exit(run_shell(None, settings, ()))
    application = find_application(target, settings)
    raise typer.Exit(run_shell(application, settings, _start_args(arg, target, application, settings)))


for each in (top, ps, tree, crashes, observe, mcp):
    app.command()(each)


@app.command()
def chaos(
    target: Running = None,
    seconds: Annotated[float, typer.Option(help="How long the storm lasts.", min=0)] = 10.0,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed draws the same faults. Left out, one is chosen.", show_default=False
        ),
    ] = None,
    faults: Annotated[
        int | None, typer.Option(help="End after so many faults.", show_default=False, min=1)
    ] = None,
    kill: Annotated[
        float | None,
        typer.Option(
            help="Kills and crashes a second, on average. 1, if no kind of fault is given.",
            show_default=False,
        ),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(help="Delays a second: a server takes no messages for a while.", show_default=False),
    ] = None,
    fail_starts: Annotated[
        float | None,
        typer.Option(help="Failing starts a second: the next start of a child fails.", show_default=False),
    ] = None,
    delay_seconds: Annotated[
        tuple[float, float], typer.Option(metavar="LEAST MOST", help="How long a delay lasts.")
    ] = (0.01, 0.5),
    supervisor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only below this one: its name, its class or its pid. Left out, the whole application.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHO",
            help="Hit only those: a class, a name, an id, a path as the report has it; as often as needed.",
            show_default=False,
        ),
    ] = None,
    spare: Annotated[
        list[str] | None, typer.Option(metavar="WHO", help="Never hit those.", show_default=False)
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(help="How far down; 1 is the supervisor's own children.", show_default=False, min=1),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report alone, as JSON.")] = False,
) -> None:
    """Kill, crash and delay processes of a running program, and report what survived.

    The program must have been started with `regrow run --allow-chaos`. Ctrl-C ends the storm; nothing of it stays in
    the program. The exit code is 0 if its tree stood it: everybody who had to come back is back, and no supervisor has
    given up.
    """
    arguments = {
        "seconds": seconds,
        "seed": seed,
        "faults": faults,
        "kill": kill,
        "delay": delay,
        "fail_starts": fail_starts,
        "delay_seconds": delay_seconds,
        "supervisor": supervisor,
        "only": only or [],
        "spare": spare or [],
        "depth": depth,
    }
    raise typer.Exit(run_chaos(target, arguments, as_json=as_json))


def _start_args(
    given: list[str] | None, target: str | None, application: type[Application], settings: Settings
) -> list[str]:
    """Those of the command line, else those of the table, unless it means another application."""
    if given:
        return given
    return settings.args if target is None else settings.args_for(application)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[OPTIONS OF THE ARCADE]",
)
def demo(context: typer.Context) -> None:
    """Watch an arcade of hundreds of games that crash and heal.

    `regrow demo --help` lists its options, `--seconds` and `--port` among them. Without a terminal it ends by itself.
    """
    raise typer.Exit(run_demo(context.args))
