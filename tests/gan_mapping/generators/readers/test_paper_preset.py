"""The paper preset from end to end: every file in its official format, made here, imported, trained on and used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from apps.cli.main import app
from gan_mapping import FaceEditor
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from gan_mapping.perception.inception_resnet import InceptionResnetV1
from gan_mapping.perception.lpips import LPIPS, TRUNKS
from tests.gan_mapping.generators.readers.official_writers import network_pickle, random_generator, tiny_arguments
from tests.paths import ROOT
from vl_backbone import build_hdvila, save_official_checkpoint
from vl_backbone.weights import WeightStore

HDVILA: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "resnet_base_channels": 4,
    "backbone_channel_in_size": 128,
    "timesformer_depth": 1,
    "timesformer_heads": 2,
    "timesformer_frames": 3,
}
SHARED_PARTS = ("mtcnn.safetensors", "lpips-heads.safetensors", "minilm")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weight store with only those parts of the preset that VilaFace fetches itself."""
    source = WeightStore().home / "weights"
    target = tmp_path / "home" / "weights"
    target.mkdir(parents=True)
    for name in SHARED_PARTS:
        part = source / name
        if part.is_dir():
            shutil.copytree(part, target / name)
        else:
            shutil.copy(part, target / name)
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def write_official_files(folder: Path) -> dict[str, Path]:
    """Name in the preset -> file as its authors publish it; sizes are small where the format has sizes."""
    torch.manual_seed(0)
    arguments = tiny_arguments(64, conv_clamp=256, num_fp16_res=1)
    arguments["synthesis_kwargs"] |= {"channel_base": 512, "channel_max": 16}
    (folder / "ffhq.pkl").write_bytes(network_pickle(random_generator(arguments), arguments))
    (folder / "hdvila").mkdir()
    save_official_checkpoint(build_hdvila(HDVILA, 2), folder / "hdvila" / "hd-vila.pt")
    (folder / "hdvila" / "config.json").write_text(json.dumps(HDVILA))
    identity = {
        **InceptionResnetV1().state_dict(),
        "logits.weight": torch.zeros(10, 512),
        "logits.bias": torch.zeros(10),
    }
    torch.save(identity, folder / "vggface2.pt")
    convolutions = LPIPS("vgg").features_by_index
    trunk = {f"features.{layer.index}.weight": convolutions[str(layer.index)].weight for layer in TRUNKS["vgg"]}
    trunk |= {f"features.{layer.index}.bias": convolutions[str(layer.index)].bias for layer in TRUNKS["vgg"]}
    torch.save({**trunk, "classifier.6.bias": torch.zeros(1000)}, folder / "vgg16.pth")
    return {
        "hdvila-official": folder / "hdvila" / "hd-vila.pt",
        "stylegan2-ffhq": folder / "ffhq.pkl",
        "inception-resnet-vggface2": folder / "vggface2.pt",
        "vgg16-imagenet": folder / "vgg16.pth",
    }


@pytest.mark.slow
def test_import_train_generate_edit_superres(tmp_path: Path, home: Path) -> None:
    for name, file in write_official_files(tmp_path).items():
        run("weights", "import", str(file), "--as", name)
    recipe = yaml.safe_load((ROOT / "apps" / "configs" / "mappers" / "smoke.yaml").read_text())
    recipe |= {
        "backbone": "hdvila-official",
        "generator": "stylegan2-ffhq",
        "identity": "inception-resnet-vggface2",
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    trained = tmp_path / "mappers.safetensors"
    run(
        "train",
        "mapper",
        "--config",
        str(tmp_path / "recipe.yaml"),
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(trained),
    )
    run("weights", "import", str(trained), "--as", "paper-mappers")
    rows = [json.loads(line) for line in run("weights", "list", "--preset", "paper", "--json").splitlines()]
    assert {row["state"] for row in rows if not row["optional"]} == {"ready"}

    editor = FaceEditor.from_preset("paper", device="cpu")
    assert isinstance(editor.model.generator, StyleGAN2Generator) and editor.model.generator.num_ws == 10
    assert editor.model.backbone.name == "hdvila-official" and isinstance(editor.model.identity, InceptionResnetV1)
    face = editor.generate("an old man with glasses", n=1, seed=3)[0]
    assert face.image.shape == (64, 64, 3) and face.ws.shape == (10, 8)
    photo = np.kron(
        np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8)
    )
    untouched = editor.edit(photo, "blond hair", 0.0, refine=0, aligned=True)
    assert np.array_equal(untouched.rgb, photo)
    edited = editor.edit(photo, "blond hair", 1.0, refine=2, aligned=True)
    assert edited.faces[0].ws.shape == (10, 8) and edited.rgb.shape == photo.shape
    assert set(editor.model.weights) >= {
        "hdvila-official",
        "stylegan2-ffhq",
        "vgg16-imagenet",
        "lpips-heads",
        "paper-mappers",
    }

    Image.fromarray(photo).resize((16, 16), Image.Resampling.BOX).save(tmp_path / "tiny.png")
    arguments = ("--text", "blond hair", "--samples", "2", "--preset", "paper", "--device", "cpu", "--json")
    row = json.loads(run("superres", str(tmp_path / "tiny.png"), *arguments, "--out", str(tmp_path / "out")))
    assert row["status"] == "ok" and set(row["weights"]) == set(editor.model.weights)
    assert any("No super-resolution mapper was fitted for stylegan2-ffhq" in warning for warning in row["warnings"])
    pictures = [np.asarray(Image.open(row["outputs"][kind])) for kind in ("sr1", "sr2")]
    assert pictures[0].shape == (64, 64, 3) and not np.array_equal(pictures[0], pictures[1])
    assert load_file(row["outputs"]["latent1"])["ws"].shape == (10, 8)
    assert max(sample["consistency"] for sample in row["samples"]) < 40
