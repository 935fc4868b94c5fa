"""Editing a video file: what is kept, what a kill leaves behind, and that going on gives the same clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from apps.clip import job
from apps.clip.job import ClipSettings, edit_clip
from fdvd.media.video import VideoInfo, VideoWriter, probe, read_frames
from tests.apps.clip.clip_fakes import Finder, packets, sound, times
from tests.standin import standin_model
from vl_backbone.common.errors import InputError, UsageError

WIDTH, HEIGHT, FRAMES = 160, 120, 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames at uneven times, with sound."""
    folder = tmp_path_factory.mktemp("clip")
    tone = sound(folder / "tone.m4a", FRAMES / 15)
    info = VideoInfo(WIDTH, HEIGHT, Fraction(15), Fraction(1, 600), path=tone, audio=("aac",))
    rng = np.random.default_rng(0)
    still = rng.integers(60, 120, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    with VideoWriter(folder / "clip.mp4", info, preset="ultrafast") as writer:
        for i in range(FRAMES):
            writer.write((still + i).astype(np.uint8), 40 * i + int(rng.integers(0, 20)) * (i > 0))
    return folder / "clip.mp4"


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PIECE_FRAMES", 7)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_times_and_what_is_no_face_are_kept(clip: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    result = edit_clip(standin_model(), clip, out, ClipSettings("a smile"), finder=Finder())
    assert result.audio == "copied" and packets(out, "audio") == packets(clip, "audio")
    relative = [np.array(times(path)) - times(path)[0] for path in (clip, out)]
    np.testing.assert_allclose(relative[0], relative[1], atol=0 if suffix != ".mkv" else 1e-3)
    assert [(run.start, run.stop) for run in result.plan.runs] == [(5, FRAMES)]
    for i, (before, after) in enumerate(zip(read_frames(clip), read_frames(out), strict=True)):
        change = np.abs(after.rgb.astype(int) - before.rgb)
        assert change[:8].mean() < 3  # far from the face: nothing but the encoder
        assert (change[40:70, 70:90].mean() > 10) == (i >= 5)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_strength_zero_leaves_the_frames_alone(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    edit_clip(standin_model(), clip, out, ClipSettings("a smile", strength=0.0), finder=Finder())
    for before, after in zip(read_frames(clip), read_frames(out), strict=True):
        assert np.abs(after.rgb.astype(int) - before.rgb).mean() < 3


def test_a_text_without_a_wish_is_said(clip: Path, tmp_path: Path) -> None:
    settings = ClipSettings("nice weather")
    result = edit_clip(standin_model(), clip, tmp_path / "out.mp4", settings, finder=Finder())
    assert result.warnings and not result.intents


def test_the_preview_is_the_first_second(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    settings = ClipSettings("a smile", preview=True)
    edit_clip(standin_model(), clip, out, settings, finder=Finder())
    assert len(times(out)) == sum(time < 1 for time in times(clip))
    assert 0.9 < len(packets(out, "audio")) * 1024 / 48_000 < 1.1


class KilledError(Exception):
    """A kill, as a test can do it."""


@pytest.mark.parametrize("stage, at", [("faces", 12), ("frames", 3), ("frames", 7), ("frames", 16), ("frames", 29)])
def test_going_on_after_a_kill_gives_the_same_file(clip: Path, tmp_path: Path, stage: str, at: int) -> None:
    whole, out = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    edit_clip(standin_model(), clip, whole, ClipSettings("a smile"), finder=Finder())

    def stop(name: str, done: int, total: int) -> None:
        if (name, done) == (stage, at):
            raise KilledError

    with pytest.raises(KilledError):
        edit_clip(standin_model(), clip, out, ClipSettings("a smile"), stop, finder=Finder())
    assert not out.exists() and (tmp_path / ".out.mp4.work").is_dir()
    finder = Finder()
    finder.asked = at if stage == "faces" else 0  # it has seen the frames before
    before = finder.asked
    result = edit_clip(standin_model(), clip, out, ClipSettings("a smile"), finder=finder)
    assert result.resumed == ((at - 1) // 7 * 7 if stage == "frames" else 0)
    assert finder.asked - before == (FRAMES - at if stage == "faces" else 0)
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]


@pytest.mark.parametrize("change", ["text", "no resume", "torn ledger", "lost piece"])
def test_only_sound_work_of_the_same_job_is_taken_up(clip: Path, tmp_path: Path, change: str) -> None:
    out = tmp_path / "out.mp4"

    def stop(name: str, done: int, total: int) -> None:
        if (name, done) == ("frames", 16):
            raise KilledError

    with pytest.raises(KilledError):
        edit_clip(standin_model(), clip, out, ClipSettings("a smile"), stop, finder=Finder())
    work = tmp_path / ".out.mp4.work"
    ledger = work / "pieces.jsonl"
    if change == "torn ledger":
        ledger.write_bytes(ledger.read_bytes()[:-5])
    if change == "lost piece":
        (work / "piece-0000000.mp4").unlink()
    text = "another smile" if change == "text" else "a smile"
    settings = ClipSettings(text, resume=change != "no resume")
    result = edit_clip(standin_model(), clip, out, settings, finder=Finder())
    assert result.resumed == (7 if change == "torn ledger" else 0)
    assert len(times(out)) == FRAMES


def test_errors_are_sentences_and_leave_nothing(clip: Path, tmp_path: Path) -> None:
    silent = sound(tmp_path / "only.m4a", 1)
    text_file = tmp_path / "note.mp4"
    text_file.write_text("no video")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    model, out = standin_model(), tmp_path / "out.mp4"
    for source, settings, target, kind, says in (
        (clip, ClipSettings("a smile"), tmp_path / "out.gif", UsageError, "must end in"),
        (clip, ClipSettings(" "), out, InputError, "text is empty"),
        (clip, ClipSettings("a smile", float("nan")), out, InputError, "Strength"),
        (clip, ClipSettings("a smile"), clip, InputError, "overwritten"),
        (clip, ClipSettings("a smile", face="left"), out, InputError, "face must be"),
        (silent, ClipSettings("a smile"), out, InputError, "no video"),
        (text_file, ClipSettings("a smile"), out, InputError, "not a video"),
        (empty, ClipSettings("a smile"), out, InputError, "empty"),
        (tmp_path / "none.mp4", ClipSettings("a smile"), out, InputError, "no such file"),
    ):
        with pytest.raises(kind, match=says):
            edit_clip(model, source, target, settings, finder=Finder())
    with pytest.raises(InputError, match="No face was found"):
        edit_clip(model, clip, out, ClipSettings("a smile"), finder=Finder(faces=False))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.mp4", "note.mp4", "only.m4a"]
    assert probe(clip).frames == FRAMES
