"""The whole fit of the `mini` mappers as one resumable recipe: bank -> features -> vision, directions, text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from fdvd.attributes import ATTRIBUTES, HELD_OUT_SEEDS, load_labels
from fdvd.instructions import load_heldout, sample, telegrams
from gan_mapping.checkpoint import Mappers
from gan_mapping.generators.protocol import Generator
from gan_mapping.mappers import OffsetMapper
from gan_mapping.training import bank
from gan_mapping.training.attributes import (
    fit_colour_probes,
    fit_directions,
    fit_logistic,
    fit_probes,
    fit_standardiser,
    label_table,
    patch_colours,
    standard_scores,
)
from gan_mapping.training.calibration import measure_groups, solve_gains, spread_over_layers
from gan_mapping.training.text import TextTrainingConfig, encode_sentences, fit_text, intent_table
from gan_mapping.training.vision import fit_vision
from vl_backbone.errors import UsageError
from vl_backbone.protocol import Backbone

Report = Callable[[str], None]
# Intents on these axes are a change from where the face is; on all others a place to reach.
RELATIVE_AXES = ("age",)
# The grammar hardly ever says a bare noun; people mostly do.
TELEGRAM_COPIES = 3
# How far beyond the classifier's border a full wish aims, in no-to-yes distances.
GOAL_MARGIN = 0.55


@dataclass(frozen=True)
class RecipeConfig:
    """extra_faces: redrawn faces beyond the labelled ones (all but seeds 1600-1999 are fitted on).

    views: how each face is seen, clean plus views - 1 augmented ones. rank: of the vision mapper.
    validation_faces: extra faces kept aside to choose the ridge penalty. components: picture axes of the
    attribute classifier. calibration_faces: faces on which every direction is tried. sentences: for the text.
    """

    backbone: str = "imagenet-minilm"
    generator: str = "mobile-stylegan-ffhq"
    extra_faces: int = 5500
    views: int = 2
    rank: int = 256
    validation_faces: int = 200
    components: int = 800
    calibration_faces: int = 6
    calibration_step: float = 1.0
    sentences: int = 40_000
    text_epochs: int = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UsageError(f"{field.name} must be a whole number of 1 or more, got {value!r}.")
        if self.validation_faces >= self.extra_faces:
            raise UsageError("validation_faces must be fewer than extra_faces.")


def load_config(path: Path) -> RecipeConfig:
    """A YAML file -> RecipeConfig; UsageError names what is wrong with it."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"The configuration {path} cannot be read: {error}.") from None
    known = {field.name for field in fields(RecipeConfig)}
    if not isinstance(values, dict) or not set(values) <= known:
        raise UsageError(f"{path} must hold only the fields {', '.join(sorted(known))}.")
    return RecipeConfig(**values)


def fit_mappers(config: RecipeConfig, backbone: Backbone, generator: Generator, work: Path, say: Report) -> Mappers:
    """Runs all stages, reusing what `work` already holds, and gives the trained Mappers back."""
    labels = load_labels()
    faces = bank.plan_faces(sorted(labels), config.extra_faces)
    seeds = [face.seed for face in faces]
    latents = bank.latents_of(faces, generator)
    pictures = []
    for path in bank.render_shards(latents, generator, work):
        pictures.append(path)
        say(f"drawn: {path.name}")
    views = []
    for view in range(config.views):
        shards = []
        for path in bank.feature_shards(pictures, backbone, work, view):
            shards.append(path)
            say(f"seen: {path.name}")
        views.append(bank.load_shards(shards))
    fit = torch.tensor([seed not in HELD_OUT_SEEDS for seed in seeds])
    figures: dict[str, object] = {"faces": int(fit.sum()), "views": config.views}

    vision_rows = fit.clone()
    vision_rows[-config.validation_faces :] = False
    check = torch.zeros_like(fit)
    check[-config.validation_faces :] = True
    w_mean = generator.w_mean.cpu()
    vision = fit_vision(
        torch.cat([view[vision_rows] for view in views]),
        latents[vision_rows].repeat(config.views, 1),
        (views[0][check], latents[check]),
        w_mean,
        config.rank,
    )
    figures["vision_penalty"], figures["vision_validation_cosine"] = vision.penalty, round(vision.cosine, 4)
    say(f"vision mapper: validation cosine {vision.cosine:.3f} at penalty {vision.penalty:g}")

    offset = _fit_offset(config, pictures, views[0], latents, seeds, fit, backbone, generator, say)
    held_texts = {row.text.lower() for row in load_heldout()}
    written = [*sample(1, config.sentences), *telegrams() * TELEGRAM_COPIES]
    sentences = [s for s in written if s.text.lower() not in held_texts]
    figures["sentences"] = len(sentences)
    states = encode_sentences([s.text for s in sentences], backbone)
    text = fit_text(
        states,
        intent_table(sentences, ATTRIBUTES),
        TextTrainingConfig(epochs=config.text_epochs),
        lambda epoch, loss: say(f"text mapper: epoch {epoch + 1}, loss {loss:.3f}"),
    )
    return Mappers(vision.mapper, text, offset, ATTRIBUTES, config.backbone, config.generator, figures)


