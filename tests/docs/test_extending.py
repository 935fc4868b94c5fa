"""The files that docs/extending.md and docs/architecture.md name are there; a generator's members are all told."""

from __future__ import annotations

import re

import pytest

from gan_mapping.generators.protocol import Generator
from tests.paths import ROOT


@pytest.mark.parametrize("page", ["docs/extending.md", "docs/architecture.md"])
def test_named_files_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:apps|fdvd|gan_mapping|vl_backbone|tests)/[\w/.-]*)`", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_cookbook_names_every_member_of_a_generator() -> None:
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    section = text.split("## Your own generator")[1].split("\n## ")[0]
    members = {*Generator.__annotations__, *(name for name in vars(Generator) if not name.startswith("_"))}
    assert {name for name in members if not re.search(rf"\b{name}\b", section)} == set()
