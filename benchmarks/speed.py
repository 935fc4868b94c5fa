"""Speed in one run: generator engines against the published OpenVINO graph, and one warm edit by stage.

python benchmarks/speed.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fdvd.media.photos import load_photo
from gan_mapping import FaceEditor, load_generator
from gan_mapping.generators.reference import compile_reference, fetch_reference

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.png"


def generator_ratio(rounds: int = 15) -> dict[str, float]:
    """Medians in seconds, the two taken in turns so that a busy machine is busy for both."""
    generator = load_generator()
    reference = compile_reference(fetch_reference())
    w = generator.w_mean[None]
    ws = w[:, None].repeat(1, generator.num_ws, 1)

    def eager() -> None:
        with torch.inference_mode():
            generator.synthesis(ws)

    jobs: dict[str, Callable[[], object]] = {
        "published graph, OpenVINO, one w": lambda: reference.infer([w.numpy()]),
        "ours, w+": lambda: generator.render(ws),
        "eager torch, w+": eager,
    }
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(rounds + 2):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if turn >= 2:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def warm_edit(editor: FaceEditor, rounds: int = 5, refine: int | None = 0) -> dict[str, float]:
    """Median seconds per stage of a warm edit; "total" is detection to paste-back. refine None: the default steps."""
    photo = load_photo(PHOTO)
    runs = []
    for turn in range(rounds + 1):
        start = time.perf_counter()
        result = editor.edit(photo.rgb, "blond hair and a big smile", refine=refine)
        total = time.perf_counter() - start
        if turn:
            runs.append({**result.timings_s, "total": total})
    return {stage: statistics.median(run.get(stage, 0.0) for run in runs) for stage in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    target = parser.parse_args().json
    editor = FaceEditor.from_preset("mini", device="cpu")
    edit = warm_edit(editor)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    default = warm_edit(editor, rounds=3, refine=None)
    refined_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # As on a CPU without bfloat16: what is looked at is rendered, too.
    editor.model.generator.exact_drafts = True
    plain = warm_edit(editor)
    render = generator_ratio()
    base = render["published graph, OpenVINO, one w"]
    print("| 1024x1024 render | seconds | ratio |\n|---|---|---|")
    for name, seconds in render.items():
        print(f"| {name} | {seconds:.3f} | {seconds / base:.2f} |")
    print("\n| stage of a warm edit | default | --refine 0 | the same without bfloat16 |\n|---|---|---|---|")
    for stage, seconds in default.items():
        print(f"| {stage} | {seconds:.3f} | {edit.get(stage, 0.0):.3f} | {plain.get(stage, 0.0):.3f} |")
    print(f"\npeak memory of the process: {peak:.0f} MB without refinement, {refined_peak:.0f} MB with it")
    if target:
        target.write_text(
            json.dumps(
                {
                    "render_s": render,
                    "default_edit_s": default,
                    "edit_s": edit,
                    "edit_without_bf16_s": plain,
                    "peak_mb": peak,
                    "refined_peak_mb": refined_peak,
                },
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
