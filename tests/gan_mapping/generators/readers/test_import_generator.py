"""`vilaface weights import`: any generator under any name, then found by that name; refusals leave nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from apps.cli.weights import weights_app
from gan_mapping import load_generator
from gan_mapping.mappers.presets import load_preset, preset_names
from gan_mapping.perception.inception_resnet import InceptionResnetV1
from gan_mapping.perception.lpips import TRUNKS
from tests.gan_mapping.generators.readers.official_writers import (
    network_pickle,
    random_generator,
    save_rosinality,
    tiny_arguments,
)
from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightStore


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(weights_app, list(arguments))


def test_every_format_becomes_the_same_generator(tmp_path: Path, home: Path) -> None:
    arguments = tiny_arguments(16, conv_clamp=256)
    generator = random_generator(arguments)
    (tmp_path / "a.pkl").write_bytes(network_pickle(generator, arguments))
    save_rosinality(generator, tmp_path / "b.pt")
    save_file(generator.tensors, tmp_path / "c.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(arguments))
    ws = torch.randn(1, 6, 8)
    expected = load_generator(tmp_path / "a.pkl").synthesis(ws)
    for file in ("a.pkl", "b.pt", "c.safetensors"):
        name = f"net-{file[0]}"
        result = call("import", str(tmp_path / file), "--as", name, "--json")
        assert result.exit_code == 0, result.stderr
        row = json.loads(result.stdout)
        assert row["state"] == "ready" and "16 px" in row["notes"][0]
        assert "weights fetch" in row["notes"][-1]  # no mini generator here to compare with
        loaded = load_generator(name)
        assert torch.equal(loaded.synthesis(ws), expected)
        assert loaded.weights == {name: row["sha256"]} and loaded.name == name
    assert sorted(file.suffix for file in (home / "weights" / "user").iterdir()) == [".safetensors"] * 3


def test_the_same_name_can_be_imported_again(tmp_path: Path) -> None:
    arguments = tiny_arguments(8)
    for seed in (1, 2):
        (tmp_path / "net.pkl").write_bytes(network_pickle(random_generator(arguments, seed), arguments))
        assert call("import", str(tmp_path / "net.pkl"), "--as", "stylegan2-ffhq").exit_code == 0
    assert torch.equal(load_generator("stylegan2-ffhq").w_mean, random_generator(arguments, 2).tensors["mapping.w_avg"])


def test_refused_files_are_one_sentence_code_3_and_leave_nothing(tmp_path: Path, home: Path) -> None:
    arguments = tiny_arguments(8)
    whole = network_pickle(random_generator(arguments), arguments)
    contents = {
        "cut.pkl": whole[: len(whole) // 2],
        "tail.pkl": whole + b"more",
        "call.pkl": b"cos\nsystem\n(S'true'\ntR.",
        "proto.pkl": b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truetR.",
        "d.pkl": network_pickle(random_generator(arguments), arguments, parts=("D",)),
        "page.pt": b"<html>",
        "empty.safetensors": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        result = call("import", str(tmp_path / name), "--as", "mine")
        assert result.exit_code == 3, name
        assert result.stdout == "" and result.stderr.startswith("Error: ") and "Traceback" not in result.stderr
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    result = call("import", str(tmp_path / "other.safetensors"), "--as", "stylegan2-ffhq")
    assert result.exit_code == 3 and "must be a StyleGAN2 generator" in result.stderr
    assert not list(home.rglob("*.safetensors"))
    with pytest.raises(WeightsError, match="no weights named"):
        load_generator("mine")


def test_parts_of_the_paper_preset_are_checked_and_cut_down(tmp_path: Path) -> None:
    trunk = {}
    for layer in TRUNKS["alex"]:
        trunk[f"features.{layer.index}.weight"] = torch.zeros(layer.outputs, layer.inputs, layer.kernel, layer.kernel)
        trunk[f"features.{layer.index}.bias"] = torch.zeros(layer.outputs)
    torch.save({**trunk, "classifier.1.weight": torch.zeros(100, 100)}, tmp_path / "alexnet.pth")
    assert call("import", str(tmp_path / "alexnet.pth"), "--as", "alexnet-imagenet").exit_code == 0
    size = WeightStore().path("alexnet-imagenet").stat().st_size
    assert size < sum(tensor.nbytes for tensor in trunk.values()) + 10_000
    for name, word in (("vgg16-imagenet", "VGG16"), ("inception-resnet-vggface2", "InceptionResnetV1")):
        result = call("import", str(tmp_path / "alexnet.pth"), "--as", name)
        assert result.exit_code == 3 and word in result.stderr


@pytest.mark.slow
def test_the_identity_network_can_be_imported(tmp_path: Path) -> None:
    state = {
        **InceptionResnetV1().state_dict(),
        "logits.weight": torch.zeros(8631, 512),
        "logits.bias": torch.zeros(8631),
    }
    torch.save(state, tmp_path / "vggface2.pt")
    result = call("import", str(tmp_path / "vggface2.pt"), "--as", "inception-resnet-vggface2")
    assert result.exit_code == 0, result.stderr


def test_a_presets_parts_are_a_checklist() -> None:
    for preset in preset_names():
        loaded = load_preset(preset)
        parts = (*loaded.parts, *loaded.optional)
        result = call("list", "--preset", preset, "--json")
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        assert result.exit_code == 0 and [row["name"] for row in rows] == list(parts)
        assert all(row["licence"] and row["how"] and row["otherwise"] and row["origin"] for row in rows)
        assert [row["name"] for row in rows if row["optional"]] == list(loaded.optional)
    rows = [json.loads(line) for line in call("list", "--preset", "paper", "--json").stdout.splitlines()]
    assert all(row["bytes"] for row in rows if row["name"] != "paper-mappers")
    text = call("list", "--preset", "paper").stdout
    assert text.startswith("Preset paper: 0 of 10 parts") and text.count("[ ]") == len(rows) == 11
    for label in ("what for", "from", "get it", "no link?", "licence"):
        assert text.count(f"\n    {label}  ") == len(rows), label
    assert "microsoft/XPretrain" in text and "\n[ ] clip (605 MB, optional): missing\n" in text
    assert "\n    get it    vilaface weights import FILE --as hdvila-official\n" in text
    assert all(len(line) <= 110 for line in text.splitlines())
    assert call("list", "--preset", "nosuch").exit_code == 2
