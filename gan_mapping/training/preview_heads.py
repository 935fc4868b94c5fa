"""Training of the heads that draw small pictures (`gan_mapping.generators.preview_heads`), on the generator's drawings.

Faces are drawn as the run goes on; each stays for a while among the last few hundred, of which every step takes small
cut-outs. Which faces those are depends on the step alone, so a resumed run repeats an unbroken one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from gan_mapping.generators.mobile_stylegan import NUM_WS, W_DIM
from gan_mapping.generators.openvino_engine import OpenVINOSynthesis
from gan_mapping.generators.preview_heads import PREVIEW_HEADS_FORMAT, PreviewHeads, features_after
from gan_mapping.generators.registry import MobileStyleGANGenerator
from vl_backbone.common.errors import UsageError
from vl_backbone.training.keys import canonical_json
from vl_backbone.weights.files import partial_file
from vl_backbone.weights.trained_file import write_trained

HELD_OUT_FIRST, HELD_OUT_FACES = 900_000, 16
FIRST_FACE = 1_000_000
EDGE = 4  # px of a cut-out's picture whose convolutions lacked their neighbours


@dataclass(frozen=True)
class HeadRecipe:
    """How the heads are trained.

    steps: of the optimizer. learning_rate: Adam's, for convolutions; falls along a cosine.
    kept_faces: how many drawn faces are at hand at a time (8 MB each).
    steps_per_face: a new face replaces the oldest one every so many steps.
    patches: cut-outs a step and head. patch: their side in pixels of the features.
    check_every: steps between looks at held-out faces; the state is saved then, too.
    """

    steps: int = 5000
    learning_rate: float = 1.5e-3
    kept_faces: int = 300
    steps_per_face: int = 6
    patches: int = 8
    patch: int = 40
    check_every: int = 100

    def __post_init__(self) -> None:
        if min(self.steps, self.kept_faces, self.steps_per_face, self.patches, self.check_every) < 1:
            raise UsageError("Training preview heads needs counts of at least 1.")
        if not 8 <= self.patch <= 128 or self.learning_rate <= 0:
            raise UsageError("Training preview heads needs a patch of 8 to 128 px and a learning rate above 0.")


@dataclass(frozen=True)
class DrawnFace:
    """ws [23, 512]; features [256, 128, 128] fp16; up_style [256]; pictures: side -> [3, side, side] in [-1, 1]."""

    ws: Tensor
    features: Tensor
    up_style: Tensor
    pictures: dict[int, Tensor]


@torch.no_grad()
def random_latent(generator: MobileStyleGANGenerator, seed: int) -> Tensor:
    """ws [1, 23, 512] of a seed: four in ten inside W, the others with rows that differ as refined latents' do."""
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.standard_normal((4, W_DIM)).astype(np.float32))
    psi = float(rng.uniform(0.5, 1.0))
    w: Tensor = generator.w_mean + psi * (generator.network.mapping(z) - generator.w_mean)
    ws = w[:1].repeat(NUM_WS, 1)
    if rng.uniform() < 0.4:
        return ws[None]
    for (first, last), other in zip(((0, 7), (7, 13), (13, NUM_WS)), w[1:], strict=True):
        ws[first:last] = torch.lerp(ws[first:last], other.expand(last - first, -1), float(rng.uniform(0, 0.5)))
    others = w[torch.from_numpy(rng.integers(1, 4, NUM_WS))]
    share = torch.from_numpy(rng.uniform(-0.1, 0.15, (NUM_WS, 1)).astype(np.float32))
    return (ws + share * (others - ws))[None]


