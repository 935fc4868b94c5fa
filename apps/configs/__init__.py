"""Recipes of `vilaface train`, as YAML beside this file, and how the command line finds one by its name.

Everything below apps takes a path; names are known only here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vl_backbone.common.errors import UsageError

# One folder per command: train mapper, mapper-images, hdvila-mini, backbone, preview-heads.
Kind = Literal["mappers", "mapper_images", "hdvila_mini", "backbone", "preview_heads"]
CONFIGS_DIR = Path(__file__).parent


def recipe_names(kind: Kind) -> list[str]:
    """Names that `recipe_path` knows, in the order of the alphabet."""
    return sorted(path.stem for path in (CONFIGS_DIR / kind).glob("*.yaml"))


def recipe_path(kind: Kind, config: str) -> Path:
    """A shipped recipe's name, or the user's own YAML file -> its path, which need not be there yet.

    A name wins over a file called the same; `./mini` is always the file. UsageError for a bare word that is neither.
    """
    if config in recipe_names(kind):
        return CONFIGS_DIR / kind / f"{config}.yaml"
    path = Path(config)
    if path.suffix or config != path.name or path.is_file():
        return path
    raise UsageError(
        f"There is no recipe {config!r} and no file of that name; shipped are {', '.join(recipe_names(kind))}."
    )
