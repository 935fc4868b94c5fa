"""The hybrid video encoder (paper 4.1): one high-resolution frame and its low-resolution neighbours to one grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from vl_backbone.common.errors import InputError
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.timesformer import TimeSformer
from vl_backbone.hdvila.trunks import build_trunks

# Pixels that one pass through a trunk takes on the CPU when no gradient is asked for: one 640x1024 frame, so that
# memory does not grow with the number of frames. Larger passes are not faster there.
PIXELS_PER_PASS = 640 * 1024


class Trunks(NamedTuple):
    """What runs in place of a model's own trunks, such as the same ones compiled; None: its own.

    high: HR frames [F, 3, H, W] in 0..255 -> their maps at strides 16 and 32. low: LR frames -> the map at stride 16.
    """

    high: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    low: Callable[[Tensor], Tensor] | None = None


OWN_TRUNKS = Trunks()


@dataclass(frozen=True)
class TrunkMaps:
    """high [C, c32, H/32, W/32], middle [C, c16, h', w'] of the HR frames; low [C, N, c16, h', w'] of the LR frames."""

    high: Tensor | None
    middle: Tensor | None
    low: Tensor | None


class VideoEncoder(nn.Module):
    """F_hr, F_lr, the hybrid Transformer and the fusion of both; submodules bear the official names."""

    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        dim = config.hidden_size
        self.cnn, self.cnn_low, (channels_16, channels_32) = build_trunks(config)
        self.grid_encoder = nn.Sequential(
            nn.Conv2d(channels_32, dim, 1, bias=False), nn.MaxPool2d(2, stride=2), nn.GELU()
        )
        # Shared by the LR frames and the HR frame on its way into the hybrid Transformer.
        self.grid_encoder_low = nn.Sequential(nn.Conv2d(channels_16, dim, 1, bias=False), nn.GELU())
        self.timesformer = TimeSformer(
            dim, config.timesformer_heads, config.timesformer_depth, config.timesformer_grid, config.timesformer_frames
        )
        self.grid_encoder_combine = nn.Sequential(nn.Conv2d(2 * dim, dim, 1, bias=False), nn.GELU())

    def train(self, mode: bool = True) -> Self:
        """As always, but the trunks' batch norms keep their stored statistics, as in the official training."""
        super().train(mode)
        self.cnn.eval()
        self.cnn_low.eval()
        return self

    def encode_grid(self, hr: Tensor | None = None, lr: Tensor | None = None) -> Tensor:
        """The feature grid of each clip's middle frame.

        hr: [B, S, 3, H, W] middle frames, lr: [B, S, N, 3, h, w] neighbours in order of time, both RGB in 0..255,
        uint8 or floating point; either may be None. Returns [B, S, h', w', D].
        Raises InputError for shapes, types and values that the model cannot take.
        """
        return self.encode_grid_and_maps(hr, lr)[0]

    def encode_grid_and_maps(
        self, hr: Tensor | None = None, lr: Tensor | None = None, trunks: Trunks = OWN_TRUNKS
    ) -> tuple[Tensor, TrunkMaps]:
        """As `encode_grid`, with the trunks' maps of all B * S clips, from which the grid was made."""
        given = check_clips(hr, lr)
        flat_lr = None if lr is None else lr.flatten(0, 1)
        maps = self.trunk_maps(None if hr is None else hr.flatten(0, 1), flat_lr, trunks)
        return self.grid_from_maps(maps).unflatten(0, given.shape[:2]), maps

    def trunk_maps(self, hr: Tensor | None, lr: Tensor | None, trunks: Trunks = OWN_TRUNKS) -> TrunkMaps:
        """What the convolutional trunks make of C clips: hr [C, 3, H, W], lr [C, N, 3, h, w]; either may be None.

        With frozen trunks this part of `encode_grid` never changes, so pre-training can keep it.
        """
        high = middle = low = None
        if hr is not None:
            run = trunks.high or (lambda rgb: self.cnn(rgb, 4))
            middle, high = self._in_passes(lambda rgb: _high_maps(*run(rgb)), hr)
        if lr is not None:
            still = lr.stride(1) == 0  # an expanded frame, N times the same memory, is seen once
            frames = lr[:, :1] if still else lr
            see = trunks.low or (lambda rgb: self.cnn_low(rgb, 3)[0])
            (low,) = self._in_passes(lambda rgb: (see(rgb),), frames.flatten(0, 1))
            low = low.unflatten(0, frames.shape[:2]).expand(-1, lr.shape[1], -1, -1, -1)
        return TrunkMaps(high, middle, low)

    def grid_from_maps(self, maps: TrunkMaps) -> Tensor:
        """The rest of `encode_grid`: -> [C, h', w', D]."""
        high: Tensor | None = None if maps.high is None else self.grid_encoder(maps.high)
        if maps.low is None:
            assert high is not None
            return high.permute(0, 2, 3, 1)
        middle = None if maps.middle is None else self.grid_encoder_low(maps.middle)
        low = self.grid_encoder_low(maps.low.flatten(0, 1)).unflatten(0, maps.low.shape[:2])
        return self._join(high, middle, low).permute(0, 2, 3, 1)

    def _join(self, high: Tensor | None, middle: Tensor | None, low: Tensor) -> Tensor:
        """HR grid [C, D, h', w'], the same frame among its neighbours, neighbours [C, N, D, h', w'] -> the grid."""
        count = low.shape[1]
        frames = low.permute(0, 1, 3, 4, 2)
        if high is None or middle is None:
            alone: Tensor = self.timesformer(frames, count // 2).permute(0, 3, 1, 2)
            return alone
        half = (count + 1) // 2
        frames = torch.cat((frames[:, :half], middle.permute(0, 2, 3, 1)[:, None], frames[:, half:]), dim=1)
        temporal = self.timesformer(frames, half).permute(0, 3, 1, 2)
        grid: Tensor = self.grid_encoder_combine(torch.cat((high, temporal), dim=1))
        return grid

    @staticmethod
    def _in_passes(run: Callable[[Tensor], tuple[Tensor, ...]], rgb: Tensor) -> tuple[Tensor, ...]:
        """Runs the frames [F, 3, H, W] through `run` a few at a time, where that saves memory."""
        whole = torch.is_grad_enabled() or rgb.device.type != "cpu"
        size = len(rgb) if whole else max(1, PIXELS_PER_PASS // (rgb.shape[-1] * rgb.shape[-2]))
        passes = [run(part.float()) for part in rgb.split(size)]
        return passes[0] if len(passes) == 1 else tuple(torch.cat(parts) for parts in zip(*passes, strict=True))


def _high_maps(stride_16: Tensor, stride_32: Tensor) -> tuple[Tensor, Tensor]:
    return _every_fourth(stride_16), stride_32


def _every_fourth(stride_16: Tensor) -> Tensor:
    """The HR frame at the LR frames' resolution, as the released code does it: nearest, neither area nor bilinear."""
    rows, columns = (side - side % 4 for side in stride_16.shape[-2:])
    return stride_16[..., :rows:4, :columns:4].contiguous()  # a copy, so that the large map can go


def check_clips(hr: Tensor | None, lr: Tensor | None) -> Tensor:
    """Returns the one that is given (hr first); raises InputError unless the two make sense, alone and together."""
    if hr is not None:
        _check_pixels("hr", hr, "[B, S, 3, H, W]", 5)
        rows, columns = (_hr_cells(side) for side in hr.shape[-2:])
        if not rows * columns:
            raise InputError(f"hr frames of {_size(hr)} pixels are too small: each side must be at least 33.")
    if lr is None:
        if hr is None:
            raise InputError("A clip needs hr frames, lr frames or both; neither was given.")
        return hr
    _check_pixels("lr", lr, "[B, S, N, 3, h, w]", 6)
    if hr is None:
        return lr
    if hr.shape[:2] != lr.shape[:2]:
        raise InputError(
            f"hr has {hr.shape[0]} samples of {hr.shape[1]} clips but lr {lr.shape[0]} of {lr.shape[1]}; "
            "each clip needs its own frames."
        )
    grids = [tuple(cells(side) for side in hr.shape[-2:]) for cells in (_hr_cells, _middle_cells)]
    low = tuple(_lr_cells(side) for side in lr.shape[-2:])
    wrong = next((grid for grid in grids if grid != low), None)
    if wrong:
        height, width = (max(64, round(side / 64) * 64) for side in hr.shape[-2:])
        raise InputError(
            f"hr frames of {_size(hr)} make a grid of {wrong[0]}x{wrong[1]} cells but lr frames of {_size(lr)} one of "
            f"{low[0]}x{low[1]}; they must agree. Give hr sides that are multiples of 64 and lr sides a quarter, "
            f"for example {height}x{width} with {height // 4}x{width // 4}."
        )
    return hr


def _hr_cells(side: int) -> int:
    return -(-side // 32) // 2


def _middle_cells(side: int) -> int:
    return -(-side // 16) // 4


def _lr_cells(side: int) -> int:
    return -(-side // 16)


def _size(frames: Tensor) -> str:
    return f"{frames.shape[-2]}x{frames.shape[-1]}"


def _check_pixels(name: str, frames: Tensor, layout: str, dims: int) -> None:
    if not isinstance(frames, Tensor):
        raise InputError(f"{name} must be a tensor {layout}, not {type(frames).__name__}.")
    if frames.dim() != dims or frames.shape[-3] != 3:
        raise InputError(f"{name} has shape {list(frames.shape)}, but it must be {layout} with 3 colour channels.")
    if not frames.numel():
        raise InputError(f"{name} has shape {list(frames.shape)}: there is nothing in it.")
    if frames.dtype == torch.uint8:
        return
    if not frames.dtype.is_floating_point:
        raise InputError(f"{name} has type {frames.dtype}; give uint8 or floating point values in 0..255.")
    low, high = (value.item() for value in torch.aminmax(frames.detach()))
    if not (low >= 0 and high <= 255):  # written so that NaN fails too
        raise InputError(f"{name} has values from {low:g} to {high:g}, but pixels must be finite and in 0..255.")
