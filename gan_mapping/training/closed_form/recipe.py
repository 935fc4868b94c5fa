"""The whole fit of the `mini` mappers, resumable: bank -> features -> vision, correction, directions, text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fdvd.attributes.table import ATTRIBUTES, HELD_OUT_SEEDS, attribute_table, load_labels
from fdvd.language.instructions import load_heldout, sample, short_forms
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels
from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import AttributeReader, OffsetMapper, TextMapper
from gan_mapping.perception.networks import IdentityNetwork
from gan_mapping.training import rendered_set as bank
from gan_mapping.training.closed_form.attributes import (
    fair_borders,
    fit_colour_probes,
    fit_directions,
    fit_probes,
    fit_readings,
    label_table,
    mean_answers,
    patch_colours,
    unseen_readings,
)
from gan_mapping.training.closed_form.calibration import measure_groups, solve_gains, spread_over_layers
from gan_mapping.training.closed_form.correction import SeenBank, correction_stage
from gan_mapping.training.closed_form.refit import PARTS, KeptMappers, chosen_parts
from gan_mapping.training.closed_form.stages import fingerprint, kept, stage_file
from gan_mapping.training.closed_form.text import TextTrainingConfig, encode_sentences, fit_text, intent_table
from gan_mapping.training.closed_form.vision import vision_stage
from gan_mapping.training.through_generator.drawing import scaled
from gan_mapping.training.through_generator.tuning import PictureReader, TuningConfig, tune_direction
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.checks import require_counts
from vl_backbone.common.errors import UsageError
from vl_backbone.common.yaml_config import load_yaml

Report = Callable[[str], None]
# The grammar hardly ever says a bare noun; people mostly do.
SHORT_FORM_COPIES = 3
# Best of .01 to .1 on left-out folds of the labelled faces.
READER_PENALTY = 0.06
# How far behind the reader's border ("yes") a wish aims, in no-to-yes distances.
GOAL_MARGIN = 0.5
# No score is wished beyond this: where left-out faces hardly tell "yes" from "no", the border runs away.
FURTHEST_GOAL = 2.0


@dataclass(frozen=True)
class RecipeConfig:
    """labelled_faces: how many of the labelled faces are used (seeds 1600-1999 never are).

    extra_faces: redrawn faces beyond them. views: how each face is seen, clean plus views - 1 augmented ones.
    rank: of the vision mapper. validation_faces: extra faces kept aside to choose the ridge penalty.
    identity: the face network whose vectors mend latents.
    components: picture axes of the attribute classifier. calibration_faces: faces on which every direction is
    tried. tuned: attributes whose direction is then tuned through the renderer, for tuning_steps steps each.
    sentences: for the text. The defaults are those of the shipped `mini` mappers (docs/reproduce.md).
    """

    backbone: str = "hdvila-mini"
    generator: str = "mobile-stylegan-ffhq"
    identity: str = "dlib-face-resnet"
    labelled_faces: int = 2600
    extra_faces: int = 13400
    views: int = 2
    rank: int = 160
    validation_faces: int = 200
    components: int = 800
    calibration_faces: int = 6
    calibration_step: float = 1.0
    tuned: tuple[str, ...] = ()
    tuning_steps: int = 30
    sentences: int = 60_000
    text_epochs: int = 30

    def __post_init__(self) -> None:
        require_counts(self, (field.name for field in fields(self) if field.type == "int"))
        if self.validation_faces >= self.extra_faces:
            raise UsageError("validation_faces must be fewer than extra_faces.")
        unknown = sorted(set(self.tuned) - set(ATTRIBUTES))
        if unknown:
            raise UsageError(f"tuned names unknown attributes: {', '.join(unknown)}.")


def load_config(path: Path) -> RecipeConfig:
    """A YAML file -> RecipeConfig; UsageError names what is wrong with it."""
    return load_yaml(RecipeConfig, path)


def choose_labelled(labels: Mapping[int, Mapping[str, float | None]], count: int, each: int = 3) -> list[int]:
    """`count` seeds outside the held-out ones: first `each` faces that have every attribute, then the lowest seeds."""
    free = [seed for seed in sorted(labels) if seed not in HELD_OUT_SEEDS]
    chosen: dict[int, None] = {}
    for name in ATTRIBUTES:
        having = [seed for seed in free if (labels[seed][name] or 0.0) > 0.5]
        chosen.update(dict.fromkeys(having[:each]))
    chosen.update(dict.fromkeys(free))
    return sorted(list(chosen)[:count])


def fit_mappers(
    config: RecipeConfig,
    backbone: Backbone,
    generator: Generator,
    identity: tuple[IdentityNetwork, dict[str, str]],
    work: Path,
    say: Report,
    only: Collection[str] = (),
    others: KeptMappers | None = None,
) -> Mappers:
    """Runs the stages, reusing what `work` already holds, and gives the trained Mappers back.

    identity: the face network that `config` names, and the hashes of its files. only: of PARTS, what is fitted; all
    when empty. others: what has the parts that are not fitted (`load_kept`); UsageError when it is missing.
    """
    parts = chosen_parts(only)
    if others is None and parts != PARTS:
        raise UsageError("Parts that are not fitted must come from other mappers; give these too.")
    figures: dict[str, object] = {"recipe": {**asdict(config), "tuned": list(config.tuned)}}
    fitted: dict[str, Any] = {}
    if parts != ("text",):
        drawn = _draw(config, backbone, generator, config.views if "vision" in parts else 1, work, say)
        figures |= {"faces": len(drawn.seeds), "views": len(drawn.views)}
        if "vision" in parts:
            fitted |= _fit_vision(config, drawn, backbone, generator, identity, work, say, figures)
        if "directions" in parts:
            clean = bank.load_shards(drawn.views[0])
            fitted["offset"], fitted["reader"] = _fit_offset(
                config, drawn.pictures, clean, drawn.latents, drawn.seeds, backbone, generator, work, say
            )
    if "text" in parts:
        fitted["text"], figures["sentences"] = fit_text_mapper(config, backbone, work, say)
    if others is None or parts == PARTS:
        whole: dict[str, Any] = {"attributes": ATTRIBUTES, "backbone": config.backbone, "generator": config.generator}
        return Mappers(**whole, **fitted, provenance=figures)
    figures |= {"fitted": list(parts)}
    figures["others"] = {"sha256": others.source, "provenance": others.mappers.provenance}
    return replace(others.mappers, **fitted, provenance=figures)


@dataclass(frozen=True)
class _Drawn:
    """The recipe's faces: latents w [N, w_dim], files of their pictures, and per view files of their features."""

    seeds: list[int]
    latents: Tensor
    pictures: list[Path]
    views: list[list[Path]]


