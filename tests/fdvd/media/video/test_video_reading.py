from __future__ import annotations

import itertools
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest

from fdvd.media.video import probe, read_frames, read_frames_at
from tests.fdvd.media.video.video_files import card, tone, write_video
from vl_backbone.common.errors import InputError

CORNERS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (20, 40, 190), "grey": (128, 128, 128)}


def corners(rgb: np.ndarray) -> list[str]:
    """Colour names at top-left, top-right, bottom-left, bottom-right."""
    points = [rgb[6, 6], rgb[6, -6], rgb[-6, 6], rgb[-6, -6]]
    return [min(CORNERS, key=lambda name: np.abs(np.array(CORNERS[name]) - p.astype(int)).sum()) for p in points]


def test_probe_and_frames_agree(tmp_path):
    path = write_video(tmp_path / "a.mp4", [card(96, 64, n) for n in range(15)], audio="aac")
    info = probe(path)
    assert (info.width, info.height, info.rate, info.frames, info.audio) == (96, 64, 25, 15, ("aac",))
    assert info.duration == pytest.approx(0.6)
    frames = list(read_frames(path))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(15)])
    for number, frame in enumerate(frames):
        assert frame.rgb.dtype == np.uint8 and frame.rgb.shape == (64, 96, 3)
        assert np.abs(frame.rgb.astype(int) - card(96, 64, number)).mean() < 4


@pytest.mark.parametrize("matrix", ["ITU709", "ITU601"])
@pytest.mark.parametrize("full_range", [False, True])
def test_matrix_and_range_are_heeded(tmp_path, matrix, full_range):
    path = write_video(tmp_path / "a.mp4", [card(96, 64)] * 3, matrix=matrix, full_range=full_range)
    rgb = next(read_frames(path)).rgb
    for corner, name in (((6, 6), "red"), ((6, -6), "green"), ((-6, 6), "blue"), ((-6, -6), "grey")):
        assert np.abs(rgb[corner].astype(int) - CORNERS[name]).max() <= 5
    assert probe(path).colours.full_range == full_range


@pytest.mark.parametrize(
    ("rotation", "hflip", "expected"),
    [
        (0, False, ["red", "green", "blue", "grey"]),
        (90, False, ["green", "grey", "red", "blue"]),
        (-90, False, ["blue", "red", "grey", "green"]),
        (180, False, ["grey", "blue", "green", "red"]),
        (0, True, ["green", "red", "grey", "blue"]),
    ],
)
def test_rotation_is_applied(tmp_path, rotation, hflip, expected):
    path = write_video(tmp_path / "a.mp4", [card(96, 64)] * 2, rotation=rotation, hflip=hflip)
    info, rgb = probe(path), next(read_frames(path)).rgb
    assert corners(rgb) == expected
    assert (info.height, info.width) == rgb.shape[:2] == ((96, 64) if rotation in (90, -90) else (64, 96))


