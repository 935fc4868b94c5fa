"""Super-resolution and clips on the page: what is refused, before anything slow, and with which sentence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from apps.web.clips import ClipRequest, edit_clip
from apps.web.edit_service import EditService
from apps.web.limits import Limits
from apps.web.superres import SuperResRequest, describe, super_resolve, write_answers, write_pair
from fdvd.faces.alignment import FaceFrame
from fdvd.media.video import VideoInfo, VideoWriter
from gan_mapping import FaceEditor
from gan_mapping.superres.results import ResolvedFace, SuperResolution
from vl_backbone.common.errors import InputError


@pytest.fixture
def studio(small_editor: FaceEditor) -> EditService:
    return EditService(small_editor, Limits(clip_s=2))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three grey seconds, four frames each."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, VideoInfo.made(64, 48, Fraction(4)), audio=False) as writer:
        for shade in range(12):
            writer.write(np.full((48, 64, 3), 20 * shade, np.uint8), shade)
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"clip": None}, "Choose a clip"),
        ({"text": " "}, "Say what to change"),
        ({"text": None}, "Say what to change"),
        ({"strength": float("nan")}, "Strength must be"),
        ({"strength": "much"}, "Strength must be"),
        ({"face": "left"}, "Face must be"),
        ({"refine": -1}, "Refinement steps must be"),
        ({"clip": "/no/such/clip.mp4"}, "The clip is no longer on the server"),
        ({}, r"The clip lasts 3 s; this page takes up to 2 s"),
    ],
)
def test_clips_that_cannot_be_edited_are_sentences(
    studio: EditService, clip: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    arguments: dict[str, Any] = {"clip": str(clip), "text": "smile", **change}
    with pytest.raises(InputError, match=sentence) as error:
        edit_clip(studio, ClipRequest(**arguments), tmp_path / "out.mp4")
    assert str(tmp_path) not in str(error.value)
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_that_is_no_clip_is_a_sentence(studio: EditService, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"this is no clip")
    with pytest.raises(InputError, match="The clip is not a video") as error:
        edit_clip(studio, ClipRequest(str(bad), "smile"), tmp_path / "out.mp4")
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": None}, "Choose a picture"),
        ({"samples": 0}, "number of answers must be 1"),
        ({"samples": 99}, "number of answers must be"),
        ({"samples": 1.5}, "number of answers must be"),
        ({"seed": -1}, "seed must be"),
        ({"strength": float("inf")}, "Strength must be"),
        ({"strength": None}, "Strength must be"),
        ({"image": "/no/such.png"}, "no longer on the server"),
    ],
)
def test_faces_that_cannot_be_resolved_are_sentences(
    studio: EditService, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "tiny.png")
    arguments: dict[str, Any] = {"image": str(tmp_path / "tiny.png"), **change}
    with pytest.raises(InputError, match=sentence):
        super_resolve(studio, SuperResRequest(**arguments))


def test_answers_are_written_the_likeliest_first(tmp_path: Path) -> None:
    import torch

    pixels = np.zeros((16, 16, 3), np.uint8)
    answers = [ResolvedFace(np.full((64, 64, 3), v, np.uint8), torch.zeros(2, 4), 1.0, 0.5) for v in (10, 20)]
    result = SuperResolution(FaceFrame.from_aligned(pixels), pixels, answers, {"smile": 1.0}, {}, ["invented"])
    files = write_answers(result, "/x/tiny.png", tmp_path)
    assert [Path(file).name for file in files] == ["tiny.sr.png", "tiny.sr2.png"]
    assert [np.asarray(Image.open(file)).max() for file in files] == [10, 20]
    assert [Image.open(file).size for file in write_pair(result, tmp_path)] == [(64, 64)] * 2
    assert describe(result)["pixel_error"] == [0.5, 0.5]
    assert describe(result)["read_px"] == 16
