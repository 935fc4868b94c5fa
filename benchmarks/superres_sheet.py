"""The contact sheet in the layout of the paper's figure 5, and real photos through super-resolution.

    python benchmarks/superres_sheet.py --row 1607 "wearing glasses" --row 1612 "with a beard"
    python benchmarks/superres_sheet.py --photos examples/astronaut.png

A row is a held-out seed and its sentence: input, bicubic, baselines, ours without and with words, truth. The search
on the sphere is shown where benchmarks/superres.py has run it. Photos may be any; their faces are found, aligned,
reduced to the input's size and resolved; only the figures are written, and the sheet where --sheet names it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from superres import preview_bank, searched
from superres_faces import PLAIN, Faces, parsed, parser_for

from apps.cli.common import write_text
from apps.sheets import Tile, contact_sheet
from fdvd.media.photos import load_photo
from gan_mapping.images import to_signed, to_uint8
from gan_mapping.superres.baselines import nearest_latent
from gan_mapping.superres.faces import picture_of
from gan_mapping.superres.pixels import as_pixels, consistency, enlarge

QUALITY = 82


def enlarged(pixels: torch.Tensor, size: int = 256) -> np.ndarray:
    """The pixels as squares, uint8 [size, size, 3]."""
    small = pixels[0].byte().permute(1, 2, 0).numpy()
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.NEAREST))


def answers(faces: Faces, pixels: torch.Tensor, sentences: list[str]) -> list[Tile]:
    """Ours without words and with each sentence."""
    fit = faces.resolver.fit(pixels)
    found = [faces.resolver.answer(fit, pixels, faces.intents(text)) for text in (PLAIN, *sentences)]
    return [
        Tile(picture_of(one.image), text or "no words") for one, text in zip(found, (PLAIN, *sentences), strict=True)
    ]


def seed_row(faces: Faces, seed: int, text: str, bank_size: int, work: Path) -> list[Tile]:
    """One held-out face, all methods."""
    generator = faces.model.generator
    truth = faces.truth(seed)
    pixels = faces.pixels(truth)
    row = [
        Tile(enlarged(pixels), f"{faces.side} px"),
        Tile(to_uint8(to_signed(enlarge(pixels, generator.resolution)))[0], "bicubic"),
        Tile(faces.draw(generator.w_mean[None, None]), "w mean"),
    ]
    if bank_size:
        nearest = nearest_latent(pixels, *preview_bank(faces.model, bank_size, work), generator)[1]
        row.append(Tile(to_uint8(to_signed(nearest))[0], f"nearest of {bank_size}"))
    if (faces.folder / f"search-{seed}.pt").exists():
        search, _ = searched(faces, seed, pixels, 0)
        assert search.ws is not None
        row.append(Tile(faces.draw(search.ws), f"search, {len(search.errors)} steps"))
    return [*row, *answers(faces, pixels, [text]), Tile(truth, "truth")]


def photo_rows(faces: Faces, photo: Path, sentences: list[str]) -> tuple[list[list[Tile]], list[dict[str, object]]]:
    """The faces of a photo: input, ours, truth; and the figures of each."""
    model = faces.model
    picture = load_photo(photo).rgb
    rows, figures = [], []
    for index, frame in model.find_faces(picture, "all"):
        crop = frame.crop(picture)
        pixels = faces.pixels(crop)
        tiles = answers(faces, pixels, sentences)
        errors = [consistency(as_pixels(tile.picture, model.device), pixels) for tile in tiles]
        mine, true = model.describe_identity([tiles[0].picture, crop])
        one = {"photo": photo.name, "face": index, "width": round(float(np.linalg.norm(frame.quad[3] - frame.quad[0])))}
        identity = round(float((mine - true).norm()), 3)
        figures.append({**one, "consistency": [round(error, 3) for error in errors], "identity": identity})
        rows.append([Tile(enlarged(pixels), f"{faces.side} px"), *tiles, Tile(crop, "photo")])
    return rows, figures


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--row", nargs=2, action="append", default=[], metavar=("SEED", "TEXT"))
    parser.add_argument("--photos", nargs="+", type=Path, default=[])
    parser.add_argument("--text", action="append", default=[], help="sentences to try on the photos")
    parser.add_argument("--bank", type=int, default=5000, help="latents of the nearest neighbour; 0 leaves it out")
    parser.add_argument("--sheet", type=Path, help="where the sheet goes, a JPEG")
    options = parsed(parser)
    faces = Faces(options.work, options.side)
    rows = [seed_row(faces, int(seed), text, options.bank, options.work) for seed, text in options.row]
    figures: list[dict[str, object]] = []
    for photo in options.photos:
        more, found = photo_rows(faces, photo, options.text)
        rows += more
        figures += found
        print("\n".join(json.dumps(one) for one in found), flush=True)
    if figures:
        write_text(options.out / "superres_photos.json", json.dumps(figures, indent=1) + "\n")
    if options.sheet:
        sheet = contact_sheet(rows, title=f"{options.side}x{options.side} to 1024x1024", side=200)
        sheet.save(options.sheet, quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
