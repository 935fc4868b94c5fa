"""What is drawn for a seed stays the same: weights, data sets and figures were made from these sentences."""

from __future__ import annotations

import ast
import hashlib
import json

import pytest

from fdvd.attributes.table import load_labels
from fdvd.language.captions import describe, facts_of
from fdvd.language.instructions import sample, short_forms
from tests.paths import ROOT

# Recorded before the attributes moved into one table. Change these only with the intention to change the sentences.
INSTRUCTIONS = "035e9392ea6b3e43880d6d609bac97f3e527ef1705fca97be52f47de619b1718"
SHORT_FORMS = "fc65aa27d606ba8d8d36a58de32fc54ed440cb1411459d998b9f17b33cc6fcca"
CAPTIONS = "92638ad1e3f4690bbefd6a093d465528e5bd5367aaf61903b153e2803f6d18c1"


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def test_instructions_stay_the_same() -> None:
    assert digest([[s.text, s.intents] for s in sample(7, 200)]) == INSTRUCTIONS
    assert digest([[s.text, s.intents] for s in short_forms()]) == SHORT_FORMS


def test_captions_stay_the_same() -> None:
    labels = load_labels()
    assert digest([describe(facts_of(labels[seed]), seed, 4) for seed in range(50)]) == CAPTIONS


@pytest.mark.parametrize("package", ["fdvd.language.instructions", "fdvd.language.captions"])
def test_no_module_imports_the_door_of_its_own_package(package: str) -> None:
    for path in sorted((ROOT / package.replace(".", "/")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == package), path.name
