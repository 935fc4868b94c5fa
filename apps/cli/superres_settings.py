"""What `vilaface superres` was asked for, for pictures and clips alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SuperresSettings:
    """What one call of `superres` asks for, the same for every picture; text None: the pixels alone."""

    text: str | None
    strength: float
    out: Path
    samples: int
    seed: int
    face: str
    aligned: bool
    preset: str
    device: str
    generator: str | None = None
