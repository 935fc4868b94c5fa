"""HD-VILA-mini on seeds 1600-1999 and their clips, never trained on: retrieval, motion, attributes, words, latents.

python benchmarks/hdvila_mini.py --clips FOLDER --work FOLDER [--out docs/figures]
FOLDERs as for `vilaface train hdvila-mini`, which leaves the trunk maps of all faces and clips in its work folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from hdvila_mini_tasks import (
    attribute_auc,
    attribute_word_accuracy,
    load_prompts,
    look,
    masked_word_accuracy,
    motion_accuracy,
    retrieval,
)
from torch import Tensor

from fdvd.attributes.table import HELD_OUT_SEEDS, load_labels
from fdvd.datasets.sources import open_dataset, read_manifest
from gan_mapping import load_generator
from gan_mapping.generators.protocol import Generator
from gan_mapping.hdvila_mini.maps import StoredMaps, Wording
from gan_mapping.hdvila_mini.recipe import still_faces
from gan_mapping.training.closed_form.vision import fit_vision, offset_cosine
from gan_mapping.training.rendered_set import feature_shards, latents_of, load_shards, render_shards
from vl_backbone import load_backbone
from vl_backbone.backbones.registry import load_efficientnet, minilm_folder, minilm_state
from vl_backbone.hdvila.mini_weights import MINI_FILE, load_mini
from vl_backbone.pretraining.maps import VIEWS
from vl_backbone.pretraining.tokens import WordPieces
from vl_backbone.weights import WeightStore

RANK = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=4000, help="the recipe's clean_faces, or fewer")
    parser.add_argument("--weights", type=Path, default=MINI_FILE)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    args = parser.parse_args()
    model, _ = load_mini(load_efficientnet().state_dict(), minilm_state(), args.weights)
    tokenizer = WordPieces(minilm_folder(WeightStore()), 256)
    dataset, records = open_dataset(args.clips), read_manifest(args.clips / "manifest.jsonl")
    rows = [i for i, clip in enumerate(dataset.clips) if clip.split == "heldout"]
    captions = [dataset.clips[i].captions for i in rows]
    clips = StoredMaps(args.work / "clips", rows, [Wording(texts) for texts in captions])
    lines = [
        f"{len(rows)} held-out clips; text to clip, percent. Motion: two-way choice.\n",
        "| view | paragraph R@1 | R@10 | median rank | sentence R@1 | R@10 | median rank | motion |",
        "|---|---|---|---|---|---|---|---|",
    ]
    report: dict[str, object] = {"clips": len(rows)}
    for view in VIEWS:
        video = look(model, clips, view).embedding
        paragraph, sentence = retrieval(model, tokenizer, video, captions)
        motion, count = motion_accuracy(model, tokenizer, video, [records[i]["facts"] for i in rows])
        lines.append(
            f"| {view} | {paragraph.r1:.1f} | {paragraph.r10:.1f} | {paragraph.median_rank:g} | {sentence.r1:.1f} "
            f"| {sentence.r10:.1f} | {sentence.median_rank:g} | {motion:.1%} of {count} |"
        )
        words = masked_word_accuracy(model, tokenizer, clips, view)
        report[view] = {
            "paragraph": paragraph.to_dict(),
            "sentence": sentence.to_dict(),
            "motion": motion,
            "masked_words": words,
            "masked_attribute_words": attribute_word_accuracy(model, tokenizer, clips, view),
        }
    lines.append("\n| masked words recovered | own picture | another clip's picture |\n|---|---|---|")
    kinds = {"masked_words": "any", "masked_attribute_words": "all attribute words of a sentence"}
    for key, kind in kinds.items():
        for view in VIEWS:
            own, other = report[view][key]  # type: ignore[index]
            lines.append(f"| {kind}, {view} | {own:.1%} | {other:.1%} |")

    faces = still_faces(args.faces)
    generator = load_generator()
    latents = latents_of(faces, generator)
    held = torch.tensor([face.seed in HELD_OUT_SEEDS for face in faces])
    source = StoredMaps(args.work / "stills", range(len(faces)), [Wording(())] * len(faces))
    stills = look(model, source, "both")
    labels = load_labels()
    prompts = load_prompts()
    truths = {
        name: torch.tensor([_value(labels[face.seed], name) for face in faces if face.seed in HELD_OUT_SEEDS])
        for name in {**prompts.seen, **prompts.unseen}
    }
    for title, pairs in (("words of the captions", prompts.seen), ("other words", prompts.unseen)):
        auc = attribute_auc(model, tokenizer, stills.embedding[held], truths, pairs)
        lines.append(f"\nZero-shot AUC, {title}: mean {np.nanmean(list(auc.values())):.3f}")
        lines.append("(" + ", ".join(f"{name} {value:.3f}" for name, value in auc.items()) + ")")
        report[f"auc, {title}"] = auc

    features = {
        "fused grid": stills.grid.flatten(1),
        "fused grid and HR trunk": torch.cat((stills.grid.flatten(1), trunk_grid(source)), dim=1),
        "imagenet-minilm": baseline_grid(latents, generator, args.work),
    }
    lines.append(
        f"\n| features, 8x8 cells | cosine of a linear map to w, fitted on {int((~held).sum())} faces |\n|---|---|"
    )
    mean = generator.w_mean
    report["w_cosine"] = {}
    for name, rows_of in features.items():
        check = (rows_of[held], latents[held])
        fit = fit_vision(rows_of[~held], latents[~held], check, mean, RANK, penalties=(0.1, 0.3, 1.0))
        cosine = offset_cosine(fit.mapper.up(fit.mapper.down(check[0].float())), latents[held], mean)
        lines.append(f"| {name} | {cosine:.3f} |")
        report["w_cosine"][name] = cosine  # type: ignore[index]
    text = "\n".join(lines)
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "hdvila_mini.md").write_text(text + "\n", encoding="utf-8")
    (args.out / "hdvila_mini.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def trunk_grid(source: StoredMaps) -> Tensor:
    """What the HR trunk alone sees, averaged to 8x8 cells: [N, cells]."""
    maps = [F.avg_pool2d(torch.from_numpy(source[i].high.astype(np.float32)), 2).flatten() for i in range(len(source))]
    return torch.stack(maps)


def baseline_grid(latents: Tensor, generator: Generator, work: Path) -> Tensor:
    """The grids of the plain baseline for the stored faces, [N, cells]; kept in `work`."""
    pictures = list(render_shards(latents, generator, work / "stills"))
    shards = feature_shards(pictures, load_backbone("imagenet-minilm"), work / "baseline", 0)
    return load_shards(list(shards))


def _value(row: dict[str, float | None], name: str) -> float:
    """The label as 0 or 1; nan where unknown."""
    value = row["age"] if name == "old" else row[name]
    if value is None:
        return float("nan")
    return float(value >= 1.0) if name == "old" else float(value > 0.5)


if __name__ == "__main__":
    main()
