"""The shape of the package: who may import whom, and what every module owes to its reader.

The parts stand on one another, and an import goes down only::

    cli > testing, control > regrow > application > supervision > regrow.sys, servers > regrow.process, kernel

``regrow.process`` and ``regrow.sys`` are faces: the one of the kernel, the other of the servers. ``regrow`` itself is
where users import from, so the core may not. The imports are read, not run: those inside functions and those for type
checkers count as well.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

FLOORS = {
    "regrow.kernel": 0,
    "regrow.process": 1,
    "regrow.servers": 2,
    "regrow.sys": 3,
    "regrow.supervision": 4,
    "regrow.application": 5,
    "regrow": 6,
    "regrow.control": 7,  # beside the rest: these import the core, and no part of it imports them
    "regrow.telemetry": 7,
    "regrow.testing": 7,
    "regrow.observer": 8,
    "regrow.cli": 9,
    "regrow.__main__": 10,
}
CORE = 6  # up to this floor nothing but the standard library is imported


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((SOURCE / "regrow").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def part_of(module: str) -> str:
    """The part that a module belongs to; KeyError for a part that has no floor yet."""
    if module == "regrow":
        return module
    part = ".".join(module.split(".")[:2])
    FLOORS[part]
    return part


def imports_of(name: str) -> Iterator[tuple[int, str]]:
    """``(line, module)`` for whatever the module *name* imports, a name in a package resolved to its module."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively; the library writes names out"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else node.module


def test_every_part_has_a_floor() -> None:
    assert {part_of(name) for name in MODULES} == set(FLOORS)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downwards_only(name: str) -> None:
    upwards = [
        f"line {line}: {imported}"
        for line, imported in imports_of(name)
        if imported.split(".")[0] == "regrow" and FLOORS[part_of(imported)] > FLOORS[part_of(name)]
    ]
    assert upwards == [], f"{name} ({part_of(name)}) imports from a part above it"


@pytest.mark.parametrize(
    ("face", "allowed"),
    [
        ("regrow.process", {"regrow.kernel"}),
        ("regrow.sys", {"regrow.servers", "regrow.process", "regrow.kernel"}),
    ],
)
def test_the_faces_look_at_their_own_part(face: str, allowed: set[str]) -> None:
    seen = {part_of(module) for _, module in imports_of(face) if module.split(".")[0] == "regrow"}
    assert seen <= allowed


@pytest.mark.parametrize("name", [name for name in MODULES if FLOORS[part_of(name)] <= CORE])
def test_the_core_needs_nothing_but_the_standard_library(name: str) -> None:
    known = {*sys.stdlib_module_names, "regrow"}
    assert [(line, module) for line, module in imports_of(name) if module.split(".")[0] not in known] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name]), f"{MODULES[name]} has no docstring"


def says_all(name: str) -> bool:
    return any(
        isinstance(target, ast.Name) and target.id == "__all__"
        for node in TREES[name].body
        if isinstance(node, ast.Assign)
        for target in node.targets
    )


@pytest.mark.parametrize("name", [name for name in MODULES if says_all(name)])
def test_every_public_name_exists_and_is_named_once(name: str) -> None:
    module = importlib.import_module(name)
    public: list[str] = module.__all__
    assert [each for each in public if not hasattr(module, each)] == []
    assert len(public) == len(set(public))
