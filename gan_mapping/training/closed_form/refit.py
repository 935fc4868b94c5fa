"""Fitting some parts of the mappers anew and taking the others from a mapper file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fdvd.attributes.table import ATTRIBUTES
from gan_mapping.mappers.files import WEIGHTS_DIR, Mappers, load_mappers
from gan_mapping.mappers.presets import load_preset, preset_names
from vl_backbone.common.errors import UsageError

# What can be fitted without the others. vision: with the correction, which reads its codes, and the error measured on
# it. directions: with the reader that scores them and the latent probes.
PARTS = ("vision", "directions", "text")


@dataclass(frozen=True)
class KeptMappers:
    """Where the parts come from that are not fitted. source: sha256 of their file."""

    mappers: Mappers
    source: str

    def check(self, backbone: str, generator: str, path: Path) -> None:
        """UsageError when layers of these names cannot stand beside them."""
        theirs = (self.mappers.backbone, self.mappers.generator)
        if theirs != (backbone, generator):
            raise UsageError(
                f"{path} was trained for {' and '.join(theirs)}, but the recipe says {backbone} and {generator}; "
                "give a mapper file of the same backbone and generator by --from."
            )
        if self.mappers.attributes != ATTRIBUTES:
            raise UsageError(f"{path} has other attributes than this version's labels; fit all parts anew.")


def chosen_parts(only: Collection[str]) -> tuple[str, ...]:
    """Names of parts, none for all -> those of PARTS that are to be fitted; UsageError for unknown ones."""
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise UsageError(f"Unknown part {unknown[0]!r}; the mappers have {', '.join(PARTS)}.")
    return tuple(part for part in PARTS if part in only) or PARTS


def load_kept(path: Path | None, backbone: str, generator: str) -> KeptMappers:
    """The mapper file to take the other parts from; None for the shipped one of that backbone and generator.

    UsageError when none is shipped or the file belongs to others, WeightsError when it is missing or damaged.
    """
    path = path or _shipped(backbone, generator)
    kept = KeptMappers(*load_mappers(path))
    kept.check(backbone, generator, path)
    return kept


def _shipped(backbone: str, generator: str) -> Path:
    for preset in map(load_preset, preset_names()):
        path = WEIGHTS_DIR / preset.mapper
        if (preset.backbone, preset.generator) == (backbone, generator) and path.is_file():
            return path
    raise UsageError(
        f"No mappers are shipped for {backbone} and {generator}; name the file to take the other parts from by --from."
    )
