"""Official HD-VILA checkpoints in and out: every key accounted for, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vl_backbone.common.errors import WeightsError
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.hdvila.state_file import read_state, write_state

STAGE_2_PREFIXES = ("transformer.cls.", "transformer.bert.pooler2.", "transformer.bert.visual_embeddings.")
ANSWERS_KEY = "transformer.classifier.2.weight"
SHARED_BIAS = ("transformer.cls.predictions.bias", "transformer.cls.predictions.decoder.bias")
NAMES_SHOWN = 5


def load_official_checkpoint(path: str | Path, config: Mapping[str, Any] | HDVILAConfig) -> HDVILA:
    """The model in an official checkpoint (or one of `save_official_checkpoint`), on the CPU, in evaluation mode.

    path: .pt (a flat dict or one wrapped in 'model_state_dict'; 'module.' prefixes are fine) or .safetensors.
    config: the official JSON's fields and, if not 64, `resnet_base_channels`. The stage, and whether there is an
    answer head, is read from the keys. Weights are mapped from the file, so keep it until the model is gone (replacing
    it is fine, overwriting it in place is not).
    Raises WeightsError when the file is missing, damaged or has keys that are unknown, missing or of another shape;
    InputError when the config is wrong.
    """
    parsed = config if isinstance(config, HDVILAConfig) else HDVILAConfig.from_dict(config)
    path = Path(path)
    return model_from_state(read_state(path), parsed, path.name)


def save_official_checkpoint(model: HDVILA, path: str | Path) -> None:
    """Writes the model's weights under the official names, as .pt (the official layout) or .safetensors.

    The file is written beside its target and then renamed, so that it is never seen half-written.
    Raises UsageError for another suffix and WeightsError when it cannot be written.
    """
    write_state(unshared(model.official_state_dict()), Path(path))


def unshared(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, those that share memory copied apart: .safetensors holds no tensor twice."""
    apart: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in state.items():
        apart[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
        seen.add(tensor.data_ptr())
    return apart


def model_from_state(state: Mapping[str, Tensor], config: HDVILAConfig, label: str) -> HDVILA:
    """The model that these tensors are the whole of; it takes them over without a copy. Raises as above."""
    stage, answers = _kind(state)
    with torch.device("meta"):
        model = HDVILA(config, stage, answers)
    kind = f"HD-VILA stage {stage}" + (f" with {answers} answers" if answers else "")
    assign_exactly(model, state, f"{label} is not a checkpoint of {kind} with this config")
    if stage == 2 and not answers:
        first, second = (state[name] for name in SHARED_BIAS)
        if not torch.equal(first, second):
            raise WeightsError(f"{label}: {SHARED_BIAS[0]} and {SHARED_BIAS[1]} differ, but they are one parameter.")
        model.transformer.cls.predictions.share_bias()
    return model.eval()


def assign_exactly(module: nn.Module, state: Mapping[str, Tensor], complaint: str) -> None:
    """Makes `state` the weights of `module` without a copy.

    Raises WeightsError, beginning with `complaint`, that names the keys that are unknown, missing or do not fit.
    """
    expected = module.state_dict()
    problems = [
        _listed("unknown keys", sorted(state.keys() - expected.keys())),
        _listed("missing keys", [name for name in expected if name not in state]),
        _listed("wrong shapes or types", [_misfit(n, state[n], t) for n, t in expected.items() if n in state]),
    ]
    if any(problems):
        raise WeightsError(f"{complaint}: {'; '.join(filter(None, problems))}.")
    module.load_state_dict(dict(state), assign=True)


def _kind(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """(stage, number of answers) as the keys tell."""
    if ANSWERS_KEY in state:
        return 2, max(1, len(state[ANSWERS_KEY]) if state[ANSWERS_KEY].dim() else 1)
    return (2 if any(name.startswith(STAGE_2_PREFIXES) for name in state) else 1), 0


def _misfit(name: str, given: Tensor, expected: Tensor) -> str:
    if given.shape == expected.shape and given.dtype == expected.dtype:
        return ""
    types = "" if given.dtype == expected.dtype else f" {given.dtype} instead of {expected.dtype}"
    return f"{name} is {list(given.shape)} instead of {list(expected.shape)}{types}"


def _listed(what: str, names: list[str]) -> str:
    names = [name[:120] for name in names if name]
    if not names:
        return ""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{what}: {', '.join(names[:NAMES_SHOWN])}{more}"
