"""Dependencies point one way: no import circles, no arrow from a lower package to a higher one, not even in data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.paths import ROOT

ORDER = ("vl_backbone", "fdvd", "gan_mapping", "apps")
# Their `__getattr__` loads public names on first use, so that `vilaface --help` need not import torch.
LAZY_DOORS = frozenset({"vl_backbone", "gan_mapping"})


def modules() -> dict[str, Path]:
    """Dotted name -> file, of the four packages."""
    found = {}
    for package in ORDER:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports_of(path: Path, known: frozenset[str]) -> Iterator[str]:
    """Modules of ours that the file imports, inside functions too; imports for type checkers alone do not count."""

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from visit(other)
            return
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return (name for name in visit(ast.parse(path.read_text(encoding="utf-8"))) if name in known)


def graph() -> dict[str, set[str]]:
    """Module -> the modules it imports."""
    files = modules()
    known = frozenset(files)
    return {
        name: set() if name in LAZY_DOORS else set(imports_of(path, known)) - {name} for name, path in files.items()
    }


def test_no_import_circles() -> None:
    """Also none that an import inside a function would hide."""
    edges = graph()
    state: dict[str, int] = {}
    trail: list[str] = []

    def walk(name: str) -> None:
        state[name] = 1
        trail.append(name)
        for other in sorted(edges[name]):
            assert state.get(other) != 1, "circle: " + " -> ".join([*trail[trail.index(other) :], other])
            if other not in state:
                walk(other)
        trail.pop()
        state[name] = 2

    for name in sorted(edges):
        if name not in state:
            walk(name)


def test_no_upward_arrows() -> None:
    upward = [
        f"{name} -> {other}"
        for name, others in graph().items()
        for other in others
        if ORDER.index(other.split(".")[0]) > ORDER.index(name.split(".")[0])
    ]
    assert not upward, upward


def test_no_upward_arrows_hidden_in_data() -> None:
    """A table of a lower package names no module of a higher one."""
    named = re.compile(rf"\b({'|'.join(ORDER)})\.[a-z_]+")
    found = []
    for place, package in enumerate(ORDER):
        for path in (ROOT / package).rglob("*.yaml"):
            text = "\n".join(line.split("#")[0] for line in path.read_text(encoding="utf-8").splitlines())
            found += [f"{path}: {m[0]}" for m in named.finditer(text) if ORDER.index(m[1]) > place]
    assert not found, found
