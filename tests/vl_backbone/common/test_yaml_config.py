"""Configurations from YAML files: what is wrong with one is said in a sentence that names the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.yaml_config import load_yaml, read_yaml


@dataclass(frozen=True)
class _Config:
    rank: int
    rate: float = 0.5
    names: tuple[str, ...] = ()


def _written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    path = _written(tmp_path, "rank: 3\nrate: 1\nnames: [a, b]\n")
    assert load_yaml(_Config, path) == _Config(3, 1.0, ("a", "b"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rank: 3\nranks: 4", "unknown field ranks; known are rank"),
        ("rate: 1.0", "the field rank is missing"),
        ("rank: many", "rank must be a whole number, got 'many'"),
        ("rank: true", "rank must be a whole number"),
        ("rank: 3\nrate: 1e-4", "write 1.0e-4"),
        ("rank: 3\nnames: a", "names must be a list"),
        ("rank: 3\nnames: [1]", "names must be text"),
        ("[1, 2]", "fields and values"),
        ("", "fields and values"),
        ("rank: [", "not YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    path = _written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_yaml(_Config, path)
    assert "recipe.yaml" in str(caught.value) and said in str(caught.value)


def test_a_missing_file_is_refused_in_the_way_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml cannot be read: no such file or directory\."):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(InputError, match=r"bytes\.yaml cannot be read: it is not UTF-8 text\."):
        read_yaml(tmp_path / "bytes.yaml", InputError)
