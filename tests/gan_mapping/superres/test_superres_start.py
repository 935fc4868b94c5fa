"""Super-resolution where nobody fitted a pixel mapper: the first guess is the vision mapper's."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from gan_mapping.generators.stylegan2.network import StyleGAN2
from gan_mapping.mappers.layers import VisionMapper
from gan_mapping.superres.pixels import box_filter
from gan_mapping.superres.preview import PREVIEW_SIDE, preview_of
from gan_mapping.superres.start import VisionStart
from vl_backbone.backbones.protocol import VideoFeatures


class Grid:
    """A backbone of 16 px frames whose features are the pixels."""

    image_size = 16

    def encode_video(self, hr: Tensor) -> VideoFeatures:
        return VideoFeatures(hr.permute(0, 1, 3, 4, 2), hr.flatten(1))


def generator() -> StyleGAN2Generator:
    network = StyleGAN2(StyleGAN2Config(8, 0, 6, 32, (4, 4, 4, 4), mapping_layers=2, layer_features=6))
    source = torch.Generator().manual_seed(0)
    for tensor in network.buffers():
        tensor.normal_(generator=source)
    return StyleGAN2Generator(network, "tiny", {}, torch.device("cpu"))


def test_pixels_of_any_size_go_enlarged_through_the_vision_mapper() -> None:
    torch.manual_seed(0)
    drawer, vision = generator(), VisionMapper(16 * 16 * 3, 5, 6)
    start = VisionStart(Grid(), vision, drawer)  # type: ignore[arg-type]
    pixels = 255 * torch.rand(2, 3, 16, 16)
    expected = vision.up(vision.down(pixels.permute(0, 2, 3, 1).flatten(1)))
    assert torch.allclose(start(pixels), expected, rtol=1e-4, atol=1e-3)
    assert start(box_filter(pixels, 8)).shape == (2, 6) and not start(pixels).requires_grad


def test_what_is_open_is_half_of_how_w_scatters() -> None:
    drawer = generator()
    directions = VisionStart(Grid(), VisionMapper(768, 5, 6), drawer).open_directions(16)  # type: ignore[arg-type]
    w = drawer.mapping(torch.randn(20_000, 8))[:, 0]
    assert directions.shape == (6, 6)
    assert torch.allclose(directions @ directions.T, torch.cov(w.T) / 4, atol=0.1 * float(torch.cov(w.T).abs().max()))


def test_without_a_head_the_preview_is_the_full_picture() -> None:
    drawer = generator()
    ws = torch.randn(1, 8, 6, requires_grad=True)
    shown = preview_of(drawer, None)(ws)
    assert torch.allclose(shown, box_filter((drawer.synthesis(ws) + 1) * 127.5, PREVIEW_SIDE))
    shown.sum().backward()
    assert ws.grad is not None and float(ws.grad.abs().max()) > 0
