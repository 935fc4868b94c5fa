"""Super-resolution on held-out faces against baselines of the same generator.

    python benchmarks/superres.py --faces 24 --bank 5000 --search-faces 1 --search-steps 100

Bicubic enlargement, the mean w, the nearest of a bank of random faces, and a search over z on its sphere (PULSE).
Every face is finished in a file of its own, the search after every ten steps: interrupted, the same command goes on.
Seconds are by the clock, on whatever else the machine is doing; cpu_seconds are of all its processors.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from superres_faces import PLAIN, Faces, Record, held_out_labels, parsed, parser_for, timed

from apps.cli.common import write_text
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.images import to_signed, to_uint8
from gan_mapping.superres.baselines import SphereSearch, nearest_latent
from gan_mapping.superres.fairness import balanced
from gan_mapping.superres.pixels import enlarge, to_level
from gan_mapping.superres.preview import preview_of

BANK_SEED = 200_000
CHUNK = 10  # steps of the search between savings
Bank = tuple[torch.Tensor, torch.Tensor]


@torch.no_grad()
def preview_bank(model: FaceModel, count: int, work: Path) -> Bank:
    """Pictures [N, 3, 16, 16] and latents [N, w_dim] of random faces, seen through the preview head; kept in a file."""
    path = work / f"bank-{count}.pt"
    if path.exists():
        stored: Bank = torch.load(path, weights_only=True)
        return stored
    assert model.pixel_mapper is not None
    preview = preview_of(model.generator, model.pixel_mapper.preview)
    # Filled in place: thousands of small tensors kept between large ones that come and go took 9 GB.
    bank = torch.empty(count, 3, 16, 16), torch.empty(count, model.generator.w_dim)
    for row in range(count):
        ws = model.sample(BANK_SEED + row)
        bank[0][row], bank[1][row] = to_level(preview(ws), 16)[0], ws[0, 0]
    save(bank, path)
    return bank


def save(content: Any, path: Path) -> None:
    """torch.save, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def searched(faces: Faces, seed: int, pixels: torch.Tensor, steps: int) -> tuple[SphereSearch, dict[str, float]]:
    """The search on one face, from where it stopped, and the seconds that all its steps took."""
    path = faces.folder / f"search-{seed}.pt"
    search = SphereSearch(pixels, faces.model.generator)
    spent = {"seconds": 0.0, "cpu_seconds": 0.0}
    if path.exists():
        state = torch.load(path, weights_only=True)
        search.load(state["search"])
        spent = state["spent"]
    while len(search.errors) < steps:
        _, more = timed(lambda: search.run(min(CHUNK, steps - len(search.errors))))
        spent = {name: spent[name] + more[name] for name in spent}
        save({"search": search.state(), "spent": spent}, path)
        print(f"search on {seed}: step {len(search.errors)}, error {min(search.errors):.2f}", flush=True)
    return search, spent


def baselines(faces: Faces, seed: int, bank: Callable[[], Bank], bank_size: int, search_steps: int) -> Record:
    """Figures by method; of the search only when it has steps. Kept in a file, with those of other settings."""
    path = faces.folder / f"baselines-{seed}.json"
    record: Record = json.loads(path.read_text()) if path.exists() else {}
    nearest, searching = f"nearest of {bank_size}", f"search on the sphere, {search_steps} steps"
    wanted = ["bicubic", "w mean", nearest, *([searching] if search_steps else [])]
    if all(name in record for name in wanted):
        return {name: record[name] for name in wanted}
    generator = faces.model.generator
    truth = faces.truth(seed)
    pixels = faces.pixels(truth)

    def note(name: str, make: Callable[[], np.ndarray]) -> None:
        if name not in record:
            picture, seconds = timed(make)
            record[name] = {**faces.measure(picture, truth, pixels), **seconds}

    note("bicubic", lambda: to_uint8(to_signed(enlarge(pixels, generator.resolution)))[0])
    note("w mean", lambda: faces.draw(generator.w_mean[None, None]))
    if nearest not in record:
        stored = bank()  # before the seconds are counted
        note(nearest, lambda: to_uint8(to_signed(nearest_latent(pixels, *stored, generator)[1]))[0])
    write_text(path, json.dumps(record) + "\n")
    if search_steps and searching not in record:
        search, spent = searched(faces, seed, pixels, search_steps)
        assert search.ws is not None
        record[searching] = {**faces.measure(faces.draw(search.ws), truth, pixels), **spent}
        write_text(path, json.dumps(record) + "\n")
    return {name: record[name] for name in wanted}


def table(figures: dict[str, list[Record]]) -> tuple[dict[str, Record], str]:
    """Means by method, and as Markdown."""
    columns = [name for name, value in figures["ours, no words"][0].items() if isinstance(value, float)]
    columns = [name for name in columns if name != "latent_consistency"]
    means: dict[str, Record] = {}
    lines = [f"| method | faces | {' | '.join(columns)} |", "|" + "---|" * (2 + len(columns))]
    for method, records in figures.items():
        means[method] = {name: float(np.mean([record[name] for record in records])) for name in columns}
        means[method]["faces"] = len(records)
        cells = " | ".join(f"{means[method][name]:.2f}" for name in columns)
        lines.append(f"| {method} | {len(records)} | {cells} |")
    return means, "\n".join(lines)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--faces", type=int, default=24)
    parser.add_argument("--bank", type=int, default=5000, help="latents of the nearest-neighbour baseline")
    parser.add_argument("--search-faces", type=int, default=1, help="faces that the search on the sphere is run on")
    parser.add_argument("--search-steps", type=int, default=100)
    options = parsed(parser)
    labels = held_out_labels()
    faces = Faces(options.work, options.side)
    bank = cache(lambda: preview_bank(faces.model, options.bank, options.work))
    figures: dict[str, list[Record]] = defaultdict(list)
    seeds = balanced(labels, max(48, options.faces))[: options.faces]
    for number, seed in enumerate(seeds):
        steps = options.search_steps if number < options.search_faces else 0
        for method, one in baselines(faces, seed, bank, options.bank, steps).items():
            figures[method].append(one)
        figures["ours, no words"].append(faces.record(seed)["answers"][PLAIN])
        print(f"{number + 1}/{len(seeds)}", flush=True)
    means, text = table(figures)
    print(text)
    note = f"{len(seeds)} held-out faces, {options.side} px; perceptual is"
    write_text(options.out / "superres_methods.md", f"{text}\n\n{note} on EfficientNet-lite0 features.\n")
    write_text(options.out / "superres_methods.json", json.dumps(means, indent=1) + "\n")


if __name__ == "__main__":
    main()
