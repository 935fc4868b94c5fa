"""The linear layers: what must hold by construction, and what the shipped ones understand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fdvd.attributes.table import ATTRIBUTES
from fdvd.language.instructions import load_heldout
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.loading import load_face_model
from gan_mapping.mappers.files import Mappers, load_mappers, save_mappers
from gan_mapping.mappers.layers import AttributeReader, CorrectionMapper, OffsetMapper, TextMapper, VisionMapper
from gan_mapping.mappers.presets import load_preset
from vl_backbone.common.errors import WeightsError


def random_mappers() -> Mappers:
    torch.manual_seed(0)
    offset = OffsetMapper(3, 4, 6)
    offset.directions.normal_()
    offset.probe_weight.normal_()
    names = ("smile", "glasses", "age")
    vision, text, reader = VisionMapper(32, 5, 6), TextMapper(10, 3), AttributeReader(32, 3)
    correction = CorrectionMapper(5, 8, 6)
    correction.usual.fill_(0.25)
    return Mappers(
        vision, text, offset, names, "backbone", "generator", {"faces": 7}, reader, correction, "faces-network", 4.25
    )


def test_file_round_trip_keeps_every_layer(tmp_path: Path) -> None:
    mappers = random_mappers()
    save_mappers(mappers, tmp_path / "m.safetensors")
    again, digest = load_mappers(tmp_path / "m.safetensors")
    assert again.attributes == mappers.attributes and again.provenance == {"faces": 7} and len(digest) == 64
    assert mappers.layers().keys() == again.layers().keys() == {"vision", "text", "offset", "reader", "correction"}
    assert (again.identity, again.vision_error) == ("faces-network", 4.25)
    for part, layer in mappers.layers().items():
        for key, value in layer.state_dict().items():
            assert torch.allclose(value, again.layers()[part].state_dict()[key], atol=2e-3), key


def test_a_file_without_reader_and_correction_is_read(tmp_path: Path) -> None:
    save_mappers(replace(random_mappers(), reader=None, correction=None, identity=""), tmp_path / "m.safetensors")
    again, _ = load_mappers(tmp_path / "m.safetensors")
    assert again.reader is None and again.correction is None and again.identity == ""


def test_who_speaks_of_glasses_excludes_dark_ones_and_nothing_else() -> None:
    names = ("smile", "sunglasses", "glasses")
    excludes = replace(random_mappers(), attributes=names).excludes
    assert excludes.nonzero().tolist() == [[names.index("glasses"), names.index("sunglasses")]]


def test_a_damaged_or_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        load_mappers(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(WeightsError, match="damaged"):
        load_mappers(tmp_path / "bad.safetensors")


def test_corrections_by_another_face_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = replace(load_preset("mini"), identity="inception-resnet-vggface2")
    monkeypatch.setattr("gan_mapping.editing.loading.load_preset", lambda name: preset)
    with pytest.raises(WeightsError, match="reads faces by dlib-face-resnet"):
        load_face_model("mini", "cpu")


def test_no_intent_is_no_offset_and_opposite_intents_point_apart() -> None:
    offset = random_mappers().offset
    offset.probe_weight.zero_()
    offset.probe_bias.fill_(0.5)
    ws = torch.randn(2, 4, 6)
    assert not offset(ws, torch.zeros(2, 3)).any()
    wish = torch.tensor([[1.0, 0, 0]]).expand(2, -1)
    assert bool((offset.steps(ws, wish)[:, 0] > 0).all()) and bool((offset.steps(ws, -wish)[:, 0] < 0).all())


def test_a_face_that_has_it_moves_less() -> None:
    offset = OffsetMapper(1, 1, 1)
    offset.probe_weight.fill_(1.0)
    wish = torch.ones(2, 1)
    without, with_it = offset.steps(torch.tensor([[[0.0]], [[1.0]]]), wish)[:, 0]
    assert float(without) > float(with_it) > 0


def test_shipped_mappers_know_the_axes(model: FaceModel) -> None:
    assert model.mappers.attributes == ATTRIBUTES
    assert model.mappers.provenance["faces"] >= 8000  # type: ignore[operator]


def understood(model: FaceModel, text: str) -> dict[str, int]:
    intents = model.read(text)[0]
    return {name: int(v.sign()) for name, v in zip(model.mappers.attributes, intents, strict=True) if v}


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("blond hair", {"blond_hair": 1}),
        ("without glasses", {"glasses": -1}),
        ("wearing glasses", {"glasses": 1}),
        ("stop smiling", {"smile": -1}),
        ("much older", {"age": 1}),
        ("a bit younger", {"age": -1}),
        ("blond hair and a big smile", {"blond_hair": 1, "smile": 1}),
        ("add a hat and remove the beard", {"hat": 1, "beard": -1}),
        ("a mountain lake at sunset", {}),
        ("please restart the server", {}),
    ],
)
def test_plain_sentences_are_understood(model: FaceModel, text: str, signs: dict[str, int]) -> None:
    found = understood(model, text)
    assert all(found.get(name) == sign for name, sign in signs.items()), found
    if not signs:
        assert not found


def test_degrees_scale_the_wish(model: FaceModel) -> None:
    age = model.mappers.attributes.index("age")
    a_bit, plain, much = (float(model.read(t)[0, age]) for t in ("a bit older", "older", "much older"))
    assert 0 < a_bit < plain < much


def test_held_out_sentences(model: FaceModel) -> None:
    """268 hand-written sentences the mapper never saw: most wishes found, hardly anything invented."""
    wanted = found = invented = 0
    rows = load_heldout()
    for row in rows:
        signs = understood(model, row.text)
        wanted += len(row.want)
        found += sum(signs.get(name) == sign for name, sign in row.want.items())
        invented += sum(name not in row.want and name not in row.may for name in signs)
    assert found / wanted > 0.7
    assert invented / len(rows) < 0.15
