"""The settings of mapper training with picture losses, as one YAML file; see docs/training.md."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar

from gan_mapping.generators.registry import is_path
from gan_mapping.training.through_generator.trainable import Part
from vl_backbone.common.errors import UsageError
from vl_backbone.common.yaml_config import load_yaml
from vl_backbone.training.loop import RunConfig
from vl_backbone.training.optim import OptimizerConfig, ScheduleConfig


@dataclass(frozen=True)
class _Weights:
    """Loss weights of 0 or more; `pictures` names those that need a face to be drawn."""

    pictures: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not 0 <= value < float("inf"):
                raise UsageError(f"The weight {item.name} must be a number of 0 or more, got {value}.")

    @property
    def drawn(self) -> bool:
        """Whether faces have to be drawn for it."""
        return any(getattr(self, name) > 0 for name in self.pictures)


@dataclass(frozen=True)
class ReconstructionLosses(_Weights):
    """Weights of what a face drawn from the vision mapper's latent must fulfil; 0 leaves a term out.

    latent: distance from the true w, where it is known. mean: distance from w_mean. pixel, perceptual, identity:
    against the picture itself. caption: in-batch NCE of drawn faces and their captions.
    """

    latent: float = 0.0
    mean: float = 0.0
    pixel: float = 0.0
    perceptual: float = 0.0
    identity: float = 0.0
    caption: float = 0.0
    pictures: ClassVar[tuple[str, ...]] = ("pixel", "perceptual", "identity", "caption")


@dataclass(frozen=True)
class EditLosses(_Weights):
    """Weights of what an edited face must fulfil; 0 leaves a term out.

    directional: the picture's embedding moves as the sentence differs from a neutral one. contrast: in-batch NCE of
    these two differences. reach, keep: readings of the attributes that the sentence names and of all others.
    identity: likeness to the unedited face. offset: length of the w+ offset. spread: distance of w+ from W.
    intents: the sentence is read as the grammar meant it (text mapper).
    """

    directional: float = 0.0
    contrast: float = 0.0
    reach: float = 0.0
    keep: float = 0.0
    identity: float = 0.0
    offset: float = 0.0
    spread: float = 0.0
    intents: float = 0.0
    pictures: ClassVar[tuple[str, ...]] = ("directional", "contrast", "reach", "keep", "identity")


@dataclass(frozen=True)
class FacesConfig:
    """folders: anything that `open_dataset` reads, faces FFHQ-aligned. drawn: so many faces of the generator's own.

    held_out_faces: how many held-out faces every check looks at. augment: show the vision mapper a new damaged view
    of each face every time (else the backbone's features are computed once and kept). sentences: of the grammar, for
    edits.
    """

    folders: tuple[Path, ...] = ()
    drawn: int = 0
    held_out_faces: int = 8
    augment: bool = False
    sentences: int = 20_000

    def __post_init__(self) -> None:
        if not self.folders and not self.drawn:
            raise UsageError("faces names no data: give folders, or drawn: so many faces of the generator.")
        if self.drawn < 0 or self.held_out_faces < 1 or self.sentences < 1:
            raise UsageError("drawn must not be negative; held_out_faces and sentences must be 1 or more.")


@dataclass(frozen=True)
class FreshConfig:
    """Mappers that know nothing yet, for this backbone and generator (name or file). rank: of the vision mapper."""

    backbone: str
    generator: str
    rank: int = 256

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UsageError(f"rank must be 1 or more, got {self.rank}.")


@dataclass(frozen=True)
class ImageTrainingConfig:
    """start: mapper file to go on from, or fresh: new mappers; neither: the shipped ones. parts: what trains.

    generator: another one than the start's, of the same W. language: backbone of the language-image losses; by
    default the mappers' own. neutral: the sentence from which differences are taken. identity, perceptual: networks.
    size: side in pixels at which pictures are compared. checkpoint: draw one face at a time and keep nothing of it.
    """

    faces: FacesConfig
    reconstruction: ReconstructionLosses = field(default_factory=ReconstructionLosses)
    edit: EditLosses = field(default_factory=EditLosses)
    parts: tuple[Part, ...] = ("vision",)
    start: Path | None = None
    fresh: FreshConfig | None = None
    generator: str | None = None
    language: str | None = None
    neutral: str = "a photo of a person"
    identity: str = "dlib-face-resnet"
    perceptual: str = "efficientnet-lite0"
    size: int = 256
    checkpoint: bool = False
    # No decay by default; eps small because gradients through the generator are.
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=0.003, weight_decay=0.0, eps=1e-10, clip_norm=0.0)
    )
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("constant", warmup=0.05))
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.start and self.fresh:
            raise UsageError("Give start or fresh, not both.")
        if not self.parts or len(set(self.parts)) < len(self.parts):
            raise UsageError("parts must name what trains, each once: vision, vision_input, directions, text.")
        if self.size < 32:
            raise UsageError(f"size must be 32 or more pixels, got {self.size}.")
        reads = {"vision", "vision_input"} & set(self.parts)
        moves = {"directions", "text"} & set(self.parts)
        for parts, losses, name in ((reads, self.reconstruction, "reconstruction"), (moves, self.edit, "edit")):
            weighted = any(getattr(losses, f.name) for f in fields(losses))
            if parts and not weighted:
                raise UsageError(f"{' and '.join(sorted(parts))} can only learn from {name} losses; all of them are 0.")
            if weighted and not parts:
                raise UsageError(f"The {name} losses teach none of the parts {', '.join(self.parts)}; leave them out.")
        if self.edit.intents and "text" not in self.parts:
            raise UsageError("The loss edit.intents teaches the part text, which does not train; leave it out.")


def load_image_config(path: Path) -> ImageTrainingConfig:
    """A YAML file -> ImageTrainingConfig; paths are relative to the file. UsageError says what is wrong with it."""
    config = load_yaml(ImageTrainingConfig, path)
    if config.fresh:
        fresh = replace(config.fresh, generator=_placed(config.fresh.generator, path))
        config = replace(config, fresh=fresh)
    return replace(config, generator=_placed(config.generator, path)) if config.generator else config


def _placed(generator: str, path: Path) -> str:
    return str(path.resolve().parent / Path(generator).expanduser()) if is_path(generator) else generator
