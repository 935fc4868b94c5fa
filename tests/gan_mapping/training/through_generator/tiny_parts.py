"""Small real parts for mapper training: a random StyleGAN2 of 32 px, a folder of faces, a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from fdvd.attributes.table import ATTRIBUTES
from gan_mapping.generators.readers.formats import METADATA_FORMAT
from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from gan_mapping.generators.stylegan2.network import StyleGAN2
from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from vl_backbone.backbones.protocol import TextFeatures, TokenBatch, VideoFeatures

GRID, W_DIM, WORDS, CPU = 48, 8, 6, torch.device("cpu")


def tiny_network() -> StyleGAN2:
    """A StyleGAN2 whose random faces differ visibly."""
    sizes = StyleGAN2Config(8, 0, W_DIM, 32, (8, 8, 8, 8), mapping_layers=2, layer_features=8, mapping_lr=1.0)
    network = StyleGAN2(sizes)
    source = torch.Generator().manual_seed(0)
    for name, tensor in network.named_buffers():
        if "noise" in name or "w_avg" in name:
            tensor.zero_()
        elif "resample_filter" in name:
            row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
            tensor.copy_(row[:, None] * row)
        else:
            tensor.normal_(generator=source)
    return network


def tiny_generator() -> StyleGAN2Generator:
    return StyleGAN2Generator(tiny_network(), "tiny", {"tiny": "0"}, CPU)


def write_generator(path: Path) -> Path:
    """The tiny generator as a file that `load_generator` reads."""
    network = tiny_network()
    metadata = {"format": METADATA_FORMAT, "config": json.dumps(network.config.as_metadata())}
    save_file(network.state_dict(), path, metadata)
    return path


class TinyBackbone:
    """A random linear view of a 16 px picture, and random words: pictures and sentences share one space."""

    name = "tiny"
    image_size = 16

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.weights = {"tiny": "1"}
        self.view = torch.randn(GRID, 3 * 16 * 16, generator=generator) / 255
        self.words = torch.randn(256, WORDS, generator=generator)

    def encode_video(self, hr: Tensor, lr: Tensor | None = None) -> VideoFeatures:
        grid = torch.tanh(hr[:, 0].flatten(1) @ self.view.T / 16)
        return VideoFeatures(grid[:, None, None, None], F.normalize(grid[:, :WORDS], dim=1))

    def tokenize(self, texts: list[str]) -> TokenBatch:
        rows = [[*(sum(word.encode()) % 255 for word in text.split()), 255] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return TokenBatch(ids, mask)

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        tokens = self.words[input_ids]
        embedding = (tokens * attention_mask[..., None]).sum(1)
        return TextFeatures(tokens, attention_mask, F.normalize(embedding, dim=1))


def tiny_mappers(num_ws: int = 8) -> Mappers:
    """Random mappers of the tiny sizes that understand some sentences."""
    torch.manual_seed(2)
    vision, text = VisionMapper(GRID, 5, W_DIM), TextMapper(WORDS, len(ATTRIBUTES))
    offset = OffsetMapper(len(ATTRIBUTES), num_ws, W_DIM)
    offset.directions.normal_()
    offset.probe_weight.normal_(0, 0.1)
    return Mappers(vision, text, offset, ATTRIBUTES, "tiny", "tiny", {"faces": 3}).to(CPU)


def write_faces(folder: Path, count: int = 6) -> Path:
    """Noise pictures with two sentences each beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        small = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        small.resize((64, 64)).save(folder / f"{i:02d}.png")
        (folder / f"{i:02d}.txt").write_text(f"A person number {i}.\nFace {i}.\n", encoding="utf-8")
    return folder


def write_recipe(path: Path, generator: Path, **changes: Any) -> Path:
    """A recipe of a few steps with fresh mappers for the tiny generator and the real plain backbone."""
    recipe: dict[str, Any] = {
        "parts": ["vision"],
        "faces": {"drawn": 8, "held_out_faces": 2, "sentences": 50},
        "fresh": {"backbone": "imagenet-minilm", "generator": str(generator), "rank": 8},
        "reconstruction": {"latent": 1.0, "pixel": 5.0},
        "size": 32,
        "optimizer": {"learning_rate": 0.01, "weight_decay": 0.0, "eps": 1.0e-10, "clip_norm": 0.0},
        "run": {"steps": 12, "batch_size": 2, "ema_decay": 0.9, "check_every": 4, "save_every": 3, "log_every": 1},
    }
    path.write_text(yaml.safe_dump({**recipe, **changes}), encoding="utf-8")
    return path