def _fit_offset(
    config: RecipeConfig,
    pictures: list[Path],
    features: Tensor,
    latents: Tensor,
    seeds: list[int],
    fit: Tensor,
    backbone: Backbone,
    generator: Generator,
    say: Report,
) -> OffsetMapper:
    """Picture classifier on the labels -> scores of all faces -> probes -> directions -> calibrated directions."""
    values, known = label_table(seeds, load_labels(), ATTRIBUTES)
    labelled = fit & (known.sum(1) > 0)
    view = fit_standardiser(features[labelled], config.components)
    weight, bias = fit_logistic(view(features[labelled]), (values[labelled] > 0.5).float(), known[labelled])
    logits = view(features) @ weight + bias
    scores = standard_scores(logits[fit], values[fit], known[fit])
    probes, probe_bias = fit_probes(latents[fit], scores, values[fit], known[fit])
    colours = torch.stack(
        [torch.from_numpy(patch_colours(face)) for path in pictures for face in np.load(path, mmap_mode="r")]
    )
    colour_probes = fit_colour_probes(latents[fit], colours[fit].float())
    directions = fit_directions(probes, latents[fit], ATTRIBUTES, colour_probes)
    say("directions: fitted, calibrating on renders")

    yes, no = known[fit] * (values[fit] > 0.5), known[fit] * (values[fit] <= 0.5)
    high = (logits[fit] * yes).sum(0) / yes.sum(0)
    low = (logits[fit] * no).sum(0) / no.sum(0)
    reader = view.axes @ weight

    def score(ws: Tensor) -> Tensor:
        rows = []
        for row in ws:
            picture = (generator.render(row[None]).clamp(-1, 1) + 1) * 127.5
            small = F.interpolate(picture, size=backbone.image_size, mode="bilinear", antialias=True)
            grid = backbone.encode_video(small[:, None]).grid.flatten(1).cpu()
            rows.append(((grid - view.mean) @ reader + bias - low) / (high - low))
        return torch.cat(rows)

    tried = latents[torch.nonzero(fit)[:: int(fit.sum()) // config.calibration_faces, 0][: config.calibration_faces]]
    response = measure_groups(directions, tried, score, generator.num_ws, config.calibration_step)
    calibration = solve_gains(response, ATTRIBUTES)
    offset = OffsetMapper(len(ATTRIBUTES), generator.num_ws, generator.w_dim)
    offset.directions.copy_(spread_over_layers(directions, calibration.gains, generator.num_ws))
    offset.probe_weight.copy_(probes)
    offset.probe_bias.copy_(probe_bias)
    # Where the classifier says "yes" (logit 0), in score units, plus a margin: rare attributes need a clearer case.
    offset.high.copy_(-low / (high - low) + GOAL_MARGIN)
    offset.relative.copy_(torch.tensor([float(name in RELATIVE_AXES) for name in ATTRIBUTES]))
    return offset
