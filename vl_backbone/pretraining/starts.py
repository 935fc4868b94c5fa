"""What a model starts from: random weights, public networks, or an HD-VILA checkpoint of another stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vl_backbone.common.errors import UsageError, WeightsError
from vl_backbone.hdvila.checkpoint import load_official_checkpoint
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.mini import initialise_mini, mini_config
from vl_backbone.hdvila.model import HDVILA, build_hdvila
from vl_backbone.hdvila.state_file import read_state

BERT_FILES = ("model.safetensors", "pytorch_model.bin")
BERT_UNUSED = ("bert.pooler.", "bert.embeddings.position_ids", "cls.seq_relationship.")
RESNET_UNUSED = ("fc.",)


@dataclass(frozen=True)
class ModelConfig:
    """kind: "hdvila", sizes from `config` (a JSON file of official fields) and `fields` (which replace single ones);
    or "mini", HD-VILA-mini on its public trunks and sentence encoder, which must be in the weight store.

    checkpoint: HD-VILA weights of any stage; what the new model shares with them is taken over. bert: folder of a
    Hugging Face BERT whose embeddings and layers (and word prediction, in stage 2) to start from. resnet: file of
    a ResNet-50 for both trunks. calibration_batches: for random trunks, on how many batches to measure their batch
    norms, which are never updated afterwards.
    """

    kind: Literal["hdvila", "mini"] = "hdvila"
    config: Path | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    bert: Path | None = None
    resnet: Path | None = None
    calibration_batches: int = 0

    def __post_init__(self) -> None:
        if self.kind == "mini" and (self.config or self.bert or self.resnet):
            raise UsageError("The model kind mini brings its own config, text layers and trunks; give only fields.")
        if self.calibration_batches < 0:
            raise UsageError("calibration_batches must not be negative.")
        if self.calibration_batches and (self.resnet or self.checkpoint or self.kind == "mini"):
            raise UsageError("calibration_batches are for trunks with random weights only.")


def read_architecture(config: ModelConfig) -> HDVILAConfig:
    """The model's sizes. UsageError when the JSON file cannot be read, InputError for a wrong field."""
    if config.kind == "mini":
        return mini_config(**config.fields)
    values: Any = {}
    if config.config:
        try:
            values = json.loads(config.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"The model's config {config.config} cannot be read: {error}.") from None
        if not isinstance(values, dict):
            raise UsageError(f"The model's config {config.config} must hold one JSON object.")
    return HDVILAConfig.from_dict({**values, **config.fields})


def build_model(config: ModelConfig, stage: int, answers: int = 0) -> tuple[HDVILA, list[str]]:
    """A model of that stage on the CPU, and sentences on what it was started from.

    Raises InputError, UsageError or WeightsError that names the file and what does not fit.
    """
    notes: list[str] = []
    if config.kind == "mini" and not answers:
        model = _mini(config, stage)
        notes.append("Trunks from EfficientNet-lite0, text layers from all-MiniLM-L6-v2.")
    else:
        model = build_hdvila(read_architecture(config), stage, answers)
    if config.resnet:
        state = _resnet_state(config.resnet)
        for trunk in ("cnn", "cnn_low"):
            _copy(model, {f"{trunk}.{name}": tensor for name, tensor in state.items()}, config.resnet)
        notes.append(f"Trunks from {config.resnet.name}.")
    if config.bert:
        _copy(model, _bert_state(config.bert, model), config.bert)
        notes.append(f"Text and joint layers from {config.bert.name}.")
    if config.checkpoint:
        notes.append(take_over(model, config.checkpoint))
    return model, notes


def take_over(model: HDVILA, checkpoint: Path) -> str:
    """Copies everything that the model shares with a checkpoint of the same sizes; says what it left or lacked.

    The checkpoint is read strictly, so it may be of another stage but not of another shape.
    """
    donor = load_official_checkpoint(checkpoint, model.config).official_state_dict()
    own = model.official_state_dict()
    for name in own.keys() & donor.keys():
        own[name].copy_(donor[name])
    fresh, left = sorted(own.keys() - donor.keys()), sorted(donor.keys() - own.keys())
    note = f"{len(own.keys() & donor.keys())} tensors from {checkpoint.name}"
    if fresh:
        note += f"; {len(fresh)} not in it stay as they were ({_parts(fresh)})"
    if left:
        note += f"; {len(left)} of it have no place here ({_parts(left)})"
    return note + "."


def _parts(names: list[str]) -> str:
    """The modules that these tensors belong to: "cls, pooler2"."""
    parts = {name.removeprefix("transformer.").removeprefix("bert.").split(".")[0] for name in names}
    return ", ".join(sorted(parts))


def _mini(config: ModelConfig, stage: int) -> HDVILA:
    from safetensors.torch import load_file

    from vl_backbone.weights import WeightStore

    store = WeightStore()
    trunk, text = (load_file(store.path(name)) for name in ("efficientnet-lite0", "minilm"))
    return initialise_mini(trunk, text, stage, read_architecture(config))


def _bert_state(folder: Path, model: HDVILA) -> dict[str, Tensor]:
    """Official names -> tensors, of the parts that this model has; old gamma/beta names are understood."""
    path = next((folder / name for name in BERT_FILES if (folder / name).is_file()), None)
    if path is None:
        raise WeightsError(f"{folder}: there is no {' or '.join(BERT_FILES)} in it.")
    state = {}
    for name, tensor in read_state(path).items():
        name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
        name = name if name.startswith(("bert.", "cls.")) else f"bert.{name}"
        if not name.startswith(BERT_UNUSED):
            state[f"transformer.{name}"] = tensor
    own = model.official_state_dict()
    if "transformer.cls.predictions.bias" in state:
        state["transformer.cls.predictions.decoder.bias"] = state["transformer.cls.predictions.bias"]
    # A stage-1 model has only the lower layers and no word prediction.
    skipped: tuple[str, ...] = () if model.stage == 2 and not model.answers else ("transformer.cls.",)
    if model.stage == 1:
        skipped += tuple(
            f"transformer.bert.encoder.layer.{i}."
            for i in range(model.config.text_layers, model.config.num_hidden_layers)
        )
    chosen = {name: tensor for name, tensor in state.items() if not name.startswith(skipped or ("\0",))}
    expected = {n for n in own if n.startswith(("transformer.bert.embeddings.", "transformer.bert.encoder."))}
    if expected - chosen.keys():
        raise WeightsError(f"{path}: {sorted(expected - chosen.keys())[0]} is missing; it is no BERT of these sizes.")
    return chosen


def _resnet_state(path: Path) -> dict[str, Tensor]:
    state = {name.removeprefix("backbone."): tensor for name, tensor in read_state(path).items()}
    return {name: tensor for name, tensor in state.items() if not name.startswith(RESNET_UNUSED)}


@torch.no_grad()
def _copy(model: HDVILA, state: Mapping[str, Tensor], source: Path) -> None:
    own = model.official_state_dict()
    for name, tensor in state.items():
        if name not in own or own[name].shape != tensor.shape:
            found = list(own[name].shape) if name in own else "no such tensor"
            raise WeightsError(f"{source}: {name} is {list(tensor.shape)}, the model has {found}.")
        own[name].copy_(tensor)
