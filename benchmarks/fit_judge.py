"""Fits the attribute judge on the labels of all seeds but 1600-1999 and prints its AUC on those.

python benchmarks/fit_judge.py [--work FOLDER]   (draws 3,000 faces; resumable)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from fdvd.attributes.table import ATTRIBUTES, HELD_OUT_SEEDS, load_labels
from gan_mapping.editing.loading import load_face_model
from gan_mapping.evaluation.judge import JUDGE_FILE, fit_judge, judge_features, pictures_to_batch, save_judge
from gan_mapping.training.closed_form.attributes import label_table
from gan_mapping.training.rendered_set import BATCH, FaceSeed, latents_of, render_shards
from vl_backbone.weights import default_home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=default_home() / "training" / "judge")
    work = parser.parse_args().work
    model = load_face_model("mini", device="cpu")
    labels, unselected = load_labels(), load_labels(rare=False)
    seeds = sorted(labels)
    latents = latents_of([FaceSeed(seed, 0.75) for seed in seeds], model.generator)
    rows = []
    for path in render_shards(latents, model.generator, work):
        pictures = np.load(path, mmap_mode="r")
        for start in range(0, len(pictures), BATCH):
            rows.append(judge_features(model.identity, pictures_to_batch(np.array(pictures[start : start + BATCH]))))
        print(f"read {path.name}", flush=True)
    values, known = label_table(seeds, labels, ATTRIBUTES)
    held_out = torch.tensor([seed in HELD_OUT_SEEDS for seed in seeds])
    selected = torch.tensor([seed not in unselected for seed in seeds])
    judge = fit_judge(torch.cat(rows), values, known, held_out, selected, ATTRIBUTES, model.identity)
    save_judge(judge, JUDGE_FILE)
    for name, auc in judge.auc.items():
        print(f"{name}: {auc:.3f}")


if __name__ == "__main__":
    main()
