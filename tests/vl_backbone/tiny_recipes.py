"""Recipes of a model small enough to train in a test, as YAML files like a user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.vl_backbone.moving_shapes import MovingShapes

TINY_FIELDS: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 40,
    "max_position_embeddings": 32,
    "max_grid_row_position_embeddings": 4,
    "max_grid_col_position_embeddings": 4,
    "timesformer_depth": 2,
    "timesformer_heads": 2,
    "resnet_base_channels": 4,
    "initializer_range": 0.1,
    "hidden_dropout_prob": 0.02,
    "attention_probs_dropout_prob": 0.02,
}
# The window all but fills the videos, so that a few steps are enough to learn them.
TINY_CLIPS: dict[str, Any] = {
    "sampling": {"clips": 1, "frames": 3, "rate": 6},
    "resize": [16, 16],
    "crop": [16, 16],
}


def write_recipe(path: Path, recipe: dict[str, Any]) -> Path:
    """Writes a YAML file and gives its path back."""
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def annotations(shapes: MovingShapes) -> Path:
    """Every third video of the small set as .jsonl: 8 pairs."""
    path = shapes.folder / "pairs.jsonl"
    rows = [{"video": video.path.name, "captions": [video.caption]} for video in shapes.videos[::3]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def stage_one(shapes: MovingShapes, **run: Any) -> dict[str, Any]:
    """A stage-1 recipe on the small set; run: fields of RunConfig."""
    return {
        "stage": 1,
        "model": {"fields": TINY_FIELDS, "calibration_batches": 2},
        "text": {"vocabulary": str(shapes.vocabulary)},
        "data": {"annotations": str(annotations(shapes)), "videos": str(shapes.folder), "clips": TINY_CLIPS},
        "optimizer": {"learning_rate": 1.0e-3},
        "run": {"steps": 60, "batch_size": 4, "save_every": 5, "log_every": 1, **run},
    }


def stage_two(shapes: MovingShapes, checkpoint: Path, **run: Any) -> dict[str, Any]:
    """A stage-2 recipe that goes on from stage 1's weights."""
    recipe = stage_one(shapes, **run)
    recipe["model"] = {"fields": TINY_FIELDS, "checkpoint": str(checkpoint)}
    return {**recipe, "stage": 2, "masking": {"probability": 0.3}, "optimizer": {"learning_rate": 3.0e-3}}


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's log so far."""
    path = folder / "log.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
