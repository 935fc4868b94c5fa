"""The file of HD-VILA-mini: only what pre-training changed, in fp16; the rest comes from the public base weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vl_backbone.common.errors import WeightsError
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.mini import initialise_mini
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.weights.trained_file import read_trained, write_trained

FORMAT = "hdvila-mini-1"
MINI_FILE = Path(__file__).parents[1] / "weights" / "hdvila-mini.safetensors"


def trained_names(model: HDVILA, frozen_text_layers: int) -> list[str]:
    """The tensors that differ from the base weights after pre-training with so many frozen text layers."""
    kept = (
        "cnn.",
        "cnn_low.",
        "timesformer.norm.",
        "transformer.bert.embeddings.",
        "transformer.cls.predictions.decoder.weight",
        "transformer.cls.predictions.decoder.bias",
        "transformer.cls.seq_relationship.",
        *(f"transformer.bert.encoder.layer.{i}." for i in range(frozen_text_layers)),
    )
    return [name for name in model.state_dict() if not name.startswith(kept)]


def save_mini(model: HDVILA, path: Path, frozen_text_layers: int, provenance: Mapping[str, object]) -> None:
    """Writes the trained tensors (atomically); config and provenance go into the metadata."""
    state = model.official_state_dict()
    metadata = {
        "config": json.dumps(model.config.to_dict(), sort_keys=True),
        "frozen_text_layers": str(frozen_text_layers),
        "provenance": json.dumps(dict(provenance), sort_keys=True),
    }
    tensors = {name: state[name] for name in trained_names(model, frozen_text_layers)}
    write_trained(path, FORMAT, tensors, metadata)


def load_mini(
    efficientnet: Mapping[str, Tensor], minilm: Mapping[str, Tensor], path: Path = MINI_FILE
) -> tuple[HDVILA, str]:
    """The stage-2 model of that file on top of the two base state dicts, for inference, and the file's sha256.

    Raises WeightsError when the file is missing, damaged, of another format, or does not fit its own config.
    """
    file = read_trained(path, FORMAT)
    tensors, metadata = file.tensors, file.metadata
    config = HDVILAConfig.from_dict(json.loads(metadata["config"]))
    model = initialise_mini(efficientnet, minilm, stage=2, config=config)
    state = model.state_dict()
    expected = trained_names(model, int(metadata["frozen_text_layers"]))
    wrong = sorted(set(expected) ^ set(tensors)) or [n for n in expected if state[n].shape != tensors[n].shape]
    if wrong:
        raise WeightsError(f"{path} does not fit its own config at {', '.join(wrong[:5])}; reinstall VilaFace.")
    with torch.no_grad():
        for name in expected:
            state[name].copy_(tensors[name])
    # Frozen, the two are one table of 47 MB.
    model.transformer.cls.predictions.decoder.weight = model.transformer.bert.embeddings.word_embeddings.weight
    return model.eval(), file.sha256
