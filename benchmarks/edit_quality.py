"""Edits of held-out faces, judged from pictures: 100 faces x 20 sentences -> table, contact sheet.

python benchmarks/edit_quality.py [--faces 100] [--out docs/figures]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fdvd.attributes import HELD_OUT_SEEDS
from gan_mapping import FaceEditor
from gan_mapping.evaluation.edits import JUDGED_AUC, evaluate_edits
from gan_mapping.evaluation.judge import JUDGE_FILE, load_judge
from gan_mapping.training.bank import FaceSeed, latents_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    args = parser.parse_args()
    editor = FaceEditor.from_preset("mini", device="cpu")
    judge = load_judge(JUDGE_FILE, editor.identity)
    seeds = list(HELD_OUT_SEEDS)[:: len(HELD_OUT_SEEDS) // args.faces][: args.faces]
    latents = latents_of([FaceSeed(seed, 0.75) for seed in seeds], editor.generator)
    scores = evaluate_edits(editor, judge, latents, progress=lambda line: print(line, flush=True))

    lines = ["| sentence | reached | reached, new | flipped | identity moved | monotone |", "|---|---|---|---|---|---|"]
    for s in scores:
        lines.append(
            f"| {s.instruction.text} | {s.reached:.0%} | {s.reached_new:.0%} | {s.flipped:.1%} "
            f"| {s.identity:.2f} | {s.monotone:.3f} |"
        )
    columns = ("reached", "reached_new", "flipped", "identity", "monotone")
    mean = {column: float(np.nanmean([getattr(s, column) for s in scores])) for column in columns}
    lines.append(
        f"| **mean** | {mean['reached']:.0%} | {mean['reached_new']:.0%} | {mean['flipped']:.1%} "
        f"| {mean['identity']:.2f} | {mean['monotone']:.3f} |"
    )
    used = [auc for auc in judge.auc.values() if auc >= JUDGED_AUC]
    lines.append(
        f"\n{len(seeds)} held-out faces; the judge's AUC on seeds 1600-1999: {np.nanmean(used):.3f} "
        f"over {len(used)} attributes."
    )
    table = "\n".join(lines)
    print(table)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "edit_quality.md").write_text(table + "\n", encoding="utf-8")
    rows = [{**asdict(s), "instruction": s.instruction.text} for s in scores]
    report = json.dumps({"mean": mean, "rows": rows}, indent=1)
    (args.out / "edit_quality.json").write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
