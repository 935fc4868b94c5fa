"""Importing the user's own weight files: what is taken, what is refused, and that refusal leaves nothing."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightStore
from vl_backbone.weights.safetensors_file import to_bytes


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "home")


def test_an_imported_file_can_be_used_and_replaced(store: WeightStore, tmp_path: Path) -> None:
    source = tmp_path / "mine.safetensors"
    for value in (1.0, 2.0):
        save_file({"a": torch.full((2, 3), value)}, source)
        target = store.import_file(source, "my-net.v1")
        assert store.path("my-net.v1") == target
        assert store.sha256("my-net.v1") == sha256(source.read_bytes())
        assert torch.equal(load(target.read_bytes())["a"], torch.full((2, 3), value))
    again = WeightStore(store.home, store.table)
    assert again.path("my-net.v1") == target
    assert "my-net.v1" in [status.name for status in again.verify()]
    target.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="damaged"):
        again.path("my-net.v1")


def test_a_place_of_the_paper_preset_can_be_filled(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "home")
    source = tmp_path / "g.safetensors"
    save_file({"a": torch.zeros(1)}, source)
    store.import_file(source, "stylegan2-ffhq")
    assert store.path("stylegan2-ffhq").is_file()


def hostile_files(folder: Path) -> dict[str, Path]:
    """What people give by mistake or on purpose."""
    whole = to_bytes({"a": torch.zeros(4, 4), "b": torch.ones(3)})
    huge_header = (2**62).to_bytes(8, "little") + b"{}"
    contents = {
        "empty.safetensors": b"",
        "truncated.safetensors": whole[:-5],
        "longer.safetensors": whole + b"tail",
        "header.safetensors": whole[:20],
        "huge.safetensors": huge_header,
        "no-tensors.safetensors": to_bytes({}),
        "text.safetensors": b"hello world, this is not it",
        "pickle.safetensors": pickle.dumps({"a": 1}),
        "network.pkl": pickle.dumps({"G_ema": 1}),
        "network.pt": b"PK\x03\x04",
        "noending": whole,
    }
    files = {name: folder / name for name in contents}
    for name, content in contents.items():
        files[name].write_bytes(content)
    files["folder.safetensors"] = folder / "folder.safetensors"
    files["folder.safetensors"].mkdir()
    files["missing.safetensors"] = folder / "missing.safetensors"
    return files


def test_hostile_files_are_refused_and_leave_nothing(store: WeightStore, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for file in hostile_files(folder).values():
        with pytest.raises(WeightsError):
            store.import_file(file, "mine")
        assert not store.home.exists() or [each.name for each in store.home.rglob("*") if each.is_file()] == [".lock"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "a\\b",
        "../x",
        "ä",
        "a b",
        "x" * 101,
        "a\n",
        "mtcnn",
        "MTCNN",
        "Hdvila-Official",
    ],
)
def test_unusable_names_are_refused(store: WeightStore, tmp_path: Path, name: str) -> None:
    source = tmp_path / "mine.safetensors"
    save_file({"a": torch.zeros(1)}, source)
    with pytest.raises(WeightsError):
        store.import_file(source, name)
    assert not store.home.exists()


@pytest.mark.parametrize(
    "record",
    ["", "[", "[]", "3", '{"a": 3}', '{"a": {"sha256": "x", "bytes": 1, "source": ""}}', '{"../a": {}}'],
)
def test_a_damaged_record_is_explained(store: WeightStore, record: str) -> None:
    store.home.mkdir()
    (store.home / "user.json").write_text(record)
    with pytest.raises(WeightsError, match=r"user\.json"):
        store.path("mine")


def test_the_record_is_plain_json(store: WeightStore, tmp_path: Path) -> None:
    source = tmp_path / "mine.safetensors"
    save_file({"a": torch.zeros(1)}, source)
    store.import_file(source, "mine")
    rows = json.loads((store.home / "user.json").read_text())
    assert rows == {
        "mine": {
            "sha256": sha256(source.read_bytes()),
            "bytes": source.stat().st_size,
            "source": "mine.safetensors",
        }
    }
