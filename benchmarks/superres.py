"""Super-resolution on held-out faces: ours with no, true and false words, against baselines of the same generator.

    python benchmarks/superres.py --faces 24 --side 16 --bank 300 --search-faces 2 --sheet docs/figures/superres.png

Faces are seeds from 1600 on, which no part was fitted on. Truth about attributes is what the judge (which never
saw a latent) reads off the true picture. Times are wall-clock on whatever else the machine is doing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from apps.sheets import Tile, contact_sheet
from fdvd.images import save_png
from gan_mapping import FaceEditor
from gan_mapping.evaluation.judge import JUDGE_FILE, Judge, load_judge
from gan_mapping.images import to_batch, to_uint8
from gan_mapping.losses.reconstruction import perceptual_distance
from gan_mapping.superres.baselines import nearest_latent, search_on_sphere
from gan_mapping.superres.pixels import as_pixels, box_filter, consistency, enlarge, to_level
from gan_mapping.superres.preview import preview_of

# Attributes that 16 px hide, each with a sentence for having it and one for not having it.
HIDDEN = {
    "glasses": ("wearing glasses", "without glasses"),
    "smile": ("a big smile", "a serious face without a smile"),
    "beard": ("with a beard", "without a beard"),
    "bangs": ("with bangs", "without bangs"),
    "lipstick": ("red lipstick", "no lipstick"),
    "earrings": ("wearing earrings", "without earrings"),
}


class Bench:
    """Measures pictures against the truth and adds the figures up."""

    def __init__(self, editor: FaceEditor, judge: Judge) -> None:
        self.editor = editor
        self.judge = judge
        self.figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def reading(self, picture: np.ndarray, attribute: str) -> float:
        """The judge's logit of one attribute."""
        logits = self.judge.logits(to_batch([picture], None, self.editor.device))
        return float(logits[0, self.judge.attributes.index(attribute)])

    def add(self, method: str, picture: np.ndarray, truth: np.ndarray, pixels: np.ndarray, seconds: float) -> None:
        """Notes consistency (0..255), perceptual and identity distance and time of one answer."""
        editor = self.editor
        features = [editor.refiner.perceptual.features(to_batch([p], 256, editor.device)) for p in (picture, truth)]
        mine, true = editor.describe_identity([picture, truth])
        row = self.figures[method]
        row["consistency"].append(consistency(as_pixels(picture, editor.device), as_pixels(pixels, editor.device)))
        row["perceptual"].append(float(perceptual_distance(features[0], features[1])[0]))
        row["identity"].append(float((mine - true).norm()))
        row["seconds"].append(seconds)

    def table(self) -> dict[str, dict[str, float]]:
        """Means by method."""
        return {
            method: {name: round(float(np.mean(values)), 4) for name, values in row.items()}
            for method, row in self.figures.items()
        }


@torch.no_grad()
def preview_bank(editor: FaceEditor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures [N, 3, 16, 16] and latents [N, w_dim] of random faces, seen through the preview head."""
    assert editor.pixel_mapper is not None
    preview = preview_of(editor.generator, editor.pixel_mapper.preview)
    latents = torch.cat([editor.sample(seed)[:, 0] for seed in range(200_000, 200_000 + count)])
    rows = latents[:, None].expand(-1, editor.generator.num_ws, -1)
    return torch.cat([to_level(preview(row[None]), 16) for row in rows]), latents


def main() -> None:
    """Runs everything; figures go to standard output as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=24)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--bank", type=int, default=300, help="latents of the nearest-neighbour baseline")
    parser.add_argument("--search-faces", type=int, default=1, help="faces that the search on the sphere is run on")
    parser.add_argument("--search-steps", type=int, default=100)
    parser.add_argument("--sheet", type=Path, help="write the contact sheet of the first faces here")
    options = parser.parse_args()
    editor = FaceEditor.from_preset("mini")
    bench = Bench(editor, load_judge(JUDGE_FILE, editor.identity))  # type: ignore[arg-type]
    bank = preview_bank(editor, options.bank)
    right: dict[str, list[bool]] = defaultdict(list)
    rows = []
    for index in range(options.faces):
        tiles = one_face(bench, bank, 1600 + index, options, index < options.search_faces, right)
        if index < 8:
            rows.append(tiles)
        if options.sheet:
            save_png(contact_sheet(rows, title=f"{options.side}x{options.side} to 1024x1024", side=224), options.sheet)
        accuracy = {name: round(float(np.mean(values)), 3) for name, values in right.items()}
        print(json.dumps({"faces": index + 1, "methods": bench.table(), "attribute_accuracy": accuracy}), flush=True)


def one_face(
    bench: Bench,
    bank: tuple[torch.Tensor, torch.Tensor],
    seed: int,
    options: argparse.Namespace,
    search: bool,
    right: dict[str, list[bool]],
) -> list[Tile]:
    """All methods on one face -> its row of the sheet."""
    editor = bench.editor
    generator = editor.generator
    truth = to_uint8(generator.render(editor.sample(seed)))[0]
    small = box_filter(as_pixels(truth, editor.device), options.side)
    pixels = small[0].round().byte().permute(1, 2, 0).numpy()

    def timed(method: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        start = time.perf_counter()
        picture = make()
        bench.add(method, picture, truth, pixels, time.perf_counter() - start)
        return picture

    def rendered(ws: torch.Tensor) -> np.ndarray:
        return to_uint8(generator.render(ws.expand(1, generator.num_ws, -1).contiguous()))[0]

    big = np.asarray(Image.fromarray(pixels).resize((256, 256), Image.Resampling.NEAREST))
    tiles = [
        Tile(big, "input"),
        Tile(timed("bicubic", lambda: to_uint8(enlarge(small, 1024) / 127.5 - 1)[0]), "bicubic"),
    ]
    timed("w mean", lambda: rendered(generator.w_mean[None, None]))
    nearest = timed("nearest of bank", lambda: rendered(nearest_latent(small, *bank)[:, None]))
    tiles.append(Tile(nearest, "nearest of bank"))
    if search:
        found = timed("search on sphere", lambda: rendered(search_on_sphere(small, generator, options.search_steps)[0]))
        tiles.append(Tile(found, "search on sphere"))
    # The first hidden attribute that this face has, taking turns; else the one whose turn it is.
    names = list(HIDDEN)
    turn = names[seed % len(names) :] + names[: seed % len(names)]
    name = next((n for n in turn if bench.reading(truth, n) > 0), turn[0])
    has = bench.reading(truth, name) > 0
    true_words, false_words = HIDDEN[name] if has else HIDDEN[name][::-1]
    for label, words in (
        ("ours, no words", None),
        ("ours, true words", true_words),
        ("ours, false words", false_words),
    ):
        picture = timed(label, lambda words=words: editor.super_resolve(pixels, words).samples[0].image)  # type: ignore[misc]
        right[label].append((bench.reading(picture, name) > 0) == has)
        tiles.append(Tile(picture, words or "no words"))
    return [*tiles, Tile(truth, "truth")]


if __name__ == "__main__":
    main()
