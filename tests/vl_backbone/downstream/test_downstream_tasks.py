"""Each downstream recipe on the small set of real videos: it trains, it measures, bad videos are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vl_backbone.moving_shapes import MovingShapes
from tests.vl_backbone.tiny_recipes import TINY_CLIPS, TINY_FIELDS, read_log, write_recipe
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.yaml_config import load_yaml
from vl_backbone.downstream.answering import QuestionCollator, QuestionDataset, evaluate_answers
from vl_backbone.downstream.questions import Choice
from vl_backbone.downstream.recipes import (
    CaptionSet,
    QuestionConfig,
    RetrievalConfig,
    measure_questions,
    measure_retrieval,
    train_questions,
    train_retrieval,
)
from vl_backbone.downstream.retrieval import evaluate_caption_choice
from vl_backbone.hdvila.checkpoint import save_official_checkpoint
from vl_backbone.hdvila.model import build_hdvila
from vl_backbone.pretraining.calibration import calibrate_batch_norms
from vl_backbone.pretraining.tokens import WordPieces
from vl_backbone.training.data import stack_clips
from vl_backbone.video.clips import ClipConfig, load_clips
from vl_backbone.video.sampling import SamplingConfig

CLIPS = ClipConfig(SamplingConfig(1, 3, 6), resize=(16, 16), crop=(16, 16))


@pytest.fixture(scope="module")
def weights(moving_shapes: MovingShapes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage-2 checkpoint that has learned nothing yet; its batch norms fit the videos."""
    torch.manual_seed(0)
    model = build_hdvila(TINY_FIELDS, 2)
    clips = [load_clips(video.path, CLIPS) for video in moving_shapes.videos[:13:4]]
    calibrate_batch_norms(model, [stack_clips(clips)])
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_official_checkpoint(model, path)
    return path


@pytest.fixture(scope="module")
def four(moving_shapes: MovingShapes) -> MovingShapes:
    """Four videos that differ in their colour only."""
    return replace(moving_shapes, videos=moving_shapes.videos[:13:4])


def recipe(shapes: MovingShapes, weights: Path, **sets: Any) -> dict[str, Any]:
    return {
        "model": {"fields": TINY_FIELDS, "checkpoint": str(weights)},
        "text": {"vocabulary": str(shapes.vocabulary)},
        "optimizer": {"learning_rate": 1.0e-3},
        "run": {"steps": 70, "batch_size": 4, "log_every": 1},
        **{name: {"clips": TINY_CLIPS, "videos": str(shapes.folder), **value} for name, value in sets.items()},
    }


def msrvtt(shapes: MovingShapes, folder: Path) -> dict[str, str]:
    """The small set in MSR-VTT's own layout."""
    content = {
        "videos": [{"video_id": v.path.stem, "split": "train"} for v in shapes.videos],
        "sentences": [{"video_id": v.path.stem, "caption": v.caption} for v in shapes.videos],
    }
    path = folder / "info.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return {"layout": "msrvtt", "annotations": str(path), "split": "train"}


