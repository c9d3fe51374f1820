"""Which application is meant: ``MODULE:App`` from the command line, or from ``[tool.regrow]``.

The working directory and its ``src`` folder are put on ``sys.path`` first, so that a project runs from its own folder
without being installed.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from regrow.application.definition import Application
from regrow.cli.errors import UserError

if TYPE_CHECKING:
    from regrow.application.config import Settings

__all__ = ["find_application"]


def find_application(target: str | None, settings: Settings) -> type[Application]:
    """The class that *target* means, or ``[tool.regrow] application`` when there is no target."""
    folder = Path.cwd() if target is not None or settings.path is None else settings.path.parent
    said_by = "on the command line" if target is not None else f"in {settings.path}"
    if target is None:
        target = settings.application
    if target is None:
        raise UserError(
            "which application? None is named on the command line, and no pyproject.toml from here upwards names one.",
            "Say: regrow run MODULE:App. Or write into pyproject.toml:\n\n"
            '    [tool.regrow]\n    application = "MODULE:App"',
        )
    module_name, colon, attribute = target.partition(":")
    if (folder / module_name).is_file():
        raise UserError(
            f"{target!r} {said_by} names a file, where a module has to be named.",
            _module_of(module_name, attribute),
        )
    if not all(
        part.isidentifier() for part in (*module_name.split("."), *(attribute.split(".") if colon else ()))
    ):
        raise UserError(
            f"{target!r} {said_by} is no address of an application.",
            "An address is a module, a colon and a class, as in: arcade.application:Arcade",
        )
    paths = [folder / "src", folder]
    for path in paths:
        if path.is_dir() and str(path) not in sys.path:
            sys.path.insert(0, str(path))
    return _class_in(_module(module_name, paths, said_by), attribute)


def _module_of(file: str, attribute: str) -> str:
    """The hint which module a *file* is; src is on the path itself."""
    parts = Path(file).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    if not all(part.isidentifier() for part in parts):
        return "Go to the folder that the module is in, and name it without .py, as in: arcade.application:Arcade"
    return f"Say: {':'.join(filter(None, ('.'.join(parts), attribute)))}"


def _module(name: str, paths: list[Path], said_by: str) -> ModuleType:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise _broken(name, error) from error
        raise UserError(
            f"there is no module {error.name!r} (named {said_by}).", _where_to_look(name, error.name, paths)
        ) from error
    except Exception as error:
        raise _broken(name, error) from error


def _where_to_look(name: str, missing: str, paths: list[Path]) -> str:
    parent, _, last = missing.rpartition(".")
    if parent:
        package = sys.modules[parent]
        there = sorted(each.name for each in pkgutil.iter_modules(getattr(package, "__path__", [])))
        if not hasattr(package, "__path__"):
            return f"{parent} is a module and no package, so nothing is below it."
        hint = f"{parent} holds: {', '.join(there) or 'nothing'}."
    else:
        looked = [str(each) for each in paths if each.is_dir()]
        there = sorted({each.name for each in pkgutil.iter_modules(looked)})
        hint = f"Looked in {' and '.join(looked)}, then where Python finds modules."
    close = get_close_matches(last, there, n=1)
    if close:
        right = f"{parent}.{close[0]}" if parent else close[0]
        hint += f" Did you mean {right + name.removeprefix(missing)!r}?"
    return hint


def _broken(name: str, error: Exception) -> UserError:
    """The module is there and fails: say where, which is in somebody's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if "importlib" not in each.filename and each.filename != __file__]
    place = f" at {ours[-1].filename}, line {ours[-1].lineno}" if ours else ""
    if isinstance(error, SyntaxError):
        place = f" at {error.filename}, line {error.lineno}"
    return UserError(
        f"the module {name!r} can't be imported: {type(error).__name__}: {error}{place}.",
        "The whole story: regrow --traceback ...",
    )


def _class_in(module: ModuleType, attribute: str) -> type[Application]:
    inside = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Application) and value is not Application
    }
    listed = f"Applications in {module.__name__}: {', '.join(inside) or 'none'}."
    if not attribute:
        own = [value for value in inside.values() if value.__module__ == module.__name__]
        if len(own) == 1:
            return own[0]
        raise UserError(f"which application of {module.__name__}?", f"{listed} Say: {module.__name__}:App")
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            close = get_close_matches(part, list(inside) or list(vars(module)), n=1)
            meant = f" Did you mean {module.__name__ + ':' + close[0]!r}?" if close else ""
            raise UserError(f"the module {module.__name__!r} has no {attribute!r}.", listed + meant)
        found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, Application) and found is not Application:
        return found
    kind = f"the class {found.__qualname__}" if isinstance(found, type) else f"{found!r}"
    raise UserError(
        f"{module.__name__}:{attribute} is {kind}, which is no application; an application is a subclass of "
        "regrow.Application.",
        listed,
    )
