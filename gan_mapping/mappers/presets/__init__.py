"""Presets are data: which backbone, generator, mapper and identity network belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vl_backbone.common.errors import UsageError
from vl_backbone.common.yaml_config import load_yaml


@dataclass(frozen=True)
class Preset:
    """One named combination of parts.

    backbone, generator: names for `load_backbone` and `load_generator`.
    mapper: the trained linear layers: a file in gan_mapping/weights, or else a name in the weight store.
    identity, perceptual: names for `losses.networks` of what judges a reconstruction.
    refine_steps: default number of refinement steps on a real photo.
    parts: every weight file it may need, by its name in the table of weights, in the order to get them.
    optional: files of the same table that it can do without.
    """

    name: str
    backbone: str
    generator: str
    mapper: str
    identity: str
    perceptual: str
    refine_steps: int
    parts: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.refine_steps < 0:
            raise UsageError(f"refine_steps must be 0 or more, got {self.refine_steps}.")


def preset_names() -> list[str]:
    """Names that `load_preset` knows."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """The preset of that name or in that YAML file; UsageError names the known ones otherwise."""
    if name.endswith((".yaml", ".yml")):
        return load_yaml(Preset, Path(name))
    if name not in preset_names():
        raise UsageError(f"Unknown preset {name!r}; this version has {', '.join(preset_names())}.")
    return load_yaml(Preset, Path(__file__).with_name(f"{name}.yaml"))
