"""Clips as people have them: turned phones, uneven times, odd sizes, no sound, damage, and files that are no clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.clip.job import ClipResult, ClipSettings, edit_clip
from fdvd.media.video import VideoInfo, VideoWriter, probe, read_frames
from tests.apps.clip.clip_fakes import Finder, packets, recorded, sound, times
from tests.standin import standin_model
from vl_backbone.common.errors import InputError
from vl_backbone.video.info import Orientation

WIDTH, HEIGHT, FRAMES = 160, 120, 20
Pictures = list[np.ndarray]


class AlwaysFinder(Finder):
    """Sees the face in every frame."""

    def detect(self, rgb: np.ndarray) -> list:
        self.asked = 9
        return super().detect(rgb)


def pictures(width: int = WIDTH, height: int = HEIGHT, count: int = FRAMES, seed: int = 0) -> Pictures:
    """Coarse noise that grows brighter: every frame can be told from the next."""
    rng = np.random.default_rng(seed)
    still = rng.integers(40, 120, (-(-height // 8), -(-width // 8), 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
    return [(still + 2 * i).astype(np.uint8) for i in range(count)]


def edited(source: Path, folder: Path) -> tuple[Path, ClipResult]:
    out = folder / "out.mp4"
    return out, edit_clip(standin_model(), source, out, ClipSettings("a smile"), finder=AlwaysFinder())


def test_a_turned_phone(tmp_path: Path) -> None:
    source = recorded(tmp_path / "phone.mp4", pictures(), rotation=90)
    out, _ = edited(source, tmp_path)
    assert (probe(out).width, probe(out).height, probe(out).orientation) == (HEIGHT, WIDTH, Orientation())
    for before, after in zip(read_frames(source), read_frames(out), strict=True):
        assert np.abs(after.rgb[:8].astype(int) - before.rgb[:8]).mean() < 3


def test_uneven_times_and_the_length_they_add_up_to(tmp_path: Path) -> None:
    uneven = [Fraction(i * i + i, 100) for i in range(FRAMES)]
    source = recorded(tmp_path / "screen.mp4", pictures(), times=uneven)
    out, result = edited(source, tmp_path)
    assert times(out) == times(source) == pytest.approx([float(t) for t in uneven])
    assert result.audio == "none"
    # The source's writer states the span of decoding, which is shorter; the last picture is still shown for a while.
    length = probe(out).duration
    assert length is not None and float(uneven[-1]) < length < float(uneven[-1]) + 0.2
    (tmp_path / "again").mkdir()
    again, _ = edited(out, tmp_path / "again")
    assert probe(again).duration == pytest.approx(length)


@pytest.mark.parametrize("size", [(161, 121), (161, 120), (34, 30)])
def test_odd_and_tiny_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    source = recorded(tmp_path / "odd.mkv", pictures(*size, count=3), codec="ffv1")
    out, _ = edited(source, tmp_path)
    assert (probe(out).width, probe(out).height) == size
    assert len(times(out)) == 3


def test_a_clip_of_one_frame(tmp_path: Path) -> None:
    out, result = edited(recorded(tmp_path / "one.mp4", pictures(count=1)), tmp_path)
    assert result.plan.frames == len(times(out)) == 1


def test_a_moving_gif(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture) for picture in pictures()]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=40)
    out, _ = edited(tmp_path / "moving.gif", tmp_path)
    assert times(out) == pytest.approx(times(tmp_path / "moving.gif"))


def test_sound_that_outlasts_the_pictures_is_kept(tmp_path: Path) -> None:
    tone = sound(tmp_path / "tone.m4a", 2)
    info = VideoInfo(WIDTH, HEIGHT, Fraction(25), Fraction(1, 25), path=tone, audio=("aac",))
    source = tmp_path / "long.mp4"
    with VideoWriter(source, info, preset="ultrafast") as writer:
        for picture in pictures():
            writer.write(picture)
    out, result = edited(source, tmp_path)
    assert result.audio == "copied"
    assert packets(out, "audio") == packets(source, "audio")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip of 40 frames of noise, 1.6 s; its index is at its start."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(40)]
    return recorded(tmp_path_factory.mktemp("recording") / "noise.mp4", noise).read_bytes()


def test_a_clip_whose_end_is_missing_is_done_and_told(tmp_path: Path, recording: bytes) -> None:
    source = tmp_path / "short.mp4"
    source.write_bytes(recording[: len(recording) * 8 // 10])
    out, result = edited(source, tmp_path)
    (warning,) = result.warnings
    assert "pictures end at" in warning and "1.60 s" in warning
    assert 20 < len(times(out)) < 40


@pytest.mark.parametrize("damage", ["rotten end", "half", "no index"])
def test_a_damaged_clip_is_a_sentence_and_leaves_nothing(tmp_path: Path, recording: bytes, damage: str) -> None:
    source = tmp_path / "bad.mp4"
    size = len(recording)
    rotten = recording[:-20_000] + np.random.default_rng(0).bytes(20_000)
    headless = recording.replace(b"moov", b"lost", 1)
    source.write_bytes({"rotten end": rotten, "half": recording[: size // 5], "no index": headless}[damage])
    with pytest.raises(InputError, match=r"bad\.mp4: .*(damaged|cut off|not a video)"):
        edited(source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".mp4"])
def test_a_photo_is_sent_to_the_right_command(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"photo{suffix}"
    Image.fromarray(pictures(count=1)[0]).save(source, "PNG" if suffix == ".mp4" else None)
    with pytest.raises(InputError, match=r"is a picture, not a video.*vilaface edit"):
        edited(source, tmp_path)
