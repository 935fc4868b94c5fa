"""`vilaface evaluate`: how well a backbone does on downstream tasks; the work is in vl_backbone.downstream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli import evaluate_edits
from apps.cli.common import (
    DebugOption,
    DeviceOption,
    JsonOption,
    check_device_name,
    exit_codes,
    print_json,
    say,
)
from apps.cli.evaluate_clip import evaluate_clip
from apps.cli.evaluate_photos import evaluate_photos
from apps.cli.evaluate_shared import advancing, name_failures

evaluate_app = typer.Typer(help="Measure trained models.", no_args_is_help=True)
evaluate_app.command("edits")(evaluate_edits.edits)
evaluate_app.command("reconstruction")(evaluate_edits.reconstruction)
evaluate_app.command("sheet")(evaluate_edits.sheet)
evaluate_app.command("clip")(evaluate_clip)
evaluate_app.command("photos")(evaluate_photos)

RecipeOption = Annotated[Path, typer.Option("--config", help="YAML with the recipe; see docs/pretraining.md.")]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="Weights to measure in place of the recipe's model.checkpoint.")
]


@evaluate_app.callback()
def evaluate() -> None:
    """Measure trained models."""


@evaluate_app.command("retrieval")
def evaluate_retrieval(
    config: RecipeOption,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Text-to-video retrieval: R@1, R@5, R@10 and median rank, zero-shot or of a fine-tuned model."""
    with exit_codes(debug), advancing("measuring") as advance:
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.downstream.recipes import RetrievalConfig, measure_retrieval

        result = measure_retrieval(load_yaml(RetrievalConfig, config), weights, _device(device), advance)
        directions = {"text_to_video": result.text_to_video, "video_to_text": result.video_to_text}
        if as_json:
            figures = {name: ranking.to_dict() for name, ranking in directions.items()}
            print_json({**figures, "videos": result.videos, "failed": list(result.failed)})
        for name, ranking in directions.items():
            say(
                f"{name.replace('_', ' ')}: R@1 {ranking.r1:.1f}  R@5 {ranking.r5:.1f}  R@10 {ranking.r10:.1f}  "
                f"median rank {ranking.median_rank:g}  ({ranking.queries} queries, {result.videos} videos)"
            )
        name_failures(result.failed)


@evaluate_app.command("qa")
def evaluate_qa(
    config: RecipeOption,
    weights: Annotated[Path, typer.Option("--weights", help="Weights to measure, as `train qa` writes them.")],
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Question answering and multiple choice: percent of questions answered rightly."""
    with exit_codes(debug), advancing("measuring") as advance:
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.downstream.recipes import QuestionConfig, measure_questions

        result = measure_questions(load_yaml(QuestionConfig, config), weights, _device(device), advance)
        if as_json:
            row = {"accuracy": result.accuracy, "questions": result.questions, "failed": list(result.failed)}
            print_json(row)
        say(f"accuracy {result.accuracy:.1f} % of {result.questions} questions")
        name_failures(result.failed)


def _device(name: str) -> str:
    import torch

    check_device_name(name)
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
