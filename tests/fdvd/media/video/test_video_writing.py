from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fdvd.media.video import VideoInfo, VideoWriter, probe, read_frames
from tests.fdvd.media.video.video_files import audio_packets, card, write_video
from vl_backbone.common.errors import InputError, UsageError


def copy(source, target, **settings):
    info = probe(source)
    with VideoWriter(target, info, **settings) as writer:
        for frame in read_frames(source):
            writer.write(frame.rgb, frame.pts)
    return writer


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_audio_is_copied_bit_for_bit(tmp_path, suffix):
    source = write_video(tmp_path / "a.mp4", [card(96, 64, n) for n in range(40)], audio="aac")
    writer = copy(source, tmp_path / f"b{suffix}")
    assert writer.audio == "copied"
    assert audio_packets(writer.path) == audio_packets(source)


def test_audio_keeps_step_with_the_pictures_where_the_clock_is_shifted(tmp_path):
    source = write_video(tmp_path / "a.ts", [card(96, 64, n) for n in range(40)], audio="mp2", start=20)
    writer = copy(source, tmp_path / "b.mkv")
    assert [data for _, data in audio_packets(writer.path)] == [data for _, data in audio_packets(source)]

    def lag(path):
        with av.open(str(path)) as container:
            first = {p.stream.type: p.pts * p.time_base for p in reversed(list(container.demux())) if p.pts is not None}
        return float(first["audio"] - first["video"])

    assert lag(writer.path) == pytest.approx(lag(source), abs=0.002)


def test_audio_that_the_container_does_not_take_is_re_encoded(tmp_path):
    source = write_video(tmp_path / "a.mp4", [card(96, 64, n) for n in range(50)], audio="aac", audio_rate=44_100)
    writer = copy(source, tmp_path / "b.webm")
    assert writer.audio == "re-encoded"
    with av.open(str(writer.path)) as container:
        assert container.streams.audio[0].codec_context.name == "opus"
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert sound.shape[1] / 48_000 == pytest.approx(2.0, abs=0.1)
    assert 0.15 < np.abs(sound).mean() < 0.25  # the tone, 0.3 high


def test_audio_can_be_left_out(tmp_path):
    source = write_video(tmp_path / "a.mp4", [card(96, 64)] * 5, audio="aac")
    writer = copy(source, tmp_path / "b.mp4", audio=False)
    assert writer.audio == "none" and probe(writer.path).audio == ()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 4000), min_size=1, max_size=12), first=st.integers(0, 3000))
def test_irregular_timestamps_survive(tmp_path, steps, first):
    info = VideoInfo(64, 48, Fraction(30), Fraction(1, 30_000))
    pts = np.cumsum([first, *steps]).tolist()
    with VideoWriter(tmp_path / "a.mp4", info, preset="ultrafast") as writer:
        for number, value in enumerate(pts):
            writer.write(card(64, 48, number), value)
    frames = list(read_frames(tmp_path / "a.mp4"))
    times = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(times - times[0], (np.array(pts) - pts[0]) / 30_000, atol=1e-6)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_and_range_survive(tmp_path, suffix, full_range):
    source = write_video(tmp_path / "a.mp4", [card(96, 64)] * 4, full_range=full_range, matrix="ITU601")
    writer = copy(source, tmp_path / f"b{suffix}", crf=8)
    before, after = next(read_frames(source)).rgb, next(read_frames(writer.path)).rgb
    assert probe(writer.path).colours.full_range == full_range
    assert probe(writer.path).colours.matrix == probe(source).colours.matrix
    assert np.abs(before[4:24, 4:40].astype(int) - after[4:24, 4:40]).max() <= 6
    assert np.abs(before.astype(int) - after).mean() < 3


def test_rotated_sources_come_out_upright_without_a_rotation_mark(tmp_path):
    source = write_video(tmp_path / "a.mp4", [card(96, 64)] * 4, rotation=90)
    writer = copy(source, tmp_path / "b.mp4")
    with av.open(str(writer.path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height, frame.rotation) == (64, 96, 0)


def test_odd_sizes_are_kept(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo.made(65, 47, 25)) as writer:
        writer.write(card(65, 47))
    assert next(read_frames(writer.path)).rgb.shape == (47, 65, 3)


def test_a_made_video_has_its_rate_and_length(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo.made(64, 48, 30000 / 1001)) as writer:
        for number in range(30):
            writer.write(card(64, 48, number))
    info = probe(writer.path)
    assert (info.frames, info.rate) == (30, Fraction(30000, 1001))
    assert info.duration == pytest.approx(1.001)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    """Without cpu-independent x264 gives a second version of this video about every tenth time."""
    versions = set()
    random = np.random.default_rng(0)
    for _ in range(25):
        other_memory = [random.bytes(int(size)) for size in random.integers(1000, 200_000, 5)]
        with VideoWriter(tmp_path / "a.mp4", VideoInfo.made(96, 96, 30), crf=14, reproducible=True) as writer:
            for number in range(14):
                writer.write(card(96, 96, number))
        del other_memory
        versions.add((tmp_path / "a.mp4").read_bytes())
    assert len(versions) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_unfinished_video_leaves_nothing_and_keeps_the_old_one(tmp_path, error):
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(error), VideoWriter(tmp_path / "a.mp4", VideoInfo.made(64, 48, 25)) as writer:
        writer.write(card(64, 48))
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(InputError, match="no frame"), VideoWriter(tmp_path / "a.mp4", VideoInfo.made(64, 48, 25)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix_and_unwritable_folder_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"\.avi"):
        VideoWriter(tmp_path / "a.avi", VideoInfo.made(64, 48, 25))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        VideoWriter(tmp_path / "file" / "a.mp4", VideoInfo.made(64, 48, 25))


def test_wrong_frames_are_refused(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo.made(64, 48, 25)) as writer:
        writer.write(card(64, 48), 3)
        with pytest.raises(ValueError, match="increase"):
            writer.write(card(64, 48), 3)
        with pytest.raises(ValueError, match="expected uint8"):
            writer.write(card(48, 64), 4)
