"""What is compared: the preset's own mappers, and other mapper files in the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.mappers.files import load_mappers
from vl_backbone.backbones.registry import load_backbone
from vl_backbone.common.errors import UsageError, WeightsError


@dataclass(frozen=True)
class Method:
    """A row of the table: a name for files and people, and the model with those mappers."""

    name: str
    model: FaceModel


def load_methods(model: FaceModel, mapper_files: Sequence[Path]) -> list[Method]:
    """The preset's model, then one per mapper file; they share everything but backbone and mappers.

    Raises WeightsError when a file is unusable or was made for another generator, UsageError for equal names.
    """
    methods = [Method(model.preset, model), *(Method(path.stem, with_mappers(model, path)) for path in mapper_files)]
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--mappers: two rows of the table would be called {', '.join(twice)}; rename a file.")
    return methods


def with_mappers(model: FaceModel, path: Path) -> FaceModel:
    """The model with another mapper file and the backbone that file names. Raises WeightsError."""
    mappers, digest = load_mappers(path)
    if mappers.generator != model.generator.name:
        raise WeightsError(
            f"{path} was trained for the generator {mappers.generator}, but preset {model.preset} draws with "
            f"{model.generator.name}."
        )
    backbone = load_backbone(mappers.backbone, str(model.device))
    weights = {**model.generator.weights, **backbone.weights, path.name: digest}
    return FaceModel(
        replace(model.parts, backbone=backbone, mappers=mappers.to(model.device), pixel_mapper=None),
        replace(model.settings, weights=weights),
    )
