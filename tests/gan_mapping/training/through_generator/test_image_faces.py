"""Where training faces come from: what is held out stays out, features are computed once, bad settings are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from fdvd.attributes.table import HELD_OUT_SEEDS
from gan_mapping.training.through_generator.image_batches import training_sentences
from gan_mapping.training.through_generator.image_config import FacesConfig, load_image_config
from gan_mapping.training.through_generator.image_faces import cache_grids, open_faces, seen
from tests.gan_mapping.training.through_generator.tiny_parts import TinyBackbone, tiny_generator, write_faces
from vl_backbone.common.errors import UsageError
from vl_backbone.training.seeds import seed_everything


def test_drawn_faces_have_latents_and_the_judged_seeds_are_held_out(tmp_path: Path) -> None:
    train, held = open_faces(FacesConfig(drawn=3, held_out_faces=2), tiny_generator(), tmp_path)
    assert train.ids == ["seed-100000", "seed-100001", "seed-100002"]
    assert len(held) == 2 and all(int(name.removeprefix("seed-")) in HELD_OUT_SEEDS for name in held.ids)
    picture, latent, captions = train.still(0)
    assert picture.shape == (3, 512, 512) and latent is not None and latent.shape == (8,) and captions == ()
    assert not train.captioned


def test_features_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyBackbone()
    train, _ = open_faces(FacesConfig((write_faces(tmp_path / "f"),)), tiny_generator(), tmp_path)
    assert train.captioned
    cache_grids(train, backbone, tmp_path)
    face = train[1]
    expected = seen(face.picture[None].float(), backbone)[0].half()
    assert face.grid is not None and torch.equal(face.grid, expected) and face.view is None
    monkeypatch.setattr(backbone, "encode_video", None)
    cache_grids(train, backbone, tmp_path)
    assert torch.equal(train[1].grid, expected)  # type: ignore[arg-type]


def test_an_unreadable_picture_does_not_stop_the_cache(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "f")
    (folder / "02.png").write_bytes(b"no picture")
    train, held = open_faces(FacesConfig((folder,)), tiny_generator(), tmp_path)
    for faces in (train, held):
        cache_grids(faces, TinyBackbone(), tmp_path)
    assert len(train) + len(held) == 6


def test_damaged_views_depend_on_the_sample_seed_only(tmp_path: Path) -> None:
    train, _ = open_faces(FacesConfig((write_faces(tmp_path / "f"),)), tiny_generator(), tmp_path)
    train.augment = 16
    views = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        views.append(train[0].view)
    assert views[0] is not None and views[0].shape == (3, 16, 16)
    assert torch.equal(views[0], views[1]) and not torch.equal(views[0], views[2])  # type: ignore[arg-type]


def test_lists_of_a_folder_are_kept(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "f")
    splits = {"00": "test", "01": "val"}
    rows = [{"image": f"0{i}.png", "caption": "A face.", "split": splits.get(f"0{i}", "train")} for i in range(6)]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    train, held = open_faces(FacesConfig((folder,)), tiny_generator(), tmp_path)
    assert train.ids == ["02", "03", "04", "05"] and held.ids == ["01"]


def test_a_folder_without_lists_is_split_by_names(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "f", 60)
    faces = FacesConfig((folder,), held_out_faces=100)
    train, held = open_faces(faces, tiny_generator(), tmp_path)
    assert not set(train.ids) & set(held.ids) and len(train) + len(held) == 60 and 1 <= len(held) <= 10
    np.testing.assert_equal(open_faces(faces, tiny_generator(), tmp_path)[1].ids, held.ids)


def test_held_out_wordings_are_never_trained_on() -> None:
    from fdvd.language.instructions import load_heldout

    held = {row.text.lower() for row in load_heldout()}
    sentences = training_sentences(400, 0, neutral=True)
    assert not held & {s.text.lower() for s in sentences} and any(not s.intents for s in sentences)
    assert all(s.intents for s in training_sentences(400, 0, neutral=False))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"faces": {}}, "names no data"),
        ({"parts": []}, "parts must name"),
        ({"parts": ["vision", "mouth"]}, "parts must be one of"),
        ({"reconstruction": {}}, "all of them are 0"),
        ({"reconstruction": {"pixel": -1.0}}, "pixel must be a number of 0 or more"),
        ({"edit": {"offset": 1.0}}, "teach none of the parts"),
        ({"parts": ["vision", "directions"], "edit": {"intents": 1.0}}, "part text"),
        ({"size": 8}, "size must be"),
        ({"start": "a.safetensors", "fresh": {"backbone": "b", "generator": "g"}}, "not both"),
        ({"run": {"patience": -1}}, "patience"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    recipe = {"faces": {"drawn": 3}, "reconstruction": {"latent": 1.0}, **change}
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        load_image_config(path)


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = {"faces": {"folders": ["data"]}, "generator": "g.safetensors", "reconstruction": {"latent": 1.0}}
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    config = load_image_config(path)
    assert config.faces.folders == (tmp_path / "data",) and config.generator == str(tmp_path / "g.safetensors")