def test_square_pixels(tmp_path):
    path = write_video(tmp_path / "a.mp4", [card(96, 64)] * 2, aspect=Fraction(3, 2))
    assert (probe(path).width, probe(path).height) == (144, 64)
    assert next(read_frames(path)).rgb.shape == (64, 144, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_irregular_timestamps(tmp_path, suffix):
    times = [Fraction(n, 1000) for n in (0, 40, 90, 100, 300, 1000, 1017)]
    pictures = [card(96, 64, n) for n in range(len(times))]
    path = write_video(tmp_path / f"a{suffix}", pictures, times=times, time_base=Fraction(1, 1000))
    frames = list(read_frames(path))
    assert [frame.time for frame in frames] == pytest.approx([float(time) for time in times])
    assert all(b.pts > a.pts for a, b in itertools.pairwise(frames))


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_time_starts_at_zero_whatever_the_files_clock(tmp_path, suffix):
    path = write_video(tmp_path / f"a{suffix}", [card(96, 64, n) for n in range(10)], audio="mp2", start=20)
    with av.open(str(path)) as container:
        assert container.start_time > 19_000_000
    assert [f.time for f in read_frames(path)] == pytest.approx(
        [n / 25 for n in range(10)], abs=0.02
    )  # sound may begin first
    np.testing.assert_array_equal(read_frames_at(path, [0.215])[0], list(read_frames(path))[5].rgb)


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = write_video(tmp_path / "a.mp4", [card(320, 240, n) for n in range(80)])
    tracemalloc.start()
    for _ in read_frames(path):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 320 * 240 * 3


def test_frames_on_demand(tmp_path):
    pictures = [card(96, 64, n) for n in range(100)]
    path = write_video(tmp_path / "a.mp4", pictures, options={"crf": "4", "g": "10"})
    everything = [frame.rgb for frame in read_frames(path)]
    numbers = [0, 3, 3, 55, 56, 99]
    chosen = read_frames_at(path, [n / 25 + 0.001 for n in numbers])
    for rgb, number in zip(chosen, numbers, strict=True):
        np.testing.assert_array_equal(rgb, everything[number])
    np.testing.assert_array_equal(read_frames_at(path, [-1.0, 100.0])[1], everything[99])
    assert read_frames_at(path, []).shape == (0, 64, 96, 3)


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="stereo")
        block = av.AudioFrame.from_ndarray(tone(8000, 8000), format="fltp", layout="stereo")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is not a video\n" * 100)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    write_sound(tmp_path / "sound.wav")
    cases = {
        "missing.mp4": "there is no such file",
        "empty.mp4": "empty",
        "text.mp4": "not a video",
        "noise.mp4": "not a video",
        "sound.wav": "wav",
        ".": "a folder",
    }
    for name, sentence in cases.items():
        with pytest.raises(InputError, match=sentence):
            probe(tmp_path / name)
        with pytest.raises(InputError):
            next(read_frames(tmp_path / name))


def test_a_file_with_sound_only_holds_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="stereo")
        block = av.AudioFrame.from_ndarray(tone(48000, 48000), format="fltp", layout="stereo")
        block.sample_rate = 48000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="holds no video"):
        probe(tmp_path / "sound.mp4")


def test_a_video_of_zero_length_is_named(tmp_path):
    whole = write_video(tmp_path / "a.mkv", [card(96, 64, n) for n in range(5)]).read_bytes()
    head = whole[: whole.index(b"\x1f\x43\xb6\x75")]  # up to the first cluster: all headers, no frame
    (tmp_path / "none.mkv").write_bytes(head)
    with pytest.raises(InputError, match="end of file"):
        probe(tmp_path / "none.mkv")


def test_damage_is_named_with_its_place_or_left_out(tmp_path):
    pictures = [card(96, 64, n) for n in range(60)]
    path = write_video(tmp_path / "a.mkv", pictures, codec="mpeg4", options={"g": "5", "b": "4000000"})
    with av.open(str(path)) as container:
        positions = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for pos, size in positions[30:33]:
        start = data.index(b"\x00\x00\x01\xb6", pos)
        data[start : start + size - 8] = b"\xff" * (size - 8)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"a\.mkv: the video is damaged"):
        list(read_frames(path))
    kept = list(read_frames(path, strict=False))
    assert 50 < len(kept) <= 60


def test_a_cut_off_video_is_named(tmp_path):
    pictures = [np.random.default_rng(n).integers(0, 255, (64, 96, 3), dtype=np.uint8) for n in range(100)]
    path = write_video(tmp_path / "a.mp4", pictures, container_options={"movflags": "+faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"a\.mp4: the video is (damaged|cut off)"):
        list(read_frames(path))
    assert 20 < len(list(read_frames(path, strict=False))) < 80


def test_playlists_cannot_reach_other_files(tmp_path):
    """An HLS or concat list named like a video would otherwise open what it names."""
    secret = write_video(tmp_path / "secret.ts", [card(96, 64)] * 5)
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret.name}\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "hls.mp4").write_bytes((tmp_path / "list.m3u8").read_bytes())
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    for name in ("list.m3u8", "hls.mp4", "concat.mp4"):
        with pytest.raises(InputError, match="not a video"):
            probe(tmp_path / name)


def test_frames_of_absurd_size_are_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.zeros((6016, 6016, 3), dtype=np.uint8)])
    with pytest.raises(InputError, match=r"6016x6016 pixels, over the limit"):
        probe(path)
