"""Modules of gan_mapping import one another in one direction, also where an import waits inside a function."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter

from tests.paths import ROOT


def imported(node: ast.AST, modules: set[str]) -> set[str]:
    """The modules that code imports anywhere, but for the sake of types alone."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            names = {f"{child.module}.{alias.name}" for alias in child.names}
            found |= (names & modules) or {child.module}
        elif isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        else:
            found |= imported(child, modules)
    return found & modules


def test_no_module_imports_itself_by_a_detour() -> None:
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "gan_mapping").rglob("*.py")
    }
    # The package's own names are fetched on first use, so that a part can be imported without the rest.
    del files["gan_mapping"]
    modules = set(files)
    graph = {name: imported(ast.parse(path.read_text(encoding="utf-8")), modules) for name, path in files.items()}
    try:
        TopologicalSorter({name: found - {name} for name, found in graph.items()}).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise AssertionError(f"modules import each other in a circle: {circle}") from None
