"""`train mapper` from nothing to a mapper file, at the toy size of smoke.yaml, interrupted once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fdvd.attributes.table import ATTRIBUTES, HELD_OUT_SEEDS, load_labels
from gan_mapping.generators.protocol import Generator
from gan_mapping.mappers.files import load_mappers, save_mappers
from gan_mapping.perception.networks import load_identity
from gan_mapping.training.closed_form.recipe import FURTHEST_GOAL, choose_labelled, fit_mappers, load_config
from gan_mapping.training.closed_form.refit import load_kept
from tests.paths import ROOT
from vl_backbone import load_backbone
from vl_backbone.weights import WeightStore

SMOKE = ROOT / "apps" / "configs" / "mappers" / "smoke.yaml"


def test_chosen_labels_cover_every_attribute_and_no_held_out_face() -> None:
    labels = load_labels()
    seeds = choose_labelled(labels, 110)
    assert len(seeds) == 110 and not set(seeds) & set(HELD_OUT_SEEDS)
    for name in ATTRIBUTES:
        assert any((labels[seed][name] or 0) > 0.5 for seed in seeds), name


@pytest.mark.slow
def test_smoke_recipe_resumes_and_makes_mappers_that_edit(generator: Generator, tmp_path: Path) -> None:
    config = load_config(SMOKE)
    backbone = load_backbone(config.backbone)
    identity = load_identity(config.identity, torch.device("cpu"), WeightStore())
    said: list[str] = []

    def interrupted(line: str) -> None:
        said.append(line)
        if line.startswith("directions"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_mappers(config, backbone, generator, identity, tmp_path / "work", interrupted)
    (drawn,) = (tmp_path / "work").glob("faces-000-*.npy")
    stamp = drawn.stat().st_mtime_ns
    mappers = fit_mappers(config, backbone, generator, identity, tmp_path / "work", said.append)
    assert drawn.stat().st_mtime_ns == stamp
    kept = len(said)
    again = fit_mappers(config, backbone, generator, identity, tmp_path / "work", said.append)
    assert not any("loss" in line for line in said[kept:]), "the text mapper was fitted a second time"
    for name, layer in mappers.layers().items():
        for key, tensor in layer.state_dict().items():
            assert torch.equal(tensor, again.layers()[name].state_dict()[key]), f"{name}.{key}"
    assert mappers.correction is not None and 0 < float(mappers.correction.usual) < 1.2
    assert mappers.vision_error > 0
    assert "tuned: smile" in said and any("loss" in line for line in said)

    # The same stages, fitted alone: the rest comes from the shipped file, untouched.
    shipped = load_kept(None, config.backbone, config.generator)
    fresh = {"text": {"text"}, "vision": {"vision", "correction"}, "directions": {"offset", "reader"}}
    for part, layers in fresh.items():
        mixed = fit_mappers(config, backbone, generator, identity, tmp_path / "work", said.append, [part], shipped)
        for name, layer in mixed.layers().items():
            wanted = (mappers if name in layers else shipped.mappers).layers()[name].state_dict()
            for key, tensor in layer.state_dict().items():
                assert torch.equal(tensor, wanted[key]), f"{part}: {name}.{key}"
        assert mixed.vision_error == (mappers if part == "vision" else shipped.mappers).vision_error
        assert mixed.provenance["fitted"] == [part]
        assert mixed.provenance["others"] == {"sha256": shipped.source, "provenance": shipped.mappers.provenance}
        save_mappers(mixed, tmp_path / "mixed.safetensors")
        assert load_mappers(tmp_path / "mixed.safetensors")[0].provenance == mixed.provenance

    save_mappers(mappers, tmp_path / "smoke.safetensors")
    loaded, _ = load_mappers(tmp_path / "smoke.safetensors")
    assert loaded.attributes == ATTRIBUTES and loaded.provenance["faces"] == 120
    ws = generator.w_mean.expand(1, generator.num_ws, generator.w_dim)
    wish = torch.zeros(1, len(ATTRIBUTES))
    wish[0, ATTRIBUTES.index("smile")] = 1.0
    assert loaded.reader is not None and bool(loaded.reader.weight.isfinite().all())
    assert float(loaded.offset.high.max()) <= FURTHEST_GOAL
    moved = loaded.offset(ws, wish)
    assert bool(moved.isfinite().all())
    gain = (loaded.offset.scores(ws + moved) - loaded.offset.scores(ws))[0, ATTRIBUTES.index("smile")]
    assert float(gain) > 0
