"""Video: a talking-head clip edited as a clip and frame by frame, and how much either flickers.

python benchmarks/video.py [--seconds 2] [--text "blond hair and glasses"] [--refine 0] [--frames N] [--keep FOLDER]
The clip (720p, 25 frames a second, two shots, sound) is made from generated faces that talk, turn and sway. Both
edits use the same editor; frame by frame means FaceEditor.edit on every frame, without refinement (it would take
half a minute a frame); with --frames only the first N frames of every shot are edited alone, and all figures of
jitter are of these frames. Jitter is the mean second difference over time of what the edit added, inside shots:
of the five landmarks in px of the clip, and of the difference to the source at 32x32 cells of the face, in levels
of 0..255. Landmarks are means over 32 windows (fdvd.faces.detection.steady); the floor is what they tremble when only
camera noise is added to the source.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from stability import coarse_difference, coarse_jitter, jitter, landmark_error
from talking_clip import NOISE, Truth, write_clip

from apps.clip.job import ClipSettings, edit_clip
from fdvd.faces.detection.steady import steady_landmarks
from fdvd.media.video import probe, read_frames
from gan_mapping import FaceEditor
from gan_mapping.editing.face_model import FaceModel

SEEDS = [1905, 1987]
LOOKS = 32


@dataclass(frozen=True)
class Flicker:
    """Means over the shots of a clip; see the module's text. tlme: temporal landmark error, px a frame."""

    landmarks: float
    tlme: float
    coarse: float


def landmarks_of(model: FaceModel, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[5, 2] of the largest face, nan when there is none."""
    found = model.detector.detect(rgb)
    return steady_landmarks(model.detector, rgb, found[0], LOOKS).landmarks if found else np.full((5, 2), np.nan)


def some(path: Path, places: list[int]) -> Iterator[NDArray[np.uint8]]:
    """The frames of a clip at these places, in order."""
    wanted = set(places)
    return (frame.rgb for number, frame in enumerate(read_frames(path)) if number in wanted)


def flicker(
    model: FaceModel, edited: Iterable[NDArray[np.uint8]], source: Iterable[NDArray[np.uint8]], truths: list[Truth]
) -> Flicker:
    """Measures edited frames against those of the source."""
    points, differences = [], []
    for after, before, truth in zip(edited, source, truths, strict=True):
        points.append([landmarks_of(model, after), landmarks_of(model, before)])
        differences.append(coarse_difference(after, before, truth.quad))
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


def measured(truths: list[Truth], frames: int | None) -> list[int]:
    """The numbers of the first `frames` frames of every shot; None: of all."""
    starts = {truth.shot: number for number, truth in reversed(list(enumerate(truths)))}
    return [i for i, truth in enumerate(truths) if frames is None or i - starts[truth.shot] < frames]


def audio_packets(path: Path) -> list[bytes]:
    """The sound as it is stored."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--text", default="blond hair and glasses")
    parser.add_argument("--refine", type=int, default=0)
    parser.add_argument("--frames", type=int, help="of every shot, that are edited alone and measured; default: all")
    parser.add_argument("--keep", type=Path, help="folder for the clips; default: they are deleted")
    args = parser.parse_args()
    editor = FaceEditor.from_preset("mini", device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        clip, steady = folder / "source.mp4", folder / "clip-edit.mp4"
        truths = write_clip(clip, editor.model, SEEDS, args.seconds)
        start = time.perf_counter()
        result = edit_clip(editor.model, clip, steady, ClipSettings(args.text, refine=args.refine))
        print(f"{len(truths)} frames, {(time.perf_counter() - start) / len(truths):.2f} s a frame")
        shots = [shot.start for shot in result.plan.shots]
        true_shots = [i for i, t in enumerate(truths) if i == 0 or t.shot != truths[i - 1].shot]
        print(f"shots start at {shots}, truly at {true_shots}")
        same_times = [f.pts for f in read_frames(clip)] == [f.pts for f in read_frames(steady)]
        print(f"duration {probe(clip).duration} s -> {probe(steady).duration} s, every timestamp equal: {same_times}")
        print(f"audio bit-equal: {audio_packets(clip) == audio_packets(steady)}")
        places = measured(truths, args.frames)
        known = [truths[place] for place in places]
        rng = np.random.default_rng(1)
        noisy = (
            (rgb + NOISE * rng.standard_normal((*rgb.shape[:2], 1))).round().clip(0, 255).astype(np.uint8)
            for rgb in some(clip, places)
        )
        alone = (editor.edit(rgb, args.text, refine=0).rgb for rgb in some(clip, places))
        print(f"jitter of {len(places)} frames")
        floor = replace(flicker(editor.model, noisy, some(clip, places), known), coarse=0.0)
        ours = flicker(editor.model, some(steady, places), some(clip, places), known)
        each = flicker(editor.model, alone, some(clip, places), known)
        print("\n| jitter | landmarks, px | coarse difference, levels | TLME, px |\n|---|---|---|---|")
        for name, row in (("measurement floor", floor), ("frame by frame", each), ("vilaface video", ours)):
            print(f"| {name} | {row.landmarks:.2f} | {row.coarse:.2f} | {row.tlme:.2f} |")
        ratios = ours.landmarks / each.landmarks, ours.coarse / each.coarse, ours.tlme / each.tlme
        print("| ratio | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


if __name__ == "__main__":
    main()
