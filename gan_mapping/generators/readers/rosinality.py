"""rosinality's StyleGAN2 (the .pt files of StyleCLIP, e4e, pSp): from its key names to the official ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vl_backbone.common.errors import WeightsError

_BLUR_KEYS = re.compile(r"(convs\.\d+\.conv\.blur|to_rgbs\.\d+\.upsample)\.kernel")
_LAYER = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}
_RGB = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "bias": "bias",
}


def is_rosinality(keys: Mapping[str, object]) -> bool:
    """Whether these are the keys of a rosinality generator."""
    return "input.input" in keys and "conv1.conv.weight" in keys


def to_official(state: Mapping[str, Tensor], latent_avg: Tensor | None) -> dict[str, Tensor]:
    """rosinality's tensors -> the official keys and shapes.

    latent_avg: mean w as [w_dim], or as equal rows. Noise maps and mean are left out where the file has none.
    Its convolutions divide weights by sqrt(fan-in) before demodulation, which demodulation undoes.
    """
    official: dict[str, Tensor] = {}
    blur: Tensor | None = None
    for key, tensor in state.items():
        if _BLUR_KEYS.fullmatch(key):
            blur = tensor / 4
            continue
        target, shape = _target(key, tensor)
        if tensor.numel() != math.prod(shape):
            raise WeightsError(f"{key} has the shape {list(tensor.shape)}, which no StyleGAN2 generator has.")
        official[target] = tensor.reshape(shape)
    if latent_avg is not None:
        if not latent_avg.ndim or not latent_avg.numel():
            raise WeightsError("The file's latent_avg holds no latent.")
        rows = latent_avg.reshape(-1, latent_avg.shape[-1])
        if (rows - rows[:1]).abs().max() > 1e-4:
            raise WeightsError("The file's latent_avg differs from row to row; it is not the mean of a W space.")
        official["mapping.w_avg"] = rows[0]
    if blur is not None:
        for target in [key for key in official if key.endswith(".const") or key.endswith(".conv1.weight")]:
            layer = target.removesuffix(".const").removesuffix(".weight")
            official[f"{layer}.resample_filter"] = blur
        for target in [key for key in official if key.endswith(".conv0.weight")]:
            official[f"{target.removesuffix('.weight')}.resample_filter"] = blur
            official[f"{target.removesuffix('.conv0.weight')}.resample_filter"] = blur
    return official


def _target(key: str, tensor: Tensor) -> tuple[str, torch.Size | tuple[int, ...]]:
    """Official key, and the shape it has there."""
    shape = tensor.shape
    part, _, rest = key.partition(".")
    number, _, inner = rest.partition(".")
    layer = None
    if part == "style" and number.isdecimal() and number != "0" and inner in ("weight", "bias"):
        return f"mapping.fc{int(number) - 1}.{inner}", shape
    if key == "input.input":
        return "synthesis.b4.const", shape[1:]
    if part == "noises" and rest.removeprefix("noise_").isdecimal():
        n = int(rest.removeprefix("noise_"))
        name = "conv1" if n % 2 == 0 else "conv0"
        return f"synthesis.b{_resolution((n + 1) // 2)}.{name}.noise_const", shape[-2:]
    if part == "conv1" and rest in _LAYER:
        layer, name = "synthesis.b4.conv1", _LAYER[rest]
    elif part == "convs" and number.isdecimal() and inner in _LAYER:
        n = int(number)
        layer, name = f"synthesis.b{_resolution(n // 2 + 1)}.conv{n % 2}", _LAYER[inner]
    elif part == "to_rgb1" and rest in _RGB:
        layer, name = "synthesis.b4.torgb", _RGB[rest]
    elif part == "to_rgbs" and number.isdecimal() and inner in _RGB:
        layer, name = f"synthesis.b{_resolution(int(number) + 1)}.torgb", _RGB[inner]
    if layer is None:
        raise WeightsError(f"The file has the tensor {key[:80]!a}, which a StyleGAN2 generator does not.")
    if name == "weight":
        return f"{layer}.weight", shape[1:]
    if name == "noise_strength":
        return f"{layer}.noise_strength", ()
    return f"{layer}.{name}", (tensor.numel(),) if name == "bias" else shape


def _resolution(octave: int) -> int:
    if octave > 10:
        raise WeightsError("The file has more blocks than any StyleGAN2 generator.")
    return 4 << octave
