"""``regrow new NAME [--sup]``: a new project, from the files in ``templates``."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

from regrow.cli.errors import UserError
from regrow.cli.templates import application_files, library_files

__all__ = ["make_project", "package_name"]

_TAKEN = frozenset({"regrow", "pytest", "hatchling", "tests", "src", "conftest"})


def make_project(folder: Path, *, sup: bool) -> str:
    """Write the project and tell what to do with it."""
    name = folder.name or folder.resolve().name
    package = package_name(name)
    _refuse_occupied(folder)
    files = (application_files if sup else library_files)(name, package)
    try:
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"can't write {error.filename or folder}: {error.strerror}.", "Choose another place."
        ) from error
    written = "\n".join(f"  {folder / path}" for path in files)
    steps = [
        f"cd {folder}",
        "python -m pytest          # its tests pass",
        *(["regrow run                # Ctrl-C stops it"] if sup else []),
    ]
    return f"wrote\n{written}\n\nNext:\n\n" + "\n".join(f"    {each}" for each in steps) + "\n"


def package_name(name: str) -> str:
    """The package for a project called *name*; refuses what can't be one, and says what could."""
    package = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", package):
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        proposal = re.sub(r"[^a-z0-9_]+", "_", snake).lstrip("0123456789_").rstrip("_")
        raise UserError(
            f"{name!r} can't be the name of a project: it must be lower-case letters, digits, _ and -, "
            "beginning with a letter.",
            f"For example: regrow new {proposal or 'counter'}",
        )
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise UserError(
            f"{name!r} can't be the name of a project: it is a word of Python itself.",
            f"For example: regrow new {name}_app",
        )
    if package in sys.stdlib_module_names or package in _TAKEN:
        raise UserError(
            f"{name!r} can't be the name of a project: there is a module {package!r} already, "
            "and one would hide the other.",
            f"For example: regrow new my_{package}",
        )
    return package


def _refuse_occupied(folder: Path) -> None:
    if folder.is_dir():
        there = sorted(each.name for each in folder.iterdir())
        if there:
            shown = ", ".join(there[:3]) + (", ..." if len(there) > 3 else "")
            raise UserError(
                f"the folder {folder} is there already and holds {shown}.",
                "Choose another name, or an empty folder.",
            )
    elif folder.exists():
        raise UserError(f"{folder} is there already, and is no folder.", "Choose another name.")
