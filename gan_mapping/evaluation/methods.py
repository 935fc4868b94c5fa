"""What is compared: the preset's own mappers, and other mapper files in the same editor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_mapping.editing.editor import FaceEditor
from gan_mapping.mappers.files import load_mappers
from vl_backbone.backbones.registry import load_backbone
from vl_backbone.common.errors import UsageError, WeightsError


@dataclass(frozen=True)
class Method:
    """A row of the table: a name for files and people, and the editor with those mappers."""

    name: str
    editor: FaceEditor


def load_methods(editor: FaceEditor, mapper_files: Sequence[Path]) -> list[Method]:
    """The preset's editor, then one per mapper file; they share everything but backbone and mappers.

    Raises WeightsError when a file is unusable or was made for another generator, UsageError for equal names.
    """
    methods = [Method(editor.preset, editor), *(Method(path.stem, with_mappers(editor, path)) for path in mapper_files)]
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--mappers: two rows of the table would be called {', '.join(twice)}; rename a file.")
    return methods


def with_mappers(editor: FaceEditor, path: Path) -> FaceEditor:
    """The editor with another mapper file and the backbone that file names. Raises WeightsError."""
    mappers, digest = load_mappers(path)
    if mappers.generator != editor.generator.name:
        raise WeightsError(
            f"{path} was trained for the generator {mappers.generator}, but preset {editor.preset} draws with "
            f"{editor.generator.name}."
        )
    backbone = load_backbone(mappers.backbone, str(editor.device))
    return FaceEditor(
        backbone,
        editor.generator,
        mappers.to(editor.device),
        editor.detector,
        editor.identity,
        editor.refiner,
        preset=editor.preset,
        refine_steps=editor.refine_steps,
        weights={**editor.generator.weights, **backbone.weights, path.name: digest},
        device=editor.device,
    )
