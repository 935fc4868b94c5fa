"""Mapper training with picture losses, from its configuration to a mapper file; runs on top of `fit`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fdvd.attributes.table import ATTRIBUTES
from gan_mapping.editing.loading import carry_mappers
from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.registry import load_generator
from gan_mapping.mappers.files import WEIGHTS_DIR, Mappers, load_mappers, save_mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from gan_mapping.perception.networks import load_identity, load_perceptual
from gan_mapping.training.through_generator.image_batches import FaceCollator, training_sentences
from gan_mapping.training.through_generator.image_config import FreshConfig, ImageTrainingConfig
from gan_mapping.training.through_generator.image_faces import PSI, FaceSet, cache_grids, open_faces, seen
from gan_mapping.training.through_generator.image_objective import Frozen, MapperObjective, picture_sheet
from gan_mapping.training.through_generator.trainable import TrainableMappers
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.backbones.registry import load_backbone
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.training.checks import CHECKS_FILE, Check
from vl_backbone.training.data import Batch, Drawn
from vl_backbone.training.loop import FitConfig, Report, Say, fit, make_accelerator
from vl_backbone.training.seeds import SAMPLES, derived_seed, seed_everything
from vl_backbone.weights import WeightStore

SHIPPED = WEIGHTS_DIR / "mini.safetensors"
MODEL_FILE = "mappers.safetensors"
RANDOM_FACES = 2000
MEASURED_FACES = 256
SHEET_FACES = 6


@dataclass(frozen=True)
class Start:
    """What training goes out from: mappers and their frozen partners. origin: for the log of where they came from."""

    mappers: Mappers
    backbone: Backbone
    generator: Generator
    origin: str


def train_on_pictures(
    config: ImageTrainingConfig, out: Path, report: Report | None = None, say: Say | None = None, cpu: bool = False
) -> Mappers:
    """Runs the training in `out`, going on from its saved state, and writes `out`/mappers.safetensors.

    Raises WeightsError when a network's file is missing, UsageError for settings or data that cannot work,
    InputError when no face can be read.
    """
    accelerator = make_accelerator(config.run.precision, cpu)
    device = accelerator.device
    store = WeightStore()
    start = load_start(config, str(device), store)
    out.mkdir(parents=True, exist_ok=True)
    with accelerator.main_process_first():
        train, held_out = open_faces(config.faces, start.generator, out / "cache")
        if config.reconstruction.caption and not (train.captioned and held_out.captioned):
            raise UsageError(
                "reconstruction.caption needs a caption for every face; drawn faces and plain ones have none."
            )
        cache_grids(held_out, start.backbone, out / "cache")
        if config.faces.augment:
            train.augment = start.backbone.image_size
        else:
            cache_grids(train, start.backbone, out / "cache")
    if say and accelerator.is_main_process:
        say(f"{len(train)} faces to train on, {len(held_out)} held-out ones to look at.")
    latents = random_latents(start.generator)
    model = TrainableMappers(start.mappers, _measured(train, start.backbone), latents, config.parts)
    frozen = load_frozen(config, start, latents, device, store)
    objective = MapperObjective(model, frozen, config)
    neutral = "text" in config.parts
    sentences = training_sentences(config.faces.sentences, config.run.seed, neutral)
    collate = FaceCollator(start.backbone, frozen.language, sentences, start.generator.w_dim)
    fit(
        objective,
        train,
        collate,
        FitConfig(config.run, config.optimizer, config.schedule),
        out,
        settings=_settings(config, start, train, held_out),
        report=report,
        say=say,
        accelerator=accelerator,
        checker=HeldOutFaces(objective, _held_out_batches(held_out, collate, config, device), config.run.tensorboard),
    )
    folded = model.folded(start.mappers.backbone, start.generator.name, _provenance(config, start, train, out))
    # These do not train: they were taught on labels and face vectors, which these faces have not.
    same = start.mappers
    mappers = replace(
        folded, reader=same.reader, correction=same.correction, identity=same.identity, vision_error=same.vision_error
    )
    if accelerator.is_main_process:
        save_mappers(mappers, out / MODEL_FILE)
    accelerator.wait_for_everyone()
    return mappers


def load_start(config: ImageTrainingConfig, device: str, store: WeightStore) -> Start:
    """The mappers that training starts from, with the backbone and the generator they belong to."""
    if config.fresh:
        backbone = load_backbone(config.fresh.backbone, device, store)
        generator = load_generator(config.fresh.generator, device, store)
        if config.edit.reach or config.edit.keep:
            raise UsageError("edit.reach and edit.keep read attributes with the starting mappers; fresh ones cannot.")
        return Start(fresh_mappers(config.fresh, backbone, generator), backbone, generator, "fresh")
    mappers, digest = load_mappers(config.start or SHIPPED)
    backbone = load_backbone(mappers.backbone, device, store)
    generator = load_generator(config.generator or mappers.generator, device, store)
    if generator.name != mappers.generator:
        mappers = carry_mappers(mappers, generator, store)
    if mappers.attributes != ATTRIBUTES:
        raise UsageError("The mappers have other attributes than this version's grammar speaks of; fit them anew.")
    return Start(mappers, backbone, generator, digest)


@torch.no_grad()
def fresh_mappers(
    config: FreshConfig, backbone: Backbone, generator: Generator, attributes: tuple[str, ...] = ATTRIBUTES
) -> Mappers:
    """Mappers that give every picture the mean face and understand no sentence; their codes are random projections."""
    picture = torch.zeros(1, 3, backbone.image_size, backbone.image_size)
    features = seen(picture, backbone).shape[1]
    words = backbone.tokenize(["a face"])
    width = backbone.encode_text(words.input_ids, words.attention_mask).states().shape[-1]
    vision = VisionMapper(features, min(config.rank, features), generator.w_dim)
    vision.down.weight.normal_(0, features**-0.5, generator=torch.Generator().manual_seed(0))
    vision.up.weight.zero_()
    vision.up.bias.copy_(generator.w_mean.cpu())
    text = TextMapper(width, len(attributes))
    for layer, bias in ((text.presence, -3.0), (text.degree, 1.0)):
        layer.weight.zero_()
        layer.bias.fill_(bias)
    offset = OffsetMapper(len(attributes), generator.num_ws, generator.w_dim)
    return Mappers(vision, text, offset, attributes, backbone.name, generator.name, {})


def load_frozen(
    config: ImageTrainingConfig, start: Start, latents: Tensor, device: torch.device, store: WeightStore
) -> Frozen:
    """The networks of the losses. UsageError when the language backbone's two embeddings share no space."""
    language = start.backbone
    if config.language and config.language != language.name:
        language = load_backbone(config.language, str(device), store)
    words = language.tokenize([config.neutral])
    neutral = language.encode_text(words.input_ids, words.attention_mask).embedding.float()
    if config.edit.directional or config.edit.contrast or config.reconstruction.caption:
        blank = torch.zeros(1, 1, 3, language.image_size, language.image_size, device=device)
        with torch.no_grad():
            width = language.encode_video(blank).embedding.shape[1]
        if width != neutral.shape[1]:
            raise UsageError(
                f"{language.name} embeds pictures in {width} numbers and sentences in {neutral.shape[1]}: they cannot "
                "be compared. For the losses directional, contrast and caption set language, e.g. to hdvila-mini."
            )
    identity, _ = load_identity(config.identity, device, store)
    perceptual, _ = load_perceptual(config.perceptual, device, store)
    for module in (start.mappers.vision, start.mappers.offset):
        module.to(device).eval().requires_grad_(False)
    variance = (latents - latents.mean(0)).square().sum(1).mean().to(device)
    return Frozen(
        start.generator,
        start.backbone,
        language,
        identity,
        perceptual,
        start.mappers.vision,
        start.mappers.offset,
        variance,
        neutral,
    )


