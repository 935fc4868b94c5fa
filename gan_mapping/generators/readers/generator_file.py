"""A generator as read from a file: configuration and tensors under the official names, proved to fit each other."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.generators.stylegan2.network import Mapping as MappingNetwork
from gan_mapping.generators.stylegan2.network import StyleGAN2
from vl_backbone.common.errors import WeightsError

METADATA_FORMAT = "vilaface-stylegan2-1"
# Draws of z for the mean of W where a file has none; the seed makes the mean repeatable.
MEAN_SAMPLES = 10_000
MEAN_BATCH = 100  # so that the labels of a file with very many classes take little memory
SEED = 0


@dataclass(frozen=True)
class GeneratorFile:
    """config and tensors (official keys, float32, complete); origin: the format it came in; notes: for the user."""

    config: StyleGAN2Config
    tensors: dict[str, Tensor]
    origin: str
    notes: tuple[str, ...] = field(default=())

    def network(self) -> StyleGAN2:
        """The network with these tensors as its own (not copied), on the CPU."""
        with torch.device("meta"):
            network = StyleGAN2(self.config)
        network.load_state_dict(self.tensors, assign=True)
        return network.eval()

    def save(self, path: Path) -> None:
        """Writes a safetensors file that carries its configuration. Raises OSError."""
        metadata = {
            "format": METADATA_FORMAT,
            "config": json.dumps(self.config.as_metadata(), sort_keys=True),
            "origin": self.origin,
        }
        # Copies, because the format stores no tensor that shares memory with another.
        copies = {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in self.tensors.items()}
        save_file(copies, path, metadata)


def expected_shapes(config: StyleGAN2Config) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of such a generator, by official key."""
    with torch.device("meta"):
        network = StyleGAN2(config)
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def assemble(
    config: StyleGAN2Config,
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], Tensor],
    origin: str,
    file_bytes: int,
    notes: tuple[str, ...] = (),
) -> GeneratorFile:
    """Checks shapes first, then reads each tensor once; fills in what a file may lack (buffers), with a note.

    shapes, read: what the file has. file_bytes: its size; a file that claims more values than it has bytes is
    refused before memory is asked for.
    Raises WeightsError when a weight is missing, superfluous, of another shape, or not finite.
    """
    if sum(math.prod(shape) for shape in shapes.values()) > file_bytes:
        raise WeightsError("The file claims more weights than it has room for; refused.")
    wanted = expected_shapes(config)
    extra = sorted(set(shapes) - set(wanted))
    if extra:
        raise WeightsError(f"The generator has a tensor that StyleGAN2 does not: {extra[0][:80]!a}.")
    buffers = ("noise_const", "resample_filter", "w_avg")
    missing = [key for key in wanted if key not in shapes]
    lacking = [key for key in missing if not key.endswith(buffers)]
    if lacking:
        raise WeightsError(f"The generator lacks {lacking[0]} and {len(lacking) - 1} more tensors.")
    for key, shape in shapes.items():
        if shape != wanted[key]:
            raise WeightsError(f"{key} has the shape {list(shape)}, but {list(wanted[key])} was expected.")
    tensors = {}
    for key in shapes:
        tensor = read(key).detach().to("cpu", torch.float32).contiguous()
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{key} holds values that are not finite numbers; the file is damaged.")
        tensors[key] = tensor
    filled = _fill(missing, wanted, tensors, config)
    return GeneratorFile(config, {key: tensors[key] for key in wanted}, origin, (*notes, *filled))


def _fill(
    missing: list[str], wanted: Mapping[str, tuple[int, ...]], tensors: dict[str, Tensor], config: StyleGAN2Config
) -> list[str]:
    """Adds the missing buffers to `tensors`; -> what to tell the user."""
    notes = []
    source = torch.Generator().manual_seed(SEED)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for key in missing:
        if key.endswith("resample_filter"):
            tensors[key] = torch.outer(taps, taps)
        elif key.endswith("noise_const"):
            tensors[key] = torch.randn(wanted[key], generator=source)
    if any(key.endswith("noise_const") for key in missing):
        notes.append(
            "The file has no fixed noise; it was drawn anew (seed 0), so fine texture differs from the original."
        )
    if "mapping.w_avg" in missing:
        with torch.device("meta"):
            mapping = MappingNetwork(config)
        state = {key.removeprefix("mapping."): t for key, t in tensors.items() if key.startswith("mapping.")}
        mapping.load_state_dict({**state, "w_avg": torch.zeros(config.w_dim)}, assign=True)
        z = torch.randn(MEAN_SAMPLES, config.z_dim, generator=source)
        tensors["mapping.w_avg"] = torch.stack(
            [mapping(part, _labels(i, len(part), config)).mean(dim=0) for i, part in enumerate(z.split(MEAN_BATCH))]
        ).mean(dim=0)
        notes.append(f"The file has no mean w; it was estimated from {MEAN_SAMPLES} latents.")
    return notes


def _labels(batch: int, count: int, config: StyleGAN2Config) -> Tensor | None:
    """One-hot labels that take all classes in turn, [count, c_dim]; None for a generator without classes."""
    if not config.c_dim:
        return None
    classes = (batch * MEAN_BATCH + torch.arange(count)) % config.c_dim
    return torch.zeros(count, config.c_dim).scatter_(1, classes[:, None], 1.0)
