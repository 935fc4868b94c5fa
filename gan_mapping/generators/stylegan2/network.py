"""StyleGAN2's mapping and synthesis networks ('skip' architecture) under the official key names.

The tensors are buffers: these networks are frozen by construction, gradients reach latents and labels' styles only.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.generators.stylegan2.ops import GAIN, LEAKY_SLOPE, styled_convolution, upsample

NOISE_MODES = ("const", "none", "random")
EPSILON = 1e-8


def _normalise(x: Tensor) -> Tensor:
    """Every row to a mean square of 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


class FullyConnected(nn.Module):
    """Linear layer with run-time gains (equalised learning rate); activate: leaky ReLU times sqrt 2."""

    weight: Tensor
    bias: Tensor

    def __init__(self, inputs: int, outputs: int, lr: float = 1.0, activate: bool = False) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(outputs, inputs))
        self.register_buffer("bias", torch.empty(outputs))
        self.lr = lr
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * (self.lr / math.sqrt(self.weight.shape[1])), self.bias * self.lr)
        return F.leaky_relu(y, LEAKY_SLOPE) * GAIN if self.activate else y


class Mapping(nn.Module):
    """z [B, z_dim] (and labels [B, c_dim]) -> w [B, w_dim]; w_avg is its running mean."""

    w_avg: Tensor

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.num_layers = config.mapping_layers
        self.embed = FullyConnected(config.c_dim, config.embed_features) if config.c_dim else None
        width = config.z_dim + config.embed_features
        for i in range(self.num_layers):
            outputs = config.w_dim if i == self.num_layers - 1 else config.layer_features
            self.add_module(f"fc{i}", FullyConnected(width, outputs, config.mapping_lr, activate=True))
            width = outputs
        self.register_buffer("w_avg", torch.empty(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        x = _normalise(z)
        if self.embed is not None and c is not None:
            x = torch.cat((x, _normalise(self.embed(c))), dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution with noise, bias and activation (1912.04958, figure 2d)."""

    weight: Tensor
    bias: Tensor
    resample_filter: Tensor
    noise_const: Tensor
    noise_strength: Tensor

    def __init__(self, inputs: int, outputs: int, resolution: int, up: bool, config: StyleGAN2Config) -> None:
        super().__init__()
        self.up = up
        self.resolution = resolution
        self.clamp = config.conv_clamp
        self.use_noise = config.use_noise
        self.affine = FullyConnected(config.w_dim, inputs)
        self.register_buffer("weight", torch.empty(outputs, inputs, 3, 3))
        self.register_buffer("bias", torch.empty(outputs))
        self.register_buffer("resample_filter", torch.empty(4, 4))
        if self.use_noise:
            self.register_buffer("noise_const", torch.empty(resolution, resolution))
            self.register_buffer("noise_strength", torch.empty(()))

    def forward(self, x: Tensor, w: Tensor, noise_mode: str) -> Tensor:
        """x [B, I, H, W], w [B, w_dim] -> [B, O, resolution, resolution]."""
        style = self.affine(w)
        weight = self.weight
        if x.dtype == torch.float16:
            # Neutral (demodulation undoes any scale), but keeps half-precision products within range.
            fan_in = weight[0].numel()
            weight = weight / (weight.abs().amax((1, 2, 3), keepdim=True) * math.sqrt(fan_in))
            style = style / style.abs().amax(1, keepdim=True)
        demodulation = torch.rsqrt(style.square() @ weight.square().sum((2, 3)).T + EPSILON)
        up_filter = self.resample_filter if self.up else None
        noise = self._noise(x, noise_mode)
        return styled_convolution(x, style, demodulation, weight, self.bias, noise, up_filter, self.clamp)

    def _noise(self, x: Tensor, mode: str) -> Tensor | None:
        if not self.use_noise or mode == "none":
            return None
        if mode == "const":
            return self.noise_const * self.noise_strength
        shape = (x.shape[0], 1, self.resolution, self.resolution)
        return torch.randn(shape, device=x.device) * self.noise_strength


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB, without demodulation."""

    weight: Tensor
    bias: Tensor

    def __init__(self, inputs: int, config: StyleGAN2Config) -> None:
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = FullyConnected(config.w_dim, inputs)
        self.register_buffer("weight", torch.empty(3, inputs, 1, 1))
        self.register_buffer("bias", torch.empty(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [B, I, H, W], w [B, w_dim] -> float32 [B, 3, H, W]."""
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        kernel = (self.weight[None, :, :, 0, 0] * style[:, None]).to(x.dtype)
        y: Tensor = torch.matmul(kernel, x.flatten(2)).unflatten(2, x.shape[2:]).float() + self.bias[:, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class SynthesisBlock(nn.Module):
    """One octave. The 4x4 block starts from a learned constant and has one convolution, the others two."""

    const: Tensor
    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, resolution: int, config: StyleGAN2Config) -> None:
        super().__init__()
        self.register_buffer("resample_filter", torch.empty(4, 4))
        self.conv0 = SynthesisLayer(inputs, outputs, resolution, True, config) if inputs else None
        if not inputs:
            self.register_buffer("const", torch.empty(outputs, resolution, resolution))
        self.conv1 = SynthesisLayer(outputs, outputs, resolution, False, config)
        self.torgb = ToRGB(outputs, config)

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise_mode: str, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """ws: [B, convolutions + 1, w_dim], the block's rows; the last is toRGB's -> feature map, picture so far."""
        if self.conv0 is None or x is None:
            x = self.const.expand(ws.shape[0], -1, -1, -1).to(dtype, memory_format=torch.channels_last)
        else:
            x = self.conv0(x.to(dtype), ws[:, 0], noise_mode)
        x = self.conv1(x, ws[:, -2], noise_mode)
        drawn = self.torgb(x, ws[:, -1])
        if image is not None:
            drawn = upsample(image, self.resample_filter) + drawn
        return x, drawn


class Synthesis(nn.Module):
    """ws [B, num_ws, w_dim] -> float32 RGB [B, 3, R, R] in about [-1, 1], not clamped."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.resolutions = config.block_resolutions
        self.fp16_resolutions = config.fp16_resolutions
        inputs = 0
        for resolution, outputs in zip(self.resolutions, config.channels, strict=True):
            self.add_module(f"b{resolution}", SynthesisBlock(inputs, outputs, resolution, config))
            inputs = outputs

    def forward(self, ws: Tensor, noise_mode: str = "const", side: int | None = None) -> Tensor:
        """Half precision is used in the last blocks on a GPU, and only where no gradient is asked for.

        side: end at the block of that resolution, whose picture the skip connections have by then.
        """
        half = ws.is_cuda and not (torch.is_grad_enabled() and ws.requires_grad)
        x: Tensor | None = None
        image: Tensor | None = None
        ws = ws.float()
        for i, resolution in enumerate(self.resolutions):
            # conv0 of block i reads row 2i-1; a toRGB shares its row with the next block's conv0.
            rows = ws[:, max(2 * i - 1, 0) : 2 * i + 2]
            late = len(self.resolutions) - i <= self.fp16_resolutions
            dtype = torch.float16 if half and late else torch.float32
            x, image = self.get_submodule(f"b{resolution}")(x, image, rows, noise_mode, dtype)
            if resolution == side:
                break
        if image is None:
            raise AssertionError("a generator has at least its 4x4 block")
        return image


class StyleGAN2(nn.Module):
    """Mapping and synthesis; `state_dict` has exactly the official keys."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
