"""Presets are data: which backbone, generator, mapper and identity network belong together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from vl_backbone.common.errors import UsageError


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
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = {"refine_steps": int, "parts": tuple, "optional": tuple}.get(field.name, str)
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise UsageError(f"Preset field {field.name!r} must be {wanted.__name__}, got {value!r}.")
        if self.refine_steps < 0:
            raise UsageError(f"refine_steps must be 0 or more, got {self.refine_steps}.")


def preset_names() -> list[str]:
    """Names that `load_preset` knows."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """The preset of that name; UsageError names the known ones otherwise."""
    if name not in preset_names():
        raise UsageError(f"Unknown preset {name!r}; this version has {', '.join(preset_names())}.")
    values = yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))
    known = {field.name for field in fields(Preset)}
    if isinstance(values, dict):
        values.setdefault("optional", [])
    if not isinstance(values, dict) or set(values) != known:
        raise UsageError(f"Preset {name!r} must have exactly the fields {', '.join(sorted(known))}.")
    for field in ("parts", "optional"):
        if not isinstance(values[field], list) or not all(isinstance(part, str) for part in values[field]):
            raise UsageError(f"Preset {name!r}: {field} must be a list of names.")
        values[field] = tuple(values[field])
    return Preset(**values)
