"""Records or compares the sha256 of what the main tasks write, so that a refactoring can be shown to change no pixel.

    python benchmarks/pixel_record.py record FILE --photos A.png B.jpg C.jpg
    python benchmarks/pixel_record.py compare FILE

Everything goes through the command line, whose names outlive the code behind it. Hashes are of one machine: drafts are
drawn in bfloat16 where the CPU has it, and another CPU may round another way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image

SENTENCES = (
    "red hair",
    "a big smile",
    "wearing glasses",
    "much older",
    "blond hair and no smile",
    "looking to the left",
)
CLIP_FRAMES = 10


def _vilaface(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "apps.cli.main", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"vilaface {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")


def _hashes(folder: Path, pattern: str) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob(pattern))}


def _write_clip(photo: Path, path: Path) -> None:
    """A clip of one photo that drifts to the right by two pixels a frame."""
    with Image.open(photo) as image:
        rgb = np.asarray(image.convert("RGB").resize((320, 320)))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv420p"
        for k in range(CLIP_FRAMES):
            moved = np.roll(rgb, 2 * k, axis=1)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="rgb24")))
        out.mux(stream.encode(None))


def _clip_hashes(path: Path) -> dict[str, str]:
    with av.open(str(path)) as clip:
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    return {f"frame{i}": hashlib.sha256(frame.tobytes()).hexdigest() for i, frame in enumerate(frames)}


def measure(photos: list[Path]) -> dict[str, dict[str, str]]:
    """task -> name of the output -> sha256."""
    record: dict[str, dict[str, str]] = {}
    names = [str(p) for p in photos]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        for i, sentence in enumerate(SENTENCES):
            out = work / f"edit{i}"
            _vilaface("edit", *names, "--text", sentence, "--refine", "0", "--out", str(out))
            record[f"edit: {sentence}"] = _hashes(out, "*.face.png") | _hashes(out, "*.edited.png")
        out = work / "refined"
        _vilaface("edit", names[0], "--text", SENTENCES[0], "--refine", "2", "--out", str(out))
        record["edit, refined"] = _hashes(out, "*.png")
        with Image.open(photos[0]) as image:
            image.convert("RGB").resize((16, 16), Image.Resampling.BOX).save(work / "tiny.png")
        _vilaface("superres", str(work / "tiny.png"), "--text", "wearing glasses", "--out", str(work / "sr"))
        record["superres"] = _hashes(work / "sr", "*.sr.png")
        _vilaface("generate", "--text", "an old man with a beard", "--n", "1", "--out", str(work / "made"))
        record["generate"] = _hashes(work / "made", "*.png")
        _write_clip(photos[0], work / "clip.mp4")
        _vilaface("video", str(work / "clip.mp4"), "--text", "blond hair", "--out", str(work / "edited.mp4"))
        record["video"] = _clip_hashes(work / "edited.mp4")
    return record


def main() -> int:
    """Command line; exit code 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", default=[Path("examples/astronaut.png")])
    options = parser.parse_args()
    if options.what == "record":
        photos = [str(p.resolve()) for p in options.photos]
        options.file.write_text(json.dumps({"photos": photos, "hashes": measure(options.photos)}, indent=1))
        return 0
    kept = json.loads(options.file.read_text(encoding="utf-8"))
    now = measure([Path(p) for p in kept["photos"]])
    differ = 0
    for task, hashes in kept["hashes"].items():
        for name, value in hashes.items():
            if now.get(task, {}).get(name) != value:
                differ += 1
                print(f"{task}: {name} differs")
    print(f"{sum(len(h) for h in kept['hashes'].values())} outputs, {differ} differ")
    return int(differ > 0)


if __name__ == "__main__":
    raise SystemExit(main())
