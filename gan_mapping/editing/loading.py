"""From a preset's name to a ready FaceModel: the one place where files, devices and networks meet."""

from __future__ import annotations

from pathlib import Path

import torch

from fdvd.faces.detection import load_detector
from gan_mapping.editing.closed_loop import ClosedLoopConfig
from gan_mapping.editing.face_model import FaceModel, FaceParts, FaceSettings
from gan_mapping.editing.refinement import Refiner
from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.registry import MOBILE_STYLEGAN, load_generator
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from gan_mapping.mappers.files import WEIGHTS_DIR, Mappers, load_mappers
from gan_mapping.mappers.presets import Preset, load_preset
from gan_mapping.mappers.transfer import adapt_mappers, load_mobile_mapping
from gan_mapping.perception.networks import load_identity, load_perceptual
from gan_mapping.superres.mapper import load_pixel_mapper
from vl_backbone.backbones.registry import load_backbone
from vl_backbone.common.errors import UsageError, WeightsError
from vl_backbone.weights import WeightStore

# Any generator whose W is this one's (see `carry_mappers`) can be driven by the same pixel mapper.
PIXEL_MAPPER_GENERATOR = MOBILE_STYLEGAN
PIXEL_MAPPER = WEIGHTS_DIR / "superres.safetensors"


def choose_device(device: str) -> torch.device:
    """ "auto" -> the GPU when there is one, else the CPU; UsageError for a device that is not here."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError(f'Unknown device {device!r}; use "auto", "cpu" or "cuda".') from None
    if chosen.type not in ("cpu", "cuda") or (
        chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()
    ):
        raise UsageError(f"There is no device {device!r} on this machine; use --device cpu.")
    return chosen


def load_face_model(
    preset_name: str,
    device: str = "auto",
    generator_name: str | None = None,
    closed_loop: ClosedLoopConfig | None = None,
) -> FaceModel:
    """The model of that preset. closed_loop: how edits are tried out, by default as ClosedLoopConfig says.

    The other arguments and the errors are those of `FaceEditor.from_preset`.
    """
    preset = load_preset(preset_name)
    target = choose_device(device)
    store = WeightStore()
    # Whatever is missing is found before anything large is loaded.
    mappers, mapper_hash = load_mappers(mapper_file(preset, store))
    if (mappers.backbone, mappers.generator) != (preset.backbone, preset.generator):
        raise WeightsError(
            f"{preset.mapper} was trained for {mappers.backbone} and {mappers.generator}, but preset "
            f"{preset.name} asks for {preset.backbone} and {preset.generator}."
        )
    if mappers.correction is not None and mappers.identity != preset.identity:
        raise WeightsError(
            f"{preset.mapper} reads faces by {mappers.identity}, but preset {preset.name} asks for {preset.identity}."
        )
    generator = load_generator(generator_name or preset.generator, str(target), store)
    if generator.name != preset.generator:
        mappers = carry_mappers(mappers, generator, store)
    backbone = load_backbone(preset.backbone, str(target), store)
    identity, identity_hashes = load_identity(preset.identity, target, store)
    perceptual, perceptual_hashes = load_perceptual(preset.perceptual, target, store)
    used = {**identity_hashes, "mtcnn": store.sha256("mtcnn"), preset.mapper: mapper_hash}
    if preset.refine_steps:
        used |= perceptual_hashes
    pixel_mapper = None
    if preset.generator == PIXEL_MAPPER_GENERATOR:
        pixel_mapper, used[PIXEL_MAPPER.name] = load_pixel_mapper(PIXEL_MAPPER, preset.generator)
        pixel_mapper.to(target)
    parts = FaceParts(
        backbone,
        generator,
        mappers.to(target),
        load_detector(str(target)),
        identity,
        Refiner(generator, perceptual, identity, target),
        pixel_mapper,
    )
    settings = FaceSettings(
        preset.name,
        target,
        preset.refine_steps,
        {**backbone.weights, **generator.weights, **used},
        closed_loop or ClosedLoopConfig(),
    )
    return FaceModel(parts, settings)


def mapper_file(preset: Preset, store: WeightStore) -> Path:
    """The preset's trained layers: shipped with the package, or imported by the user."""
    shipped = WEIGHTS_DIR / preset.mapper
    return shipped if shipped.suffix == ".safetensors" else store.path(preset.mapper)


def carry_mappers(mappers: Mappers, generator: Generator, store: WeightStore) -> Mappers:
    """The mappers for another generator of the same W; WeightsError with the reason when it is not the same."""
    if not isinstance(generator, StyleGAN2Generator):
        raise WeightsError(f"The mappers of {mappers.generator} cannot drive {generator.name}.")
    return adapt_mappers(mappers, generator.network, generator.name, load_mobile_mapping(store))