class FaceDrawer:
    """Draws faces of seeds with what the heads read and what they are to draw."""

    def __init__(self, generator: MobileStyleGANGenerator) -> None:
        self._generator = generator
        self._whole = OpenVINOSynthesis(generator.network.synthesis)

    @torch.no_grad()
    def draw(self, seed: int) -> DrawnFace:
        """The face of that seed."""
        ws = random_latent(self._generator, seed)
        block = PreviewHeads.SHAPES[256].block
        features, styles = features_after(self._generator.network.synthesis, ws, block)
        whole = self._whole(ws)
        pictures = {side: F.avg_pool2d(whole, whole.shape[-1] // side)[0] for side in PreviewHeads.SHAPES}
        return DrawnFace(ws[0], features[0].half(), styles[1 + 3 * (block + 1)][0], pictures)


@torch.no_grad()
def mean_error(heads: PreviewHeads, faces: list[DrawnFace]) -> dict[int, float]:
    """side -> mean absolute error of the heads' pictures, in levels of 255."""
    errors: dict[int, float] = {}
    for side in PreviewHeads.SHAPES:
        head = heads.head(side)
        total = 0.0
        for face in faces:
            style = None if head.up_row is None else face.up_style[None]
            drawn = head(face.features[None].float(), style, face.ws[None])[0].clamp(-1, 1)
            total += float((drawn - face.pictures[side].clamp(-1, 1)).abs().mean()) * 127.5
        errors[side] = total / len(faces)
    return errors


def train_preview_heads(
    recipe: HeadRecipe, generator: MobileStyleGANGenerator, state_file: Path, out: Path, say: Callable[[str], None]
) -> None:
    """Trains (or goes on where `state_file` ends) and writes the averaged weights to `out`."""
    torch.manual_seed(0)
    heads, average = PreviewHeads(), PreviewHeads()
    for side in PreviewHeads.SHAPES:
        heads.head(side).initialize(generator.network.synthesis)
    average.load_state_dict(heads.state_dict())
    groups = [{"params": [p], "name": name, "gain": _gain(name)} for name, p in heads.named_parameters()]
    optimizer = torch.optim.Adam(groups, lr=recipe.learning_rate, betas=(0.9, 0.99))
    step = _load_state(state_file, heads, average, optimizer, recipe) if state_file.exists() else 0
    drawer = FaceDrawer(generator)
    held_out = [drawer.draw(HELD_OUT_FIRST + i) for i in range(HELD_OUT_FACES)]
    kept: dict[int, DrawnFace] = {}
    errors = mean_error(average, held_out)
    while step < recipe.steps:
        newest = 40 + step // recipe.steps_per_face
        wanted = range(max(0, newest - recipe.kept_faces), newest)
        for index in [i for i in kept if i not in wanted]:
            del kept[index]
        for index in wanted:
            if index not in kept:
                kept[index] = drawer.draw(FIRST_FACE + index)
        rate = recipe.learning_rate * (0.49 * (1 + math.cos(math.pi * step / recipe.steps)) + 0.02)
        rate *= min(1.0, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["gain"]
        loss = _loss(heads, kept, step, recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            share = 1 - min(0.999, (step + 1) / (step + 10))
            for name, value in heads.state_dict().items():
                average.state_dict()[name].lerp_(value, share)
        step += 1
        if step % recipe.check_every == 0 or step == recipe.steps:
            errors = mean_error(average, held_out)
            _save_state(state_file, heads, average, optimizer, step, recipe)
            figures = ", ".join(f"{side} px {error:.2f}" for side, error in errors.items())
            say(f"step {step}: loss {float(loss.detach()):.4f}; mean error on held-out faces, of 255: {figures}")
    metadata = {
        "generator": generator.name,
        "recipe": canonical_json({"recipe": recipe}),
        "mean_error": ", ".join(f"{side}: {error:.2f}" for side, error in errors.items()),
    }
    write_trained(out, PREVIEW_HEADS_FORMAT, average.state_dict(), metadata)


def _gain(name: str) -> float:
    """Adam moves every weight by the same amount a step; styles sum over 512 of them, noise maps over none."""
    if "affine" in name:
        return 0.03 if name.endswith("weight") else 0.3
    return 0.3 if "noise" in name else 1.0


def _loss(heads: PreviewHeads, kept: dict[int, DrawnFace], step: int, recipe: HeadRecipe) -> Tensor:
    rng = np.random.default_rng([step, 1])
    faces = [kept[int(i)] for i in rng.choice(list(kept), recipe.patches)]
    size = faces[0].features.shape[-1]
    corners = [(int(t), int(s)) for t, s in rng.integers(0, size - recipe.patch + 1, (recipe.patches, 2))]
    places = list(zip(faces, corners, strict=True))
    p = recipe.patch
    features = torch.stack([face.features[:, t : t + p, s : s + p] for face, (t, s) in places]).float()
    ws = torch.stack([face.ws for face in faces])
    total = torch.zeros(())
    for side in PreviewHeads.SHAPES:
        head, k = heads.head(side), side // size
        style = None if head.up_row is None else torch.stack([face.up_style for face in faces])
        truth = torch.stack(
            [face.pictures[side][:, k * t : k * (t + p), k * s : k * (s + p)] for face, (t, s) in places]
        )
        apart = (head(features, style, ws, corners) - truth)[:, :, EDGE:-EDGE, EDGE:-EDGE]
        total = total + apart.abs().mean() + apart.square().mean()
    return total


def _save_state(
    path: Path, heads: PreviewHeads, average: PreviewHeads, optimizer: torch.optim.Adam, step: int, recipe: HeadRecipe
) -> None:
    tensors = {f"model/{k}": v for k, v in heads.state_dict().items()}
    tensors |= {f"average/{k}": v for k, v in average.state_dict().items()}
    for group in optimizer.param_groups:
        state = optimizer.state[group["params"][0]]
        for moment in ("exp_avg", "exp_avg_sq", "step"):
            tensors[f"{moment}/{group['name']}"] = state[moment]
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_file(path) as partial:
        save_file(
            {k: v.detach().contiguous().clone() for k, v in tensors.items()},
            partial,
            {"step": str(step), "recipe": canonical_json({"recipe": recipe})},
        )


def _load_state(
    path: Path, heads: PreviewHeads, average: PreviewHeads, optimizer: torch.optim.Adam, recipe: HeadRecipe
) -> int:
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata() or {}
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path}: the state of the training is damaged ({error}); delete it to start anew.") from None
    if metadata.get("recipe") != canonical_json({"recipe": recipe}):
        raise UsageError(f"{path} belongs to a run with other settings; delete it or choose another --work folder.")
    for network, kind in ((heads, "model"), (average, "average")):
        network.load_state_dict({k.removeprefix(f"{kind}/"): v for k, v in tensors.items() if k.startswith(f"{kind}/")})
    for group in optimizer.param_groups:
        optimizer.state[group["params"][0]] = {
            moment: tensors[f"{moment}/{group['name']}"] for moment in ("exp_avg", "exp_avg_sq", "step")
        }
    return int(metadata["step"])