@torch.no_grad()
def random_latents(generator: Generator) -> Tensor:
    """w [2000, w_dim] of random faces on the CPU, always the same."""
    z = np.random.default_rng(0).standard_normal((RANDOM_FACES, generator.z_dim)).astype(np.float32)
    return generator.mapping(torch.from_numpy(z), truncation_psi=PSI)[:, 0].cpu()


class HeldOutFaces:
    """The check of mapper training: the training loss on held-out faces, and a sheet of some of them.

    batches: always the same faces with the same sentences and strengths.
    """

    def __init__(self, objective: MapperObjective, batches: list[Batch], sheets: bool) -> None:
        self.objective, self.batches, self.sheets = objective, batches, sheets

    @torch.no_grad()
    def __call__(self) -> Check:
        sums: dict[str, float] = {}
        rows = sum(len(batch["picture"]) for batch in self.batches)
        # Only the main process checks: its losses must not wait for the batches of others.
        self.objective.eval()
        for batch in self.batches:
            for name, value in self.objective(batch).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch["picture"]) / rows
        self.objective.train()
        return Check(sums, self._sheet() if self.sheets else {})

    def _sheet(self) -> dict[str, Tensor]:
        columns: list[list[Tensor]] = []
        for batch in self.batches:
            shown = self.objective.look(batch)
            columns += [[row[i] for row in shown] for i in range(len(shown[0]))]
            if len(columns) >= SHEET_FACES:
                break
        return {"held_out/faces": picture_sheet(columns[:SHEET_FACES])}


