"""What mappers read off held-out generated faces: the cosine of w, and the attributes that people labelled.

    python benchmarks/held_out_reading.py [--faces 400] [--work runs/held_out] [MAPPERS ...]

Seeds 1600-1999, of which nothing was fitted; faces and features are drawn once and kept in --work. Without files, the
shipped mappers are compared. The vision mapper is read once, without the step that corrects itself on its own drawing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fdvd.attributes.table import ATTRIBUTES, HELD_OUT_SEEDS, load_labels
from gan_mapping import load_generator
from gan_mapping.evaluation.measures import area_under_curve
from gan_mapping.mappers.files import WEIGHTS_DIR, load_mappers
from gan_mapping.training.closed_form.attributes import label_table
from gan_mapping.training.closed_form.vision import offset_cosine
from gan_mapping.training.rendered_set import FaceSeed, feature_shards, latents_of, load_shards, render_shards
from vl_backbone import load_backbone

SHIPPED = (WEIGHTS_DIR / "mini.safetensors", WEIGHTS_DIR / "mini-imagenet.safetensors")
PSI = 0.75  # as the faces were when they were labelled


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mappers", type=Path, nargs="*", default=SHIPPED)
    parser.add_argument("--faces", type=int, default=len(HELD_OUT_SEEDS))
    parser.add_argument("--work", type=Path, default=Path("runs/held_out"))
    args = parser.parse_args()
    seeds = list(HELD_OUT_SEEDS)[: args.faces]
    generator = load_generator()
    latents = latents_of([FaceSeed(seed, PSI) for seed in seeds], generator)
    pictures = list(render_shards(latents, generator, args.work))
    values, known = label_table(seeds, load_labels(), ATTRIBUTES)
    print(f"{len(seeds)} held-out faces\n")
    print("| mappers | backbone | w cosine | attributes, mean AUC | of |\n|---|---|---|---|---|")
    for path in args.mappers:
        mappers, _ = load_mappers(path)
        backbone = load_backbone(mappers.backbone)
        features = load_shards(list(feature_shards(pictures, backbone, args.work / mappers.backbone, 0))).float()
        cosine = offset_cosine(mappers.vision(features, 1)[:, 0], latents, generator.w_mean)
        areas = torch.zeros(0)
        if mappers.reader is not None:
            scores = mappers.reader(features)
            rows = [known[:, a] > 0 for a in range(len(ATTRIBUTES))]
            found = [area_under_curve(scores[row, a], values[row, a] > 0.5) for a, row in enumerate(rows)]
            areas = torch.tensor(found)
            areas = areas[~areas.isnan()]
        print(f"| {path.stem} | {mappers.backbone} | {cosine:.3f} | {float(areas.mean()):.3f} | {len(areas)} |")


if __name__ == "__main__":
    main()
