"""`vilaface train`: fit the linear mappers; the work is in gan_mapping.training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli.common import exit_codes, quiet_libraries, say

train_app = typer.Typer(help="Train the project's own parts.", no_args_is_help=True)

DEFAULT_CONFIG = Path(__file__).parents[2] / "gan_mapping" / "training" / "mini.yaml"


@train_app.callback()
def train() -> None:
    """Train the project's own parts."""


@train_app.command("mapper")
def train_mapper(
    config: Annotated[Path, typer.Option(help="YAML with the fields of RecipeConfig.")] = DEFAULT_CONFIG,
    work: Annotated[Path | None, typer.Option(help="Folder for faces and features (several GB).")] = None,
    out: Annotated[Path, typer.Option(help="Mapper file to write.")] = Path("mini.safetensors"),
) -> None:
    """Fit vision, text and offset mappers from redrawn faces and labels. Interrupt freely: it resumes."""
    with exit_codes():
        quiet_libraries()
        from gan_mapping.checkpoint import save_mappers
        from gan_mapping.generators.factory import load_generator
        from gan_mapping.training.recipe import fit_mappers, load_config
        from vl_backbone import load_backbone
        from vl_backbone.assets import default_home

        recipe = load_config(config)
        backbone, generator = load_backbone(recipe.backbone), load_generator(recipe.generator)
        folder = work or default_home() / "training" / config.stem
        say(f"Working in {folder}.")
        mappers = fit_mappers(recipe, backbone, generator, folder, say)
        save_mappers(mappers, out)
        say(f"Wrote {out}.")
