"""W is shared, by the commands a user types: an FFHQ-like pickle works with the shipped mappers, another is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from apps.cli.main import app
from gan_mapping.generators.readers import GeneratorFile
from gan_mapping.mappers.transfer import load_mobile_mapping
from tests.gan_mapping.generators.readers.official_writers import config_f_arguments, network_pickle, random_generator
from vl_backbone.weights import WeightStore

# Two channels throughout.
ARGUMENTS = config_f_arguments(channel_base=2048, channel_max=2)
Run = Callable[..., tuple[int, list[dict[str, Any]], str]]


def twin() -> GeneratorFile:
    """A thin random generator whose mapping network is MobileStyleGAN's, with the gains not yet folded in."""
    generator = random_generator(ARGUMENTS)
    for i, layer in enumerate(load_mobile_mapping().layers):
        generator.tensors[f"mapping.fc{i}.weight"] = layer.weight.detach() * (math.sqrt(512) / 0.01)
        generator.tensors[f"mapping.fc{i}.bias"] = layer.bias.detach() / 0.01
    return generator


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command over a weight store with the mini preset's files -> exit code, JSON objects, messages."""
    target = tmp_path / "home" / "weights"
    target.mkdir(parents=True)
    for part in (WeightStore().home / "weights").iterdir():
        if part.name != "user":
            (target / part.name).symlink_to(part)
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "home"))

    def call(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        return result.exit_code, rows, " ".join(result.stderr.split())

    return call


@pytest.mark.slow
def test_a_pickle_of_the_same_w_works_with_the_shipped_mappers(tmp_path: Path, run: Run) -> None:
    (tmp_path / "ffhq.pkl").write_bytes(network_pickle(twin(), ARGUMENTS))
    code, rows, message = run("weights", "import", str(tmp_path / "ffhq.pkl"), "--as", "stylegan2-ffhq")
    assert code == 0, message
    assert "Its W is that of mobile-stylegan-ffhq" in rows[0]["notes"][-1]
    assert "vilaface edit --generator stylegan2-ffhq" in rows[0]["notes"][-1]

    out = tmp_path / "out"
    shared = ("--generator", "stylegan2-ffhq", "--device", "cpu", "--out", str(out))
    code, rows, message = run("generate", "--text", "an old man", "--n", "1", *shared)
    assert code == 0 and "stylegan2-ffhq" in rows[0]["weights"], message
    face = out / "generated-0.png"
    plain = load_file(out / "generated-0.latent.safetensors")["ws"]
    assert plain.shape == (18, 512) and Image.open(face).size == (1024, 1024)

    code, rows, message = run("edit", str(face), "--aligned", "--text", "blond hair", "--refine", "1", *shared)
    assert code == 0 and rows[0]["status"] == "ok", message
    assert load_file(rows[0]["outputs"]["latent"])["ws"].shape == (18, 512)
    assert not np.array_equal(np.asarray(Image.open(rows[0]["outputs"]["edited"])), np.asarray(Image.open(face)))

    Image.open(face).resize((16, 16), Image.Resampling.BOX).save(tmp_path / "tiny.png")
    code, rows, message = run("superres", str(tmp_path / "tiny.png"), "--text", "smiling", *shared)
    assert code == 0 and rows[0]["status"] == "ok", message
    assert "stylegan2-ffhq" in rows[0]["weights"] and "superres.safetensors" in rows[0]["weights"]
    assert Image.open(rows[0]["outputs"]["sr"]).size == (1024, 1024)
    assert load_file(rows[0]["outputs"]["latent"])["ws"].shape == (18, 512)
    assert not any("super-resolution mapper" in warning for warning in rows[0]["warnings"])


def test_another_w_is_said_at_import_and_refused_afterwards(tmp_path: Path, run: Run) -> None:
    other = twin()
    other.tensors["mapping.fc7.bias"] += torch.randn(512, generator=torch.Generator().manual_seed(1)) * 10
    (tmp_path / "metfaces.pkl").write_bytes(network_pickle(other, ARGUMENTS))
    code, rows, message = run("weights", "import", str(tmp_path / "metfaces.pkl"), "--as", "metfaces")
    assert code == 0, message
    assert "Its W is not that of mobile-stylegan-ffhq (w differs by up to" in rows[0]["notes"][-1]
    for command in ("generate", "superres"):
        given = [] if command == "generate" else [str(tmp_path / "tiny.png")]
        Image.new("RGB", (16, 16)).save(tmp_path / "tiny.png")
        code, rows, message = run(
            command, *given, "--text", "an old man", "--generator", "metfaces", "--out", str(tmp_path / "out")
        )
        assert code == 3 and not rows
        assert "cannot drive metfaces: its mapping network is another one (w differs by up to" in message
        assert "ffhq.pkl" in message and "Traceback" not in message
