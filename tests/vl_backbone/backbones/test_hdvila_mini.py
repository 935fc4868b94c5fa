"""`load_backbone("hdvila-mini")` with the shipped weights: protocol, stills and clips, and what it reads."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import load_detector
from fdvd.media.photos import load_photo
from gan_mapping.images import to_batch
from tests.paths import ASTRONAUT
from vl_backbone import load_backbone
from vl_backbone.backbones.hdvila_mini import HDVILAMini
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.backbones.registry import load_efficientnet, load_minilm

PORTRAIT = ASTRONAUT


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("hdvila-mini")


def test_stills_and_clips_have_the_protocol_s_shapes(backbone: Backbone) -> None:
    assert isinstance(backbone, Backbone) and isinstance(backbone, HDVILAMini)
    assert "hdvila-mini.safetensors" in backbone.weights and len(backbone.weights) >= 3
    hr, lr = torch.rand(1, 1, 3, 512, 512) * 255, torch.rand(1, 1, 3, 3, 128, 128) * 255
    with torch.inference_mode():
        for given in ((hr, None), (hr, lr), (None, lr)):
            video = backbone.encode_video(*given)
            assert video.grid.shape == (1, 1, 8, 8, 384)
            assert torch.allclose(video.embedding.norm(dim=1), torch.ones(1), atol=1e-5)


def test_a_still_is_a_clip_in_which_nothing_moves(backbone: Backbone) -> None:
    hr = torch.rand(1, 1, 3, 512, 512) * 255
    small = F.avg_pool2d(hr[:, 0], 4)[:, None, None].repeat(1, 1, 3, 1, 1, 1)
    with torch.inference_mode():
        still, clip = backbone.encode_video(hr), backbone.encode_video(hr, small)
        backbone.encode_video(torch.full_like(hr, 255.0))  # pure white stays within 0..255
    assert torch.allclose(still.grid, clip.grid, atol=1e-5)
    assert torch.allclose(still.embedding, clip.embedding, atol=1e-5)


def test_what_linear_layers_read_holds_the_trunk_s_maps_beside_the_grid(backbone: Backbone) -> None:
    hr = torch.rand(2, 1, 3, 512, 512, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        video = backbone.encode_video(hr)
        without = backbone.encode_video(None, torch.rand(1, 1, 3, 3, 128, 128) * 255)
        fine, middle, coarse = load_efficientnet()(hr[:, 0], last_block=14).maps[1:]
    assert video.detail is not None and video.detail.shape == (2, 1, 8, 8, 464)
    assert video.still().shape == (2, 64 * (384 + 464))
    assert torch.equal(video.still()[1].unflatten(0, (8, 8, -1))[2, 3, 384:], video.detail[1, 0, 2, 3])
    # Row 2, column 3 of eight, by hand: means over the cell, of the finest map over each quarter.
    quarters = [
        fine[1, :, 16 + 4 * i : 20 + 4 * i, 24 + 4 * j : 28 + 4 * j].mean((1, 2)) for i in (0, 1) for j in (0, 1)
    ]
    expected = (
        torch.stack(quarters, dim=1).flatten(),
        middle[1, :, 8:12, 12:16].mean((1, 2)),
        coarse[1, :, 4:6, 6:8].mean((1, 2)),
    )
    assert torch.allclose(video.detail[1, 0, 2, 3], torch.cat(expected), atol=1e-4)
    assert without.detail is None and without.still().shape == (1, 64 * 384)


def test_words_come_with_their_earlier_layers(backbone: Backbone) -> None:
    batch = backbone.tokenize(["a woman", "an old man with a gray beard"])
    words = backbone.encode_text(batch.input_ids, batch.attention_mask)
    assert words.tokens.shape[-1] == 384 and words.states().shape == (*batch.input_ids.shape, 4 * 384)
    minilm = load_minilm()(batch.input_ids, batch.attention_mask, output_hidden_states=True).hidden_states
    real = batch.attention_mask > 0
    assert words.detail is not None
    # Pre-training left all but the top text layer as they were.
    for part, layer in zip(words.detail.split(384, dim=-1), (0, 2, 4), strict=True):
        assert torch.allclose(part[real], minilm[layer][real], atol=1e-4)
    assert not torch.allclose(words.tokens[real], minilm[6][real], atol=1e-2)


def test_it_reads_the_bundled_portrait(backbone: Backbone) -> None:
    photo = load_photo(PORTRAIT)
    frame = FaceFrame.from_detection(load_detector("cpu").detect(photo.rgb)[0], photo.rgb.shape[1::-1])
    pixels = to_batch([frame.crop(photo.rgb)], backbone.image_size, torch.device("cpu"))
    texts = ["a smiling woman with brown hair", "an old man with a gray beard", "a bald man with sunglasses"]
    batch = backbone.tokenize(texts)
    with torch.inference_mode():
        picture = backbone.encode_video(pixels[:, None]).embedding
        words = backbone.encode_text(batch.input_ids, batch.attention_mask).embedding
    assert int((picture @ words.T).argmax()) == 0


@pytest.mark.parametrize("name", ["hdvila-mini", "imagenet-minilm"])
def test_the_compiled_trunk_sees_what_the_torch_one_sees(name: str) -> None:
    backbone = load_backbone(name)
    hr = torch.rand(2, 1, 3, backbone.image_size, backbone.image_size) * 255
    with torch.no_grad():
        compiled = backbone.encode_video(hr).still()
    seen = backbone.encode_video(hr.requires_grad_())
    assert seen.still().requires_grad, "asked for a gradient, torch has to run"
    assert torch.allclose(compiled, seen.still(), atol=2e-3)
