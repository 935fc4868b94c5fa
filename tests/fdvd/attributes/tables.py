"""Attributes tables for tests: the program's own with rows more, or with something changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from fdvd.attributes.loading import TABLE_FILE, load_table
from fdvd.attributes.table import AttributeTable

GREEN: dict[str, Any] = {
    "name": "green_hair",
    "description": "green hair",
    "kind": "appearance",
    "group": "hair_color",
    "region": "hair",
    "relative": True,
    "may_follow": ["rosy"],
    "excludes": ["hat"],
    "conflicts": {"+": ["+bald", "-dark_skin"]},
    "hides": ["receding"],
    "label": {"column": "hair_color", "value": "green", "unknown": ["bald", "hidden"]},
    "celeba": ["+Green_Hair"],
    "hair_words": {"green": 1, "emerald": 1},
    "kept_with": ["hair", "hair color"],
}
"""One attribute more: a hair color."""


def changed_table(folder: Path, change: Callable[[dict[str, Any]], object]) -> AttributeTable:
    """The program's table after `change` was done to what its file holds, loaded from a file in `folder`."""
    data = yaml.safe_load(TABLE_FILE.read_text(encoding="utf-8"))
    change(data)
    path = folder / "attributes.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return load_table(path)


def with_green_hair(folder: Path) -> AttributeTable:
    """The program's table with `GREEN` in the last row."""
    return changed_table(folder, lambda data: data["attributes"].append(dict(GREEN)))
