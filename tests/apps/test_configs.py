"""Shipped recipes: each is read by its loader, and the defaults are the recipes of the shipped weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open

from apps.configs import CONFIGS_DIR, Kind, recipe_names, recipe_path
from gan_mapping.generators.registry import PREVIEW_HEADS
from gan_mapping.hdvila_mini.recipe import MiniRecipe
from gan_mapping.mappers.files import WEIGHTS_DIR, load_mappers
from gan_mapping.mappers.presets import load_preset
from gan_mapping.training.closed_form.recipe import RecipeConfig, load_config
from gan_mapping.training.preview_heads import HeadRecipe
from gan_mapping.training.through_generator.image_config import load_image_config
from vl_backbone.common.errors import UsageError
from vl_backbone.common.yaml_config import load_yaml
from vl_backbone.hdvila.mini_weights import MINI_FILE
from vl_backbone.pretraining.recipe import PretrainingConfig
from vl_backbone.training.keys import canonical_json

SHIPPED: dict[Kind, list[str]] = {
    "mappers": ["mini", "mini-imagenet", "smoke"],
    "mapper_images": ["images", "images-smoke"],
    "hdvila_mini": ["hdvila-mini"],
    "backbone": ["stage1", "stage2"],
    "preview_heads": ["preview-heads"],
}


def test_every_shipped_recipe_is_read_by_its_loader() -> None:
    assert {kind: recipe_names(kind) for kind in SHIPPED} == SHIPPED
    assert len(list(CONFIGS_DIR.rglob("*.yaml"))) == sum(map(len, SHIPPED.values())), "a recipe that no kind has"
    assert all(load_config(recipe_path("mappers", name)) for name in SHIPPED["mappers"])
    for name in SHIPPED["mapper_images"]:
        assert load_image_config(recipe_path("mapper_images", name)).faces.drawn > 0
    assert load_yaml(MiniRecipe, recipe_path("hdvila_mini", "hdvila-mini"))
    stages = [load_yaml(PretrainingConfig, recipe_path("backbone", name)).stage for name in SHIPPED["backbone"]]
    assert stages == [1, 2]


def test_defaults_are_the_shipped_recipes() -> None:
    assert load_config(recipe_path("mappers", "mini")) == RecipeConfig()
    assert load_yaml(MiniRecipe, recipe_path("hdvila_mini", "hdvila-mini")) == MiniRecipe()
    assert load_yaml(HeadRecipe, recipe_path("preview_heads", "preview-heads")) == HeadRecipe()
    with safe_open(PREVIEW_HEADS, "pt") as file:
        assert file.metadata()["recipe"] == canonical_json({"recipe": HeadRecipe()})


@pytest.mark.parametrize("name", ["mini", "mini-imagenet"])
def test_recipes_say_what_their_shipped_files_say(name: str) -> None:
    recipe, preset = load_config(recipe_path("mappers", name)), load_preset(name)
    mappers, _ = load_mappers(WEIGHTS_DIR / preset.mapper)
    told = mappers.provenance
    assert (mappers.backbone, mappers.generator, mappers.identity) == (
        recipe.backbone,
        recipe.generator,
        recipe.identity,
    )
    assert recipe.labelled_faces + recipe.extra_faces == told["faces"]
    assert recipe.rank == mappers.vision.down.weight.shape[0] == told.get("vision_rank", recipe.rank)
    assert recipe.calibration_faces == told.get("calibration_faces", recipe.calibration_faces)


def test_the_hdvila_mini_recipe_says_what_its_file_says() -> None:
    recipe = MiniRecipe()
    with safe_open(MINI_FILE, "pt") as file:
        assert int(file.metadata()["frozen_text_layers"]) == recipe.frozen_text_layers
        assert '"still_faces": 6600' in file.metadata()["provenance"], "of 7,000 all but the 400 held-out ones"
    assert recipe.still_faces == 6600 + 400


def test_names_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipe_path("mappers", "smoke").is_file()
    for mine in ("mine.yaml", "folder/mine", "./mini"):
        assert recipe_path("mappers", mine) == Path(mine)
    with pytest.raises(UsageError, match=r"'mimi'.*mini, mini-imagenet, smoke"):
        recipe_path("mappers", "mimi")
    (tmp_path / "mimi").write_text("rank: 3")
    assert recipe_path("mappers", "mimi") == Path("mimi")
