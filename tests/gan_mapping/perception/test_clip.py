"""CLIP in transformers' format, tiny and random: imported by the user's command, then a differentiable judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel
from typer.testing import CliRunner, Result

from apps.cli.main import app
from gan_mapping.perception.clip import load_clip
from vl_backbone.weights import WeightStore

WORDS = ["<s>", "<e>", "a", "smiling", "woman", "old", "man"]
SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def write_clip(folder: Path) -> CLIPModel:
    """The folder as transformers' save_pretrained leaves it, and its model."""
    torch.manual_seed(0)
    text = {**SHAPE, "vocab_size": len(WORDS), "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1}
    vision = {**SHAPE, "image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).eval()
    model.save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="a"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A <e>", special_tokens=[("<s>", 0), ("<e>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return model


def test_an_imported_clip_judges_as_transformers_does(tmp_path: Path) -> None:
    model = write_clip(tmp_path / "clip")
    result = call("weights", "import", str(tmp_path / "clip" / "model.safetensors"), "--as", "clip")
    assert result.exit_code == 0, result.stderr
    clip = load_clip(torch.device("cpu"))
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    processor = CLIPImageProcessor(size=32, crop_size=32)
    with torch.no_grad():
        out = model(
            input_ids=torch.tensor([[0, 2, 3, 4, 1]]), pixel_values=processor(picture, return_tensors="pt").pixel_values
        )
    expected = torch.cosine_similarity(out.image_embeds, out.text_embeds)
    images = torch.from_numpy(picture).permute(2, 0, 1)[None].float().requires_grad_()
    similarity = clip(images, "a smiling woman")
    assert torch.allclose(similarity, expected, atol=1e-4)
    similarity.sum().backward()
    assert images.grad is not None and float(images.grad.abs().max()) > 0
    long = clip(images.detach(), "a " * 100)
    assert long.shape == (1,) and bool(torch.isfinite(long).all())

    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    result = call("evaluate", "clip", str(tmp_path / "a.png"), "--text", "a smiling woman", "--json")
    row = json.loads(result.stdout)
    assert result.exit_code == 0 and row["similarity"] == pytest.approx(float(similarity), abs=1e-3)
    assert row["weights"] == {"clip": WeightStore().sha256("clip")}
    result = call("evaluate", "clip", str(tmp_path / "b.png"), str(tmp_path / "a.png"), "--text", "man", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1 and [row["status"] for row in rows] == ["failed", "ok"] and rows[0]["error"]


def test_what_is_no_clip_is_refused_with_the_reason(tmp_path: Path, home: Path) -> None:
    assert "weights import FILE --as clip" in call("evaluate", "clip", "a.png", "--text", "man").stderr.replace(
        "\n", " "
    )
    folder = tmp_path / "clip"
    write_clip(folder)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    tokenizer = (folder / "tokenizer.json").read_text()
    huge = {**config["text_config"], "num_hidden_layers": 10**9}
    wide = {**config["text_config"], "hidden_size": 1 << 20, "vocab_size": 1 << 20}
    cases: list[tuple[str, str | None, str]] = [
        ("tokenizer.json", None, "must lie beside"),
        ("tokenizer.json", "{}", "no CLIP of transformers"),
        ("config.json", None, "must lie beside"),
        ("config.json", "[", "no CLIP of transformers"),
        ("config.json", "[]", "no CLIP of transformers"),
        ("config.json", json.dumps({**config, "model_type": "bert"}), "'bert'"),
        ("config.json", json.dumps({**config, "text_config": huge}), "layers"),
        ("config.json", json.dumps({**config, "text_config": wide}), "no CLIP of transformers"),
    ]
    for name, content, words in cases:
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text(tokenizer)
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content)
        result = call("weights", "import", str(folder / "model.safetensors"), "--as", "clip")
        message = " ".join(result.stderr.split())
        assert result.exit_code == 3 and words in message and "Traceback" not in message, (name, content, message)
    assert not list(home.rglob("*.safetensors"))