@pytest.fixture(scope="module")
def fine_tuned(four: MovingShapes, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The YAML of a retrieval recipe; its fine-tuned model is beside it."""
    folder = tmp_path_factory.mktemp("retrieval")
    data = msrvtt(four, folder)
    path = write_recipe(folder / "recipe.yaml", recipe(four, weights, train=data, test=data))
    train_retrieval(load_yaml(RetrievalConfig, path), folder, cpu=True)
    return path


@pytest.mark.slow
def test_retrieval_zero_shot_and_fine_tuned(fine_tuned: Path) -> None:
    config = load_yaml(RetrievalConfig, fine_tuned)
    before = measure_retrieval(config)
    after = measure_retrieval(config, fine_tuned.with_name("model.safetensors"))
    assert before.videos == after.videos == before.text_to_video.queries == 4
    assert before.text_to_video.mean_rank >= 2, "untrained weights guess"
    assert after.text_to_video.mean_rank <= 1.5 and after.text_to_video.r1 >= 75
    assert after.video_to_text.r1 >= 75 and after.video_to_text.r5 == 100


@pytest.mark.slow
def test_caption_choice_by_embeddings(four: MovingShapes, fine_tuned: Path, tmp_path: Path) -> None:
    rows = []
    for video in four.videos:
        colours = [other.colour for other in four.videos if other != video]
        others = [video.caption.replace(video.colour, colour) for colour in colours]
        options = [*others[:2], video.caption, others[2], "it"]
        rows.append(json.dumps({"clip_name": video.path.name, "options": options, "answer": 2}))
    path = tmp_path / "mc.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    values = recipe(four, fine_tuned, test={"layout": "msrvtt-mc", "annotations": str(path)})
    config = load_yaml(QuestionConfig, write_recipe(tmp_path / "r.yaml", values))
    result = measure_questions(config, fine_tuned.with_name("model.safetensors"))
    assert result.questions == 4 and result.failed == ()
    assert result.accuracy >= 75, "chance is 20"


@pytest.mark.slow
def test_open_ended_answers(four: MovingShapes, weights: Path, tmp_path: Path) -> None:
    # The question gives the answer away: that much a tiny model learns at once.
    rows = [
        {"video_id": v.path.stem, "question": f"what colour is the {v.colour} shape?", "answer": v.colour}
        for v in four.videos
    ]
    (tmp_path / "qa.json").write_text(json.dumps(rows), encoding="utf-8")
    data = {"layout": "msrvtt-qa", "annotations": str(tmp_path / "qa.json")}
    values = {**recipe(four, weights, train=data, test=data), "answers": 3}
    values["run"] = {**values["run"], "batch_size": 3}
    config = load_yaml(QuestionConfig, write_recipe(tmp_path / "r.yaml", values))
    train_questions(config, tmp_path / "out", cpu=True)
    rows_of_log = read_log(tmp_path / "out")
    assert sum(r["loss"] for r in rows_of_log[-5:]) < sum(r["loss"] for r in rows_of_log[:5])
    result = measure_questions(config, tmp_path / "out" / "model.safetensors")
    # Of four colours one is not among the three answers, and its question is always wrong.
    assert result.questions == 4 and result.accuracy <= 75
    with pytest.raises(UsageError, match="answer head"):
        measure_questions(replace(config, answers_file=tmp_path / "out" / "answers.json"), weights)


@pytest.mark.slow
def test_multiple_choice_answers(four: MovingShapes, weights: Path, tmp_path: Path) -> None:
    lines = ["gif_name\tquestion\ta1\ta2\ta3\tanswer\tvid_id\tkey"]
    for number, video in enumerate(four.videos):
        # Where all go the same way, the words alone tell; that much a tiny model learns at once.
        options = ["right", "right", "right"]
        options[number % 3] = video.move
        columns = (video.path.stem, "where does it go ?", *options, str(number % 3), "A", str(number))
        lines.append("\t".join(columns))
    (tmp_path / "q.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = {"layout": "tgif-action", "annotations": str(tmp_path / "q.csv")}
    values = recipe(four, weights, train=data, test=data)
    config = load_yaml(QuestionConfig, write_recipe(tmp_path / "r.yaml", values))
    train_questions(config, tmp_path / "out", cpu=True)
    rows = read_log(tmp_path / "out")
    assert sum(r["loss"] for r in rows[-5:]) < 0.5 * sum(r["loss"] for r in rows[:5])
    result = measure_questions(config, tmp_path / "out" / "model.safetensors")
    assert result.questions == 4 and result.accuracy == 100


def test_unreadable_videos_are_named_and_left_out(moving_shapes: MovingShapes, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 99)
    tokenizer, video = WordPieces(moving_shapes.vocabulary), moving_shapes.videos[0]
    choices = [Choice(path, "", (video.caption, "it"), 0, path.stem) for path in (broken, video.path)]
    result = evaluate_caption_choice(build_hdvila(TINY_FIELDS, 1), tokenizer, choices, CLIPS)
    assert result.questions == 1 and len(result.failed) == 1 and "broken.mp4" in result.failed[0]
    model = build_hdvila(TINY_FIELDS, 2, answers=1)
    answered = evaluate_answers(model, tokenizer, QuestionDataset(choices, CLIPS, training=False))
    assert answered.questions == 1 and "broken.mp4" in answered.failed[0]
    with pytest.raises(InputError, match=r"broken\.mp4"):
        evaluate_answers(model, tokenizer, QuestionDataset(choices[:1], CLIPS, training=False))


def test_question_batches(moving_shapes: MovingShapes) -> None:
    video = moving_shapes.videos[0]
    choices = [Choice(video.path, "which colour is it ?", ("red", "blue"), 1, "v")] * 3
    data = QuestionDataset(choices, CLIPS, training=False)
    batch = QuestionCollator(WordPieces(moving_shapes.vocabulary)).batch([data[0], data[1]])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 2, 8)
    assert batch["answers"].tolist() == [1, 1]


def test_recipes_say_what_is_missing(moving_shapes: MovingShapes, weights: Path, tmp_path: Path) -> None:
    config = load_yaml(RetrievalConfig, write_recipe(tmp_path / "r.yaml", recipe(moving_shapes, weights)))
    with pytest.raises(UsageError, match="field train"):
        train_retrieval(config, tmp_path / "out", cpu=True)
    with pytest.raises(UsageError, match="field test"):
        measure_retrieval(config)
    test = CaptionSet("didemo", tmp_path / "none.json", moving_shapes.folder)
    with pytest.raises(UsageError, match=r"none\.json"):
        measure_retrieval(replace(config, test=test))
    mc = {"layout": "msrvtt-mc", "annotations": "x"}
    with pytest.raises(UsageError, match="no training set"):
        load_yaml(QuestionConfig, write_recipe(tmp_path / "q.yaml", recipe(moving_shapes, weights, train=mc)))
