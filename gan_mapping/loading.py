"""From a preset's name to a ready FaceEditor: the one place where files, devices and networks meet."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from fdvd.detection import load_detector
from gan_mapping.checkpoint import WEIGHTS_DIR, load_mappers
from gan_mapping.editing import FaceEditor
from gan_mapping.generators.factory import load_generator
from gan_mapping.losses.face_network import FaceNetwork
from gan_mapping.presets import load_preset
from gan_mapping.refinement import Refiner
from vl_backbone.assets import WeightStore
from vl_backbone.errors import UsageError, WeightsError
from vl_backbone.factory import load_backbone, load_efficientnet


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


def load_editor(preset_name: str, device: str = "auto") -> FaceEditor:
    """See `FaceEditor.from_preset`."""
    preset = load_preset(preset_name)
    target = choose_device(device)
    store = WeightStore()
    mappers, mapper_hash = load_mappers(WEIGHTS_DIR / preset.mapper)
    if (mappers.backbone, mappers.generator) != (preset.backbone, preset.generator):
        raise WeightsError(
            f"{preset.mapper} was trained for {mappers.backbone} and {mappers.generator}, but preset "
            f"{preset.name} asks for {preset.backbone} and {preset.generator}."
        )
    backbone = load_backbone(preset.backbone, str(target), store)
    generator = load_generator(preset.generator, str(target), store)
    identity = FaceNetwork()
    identity.load_state_dict(load_file(store.path(preset.identity)))
    identity = identity.eval().requires_grad_(False).to(target)
    perceptual = load_efficientnet(store).to(target)
    used = {preset.identity: store.sha256(preset.identity), "mtcnn": store.sha256("mtcnn")}
    return FaceEditor(
        backbone,
        generator,
        mappers.to(target),
        load_detector(str(target)),
        identity,
        Refiner(generator, perceptual, identity, target),
        preset=preset.name,
        refine_steps=preset.refine_steps,
        weights={**backbone.weights, **generator.weights, **used, preset.mapper: mapper_hash},
        device=target,
    )
