"""The linear layers from pixels to w, one per level, and their file."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor, nn

from gan_mapping.superres.pixels import LEVELS, level_of, to_level
from gan_mapping.superres.preview import PreviewHead
from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.trained_file import read_trained, write_trained

FORMAT = "vilaface-superres-1"
REMEDY = "reinstall VilaFace, or train it with `vilaface train superres`"


class LevelMapper(nn.Module):
    """Pixels of one level -> w: an affine map of rank r (ridge regression), and how w scatters around it.

    spread: [w_dim, q] a square root of the covariance of what the pixels leave open.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, level: int, rank: int, w_dim: int, directions: int) -> None:
        super().__init__()
        inputs = 3 * level * level
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, w_dim)
        self.register_buffer("centre", self.down.weight.new_zeros(inputs))
        self.register_buffer("spread", self.down.weight.new_zeros(w_dim, directions))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3 L^2], in units of 255 -> w [B, w_dim]."""
        w: Tensor = self.up(self.down(pixels - self.centre))
        return w


class PixelMapper(nn.Module):
    """A degraded face of any size -> w, through the level that fits its size.

    preview: the head that shows a latent at 32 px, fitted on the same faces.
    """

    def __init__(self, levels: dict[int, LevelMapper], preview: PreviewHead) -> None:
        super().__init__()
        self.preview = preview
        self.levels = nn.ModuleDict({str(level): mapper for level, mapper in levels.items()})

    def _at(self, side: int) -> LevelMapper:
        mapper = self.levels[str(level_of(side))]
        assert isinstance(mapper, LevelMapper)
        return mapper

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels [B, 3, s, s] in 0..255 -> w [B, w_dim]."""
        side = pixels.shape[-1]
        w: Tensor = self._at(side)(to_level(pixels, level_of(side)).flatten(1) / 255)
        return w

    def open_directions(self, side: int) -> Tensor:
        """[w_dim, q]: times standard normal numbers, a guess at what pixels of that size leave open."""
        return self._at(side).spread


def save_pixel_mapper(mapper: PixelMapper, generator: str, provenance: dict[str, object], path: Path) -> None:
    """Writes the layers as fp16 safetensors, atomically; generator: whose w they give."""
    metadata = {"generator": generator, "provenance": json.dumps(provenance, sort_keys=True)}
    write_trained(path, FORMAT, mapper.state_dict(), metadata)


def load_pixel_mapper(path: Path, generator: str) -> tuple[PixelMapper, str]:
    """The layers of that file and its sha256; generator: whose w they must give.

    Raises WeightsError when the file is missing, damaged, or of another generator.
    """
    file = read_trained(path, FORMAT, REMEDY)
    try:
        mapper = PixelMapper({level: _empty_level(level, file.tensors) for level in LEVELS}, PreviewHead())
        mapper.load_state_dict(file.tensors)
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"The weight file {path} does not hold a pixel mapper ({error}); {REMEDY}.") from None
    if file.metadata["generator"] != generator:
        raise WeightsError(f"{path.name} gives latents of {file.metadata['generator']}, not of {generator}.")
    return mapper.eval().requires_grad_(False), file.sha256


def _empty_level(level: int, tensors: dict[str, Tensor]) -> LevelMapper:
    w_dim, rank = tensors[f"levels.{level}.up.weight"].shape
    return LevelMapper(level, rank, w_dim, tensors[f"levels.{level}.spread"].shape[1])
