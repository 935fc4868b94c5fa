"""Video: a talking-head clip edited as a clip and frame by frame, and how much either flickers.

python benchmarks/video.py [--seconds 2] [--text "blond hair and glasses"] [--refine 0] [--keep FOLDER]
The clip (720p, 25 frames a second, two shots, sound) is made from generated faces that talk, turn and sway. Both
edits use the same editor; frame by frame means FaceEditor.edit on every frame, without refinement (it would take
half a minute a frame). Jitter is the mean second difference over time of what the edit added, inside shots:
of the five landmarks in px of the clip, and of the difference to the source at 32x32 cells of the face, in levels
of 0..255. Landmarks are means over 32 windows (fdvd.detection.steady); the floor is what they tremble when only
camera noise is added to the source.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from talking_clip import NOISE, Truth, write_clip

from apps.clip.job import ClipSettings, edit_clip
from fdvd.detection.steady import steady_landmarks
from fdvd.video import VideoWriter, probe, read_frames
from gan_mapping import FaceEditor
from gan_mapping.video.stability import coarse_difference, coarse_jitter, jitter, landmark_error

SEEDS = [1905, 1987]
LOOKS = 32


@dataclass(frozen=True)
class Flicker:
    """Means over the shots of a clip; see the module's text. tlme: temporal landmark error, px a frame."""

    landmarks: float
    tlme: float
    coarse: float


def landmarks_of(editor: FaceEditor, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[5, 2] of the largest face, nan when there is none."""
    found = editor.detector.detect(rgb)
    return steady_landmarks(editor.detector, rgb, found[0], LOOKS).landmarks if found else np.full((5, 2), np.nan)


def flicker(editor: FaceEditor, edited: Iterable[NDArray[np.uint8]], clip: Path, truths: list[Truth]) -> Flicker:
    """Measures edited frames against those of `clip`."""
    points, differences = [], []
    for after, before, truth in zip(edited, read_frames(clip), truths, strict=True):
        points.append([landmarks_of(editor, after), landmarks_of(editor, before.rgb)])
        differences.append(coarse_difference(after, before.rgb, truth.quad))
    pairs = np.array(points)
    rows = []
    for shot in sorted({truth.shot for truth in truths}):
        inside = [i for i, truth in enumerate(truths) if truth.shot == shot]
        after_points, before_points = pairs[inside, 0], pairs[inside, 1]
        rows.append(
            (
                jitter(after_points - before_points),
                landmark_error(after_points, before_points),
                coarse_jitter([differences[i] for i in inside]),
            )
        )
    return Flicker(*np.mean(rows, axis=0).tolist())


def audio_packets(path: Path) -> list[bytes]:
    """The sound as it is stored."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--text", default="blond hair and glasses")
    parser.add_argument("--refine", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the clips; default: they are deleted")
    args = parser.parse_args()
    editor = FaceEditor.from_preset("mini", device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        clip, steady, alone = (folder / f"{name}.mp4" for name in ("source", "clip-edit", "frame-by-frame"))
        truths = write_clip(clip, editor, SEEDS, args.seconds)
        start = time.perf_counter()
        result = edit_clip(editor, clip, steady, ClipSettings(args.text, refine=args.refine))
        print(f"{len(truths)} frames, {(time.perf_counter() - start) / len(truths):.2f} s a frame")
        shots = [shot.start for shot in result.plan.shots]
        true_shots = [i for i, t in enumerate(truths) if i == 0 or t.shot != truths[i - 1].shot]
        print(f"shots start at {shots}, truly at {true_shots}")
        same_times = [f.pts for f in read_frames(clip)] == [f.pts for f in read_frames(steady)]
        print(f"duration {probe(clip).duration} s -> {probe(steady).duration} s, every timestamp equal: {same_times}")
        print(f"audio bit-equal: {audio_packets(clip) == audio_packets(steady)}")
        with VideoWriter(alone, probe(clip)) as writer:
            for frame in read_frames(clip):
                writer.write(editor.edit(frame.rgb, args.text, refine=0).rgb, frame.pts)
        rng = np.random.default_rng(1)
        noisy = (
            (f.rgb + NOISE * rng.standard_normal((*f.rgb.shape[:2], 1))).round().clip(0, 255).astype(np.uint8)
            for f in read_frames(clip)
        )
        floor = replace(flicker(editor, noisy, clip, truths), coarse=0.0)
        each = flicker(editor, (f.rgb for f in read_frames(alone)), clip, truths)
        ours = flicker(editor, (f.rgb for f in read_frames(steady)), clip, truths)
        print("\n| jitter | landmarks, px | coarse difference, levels | TLME, px |\n|---|---|---|---|")
        for name, row in (("measurement floor", floor), ("frame by frame", each), ("vilaface video", ours)):
            print(f"| {name} | {row.landmarks:.2f} | {row.coarse:.2f} | {row.tlme:.2f} |")
        ratios = ours.landmarks / each.landmarks, ours.coarse / each.coarse, ours.tlme / each.tlme
        print("| ratio | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


if __name__ == "__main__":
    main()
