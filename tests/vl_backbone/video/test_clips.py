"""Hybrid image sequences from real video files of many kinds, good and bad."""

from __future__ import annotations

import hashlib
import random
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.vl_backbone.moving_shapes import MovingShapes, write_video
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.video.clips import ClipConfig, FrameShaper, load_clips
from vl_backbone.video.reader import index_frames, read_frames
from vl_backbone.video.sampling import SamplingConfig, inference_indices

SMALL = ClipConfig(SamplingConfig(clips=2, frames=3, rate=2), resize=(16, 16), crop=(16, 16))


def numbered(count: int, height: int = 64, width: int = 64) -> list[np.ndarray]:
    """Grey pictures whose brightness is 4 times their number."""
    return [np.full((height, width, 3), 4 * i, np.uint8) for i in range(count)]


def number_of(picture: np.ndarray | torch.Tensor) -> int:
    return round(float(picture.mean()) / 4) if isinstance(picture, np.ndarray) else number_of(picture.float().numpy())


def smooth_frames(seed: int, count: int, height: int, width: int) -> np.ndarray:
    """The generator's random pictures of which the released loader's output is known: [count, height, width, 3]."""
    rng = np.random.RandomState(seed)
    shape = (count, 3, height, width)
    cast = rng.randint(0, 256, size=(count, 3, 1, 1)).astype(np.int16)
    coarse = rng.randint(0, 256, size=(count, 3, height // 2, width // 2)).astype(np.int16)
    fine = rng.randint(-40, 41, size=shape).astype(np.int16)
    blocks = coarse.repeat(2, axis=-2).repeat(2, axis=-1)
    return np.clip((cast + blocks) // 2 + fine, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1).copy()


@pytest.mark.parametrize(
    ("size", "resize", "crop", "sha256", "enlarged", "stride"),
    [
        (
            (90, 160),
            (180, 288),
            (160, 256),
            "3d886bf09b1fca1ce9fa3b7aeaf530c5a5d3608d1dd1f3141e932a38b2f3a295",
            "enlarged",
            659,
        ),
        (
            (54, 72),
            (40, 60),
            (32, 48),
            "b36f602b9d37710c0b43854e86b8e8ebf468a2ae3550662f4d05c397ebbb6801",
            "enlarged_small",
            29,
        ),
    ],
)
def test_pixels_are_those_of_the_released_retrieval_loader(
    size: tuple[int, int], resize: tuple[int, int], crop: tuple[int, int], sha256: str, enlarged: str, stride: int
) -> None:
    frames = smooth_frames(50, 40, *size)
    sampling = SamplingConfig(clips=2, frames=7, rate=4)
    chosen = inference_indices(40, sampling)
    shaper = FrameShaper.draw(ClipConfig(sampling, resize=resize, crop=crop, high="enlarged"), None)
    low = torch.stack([torch.stack([shaper.low(frames[i]) for i in clip]) for clip in chosen.neighbours])
    assert hashlib.sha256(low.numpy().tobytes()).hexdigest() == sha256
    high = torch.stack([shaper.high(frames[i]) for i in chosen.middle])
    golden = load_file(Path(__file__).parent / "data" / "enlarged_frames.safetensors")[enlarged]
    difference = (high.flatten()[::stride].int() - golden.int()).abs()
    # One grey level: OpenCV enlarges in fixed-point numbers.
    assert difference.max() <= 1


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.webm"])
def test_frames_are_found_by_number_in_any_container(tmp_path: Path, name: str) -> None:
    codec = {"a.avi": "mpeg4", "a.webm": "libvpx-vp9"}.get(name, "libx264")
    write_video(tmp_path / name, numbered(50), codec=codec)
    index = index_frames(tmp_path / name)
    assert len(index) == 50
    asked = [49, 3, 3, 17, 30, 31, 0]
    found = {number: number_of(picture) for number, picture in read_frames(index, asked)}
    assert found == {number: number for number in asked}
    assert [number for number, _ in read_frames(index, [40])] == [40]


def test_true_high_resolution_is_cut_from_the_frame_itself(tmp_path: Path) -> None:
    checks = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    shaper = FrameShaper.draw(ClipConfig(SMALL.sampling, resize=(32, 32), crop=(16, 16)), None)
    picture = np.repeat(checks[..., None], 3, axis=2)
    assert shaper.high(picture).shape == (3, 64, 64) and shaper.low(picture).shape == (3, 16, 16)
    np.testing.assert_array_equal(shaper.high(picture)[0].numpy(), checks[32:96, 32:96])
    enlarged = FrameShaper.draw(ClipConfig(SMALL.sampling, resize=(32, 32), crop=(16, 16), high="enlarged"), None)
    assert enlarged.high(picture).float().std() < 1, "of the checks nothing is left in the small frame"


def test_crop_and_flip_are_the_same_for_all_frames_of_a_sample() -> None:
    config = ClipConfig(SMALL.sampling, resize=(32, 32), crop=(16, 16), flip=0.5)
    ramp = np.add.outer(np.arange(128), 0.5 * np.arange(128)).astype(np.uint8)[..., None].repeat(3, axis=2)
    seen = set()
    for seed in range(30):
        shaper = FrameShaper.draw(config, random.Random(seed))
        seen.add((shaper.top, shaper.left, shaper.mirrored))
        np.testing.assert_array_equal(shaper.high(ramp)[:, ::4, ::4].numpy().shape, shaper.low(ramp).numpy().shape)
        if not shaper.mirrored:
            assert torch.equal(shaper.high(ramp)[:, ::4, ::4], shaper.low(ramp))
    assert {mirrored for *_, mirrored in seen} == {True, False} and len(seen) > 20


def test_padding_keeps_the_aspect_ratio() -> None:
    config = ClipConfig(SMALL.sampling, resize=(16, 16), crop=(16, 16), fit="pad", interpolation="bilinear")
    low = FrameShaper.draw(config, None).low(np.full((50, 100, 3), 200, np.uint8))
    assert (low[:, :8] == 200).all() and (low[:, 8:] == 0).all()


def test_clip_of_a_file(moving_shapes: MovingShapes) -> None:
    clips = load_clips(moving_shapes.videos[0].path, SMALL)
    assert clips.hr.shape == (2, 3, 64, 64) and clips.hr.dtype == torch.uint8
    assert clips.lr.shape == (2, 2, 3, 16, 16) and clips.lr.dtype == torch.uint8
    again = load_clips(moving_shapes.videos[0].path, SMALL, random.Random(5))
    same = load_clips(moving_shapes.videos[0].path, SMALL, random.Random(5))
    assert torch.equal(again.hr, same.hr) and torch.equal(again.lr, same.lr)


def test_middle_and_neighbours_are_the_frames_of_the_rule(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(30))
    clips = load_clips(tmp_path / "a.mp4", SMALL)
    chosen = inference_indices(30, SMALL.sampling)
    assert tuple(number_of(frame) for frame in clips.hr) == chosen.middle
    assert tuple(tuple(number_of(frame) for frame in clip) for clip in clips.lr) == chosen.neighbours


def test_single_frames_have_no_neighbours(moving_shapes: MovingShapes) -> None:
    config = ClipConfig(SamplingConfig(clips=3, frames=1), resize=(16, 16), crop=(16, 16))
    clips = load_clips(moving_shapes.videos[0].path, config)
    assert clips.hr.shape == (3, 3, 64, 64) and clips.lr.shape == (3, 0, 3, 16, 16)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_videos_shorter_than_the_window(tmp_path: Path, count: int) -> None:
    write_video(tmp_path / "a.mp4", numbered(count))
    config = ClipConfig(SamplingConfig(clips=4, frames=7, rate=4), resize=(16, 16), crop=(16, 16))
    clips = load_clips(tmp_path / "a.mp4", config)
    assert clips.lr.shape == (4, 6, 3, 16, 16)
    strict = ClipConfig(SamplingConfig(4, 7, 4, short="refuse"), resize=(16, 16), crop=(16, 16))
    with pytest.raises(InputError, match="frames need"):
        load_clips(tmp_path / "a.mp4", strict)


def test_odd_frame_rates_are_resampled_in_time(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(60), fps=Fraction(30000, 1001))
    index = index_frames(tmp_path / "a.mp4")
    assert index.duration == pytest.approx(60 * 1001 / 30000, rel=1e-3)
    assert index.timeline(6) == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]
    assert len(index.timeline(60)) == 120


def test_variable_frame_rate_is_evened_out(tmp_path: Path) -> None:
    # Ten pictures a second for one second, then one a second for five.
    shown = [*range(0, 1000, 100), *range(1000, 6000, 1000)]
    write_video(tmp_path / "a.mp4", numbered(len(shown)), milliseconds=shown)
    index = index_frames(tmp_path / "a.mp4")
    assert [index.seconds(i) for i in (0, 9, 10, 14)] == pytest.approx([0, 0.9, 1, 5], abs=1e-3)
    assert index.timeline(1) == [0, 10, 11, 12, 13]
    assert index.timeline() == list(range(15))
    clips = load_clips(tmp_path / "a.mp4", ClipConfig(SamplingConfig(1, 3, 1), 1.0, (16, 16), (16, 16)))
    assert [number_of(frame) for frame in clips.lr[0]] == [0, 11] and number_of(clips.hr[0]) == 10


def test_a_part_of_a_video(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(50), fps=10)
    index = index_frames(tmp_path / "a.mp4")
    assert index.timeline(start=1.0, end=2.0) == list(range(10, 20))
    assert index.timeline(5, start=1.0, end=2.0) == [10, 12, 14, 16, 18]
    assert index.timeline(start=4.5, end=99.0) == list(range(45, 50))
    for start, end in ((9.0, None), (2.0, 1.0), (-1.0, None)):
        with pytest.raises(InputError, match="does not lie"):
            index.timeline(start=start, end=end)


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_rotation_metadata_is_applied(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    """A telephone held upright: the file says by how much to turn its pictures clockwise."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:8, :8] = 255
    write_video(tmp_path / "a.mp4", [picture] * 3)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    # The display matrix of the track header: 40 bytes after the version field of a version-0 `tkhd` box.
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    cosine, sine = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    data[at : at + 36] = struct.pack(">9i", cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(data)
    ((_, upright),) = read_frames(index_frames(tmp_path / "turned.mp4"), [1])
    assert upright.shape == ((32, 64, 3) if degrees == 180 else (64, 32, 3))
    assert upright[corner][0] > 200 and upright[0, 0][0] < 60


def test_bad_files_are_named(tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", numbered(20))
    data = (tmp_path / "good.mp4").read_bytes()
    bad = {
        "missing.mp4": None,
        "empty.mp4": b"",
        "text.mp4": b"this is no video" * 50,
        "cut.mp4": data[: len(data) // 3],
        "zeros.mp4": bytes(5000),
    }
    for name, content in bad.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load_clips(tmp_path / name, SMALL)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=r"folder\.mp4"):
        load_clips(tmp_path / "folder.mp4", SMALL)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_give_clips_or_an_input_error(tmp_path: Path, seed: int) -> None:
    write_video(tmp_path / "a.mkv", numbered(20))
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    rng = random.Random(seed)
    for _ in range(30):
        data[rng.randrange(len(data))] = rng.randrange(256)
    (tmp_path / "a.mkv").write_bytes(data[: rng.randrange(len(data))] if seed % 2 else data)
    try:
        assert load_clips(tmp_path / "a.mkv", SMALL).hr.shape == (2, 3, 64, 64)
    except InputError as error:
        assert "a.mkv" in str(error)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(InputError, match="not a video"):
        load_clips(tmp_path / "a.wav", SMALL)


def test_bad_settings_are_refused() -> None:
    for bad in ({"fps": 0.0}, {"crop": (200, 256)}, {"fit": "squeeze"}, {"flip": 2.0}, {"high": "maybe"}):
        with pytest.raises(UsageError):
            ClipConfig(**bad)  # type: ignore[arg-type]