def _draw(
    config: RecipeConfig, backbone: Backbone, generator: Generator, views: int, work: Path, say: Report
) -> _Drawn:
    """Draws the faces and looks at them, so many views of each."""
    faces = bank.plan_faces(choose_labelled(load_labels(), config.labelled_faces), config.extra_faces)
    latents = bank.latents_of(faces, generator)
    pictures = []
    for path in bank.render_shards(latents, generator, work):
        pictures.append(path)
        say(f"drawn: {path.name}")
    seen = [_see(config, view, pictures, backbone, work, say) for view in range(views)]
    return _Drawn([face.seed for face in faces], latents, pictures, seen)


def _fit_vision(
    config: RecipeConfig,
    drawn: _Drawn,
    backbone: Backbone,
    generator: Generator,
    identity: tuple[IdentityNetwork, dict[str, str]],
    work: Path,
    say: Report,
    figures: dict[str, object],
) -> dict[str, Any]:
    """Fields of Mappers: the vision mapper with its error, and the correction with the face network it reads by."""
    aside = config.validation_faces
    seen = vision_stage(drawn.views, drawn.latents, aside, config.rank, backbone, generator, work)
    figures |= {"vision_penalty": round(seen.penalty, 4), "vision_validation_cosine": round(seen.cosine, 4)}
    say(f"vision mapper: validation cosine {seen.cosine:.4f} at penalty {seen.penalty:.4f}")
    described = []
    network, hashes = identity
    folder = work / config.identity
    for path in bank.identity_shards(drawn.pictures, network, hashes, backbone.image_size, config.views, folder):
        described.append(path)
        say(f"described: {path.name}")
    bank_seen = SeenBank(drawn.pictures, drawn.views, described, drawn.latents, aside)
    correction = correction_stage(bank_seen, seen.mapper, generator, network, work)
    say(f"correction mapper: face vectors of the same face are {float(correction.usual):.3f} apart")
    return {
        "vision": seen.mapper,
        "correction": correction,
        "identity": config.identity,
        "vision_error": seen.error,
    }


def _see(
    config: RecipeConfig, view: int, pictures: list[Path], backbone: Backbone, work: Path, say: Report
) -> list[Path]:
    shards = []
    for path in bank.feature_shards(pictures, backbone, work / config.backbone, view):
        shards.append(path)
        say(f"seen: {path.name}")
    return shards


def fit_text_mapper(config: RecipeConfig, backbone: Backbone, work: Path, say: Report) -> tuple[TextMapper, int]:
    """The text mapper, from the grammar's sentences, and how many there were; kept in `work`."""
    held_texts = {row.text.lower() for row in load_heldout()}
    written = [*sample(1, config.sentences), *short_forms() * SHORT_FORM_COPIES]
    sentences = [s for s in written if s.text.lower() not in held_texts]
    training = TextTrainingConfig(epochs=config.text_epochs)

    def fit() -> dict[str, Tensor]:
        states = encode_sentences([s.text for s in sentences], backbone)
        table = intent_table(sentences, ATTRIBUTES)
        mapper = fit_text(
            states, table, training, lambda epoch, loss: say(f"text mapper: epoch {epoch + 1}, loss {loss:.3f}")
        )
        return mapper.state_dict()

    told = hashlib.sha256("\n".join(f"{s.text} {s.intents}" for s in sentences).encode()).hexdigest()
    tensors = kept(stage_file(work, "text", [told, asdict(training), backbone.weights]), fit)
    mapper = TextMapper(tensors["presence.weight"].shape[1], len(ATTRIBUTES))
    mapper.load_state_dict(tensors)
    return mapper, len(sentences)


