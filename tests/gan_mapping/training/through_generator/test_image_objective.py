"""The objective of mapper training on small real networks: its terms are right, and they teach what they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fdvd.language.instructions import Instruction
from gan_mapping.losses.latent import latent_distance
from gan_mapping.training.through_generator.drawing import draw, scaled
from gan_mapping.training.through_generator.image_batches import FaceCollator
from gan_mapping.training.through_generator.image_config import (
    EditLosses,
    FacesConfig,
    ImageTrainingConfig,
    ReconstructionLosses,
)
from gan_mapping.training.through_generator.image_faces import Face, seen
from gan_mapping.training.through_generator.image_objective import Frozen, MapperObjective
from gan_mapping.training.through_generator.image_recipe import HeldOutFaces, random_latents
from gan_mapping.training.through_generator.trainable import TrainableMappers
from tests.gan_mapping.training.through_generator.tiny_parts import TinyBackbone, tiny_generator, tiny_mappers
from vl_backbone.training.data import Batch, Drawn
from vl_backbone.training.loop import FitConfig, RunConfig, fit
from vl_backbone.training.optim import OptimizerConfig

SENTENCES = (Instruction("make her smile", {"smile": 1.0}), Instruction("no glasses", {"glasses": -1.0}))
FACES = FacesConfig(drawn=4)


class Colours(nn.Module):
    """Looks at 4 x 4 patches: stands for the identity and the perceptual network."""

    def describe(self, images: Tensor) -> Tensor:
        return scaled(images, 4).flatten(1) / 255

    def features(self, images: Tensor) -> list[Tensor]:
        return [scaled(images, 4) / 255]


class World:
    """Faces with known latents, and the frozen networks around them."""

    def __init__(self, count: int = 8) -> None:
        self.generator, self.backbone = tiny_generator(), TinyBackbone()
        self.latents = random_latents(self.generator)
        self.faces = []
        for w in self.latents[:count]:
            image = draw(self.generator, w.expand(1, self.generator.num_ws, -1)).detach()
            picture = scaled(image, 32).clamp(0, 255).round().byte()[0]
            grid = seen(picture[None].float(), self.backbone)[0].half()
            self.faces.append(Face(picture, None, grid, w, ("a face", "somebody")))
        self.collate = FaceCollator(self.backbone, self.backbone, SENTENCES, self.generator.w_dim)

    def batch(self, *rows: int) -> Batch:
        return self.collate([Drawn(self.faces[row], row) for row in rows])

    def objective(self, config: ImageTrainingConfig) -> MapperObjective:
        mappers = tiny_mappers(self.generator.num_ws)
        features = torch.stack([face.grid.float() for face in self.faces if face.grid is not None])
        model = TrainableMappers(mappers, features, self.latents, config.parts)
        words = self.backbone.tokenize([config.neutral])
        neutral = self.backbone.encode_text(words.input_ids, words.attention_mask).embedding
        variance = (self.latents - self.latents.mean(0)).square().sum(1).mean()
        judge = Colours()
        parts: tuple[Any, ...] = (self.generator, self.backbone, self.backbone, judge, judge)
        return MapperObjective(model, Frozen(*parts, mappers.vision, mappers.offset, variance, neutral), config)

    def train(self, config: ImageTrainingConfig, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
        """Figures on the batch 0..3 before and after."""
        objective = self.objective(config)
        check = HeldOutFaces(objective, [self.batch(0, 1, 2, 3)], sheets=False)
        before = check().figures
        fit(objective, self.faces, self.collate, FitConfig(config.run, config.optimizer, config.schedule), folder)
        return before, check().figures


def config(learning_rate: float = 0.1, **fields: Any) -> ImageTrainingConfig:
    run = RunConfig(steps=25, batch_size=4, save_every=1000)
    optimizer = OptimizerConfig(learning_rate=learning_rate, weight_decay=0.0, eps=1e-10, clip_norm=0.0)
    return replace(ImageTrainingConfig(FACES, **fields), size=32, run=run, optimizer=optimizer)


def test_the_loss_is_the_weighted_sum_and_the_latent_term_counts_known_latents_only() -> None:
    world = World()
    objective = world.objective(config(reconstruction=ReconstructionLosses(latent=2.0, pixel=3.0, identity=0.5)))
    batch = world.batch(0, 1)
    batch["known"] = torch.tensor([1.0, 0.0])
    with torch.no_grad():
        terms = objective(batch)
    assert set(terms) == {"loss", "latent", "pixel", "identity"}
    weighted = 2 * terms["latent"] + 3 * terms["pixel"] + 0.5 * terms["identity"]
    assert float(terms["loss"]) == pytest.approx(float(weighted), rel=1e-5)
    ws = objective.model.invert(batch["grid"].float()).detach()
    alone = latent_distance(ws, batch["latent"], objective.frozen.variance)[0]
    assert float(terms["latent"]) == pytest.approx(float(alone), rel=1e-5)


def test_without_picture_losses_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    objective = world.objective(
        config(
            parts=("vision", "directions"), reconstruction=ReconstructionLosses(latent=1.0), edit=EditLosses(offset=1.0)
        )
    )
    monkeypatch.setattr(world.generator, "synthesis", None)
    monkeypatch.setattr(world.generator, "render", None)
    assert set(objective(world.batch(0, 1))) == {"loss", "latent", "edit_offset"}


@pytest.mark.parametrize("term", ["latent", "pixel", "perceptual", "identity"])
def test_every_reconstruction_term_teaches_the_vision_mapper(term: str, tmp_path: Path) -> None:
    before, after = World().train(config(reconstruction=ReconstructionLosses(**{term: 1.0})), tmp_path)
    assert after[term] < 0.8 * before[term]


@pytest.mark.parametrize("term", ["directional", "keep", "identity", "offset", "spread"])
def test_every_edit_term_teaches_the_directions(term: str, tmp_path: Path) -> None:
    settings = config(0.4, parts=("directions",), edit=EditLosses(**{term: 1.0}))
    before, after = World().train(settings, tmp_path)
    # Rows of one layer group keep their distances: the spread cannot reach 0.
    share = 0.98 if term == "spread" else 0.9
    assert after[f"edit_{term}"] < share * before[f"edit_{term}"]


def test_the_text_mapper_learns_what_sentences_mean(tmp_path: Path) -> None:
    before, after = World().train(config(1.0, parts=("text",), edit=EditLosses(intents=1.0)), tmp_path)
    assert after["edit_intents"] < 0.7 * before["edit_intents"]


def test_a_damaged_view_is_read_anew() -> None:
    world = World()
    objective = world.objective(config(reconstruction=ReconstructionLosses(pixel=1.0)))
    face = replace(world.faces[0], grid=None, view=scaled(world.faces[0].picture[None].float(), 16)[0].byte())
    batch = world.collate([Drawn(face, 1)])
    assert "grid" not in batch
    expected = seen(batch["view"].float(), world.backbone)
    assert torch.equal(objective.features(batch), expected)


def test_the_sheet_shows_face_reconstruction_and_edit() -> None:
    world = World()
    settings = config(parts=("directions",), edit=EditLosses(offset=1.0))
    check = HeldOutFaces(world.objective(settings), [world.batch(0, 1), world.batch(2)], sheets=True)()
    sheet = check.pictures["held_out/faces"]
    assert sheet.dtype == torch.uint8 and sheet.shape == (3, 3 * 32, 3 * 32)
    assert torch.equal(sheet[:, :32, :32], scaled(world.faces[0].picture[None].float(), 32)[0].round().byte())