def _held_out_batches(
    faces: FaceSet, collate: FaceCollator, config: ImageTrainingConfig, device: torch.device
) -> list[Batch]:
    batches = []
    drawn = []
    for index in range(len(faces)):
        try:
            drawn.append(Drawn(faces[index], derived_seed(config.run.seed, SAMPLES, 0, index)))
        except InputError as error:
            raise InputError(f"A held-out face cannot be read: {error}") from None
    for first in range(0, len(drawn), config.run.batch_size):
        batch = collate(drawn[first : first + config.run.batch_size])
        batches.append({name: tensor.to(device) for name, tensor in batch.items()})
    return batches


def _measured(train: FaceSet, backbone: Backbone) -> Tensor:
    """Features [N, F] of some training faces, evenly taken, from which the scales of the vision mapper come."""
    rows = []
    for index in range(0, len(train), max(1, len(train) // MEASURED_FACES)):
        seed_everything(index)
        try:
            face = train[index]
        except InputError:
            continue
        if face.grid is not None:
            rows.append(face.grid.float())
        elif face.view is not None:
            with torch.no_grad():
                rows.append(seen(face.view[None].float(), backbone)[0].cpu())
    if len(rows) < 2:
        raise UsageError("Fewer than two faces can be read; training needs more.")
    return torch.stack(rows)


def _settings(config: ImageTrainingConfig, start: Start, train: FaceSet, held_out: FaceSet) -> dict[str, object]:
    """Everything beside the loop's own settings that a resumed run must share."""
    return {
        "reconstruction": config.reconstruction,
        "edit": config.edit,
        "parts": config.parts,
        "neutral": config.neutral,
        "language": config.language,
        "identity": config.identity,
        "perceptual": config.perceptual,
        "size": config.size,
        "augment": config.faces.augment,
        "sentences": config.faces.sentences,
        "faces": train.ids,
        "held_out": held_out.ids,
        "start": start.origin,
        "fresh": config.fresh,
        "generator_weights": start.generator.weights,
        "backbone_weights": start.backbone.weights,
    }


def _provenance(config: ImageTrainingConfig, start: Start, train: FaceSet, out: Path) -> dict[str, object]:
    """What the mappers were before, and what training on pictures did with them."""
    checks = out / CHECKS_FILE
    rows = [json.loads(line) for line in checks.read_text(encoding="utf-8").splitlines()] if checks.exists() else []
    done: dict[str, object] = {
        "start": start.origin,
        "parts": list(config.parts),
        "faces": len(train),
        "batch_size": config.run.batch_size * config.run.accumulate,
        "reconstruction": {name: weight for name, weight in asdict(config.reconstruction).items() if weight},
        "edit": {name: weight for name, weight in asdict(config.edit).items() if weight},
    }
    if rows:
        best = min(rows, key=lambda row: float(row["loss"]))
        done |= {"held_out_before": rows[0], "held_out_best": best}
    return {**start.mappers.provenance, "pictures": done}