def _fit_offset(
    config: RecipeConfig,
    pictures: list[Path],
    features: Tensor,
    latents: Tensor,
    seeds: list[int],
    backbone: Backbone,
    generator: Generator,
    work: Path,
    say: Report,
) -> tuple[OffsetMapper, AttributeReader]:
    """Picture classifier on the labels -> scores of all faces -> probes -> directions -> calibrated directions."""
    values, known = label_table(seeds, load_labels(), ATTRIBUTES)
    labelled = known.sum(1) > 0
    seen = (features[labelled], values[labelled], known[labelled], config.components, READER_PENALTY)
    weight, bias = fit_readings(*seen)
    # Everything that is said of its answers is said of faces it was not fitted on, as edited faces are.
    unseen = unseen_readings(*seen)
    low, high = mean_answers(unseen, values[labelled], known[labelled])
    learnt_low, learnt_high = mean_answers(features[labelled].float() @ weight, values[labelled], known[labelled])
    # What strangers show too little of to tell at all still gets a unit of the right sign.
    unit = torch.maximum(high - low, (learnt_high - learnt_low) / 10)
    reader = AttributeReader(len(weight), len(bias)).requires_grad_(False)
    reader.weight.copy_((weight / unit).T)
    reader.bias.copy_((bias - low) / unit)
    common = load_labels(rare=False)
    selected = torch.tensor([seed not in common for seed in seeds])[labelled]
    border = (fair_borders(unseen, values[labelled], known[labelled], selected) - low) / unit
    scores = torch.cat([reader(part.float()) for part in features.split(500)]).clamp(-1, 2)
    probes, probe_bias = fit_probes(latents, scores, values, known)
    colours = torch.stack(
        [torch.from_numpy(patch_colours(face)) for path in pictures for face in np.load(path, mmap_mode="r")]
    )
    colour_probes = fit_colour_probes(latents, colours.float())
    directions = fit_directions(probes, latents, ATTRIBUTES, colour_probes)
    say("directions: fitted, calibrating on renders")

    def score(ws: Tensor) -> Tensor:
        rows = []
        for row in ws:
            picture = to_levels(generator.draft(row[None]).clamp(-1, 1))
            small = scaled(picture, backbone.image_size).clamp(0, 255)
            rows.append(reader(backbone.encode_video(small[:, None]).still().cpu()))
        return torch.cat(rows)

    tried = latents[:: len(latents) // config.calibration_faces][: config.calibration_faces]
    key = [fingerprint(directions, tried, reader.weight, reader.bias), config.calibration_step]
    response = kept(
        stage_file(work, "calibration", [*key, backbone.weights, generator.weights]),
        lambda: {"response": measure_groups(directions, tried, score, generator.num_ws, config.calibration_step)},
    )["response"]
    calibration = solve_gains(response, ATTRIBUTES)
    offset = OffsetMapper(len(ATTRIBUTES), generator.num_ws, generator.w_dim)
    offset.directions.copy_(spread_over_layers(directions, calibration.gains, generator.num_ws))
    offset.probe_weight.copy_(probes)
    offset.probe_bias.copy_(probe_bias)
    offset.high.copy_((border + GOAL_MARGIN).clamp(max=FURTHEST_GOAL))
    offset.relative.copy_(torch.tensor([float(row.relative) for row in attribute_table()]))
    if config.tuned:
        _tune(config, offset, PictureReader(generator, backbone, reader), latents, work, say)
    return offset, reader


def _tune(
    config: RecipeConfig, offset: OffsetMapper, read: PictureReader, latents: Tensor, work: Path, say: Report
) -> None:
    """Tunes the chosen directions in place; each finished one is kept in `work`, so an interrupted run goes on."""
    for name in config.tuned:
        index = ATTRIBUTES.index(name)

        def tune(name: str = name, index: int = index) -> dict[str, Tensor]:
            rng = np.random.default_rng([index, config.tuning_steps])
            tuning = TuningConfig(steps=config.tuning_steps)
            return {"direction": tune_direction(offset, ATTRIBUTES, name, latents, read, tuning, rng)}

        state = fingerprint(*offset.state_dict().values(), read.reader.weight, read.reader.bias, latents)
        key = [state, config.tuning_steps, read.backbone.weights, read.generator.weights]
        offset.directions[index] = kept(stage_file(work, f"direction-{name}", key), tune)["direction"]
        say(f"tuned: {name}")
