"""`load_backbone("hdvila-mini")` with the shipped weights: protocol, stills and clips, and what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fdvd.alignment import FaceFrame
from fdvd.detection import load_detector
from fdvd.images import load_photo
from gan_mapping.images import to_batch
from vl_backbone import load_backbone
from vl_backbone.hdvila_mini import HDVILAMini
from vl_backbone.protocol import Backbone

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


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
