"""Fitting the pixel mapper: ridge regression from degraded pixels to w, one closed form per level."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fdvd.attributes.table import HELD_OUT_SEEDS
from gan_mapping.generators.mobile_stylegan import Synthesis
from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.registry import MobileStyleGANGenerator, load_generator
from gan_mapping.superres.degradation import SIDES, degraded_level
from gan_mapping.superres.mapper import LevelMapper, PixelMapper, save_pixel_mapper
from gan_mapping.superres.pixels import LEVELS, box_filter, to_level
from gan_mapping.superres.preview import HEAD_FEATURES, PreviewHead, preview_features
from gan_mapping.training.rendered_set import STORED_SIZE, latents_of, plan_faces, render_shards
from gan_mapping.training.ridge import Gram, main_directions, ridge

BANK_SIDE = 64
# Ridge penalties that are tried, as parts of the mean squared pixel.
PENALTIES = (1e-3, 5e-3, 2e-2)
RANK = {8: 192, 16: 256, 32: 192}
OPEN_DIRECTIONS = 96
VALIDATION = 400
LABELLED = 2000
HEAD_FACES = 300

Report = Callable[[str], None]


def train_pixel_mapper(count: int, folder: Path, out: Path, say: Report) -> None:
    """Draws `count` faces into the folder (resumable), fits the mapper and writes it, with how it was made."""
    generator = load_generator()
    assert isinstance(generator, MobileStyleGANGenerator)
    pictures, latents = face_bank(generator, count, folder, say)
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        say(line)

    synthesis = generator.network.synthesis
    mapper = fit_pixel_mapper(pictures, latents, generator.w_mean, synthesis, note)
    provenance = {"faces": len(pictures), "held_out": "seeds 1600-1999", "validation": notes}
    save_pixel_mapper(mapper, generator.name, provenance, out)


def face_bank(generator: Generator, count: int, folder: Path, say: Report) -> tuple[np.ndarray, Tensor]:
    """Draws the faces (resumable) -> pictures uint8 [N, 64, 64, 3] and w [N, w_dim]; no held-out seed among them."""
    labelled = min(count, LABELLED)
    faces = [face for face in plan_faces(range(labelled), count - labelled) if face.seed not in HELD_OUT_SEEDS]
    latents = latents_of(faces, generator)
    small = []
    for path in render_shards(latents, generator, folder):
        say(f"{path.name}: drawn")
        factor = STORED_SIZE // BANK_SIDE
        small += [np.asarray(Image.fromarray(face).reduce(factor)) for face in np.load(path, mmap_mode="r")]
    return np.stack(small), latents


def fit_pixel_mapper(
    pictures: np.ndarray, latents: Tensor, w_mean: Tensor, synthesis: Synthesis, say: Report
) -> PixelMapper:
    """pictures uint8 [N, 64, 64, 3], latents [N, w_dim] -> the mapper; the last 400 faces choose the penalty."""
    levels = {level: fit_level(pictures, latents, w_mean, level, say) for level in LEVELS}
    chosen = np.random.default_rng(0).permutation(len(pictures))[:HEAD_FACES]
    faces = ((latents[i], torch.from_numpy(pictures[i]).permute(2, 0, 1).float()) for i in chosen)
    head = fit_head(faces, synthesis)
    say(f"preview head: fitted on {len(chosen)} faces")
    return PixelMapper(levels, head)


@torch.no_grad()
def fit_head(faces: Iterable[tuple[Tensor, Tensor]], synthesis: Synthesis, penalty: float = 1e-5) -> PreviewHead:
    """faces: (w [w_dim], picture [3, s, s] in 0..255, s at least 16) -> the head, by ridge regression at 16 px.

    The head is linear and the box filter too, so what fits box-filtered features fits the features.
    """
    gram = Gram(HEAD_FEATURES + 1, 3)
    for w, picture in faces:
        features = box_filter(preview_features(synthesis, w.expand(1, len(synthesis.affine), -1)), 16)[0].flatten(1).T
        rows = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        gram.add(rows, box_filter(picture[None], 16)[0].flatten(1).T / 255)
    solved = gram.solve(penalty) * 255
    head = PreviewHead()
    head.load_state_dict({"to_rgb.weight": solved[:-1].T[:, :, None, None], "to_rgb.bias": solved[-1]})
    return head.eval().requires_grad_(False)


def fit_level(pictures: np.ndarray, latents: Tensor, w_mean: Tensor, level: int, say: Report) -> LevelMapper:
    """One level: each face is seen clean and degraded."""
    clean = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    views = torch.stack(
        [to_level(clean, level).flatten(1) / 255, degraded_level(pictures, level, np.random.default_rng(level))]
    )
    kept = max(1, min(VALIDATION, len(pictures) // 5))
    fit = views[:, :-kept].flatten(0, 1)
    wanted = latents[:-kept].repeat(2, 1)
    check, truth = views[:, -kept:].flatten(0, 1), latents[-kept:].repeat(2, 1)
    centre, w_centre = fit.mean(0), wanted.mean(0)
    fit, wanted = fit - centre, wanted - w_centre
    second, cross = fit.T @ fit, fit.T @ wanted
    best: tuple[float, Tensor] | None = None
    for penalty in PENALTIES:
        solved = ridge(second, cross, penalty)
        found = (check - centre) @ solved + w_centre
        cosine = float(F.cosine_similarity(found - w_mean, truth - w_mean).mean())
        say(f"{level} px ({SIDES[level][0]}-{SIDES[level][1]}): penalty {penalty:g}, cosine {cosine:.4f}")
        if best is None or cosine > best[0]:
            best = (cosine, solved)
    assert best is not None
    # Reduced rank: the directions of w along which the answers vary most.
    basis = main_directions(fit @ best[1], RANK[level])
    mapper = LevelMapper(level, basis.shape[1], latents.shape[1], OPEN_DIRECTIONS)
    with torch.no_grad():
        mapper.down.weight.copy_((best[1] @ basis).T)
        mapper.up.weight.copy_(basis)
        mapper.up.bias.copy_(w_centre)
        mapper.centre.copy_(centre)
        mapper.spread.copy_(_scatter(truth - mapper(check + 0.0)))
    return mapper.eval().requires_grad_(False)


def _scatter(errors: Tensor) -> Tensor:
    """A square root [w_dim, OPEN_DIRECTIONS] of the covariance of errors [N, w_dim], its largest axes."""
    _, sizes, axes = torch.linalg.svd(errors - errors.mean(0), full_matrices=False)
    root = (axes.T * sizes / max(1, len(errors) - 1) ** 0.5)[:, :OPEN_DIRECTIONS]
    return F.pad(root, (0, OPEN_DIRECTIONS - root.shape[1]))
