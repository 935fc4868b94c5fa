"""There is one list of attributes: no source file keeps another one beside the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from fdvd.attributes.table import ATTRIBUTES
from tests.paths import ROOT

PACKAGES = ("vl_backbone", "fdvd", "gan_mapping", "apps")
ENOUGH = 3


def literal_lists(source: str) -> Iterator[tuple[int, list[str]]]:
    """(line, attributes named) of every list, tuple, set or table of constants that names several attributes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            # A mapping to what is computed ("age": self.age) uses attributes; one to constants states facts of them.
            stated = (ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict)
            parts: list[ast.expr | None] = list(node.keys) if all(isinstance(v, stated) for v in node.values) else []
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            parts = [part.value if isinstance(part, ast.Starred) else part for part in node.elts]
            parts = [leaf for part in parts for leaf in (part.elts if isinstance(part, ast.Tuple) else [part])]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split()
            parts = [ast.Constant(word) for word in words] if set(words) <= set(ATTRIBUTES) else []
        else:
            continue
        named = {p.value for p in parts if isinstance(p, ast.Constant) and p.value in ATTRIBUTES}
        if len(named) >= ENOUGH:
            yield node.lineno, sorted(map(str, named))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_second_list_of_attributes(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}, line {line}: {', '.join(names)}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, names in literal_lists(path.read_text(encoding="utf-8"))
    ]
    assert not found, "put what they say into fdvd/attributes/attributes.yaml or a phrase file:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        'X = ("glasses", "beard", "hat")',
        'X = frozenset({"glasses", "beard", "hat"})',
        'X = [*("glasses", "beard"), "hat"]',
        'X = {"glasses": "a", "beard": "b", "hat": "c"}',
        'X = (("glasses", 1), ("beard", 1), ("hat", 1))',
        'X = "glasses beard hat".split()',
    ],
)
def test_the_search_finds_lists(source: str) -> None:
    assert [names for _, names in literal_lists(source)] == [["beard", "glasses", "hat"]]


@pytest.mark.parametrize("source", ['X = {"smile": self.a, "age": self.b, "male": 1}', 'X = ("smile", "age", "pose")'])
def test_the_search_leaves_uses_alone(source: str) -> None:
    assert not list(literal_lists(source))
