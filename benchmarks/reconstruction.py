"""Reconstruction: held-out generated faces, and real photos with and without refinement.

python benchmarks/reconstruction.py [--faces 100] [--photos FOLDER] [--steps N]
The bundled portrait is always measured; FOLDER may hold more photos (each face must be findable).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fdvd.attributes import HELD_OUT_SEEDS
from fdvd.images import load_photo
from gan_mapping import FaceEditor
from gan_mapping.evaluation.reconstruction import evaluate_crops, evaluate_generated
from gan_mapping.training.bank import FaceSeed, latents_of

BUNDLED = Path(__file__).parents[1] / "examples" / "astronaut.png"
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    editor = FaceEditor.from_preset("mini", device="cpu")
    steps = editor.refine_steps if args.steps is None else args.steps
    if args.faces:
        seeds = list(HELD_OUT_SEEDS)[:: len(HELD_OUT_SEEDS) // args.faces][: args.faces]
        latents = latents_of([FaceSeed(seed, 0.75) for seed in seeds], editor.generator)
        score = evaluate_generated(editor, latents)
        print(f"held-out generated faces: {len(seeds)}")
        print(f"identity distance {score.mean_identity:.3f}, w cosine {score.cosine:.3f}\n")
    paths = [BUNDLED]
    if args.photos:
        paths += sorted(p for p in args.photos.iterdir() if p.suffix.lower() in PICTURES)
    crops = []
    for path in paths:
        photo = load_photo(path)
        crops.append(editor.find_faces(photo.rgb)[0][1].crop(photo.rgb))
    config = editor.refiner.config
    print("| real photo | linear | refined | refined, face network not in the loss |\n|---|---|---|---|")
    columns = [evaluate_crops(editor, crops).identity, evaluate_crops(editor, crops, steps).identity]
    editor.refiner.config = replace(config, identity=0.0)
    columns.append(evaluate_crops(editor, crops, steps).identity)
    for i, path in enumerate(paths):
        print(f"| {path.name} | " + " | ".join(f"{c[i]:.3f}" for c in columns) + " |")
    means = [sum(c) / len(c) for c in columns]
    print(f"| **mean**, {steps} steps | " + " | ".join(f"{m:.3f}" for m in means) + " |")


if __name__ == "__main__":
    main()
